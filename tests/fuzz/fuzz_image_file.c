/* A whole *.img.h5: verified, shown, and read as the source of a split. */
#include "io/convert/select/select.h"
#include "io/inspect/inspect.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/memory_file.h"
#include "tests/fuzz/use_source.h"

#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char path[64];
    const char *const paths[] = {path};
    struct un_select all = {0};
    struct un_image_source *source;
    FILE *out = no_output();
    int fd = memory_file(data, size, path);
    if (fd < 0 || !out) return 0;
    (void)un_verify(path, out, NULL);
    un_error_clear();
    (void)un_inspect(path, out);
    un_error_clear();
    if (un_image_source_uniter(&source, paths, 1, &all, "fuzz") == UN_OK) use_source(source);
    un_error_clear();
    close(fd);
    return 0;
}
