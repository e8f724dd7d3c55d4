/* Attributes: one integer, one number, or one text, of the root, a group or a dataset. */
#include "io/h5/private.h"
#include "runtime/memory.h"
#include <string.h>

/* An attribute of one element, opened and checked. */
struct attr {
    hid_t object, id, type;
    enum un_h5_class class_;
    int64_t element_bytes;
};

static void attr_close(struct attr *a) {
    if (a->type >= 0) H5Tclose(a->type);
    if (a->id >= 0) H5Aclose(a->id);
    if (a->object >= 0) H5Oclose(a->object);
}

static enum un_status check_one_element(struct un_h5 *f, const char *object, const char *name, hid_t attr) {
    hid_t space = H5Aget_space(attr);
    hssize_t n = space < 0 ? -1 : H5Sget_simple_extent_npoints(space);
    if (space >= 0) H5Sclose(space);
    return n == 1 ? UN_OK
                  : un_h5_error(f, object, "attribute %s holds %lld elements, not 1", name, (long long)n);
}

static enum un_status find_attr(struct un_h5 *f, const char *object, hid_t id, const char *name, bool *has) {
    UN_TRY(un_h5_check_attributes(f, object, id));
    htri_t there = H5Aexists(id, name);
    *has = there > 0;
    return there < 0 ? un_h5_error(f, object, "cannot look for attribute %s", name) : UN_OK;
}

static enum un_status attr_open(struct un_h5 *f, const char *object, const char *name, struct attr *a) {
    bool there;
    *a = (struct attr){-1, -1, -1, UN_H5_INT, 0};
    UN_TRY(un_h5_object(f, object, &a->object));
    UN_TRY(find_attr(f, object, a->object, name, &there));
    if (!there)
        return un_fail(UN_DATA, "%s: %s: attribute %s is missing", f->path, object[0] ? object : "/", name);
    if ((a->id = H5Aopen(a->object, name, H5P_DEFAULT)) < 0 || (a->type = H5Aget_type(a->id)) < 0)
        return un_h5_error(f, object, "cannot open attribute %s", name);
    UN_TRY(check_one_element(f, object, name, a->id));
    return un_h5_type_class(f, name, a->type, &a->class_, &a->element_bytes);
}

static enum un_status attr_i64(struct un_h5 *f, const char *object, const char *name, struct attr *a,
                               int64_t *value) {
    UN_TRY(attr_open(f, object, name, a));
    if (a->class_ != UN_H5_INT) return un_h5_error(f, object, "attribute %s is not an integer", name);
    if (H5Aread(a->id, H5T_NATIVE_INT64, value) < 0)
        return un_h5_error(f, object, "cannot read attribute %s", name);
    return UN_OK;
}

enum un_status un_h5_attr_i64(struct un_h5 *f, const char *object, const char *name, int64_t *value) {
    UN_H5_LOCKED;
    struct attr a;
    enum un_status status = attr_i64(f, object, name, &a, value);
    attr_close(&a);
    return status;
}

static enum un_status attr_f64(struct un_h5 *f, const char *object, const char *name, struct attr *a,
                               double *value) {
    UN_TRY(attr_open(f, object, name, a));
    if (a->class_ == UN_H5_TEXT) return un_h5_error(f, object, "attribute %s is not a number", name);
    if (H5Aread(a->id, H5T_NATIVE_DOUBLE, value) < 0)
        return un_h5_error(f, object, "cannot read attribute %s", name);
    return UN_OK;
}

enum un_status un_h5_attr_f64(struct un_h5 *f, const char *object, const char *name, double *value) {
    UN_H5_LOCKED;
    struct attr a;
    enum un_status status = attr_f64(f, object, name, &a, value);
    attr_close(&a);
    return status;
}

/* HDF5 hands out variable-length text in memory of its own. */
static enum un_status read_variable_text(struct un_h5 *f, const char *object, const char *name,
                                         const struct attr *a, char *text, size_t size) {
    char *stored = NULL;
    f->texts = true;
    herr_t failed = H5Aread(a->id, a->type, &stored);
    f->texts = false;
    if (failed < 0) return un_h5_error(f, object, "cannot read attribute %s", name);
    size_t length = stored ? strlen(stored) : 0;
    if (length < size) memcpy(text, stored ? stored : "", length + 1);
    if (stored) H5free_memory(stored);
    return length < size
               ? UN_OK
               : un_h5_error(f, object, "attribute %s: %zu characters, at most %zu", name, length, size - 1);
}

