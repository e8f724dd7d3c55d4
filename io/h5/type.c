/* Types of numbers and texts, in memory and as stored. */
#include "io/h5/private.h"

static hid_t half_type(void) {
    hid_t t = H5Tcopy(H5T_IEEE_F32LE);
    if (t < 0) return t;
    /* Fields first: they must fit when the size shrinks. */
    if (H5Tset_fields(t, 15, 10, 5, 0, 10) < 0 || H5Tset_size(t, 2) < 0 || H5Tset_ebias(t, 15) < 0) {
        H5Tclose(t);
        return -1;
    }
    return t;
}

hid_t un_h5_memory_type(enum un_type type) {
    switch (type) {
    case UN_F32: return H5Tcopy(H5T_IEEE_F32LE);
    case UN_F16: return half_type();
    case UN_I32: return H5Tcopy(H5T_STD_I32LE);
    case UN_I64: return H5Tcopy(H5T_STD_I64LE);
    case UN_U8: return H5Tcopy(H5T_STD_U8LE);
    case UN_BF16:
    case UN_E4M3:
    case UN_E5M2: break;
    }
    return -1;
}

int un_h5_stored_type(hid_t type) {
    static const enum un_type all[] = {UN_F32, UN_F16, UN_I32, UN_I64, UN_U8};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; ++i) {
        hid_t t = un_h5_memory_type(all[i]);
        htri_t equal = t < 0 ? 0 : H5Tequal(t, type);
        if (t >= 0) H5Tclose(t);
        if (equal > 0) return (int)all[i];
    }
    return -1;
}

/* Only the standard layouts: an odd bias or field could make a converter read past its buffers. */
static bool is_standard_int(hid_t type) {
    const hid_t all[] = {H5T_STD_I8LE,  H5T_STD_U8LE,  H5T_STD_I8BE,  H5T_STD_U8BE,
                         H5T_STD_I16LE, H5T_STD_U16LE, H5T_STD_I16BE, H5T_STD_U16BE,
                         H5T_STD_I32LE, H5T_STD_U32LE, H5T_STD_I32BE, H5T_STD_U32BE,
                         H5T_STD_I64LE, H5T_STD_U64LE, H5T_STD_I64BE, H5T_STD_U64BE};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; ++i)
        if (H5Tequal(all[i], type) > 0) return true;
    return false;
}

static bool is_standard_float(hid_t type) {
    return un_h5_stored_type(type) == UN_F16 || H5Tequal(H5T_IEEE_F32LE, type) > 0 ||
           H5Tequal(H5T_IEEE_F32BE, type) > 0 || H5Tequal(H5T_IEEE_F64LE, type) > 0 ||
           H5Tequal(H5T_IEEE_F64BE, type) > 0;
}

enum un_status un_h5_type_class(const struct un_h5 *f, const char *object, hid_t type,
                                enum un_h5_class *class_, int64_t *element_bytes) {
    *element_bytes = (int64_t)H5Tget_size(type);
    if (H5Tcommitted(type) > 0)
        return un_h5_error(f, object, "its type is a committed one, which is refused");
    switch (H5Tget_class(type)) {
    case H5T_INTEGER:
        *class_ = UN_H5_INT;
        return is_standard_int(type) ? UN_OK : un_h5_error(f, object, "not a standard integer type");
    case H5T_FLOAT:
        *class_ = UN_H5_FLOAT;
        return is_standard_float(type) ? UN_OK : un_h5_error(f, object, "not a standard floating-point type");
    case H5T_STRING:
        *class_ = UN_H5_TEXT;
        if (H5Tis_variable_str(type) > 0) *element_bytes = 0;
        if (*element_bytes > UN_H5_TEXT_MAX)
            return un_h5_error(f, object, "texts of %lld bytes, at most %d", (long long)*element_bytes,
                               UN_H5_TEXT_MAX);
        return UN_OK;
    default: return un_h5_error(f, object, "neither integers nor floating-point numbers nor texts");
    }
}
