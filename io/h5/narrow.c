/* Numbers that do not fit what they go to: HDF5's conversions are told to refuse them, and floats become halves here, where
 * HDF5 is not trusted with it (read.c) or does not tell which. */
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

static H5T_conv_ret_t refuse_overflow(H5T_conv_except_t what, hid_t from, hid_t to, void *in, void *out,
                                      void *context) {
    (void)from, (void)to, (void)in, (void)out;
    if (what != H5T_CONV_EXCEPT_RANGE_HI && what != H5T_CONV_EXCEPT_RANGE_LOW) return H5T_CONV_UNHANDLED;
    *(bool *)context = true;
    return H5T_CONV_ABORT;
}

hid_t un_h5_strict_transfer(bool *misfit) {
    hid_t plist = H5Pcreate(H5P_DATASET_XFER);
    *misfit = false;
    if (plist >= 0) H5Pset_type_conv_cb(plist, refuse_overflow, misfit);
    return plist;
}

enum un_status un_h5_transfer_error(const struct un_h5_data *d, const char *verb, int64_t first,
                                    int64_t count, hid_t type, bool misfit) {
    if (misfit)
        return un_h5_error(d->file, d->name, "rows [%lld, +%lld): a number there does not fit %d bits",
                           (long long)first, (long long)count, (int)(8 * H5Tget_size(type)));
    return un_h5_error(d->file, d->name, "cannot %s rows [%lld, +%lld)", verb, (long long)first,
                       (long long)count);
}
