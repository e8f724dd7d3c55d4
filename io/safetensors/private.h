/* Between the reading of the header and that of the values. */
#ifndef UN_IO_SAFETENSORS_PRIVATE_H
#define UN_IO_SAFETENSORS_PRIVATE_H

#include "io/safetensors/safetensors.h"
#include <jansson.h>

struct un_st_opened {
    struct un_st_file file; /* first: what callers hold */
    char *path;
    int fd;
    json_t *header; /* owns the names and texts */
    struct un_st_tensor *list;
    struct un_st_pair *pairs;
};

/* Parses the header's text [bytes] into list and pairs; the tensors must tile [0, data_bytes). `at` of a
 * tensor is relative to data_begin, which is added. */
enum un_status un_safetensors_header(struct un_st_opened *f, const char *text, size_t bytes,
                                     int64_t data_begin, int64_t data_bytes);

#endif
