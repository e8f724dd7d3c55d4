/* A foreign HDF5 file of features, surveyed and read. */
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/memory_file.h"
#include "tests/fuzz/use_source.h"

#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char path[64];
    const char *const paths[] = {path};
    struct un_image_source *source;
    int fd = memory_file(data, size, path);
    if (fd < 0 || !no_output()) return 0;
    enum un_status status = un_image_source_h5(&source, paths, 1, NULL);
    if (status == UN_OK) source->onehot = size % 2 ? 0 : 9;
    if (status == UN_OK) use_source(source);
    un_error_clear();
    close(fd);
    return 0;
}
