/* Searches for values that the schema forbids. */
#ifndef UN_IO_DATA_VALUES_H
#define UN_IO_DATA_VALUES_H

#include "runtime/tensor.h"

#include <stdbool.h>
#include <stddef.h>

/* Index of the first of n values that is NaN or infinite, -1: none. type: UN_F16 | UN_F32. */
int64_t un_find_not_finite(const void *values, enum un_type type, int64_t n);
/* Are they bytes of zero, all of them? */
bool un_all_zero(const void *values, size_t bytes);
/* Index of the first of n 16-bit floats outside [0, 1], -1: none. */
int64_t un_find_not_probability(const uint16_t *values, int64_t n);
/* First of n boxes (x1 y1 x2 y2 w h) that leaves [0,1] by more than 1e-3, is turned inside out or not finite;
 * -1: none. */
int64_t un_find_bad_box(const float *box, int64_t n);
/* First of n boxes whose w or h differs from the difference of its corners by more than the rounding of halves
 * (5e-3); -1: none. */
int64_t un_find_bad_extent(const float *box, int64_t n);
/* First of n rows of `width` soft labels that do not sum to one (5e-3: 1,601 halves do), as halves; -1: none. type:
 * UN_F16 | UN_F32. *sum: of that row. */
int64_t un_find_bad_sum(const void *soft, enum un_type type, int64_t n, int64_t width, double *sum);

#endif
