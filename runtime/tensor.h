/* Element types, matrix views, and the legend of shape letters that every comment uses.
 *
 *   T  packed tokens of a micro-batch (words and regions of all samples, no padding)
 *   S  samples of a micro-batch           W  words incl. [CLS] [SEP]        R  regions
 *   H  hidden width                       A  attention heads, D = H / A     I  intermediate width
 *   V  vocabulary                         F  feature width (2048)           C  region classes (1601)
 *   N  rows of whatever the op names      L  lanes                          P  elements of all parameters */
#ifndef UN_RUNTIME_TENSOR_H
#define UN_RUNTIME_TENSOR_H

#include <stdint.h>

enum un_type { UN_F32, UN_BF16, UN_F16, UN_I32, UN_I64, UN_U8, UN_E4M3, UN_E5M2 /* runtime/fp8.h */ };

static inline int64_t un_type_bytes(enum un_type t) {
    return t == UN_I64 ? 8 : t == UN_F32 || t == UN_I32 ? 4 : t == UN_BF16 || t == UN_F16 ? 2 : 1;
}

/* A row-major matrix, borrowed. stride: elements from row to row, >= cols. */
struct un_mat {
    void *data;
    enum un_type type;
    int64_t rows, cols, stride;
};

static inline struct un_mat un_mat(void *data, enum un_type type, int64_t rows, int64_t cols) {
    struct un_mat m = {data, type, rows, cols, cols};
    return m;
}
/* float32 matrix; drops const: ops that only read say so. */
static inline struct un_mat un_mat32(const void *data, int64_t rows, int64_t cols) {
    struct un_mat m = {(void *)(uintptr_t)data, UN_F32, rows, cols, cols};
    return m;
}

#endif
