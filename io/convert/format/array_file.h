/* One array of floating-point numbers in a file: the array of an .npy, or a tensor of a .safetensors. Told is
 * where its values lie, so that files of any size are read by slices. Which of the two a file is, its first
 * bytes say. */
#ifndef UN_IO_CONVERT_FORMAT_ARRAY_FILE_H
#define UN_IO_CONVERT_FORMAT_ARRAY_FILE_H

#include "runtime/status.h"

enum un_array_number { UN_ARRAY_F16, UN_ARRAY_BF16, UN_ARRAY_F32 };
enum { UN_ARRAY_RANK_MAX = 8 };

/* Row-major, little-endian, from byte `at` of the file on without a gap; all of it is there. */
struct un_array_file {
    enum un_array_number number;
    int rank;
    int64_t dims[UN_ARRAY_RANK_MAX]; /* >= 0; with one that is 0 the others are not bounded by the file */
    int64_t at;
};

int64_t un_array_number_bytes(enum un_array_number number);
const char *un_array_number_name(enum un_array_number number); /* "f16" "bf16" "f32" */

/* tensor: its name in a .safetensors; "": the only one. UN_USAGE: several without a name, which it lists, or
 * a name for an .npy. UN_DATA: other numbers (64 bits, whole ones, big-endian), column-major order, a length
 * of the file that is not what its header says, no such tensor. UN_IO. */
enum un_status un_array_file_look(struct un_array_file *array, const char *path, const char *tensor);

#endif
