/* A grid of patches, .npy or .safetensors, and its ids: the first byte says how many of the next ones are the file of ids, and
 * the lowest bits of the second one the keys. */
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/memory_file.h"
#include "tests/fuzz/use_source.h"

#include <unistd.h>

static void import(const char *path, const char *ids, uint8_t keys) {
    const char *const paths[] = {path, path};
    const struct un_image_grid grid = {.ids = ids,
                                       .tensor = keys & 1 ? "x" : "",
                                       .rows = keys & 2 ? 2 : 0,
                                       .cols = keys & 2 ? 3 : 0,
                                       .keep_class = keys & 4};
    struct un_image_source *source;
    if (un_image_source_grid(&source, paths, keys & 8 ? 2 : 1, &grid) == UN_OK) use_source(source);
    un_error_clear();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char path[64], ids_path[64];
    if (size < 2 || size - 2 < data[0] || !no_output()) return 0;
    int ids = memory_file(data + 2, data[0], ids_path);
    int file = memory_file(data + 2 + data[0], size - 2 - data[0], path);
    if (ids >= 0 && file >= 0) import(path, ids_path, data[1]);
    if (ids >= 0) close(ids);
    if (file >= 0) close(file);
    return 0;
}
