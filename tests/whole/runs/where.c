/* where FILE DATASET TYPE: prints the byte offset of a contiguous dataset and its rows, so that a test can
 * damage it. */
#include "io/h5/h5.h"

#include <stdio.h>
#include <string.h>

int main(int argc, char **argv) {
    struct un_h5 *file;
    struct un_h5_data *data;
    struct un_h5_shape shape;
    if (argc != 4) return 64;
    enum un_type type = strcmp(argv[3], "f16") == 0 ? UN_F16 : strcmp(argv[3], "i64") == 0 ? UN_I64 : UN_F32;
    if (un_h5_open(&file, argv[1], false) != UN_OK ||
        un_h5_data_open(file, argv[2], &data, &shape) != UN_OK) {
        fprintf(stderr, "%s\n", un_error_get()->text);
        return un_error_get()->status;
    }
    printf("%lld %lld\n", (long long)un_h5_raw_offset(data, type), (long long)shape.dims[0]);
    un_h5_data_close(data);
    un_h5_close(file);
    return 0;
}
