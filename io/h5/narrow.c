/* Floats to halves, where HDF5 is not trusted with it (read.c) or does not tell what did not fit. */
#include "io/h5/private.h"
#include "runtime/half.h"

enum un_status un_h5_narrow(const struct un_h5_data *d, int64_t row, const float *in, uint16_t *out,
                            int64_t n) {
    for (int64_t i = 0; i < n; ++i) {
        out[i] = un_half_from(in[i]);
        if ((out[i] & 0x7FFFu) == 0x7C00u && in[i] - in[i] == 0.0f)
            return un_h5_error(d->file, d->name, "row %lld: %g does not fit a 16-bit float",
                               (long long)(row + i / d->shape.dims[1]), (double)in[i]);
    }
    return UN_OK;
}
