/* A TSV of features with the index of its lines beside it: the index, a zero byte, the TSV. The two find each other by their
 * names, so they stand in a folder. */
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/memory_file.h"
#include "tests/fuzz/use_source.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void write_file(const char *path, const uint8_t *data, size_t size) {
    FILE *f = fopen(path, "wb");
    if (!f || fwrite(data, 1, size, f) != size || fclose(f) != 0) abort();
}

static void use(const char *tsv) {
    const char *const paths[] = {tsv};
    struct un_image_source *source;
    if (un_image_source_tsv(&source, paths, 1) == UN_OK) use_source(source);
    un_error_clear();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char folder[] = "/dev/shm/fuzz.XXXXXX", tsv[64], index[64];
    const uint8_t *zero = size ? memchr(data, 0, size) : NULL;
    if (!zero || !no_output() || !mkdtemp(folder)) return 0;
    snprintf(tsv, sizeof tsv, "%s/x.tsv", folder);
    snprintf(index, sizeof index, "%s/x.lineidx", folder);
    size_t front = (size_t)(zero - data);
    write_file(index, data, front);
    write_file(tsv, zero + 1, size - front - 1);
    use(tsv);
    if (unlink(tsv) != 0 || unlink(index) != 0 || rmdir(folder) != 0) abort();
    return 0;
}
