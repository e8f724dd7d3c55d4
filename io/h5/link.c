/* Objects behind hard links, and the names of a group. */
#include "io/h5/private.h"
#include "runtime/memory.h"
#include <stdlib.h>
#include <string.h>

static enum un_h5_link link_of(const struct un_h5 *f, const char *prefix) {
    H5L_info_t info;
    if (H5Lexists(f->id, prefix, H5P_DEFAULT) <= 0) return UN_H5_ABSENT;
    if (H5Lget_info(f->id, prefix, &info, H5P_DEFAULT) < 0) return UN_H5_ABSENT;
    return info.type == H5L_TYPE_HARD ? UN_H5_HARD : UN_H5_FOREIGN;
}

enum un_h5_link un_h5_link(struct un_h5 *f, const char *name) {
    char prefix[UN_H5_NAME_MAX];
    size_t length = strlen(name);
    if (length == 0 || length >= sizeof prefix) return UN_H5_ABSENT;
    for (size_t i = 1; i <= length; ++i) {
        if (name[i] != '/' && name[i] != '\0') continue;
        memcpy(prefix, name, i);
        prefix[i] = '\0';
        enum un_h5_link link = link_of(f, prefix);
        if (link != UN_H5_HARD) return link;
        if (name[i] == '/' && un_h5_check_filters(f, prefix) != UN_OK) { /* HDF5 would decode it on its way */
            un_error_clear();
            return UN_H5_ABSENT;
        }
    }
    return UN_H5_HARD;
}

enum un_status un_h5_object(struct un_h5 *f, const char *name, hid_t *object) {
    bool root = name[0] == '\0' || strcmp(name, "/") == 0;
    un_h5_refill(f);
    enum un_h5_link link = root ? UN_H5_HARD : un_h5_link(f, name);
    if (link == UN_H5_ABSENT) return un_fail(UN_DATA, "%s: %s is missing", f->path, name);
    if (link == UN_H5_FOREIGN)
        return un_fail(UN_DATA, "%s: %s is a soft or external link, which is refused", f->path, name);
    if (!root) UN_TRY(un_h5_check_filters(f, name));
    *object = H5Oopen(f->id, root ? "/" : name, H5P_DEFAULT);
    return *object < 0 ? un_h5_error(f, name, "cannot open") : UN_OK;
}

bool un_h5_exists(struct un_h5 *f, const char *name) {
    UN_H5_LOCKED;
    return un_h5_link(f, name) == UN_H5_HARD && H5Oexists_by_name(f->id, name, H5P_DEFAULT) > 0;
}

bool un_h5_has_link(struct un_h5 *f, const char *name) {
    UN_H5_LOCKED;
    return un_h5_link(f, name) != UN_H5_ABSENT;
}

static int compare_names(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static enum un_status name_at(const struct un_h5 *f, const char *group_name, hid_t group, hsize_t i,
                              char **name) {
    char text[UN_H5_NAME_MAX];
    ssize_t length =
        H5Lget_name_by_idx(group, ".", H5_INDEX_NAME, H5_ITER_NATIVE, i, text, sizeof text, H5P_DEFAULT);
    if (length < 0 || length >= (ssize_t)sizeof text)
        return un_h5_error(f, group_name, "cannot read the name of child %llu", (unsigned long long)i);
    *name = un_strdup(text);
    return *name ? UN_OK : UN_MEMORY;
}

enum un_status un_h5_names(struct un_h5 *f, const char *group_name, char ***names, int64_t *n) {
    UN_H5_LOCKED;
    enum un_status status = UN_OK;
    H5G_info_t info = {0};
    hid_t group = -1;
    *names = NULL;
    *n = 0;
    UN_TRY(un_h5_object(f, group_name, &group));
    if (H5Iget_type(group) != H5I_GROUP || H5Gget_info(group, &info) < 0)
        UN_TRY_GOTO(un_h5_error(f, group_name, "not a group"), out);
    if (!f->partial && info.nlinks > (hsize_t)f->bytes)
        UN_TRY_GOTO(un_h5_error(f, group_name, "%llu children in %lld bytes", (unsigned long long)info.nlinks,
                                (long long)f->bytes),
                    out);
    *names = un_alloc((size_t)info.nlinks + 1, sizeof **names, "names of an HDF5 group");
    if (!*names) UN_TRY_GOTO(UN_MEMORY, out);
    for (; *n < (int64_t)info.nlinks; ++*n)
        UN_TRY_GOTO(name_at(f, group_name, group, (hsize_t)*n, *names + *n), out);
    qsort(*names, (size_t)*n, sizeof **names, compare_names);
out:
    H5Oclose(group);
    if (status != UN_OK) {
        un_h5_names_free(*names, *n);
        *names = NULL;
        *n = 0;
    }
    return status;
}

void un_h5_names_free(char **names, int64_t n) {
    if (!names) return;
    for (int64_t i = 0; i < n; ++i) un_free(names[i]);
    un_free(names);
}