static enum un_status read_fixed_text(struct un_h5 *f, const char *object, const char *name,
                                      const struct attr *a, char *text, size_t size) {
    char stored[UN_H5_TEXT_MAX + 1] = {0};
    hid_t type = H5Tcopy(a->type); /* keeps the character set, which HDF5 does not convert */
    bool ok = type >= 0 && H5Tset_size(type, sizeof stored) >= 0 &&
              H5Tset_strpad(type, H5T_STR_NULLTERM) >= 0 && H5Aread(a->id, type, stored) >= 0;
    if (type >= 0) H5Tclose(type);
    if (!ok) return un_h5_error(f, object, "cannot read attribute %s", name);
    size_t length = strlen(stored);
    if (length >= size)
        return un_h5_error(f, object, "attribute %s: %zu characters, at most %zu", name, length, size - 1);
    memcpy(text, stored, length + 1);
    return UN_OK;
}

enum un_status un_h5_attr_text(struct un_h5 *f, const char *object, const char *name, char *text,
                               size_t size) {
    UN_H5_LOCKED;
    struct attr a;
    enum un_status status = attr_open(f, object, name, &a);
    if (status == UN_OK && a.class_ != UN_H5_TEXT)
        status = un_h5_error(f, object, "attribute %s is not a text", name);
    if (status == UN_OK)
        status = a.element_bytes == 0 ? read_variable_text(f, object, name, &a, text, size)
                                      : read_fixed_text(f, object, name, &a, text, size);
    attr_close(&a);
    return status;
}

enum un_status un_h5_has_attr(struct un_h5 *f, const char *object, const char *name, bool *has) {
    UN_H5_LOCKED;
    hid_t id;
    *has = false;
    UN_TRY(un_h5_object(f, object, &id));
    enum un_status status = find_attr(f, object, id, name, has);
    H5Oclose(id);
    return status;
}

/* Replaces an attribute of that name. */
static enum un_status put_attr(struct un_h5 *f, const char *object, const char *name, hid_t type,
                               const void *value) {
    hid_t at = -1, space = -1, attr = -1;
    UN_TRY(un_h5_object(f, object, &at));
    if (H5Aexists(at, name) > 0) H5Adelete(at, name);
    bool ok = (space = H5Screate(H5S_SCALAR)) >= 0 &&
              (attr = H5Acreate2(at, name, type, space, H5P_DEFAULT, H5P_DEFAULT)) >= 0 &&
              H5Awrite(attr, type, value) >= 0 && !f->io_errno;
    enum un_status status = ok ? UN_OK : un_h5_error(f, object, "cannot write attribute %s", name);
    if (attr >= 0) H5Aclose(attr);
    if (space >= 0) H5Sclose(space);
    H5Oclose(at);
    return status;
}

enum un_status un_h5_put_attr_i64(struct un_h5 *f, const char *object, const char *name, int64_t value) {
    UN_H5_LOCKED;
    return put_attr(f, object, name, H5T_STD_I64LE, &value);
}

enum un_status un_h5_put_attr_f64(struct un_h5 *f, const char *object, const char *name, double value) {
    UN_H5_LOCKED;
    return put_attr(f, object, name, H5T_IEEE_F64LE, &value);
}

enum un_status un_h5_put_attr_text(struct un_h5 *f, const char *object, const char *name, const char *text) {
    UN_H5_LOCKED;
    size_t length = strlen(text);
    hid_t type = H5Tcopy(H5T_C_S1);
    bool ok =
        type >= 0 && H5Tset_size(type, length ? length : 1) >= 0 && H5Tset_strpad(type, H5T_STR_NULLPAD) >= 0;
    enum un_status status = ok ? put_attr(f, object, name, type, text)
                               : un_h5_error(f, object, "cannot make the type of attribute %s", name);
    if (type >= 0) H5Tclose(type);
    return status;
}
