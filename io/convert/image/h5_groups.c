/* The forms of h5.c with datasets of their own for every image: a group an image, or datasets named
 * ID_features, ID_boxes, ID_cls_prob. Images come in the order of their names. */
#include "io/convert/image/h5.h"
#include "runtime/memory.h"

#include <stdio.h>
#include <string.h>

static const char suffix[] = "_features"; /* of the form UN_H5_NAMES */

enum un_status un_h5_groups_prefix(const struct un_h5_file *file, const char *id, char *prefix, size_t size) {
    int length = snprintf(prefix, size, "%s%s%s", file->base, id, file->form == UN_H5_GROUPS ? "/" : "_");
    if (length >= 0 && (size_t)length < size) return UN_OK;
    return un_fail(UN_DATA, "%s: %s%s: a name too long", file->path, file->base, id);
}

/* A dataset of one number, or an attribute of the group. */
static enum un_status one_number(const struct un_h5_file *file, const char *group, const char *prefix,
                                 const char *name, double *value) {
    char path[512];
    struct un_h5_shape shape;
    void *values;
    bool has = false;
    if (snprintf(path, sizeof path, "%s%s", prefix, name) < (int)sizeof path &&
        un_h5_has_link(file->h5, path)) {
        struct un_h5_data *data;
        UN_TRY(un_h5_data_open(file->h5, path, &data, &shape));
        un_h5_data_close(data);
        if (shape.dims[0] != 1 || shape.dims[1] != 1 || shape.class_ == UN_H5_TEXT)
            return un_fail(UN_DATA, "%s: %s is not one number", file->path, path);
        bool whole = shape.class_ == UN_H5_INT;
        UN_TRY(un_h5_read_all(file->h5, path, whole ? UN_I64 : UN_F32, &shape, &values));
        *value = whole ? (double)*(int64_t *)values : (double)*(float *)values;
        un_free(values);
        return UN_OK;
    }
    if (group) UN_TRY(un_h5_has_attr(file->h5, group, name, &has));
    return has ? un_h5_attr_f64(file->h5, group, name, value) : UN_OK;
}

enum un_status un_h5_groups_size(const struct un_h5_file *file, const char *prefix, double *width,
                                 double *height) {
    static const char *const widths[] = {"image_w", "img_w", "width", "image_width"};
    static const char *const heights[] = {"image_h", "img_h", "height", "image_height"};
    char group[512];
    snprintf(group, sizeof group, "%s", prefix);
    bool is_group = file->form == UN_H5_GROUPS;
    if (is_group) group[strlen(group) - 1] = '\0'; /* without its slash */
    *width = *height = 0;
    for (int i = 0; i < 4 && *width == 0; ++i) /* NOLINT: 0 is "not found" */
        UN_TRY(one_number(file, is_group ? group : NULL, prefix, widths[i], width));
    for (int i = 0; i < 4 && *height == 0; ++i)
        UN_TRY(one_number(file, is_group ? group : NULL, prefix, heights[i], height));
    return UN_OK;
}

/* Members of an image under `prefix` that stand for nothing; all: every one. */
static enum un_status others_of(const struct un_h5_file *file, const char *id, const char *prefix, bool all,
                                char text[400]) {
    char front[UN_IMAGE_ID_MAX + 2];
    bool groups = file->form == UN_H5_GROUPS;
    snprintf(front, sizeof front, "%s_", id);
    return un_h5_others(file, groups ? prefix : file->base, groups ? "" : front, all, text, 400);
}

static enum un_status miss(const struct un_h5_file *file, const char *id, const char *prefix,
                           const char *what) {
    char text[400];
    UN_TRY(others_of(file, id, prefix, true, text));
    return un_fail(UN_DATA, "%s: %s has no %s; there are: %s", file->path, prefix, what, text);
}

