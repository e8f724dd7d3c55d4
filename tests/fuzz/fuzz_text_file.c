/* A whole *.txt.h5: verified, shown, and taken as a list of image ids. */
#include "io/convert/select/select.h"
#include "io/inspect/inspect.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/memory_file.h"

#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char path[64];
    struct un_select ids;
    FILE *out = no_output();
    int fd = memory_file(data, size, path);
    if (fd < 0 || !out) return 0;
    (void)un_verify(path, out, NULL);
    un_error_clear();
    (void)un_inspect(path, out);
    un_error_clear();
    if (un_select_ids(&ids, path) == UN_OK) un_select_free(&ids);
    un_error_clear();
    close(fd);
    return 0;
}