/* Of the first image all is looked at, of others what labels=onehot needs. */
static enum un_status check_others(const struct un_h5_file *file, const char *id, const char *prefix,
                                   const struct un_h5_column *c, bool first) {
    char text[400] = "";
    if (first || (file->onehot && !c[UN_H5_CLASS].data)) UN_TRY(others_of(file, id, prefix, false, text));
    UN_TRY(un_h5_classes_check(file, prefix, c, text));
    if (text[0] && first)
        un_log(UN_LOG_INFO, "%s: %s: not taken, here and in all images: %s", file->path, prefix, text);
    return UN_OK;
}

static enum un_status survey_image(struct un_source_h5 *source, struct un_h5_file *file,
                                   struct un_image_list *list, const char *id, int64_t number,
                                   struct un_h5_column *c) {
    char prefix[512], where[1200];
    UN_TRY(un_h5_groups_prefix(file, id, prefix, sizeof prefix));
    for (int role = 0; role < UN_H5_ROLES; ++role) {
        if (role == UN_H5_BOX && c[UN_H5_UNIT_BOX].data) continue;
        UN_TRY(un_h5_column_open(c + role, file, prefix, (enum un_h5_role)role, 0));
        if (c[role].data && c[role].regions != c->regions)
            return un_fail(UN_DATA, "%s: %s is of %lld regions, %s of %lld", file->path, c[role].name,
                           (long long)c[role].regions, c->name, (long long)c->regions);
    }
    if (!c->data) return miss(file, id, prefix, "features");
    const struct un_h5_column *box = c[UN_H5_UNIT_BOX].data ? c + UN_H5_UNIT_BOX : c + UN_H5_BOX;
    if (!box->data) return miss(file, id, prefix, "boxes");
    UN_TRY(check_others(file, id, prefix, c, !source->shape_set));
    UN_TRY(un_h5_shape_agree(source, list, file, c));
    snprintf(where, sizeof where, "%s: %s", file->path, prefix);
    UN_TRY(un_image_list_add(list, where, id, c->regions, 0, number));
    return box == c + UN_H5_BOX ? un_h5_scale_look(source, file, box, 0, box->regions) : UN_OK;
}

/* The image a child of the base is; NULL: none. Changes the name. */
static const char *image_of(const struct un_h5_file *file, char *name) {
    size_t length = strlen(name), tail = sizeof suffix - 1;
    if (file->form == UN_H5_GROUPS) return name;
    if (length <= tail || strcmp(name + length - tail, suffix) != 0) return NULL;
    name[length - tail] = '\0';
    return name;
}

static enum un_status survey_children(struct un_source_h5 *source, struct un_h5_file *file,
                                      struct un_image_list *list, int64_t number, char **names, int64_t n) {
    char where[1200];
    enum un_status status = UN_OK;
    un_image_source_ahead(&source->source, n, 1, "name");
    for (int64_t i = 0; i < n && status == UN_OK; ++i) {
        struct un_h5_column columns[UN_H5_ROLES] = {{0}};
        const char *id = image_of(file, names[i]);
        if (!id) continue;
        int64_t before = list->n;
        status = survey_image(source, file, list, id, number, columns);
        snprintf(where, sizeof where, "%s: %s", file->path, id);
        if (list->n == before || status == UN_OK)
            status = un_image_source_listed(&source->source, where, status);
        for (int role = 0; role < UN_H5_ROLES; ++role) un_h5_column_close(columns + role);
        if (status == UN_OK) status = un_image_source_seen(&source->source, 1);
    }
    return status;
}

enum un_status un_h5_groups_survey(struct un_source_h5 *source, struct un_h5_file *file,
                                   struct un_image_list *list, int64_t number) {
    char **names;
    int64_t n, before = list->n;
    UN_TRY(un_h5_names(file->h5, file->base, &names, &n));
    enum un_status status = survey_children(source, file, list, number, names, n);
    un_h5_names_free(names, n);
    if (status == UN_OK && list->n == before) status = un_fail(UN_DATA, "%s: no images in it", file->path);
    file->images = list->n - before;
    return status;
}
