/* OUT.partial before its rows: all datasets in their final places, the index filled in, room reserved.
 *
 * Law: nothing here needs more memory than a block of the index, whatever the number of images. */
#include "io/convert/image/private.h"
#include "io/disk/calls.h"
#include "io/h5/h5.h"
#include "runtime/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BLOCK = 4096 }; /* rows of the index written at a time */

void un_image_places(struct un_image_place places[UN_IMAGE_COLUMNS], const struct un_image_shape *s) {
    const struct un_image_place all[UN_IMAGE_COLUMNS] = {
        [UN_IMAGE_FEATURE] = {"feature", s->feature_type, s->img_dim, 0, 0},
        [UN_IMAGE_BOX] = {"box", UN_F32, 6, 0, 0},
        [UN_IMAGE_CONFIDENCE] = {"confidence", s->confidence_type, 1, 0, 0},
        [UN_IMAGE_SOFT] = {"soft_label", s->soft_type, s->classes, 0, 0}};
    for (int c = 0; c < UN_IMAGE_COLUMNS; ++c) {
        places[c] = all[c];
        places[c].row_bytes = all[c].width * un_type_bytes(all[c].type);
    }
}

static enum un_status write_ids(struct un_h5 *h5, const struct un_image_list *list) {
    int64_t stride = 1;
    for (int64_t i = 0; i < list->n; ++i) {
        int64_t length = list->list[i].regions ? (int64_t)strlen(list->list[i].id) : 0;
        stride = length > stride ? length : stride;
    }
    struct un_h5_data *data = NULL;
    char *cells = un_alloc(BLOCK, (size_t)stride, "image ids");
    if (!cells) return UN_MEMORY;
    enum un_status status = un_h5_texts_create(h5, "image_id", list->n - list->left, stride, &data);
    for (int64_t at = 0, i = 0, n; i < list->n && status == UN_OK; at += n) {
        memset(cells, 0, (size_t)(BLOCK * stride));
        for (n = 0; i < list->n && n < BLOCK; ++i)
            if (list->list[i].regions)
                memcpy(cells + n++ * stride, list->list[i].id, strlen(list->list[i].id));
        if (n > 0) status = un_h5_texts_write(data, at, n, cells);
    }
    un_h5_data_close(data);
    un_free(cells);
    return status;
}

static enum un_status write_offsets(struct un_h5 *h5, const struct un_image_list *list) {
    int64_t offset[BLOCK], sum = 0;
    struct un_h5_data *data;
    UN_TRY(un_h5_data_create(h5, "region_offset", UN_I64, list->n - list->left + 1, 0, &data));
    enum un_status status = UN_OK;
    for (int64_t at = 0, i = 0, n; i <= list->n && status == UN_OK; at += n) {
        for (n = 0; i <= list->n && n < BLOCK; ++i) {
            if (i < list->n && list->list[i].regions == 0) continue;
            offset[n++] = sum;
            if (i < list->n) sum += list->list[i].regions;
        }
        status = un_h5_write_rows(data, at, n, UN_I64, offset);
    }
    un_h5_data_close(data);
    return status;
}

/* Where the rows begin, when there is a dataset of exactly that type and size. */
static enum un_status find_place(struct un_h5_data *data, const char *out, struct un_image_place *place) {
    place->at = un_h5_raw_offset(data, place->type);
    return place->at >= 0 ? UN_OK
                          : un_fail(UN_DATA, "%s.partial: %s is not stored in one piece", out, place->name);
}

static enum un_status create_all(struct un_h5 *h5, const struct un_image_source *source,
                                 const struct un_image_list *list, const char *out,
                                 struct un_image_place places[UN_IMAGE_COLUMNS]) {
    UN_TRY(un_h5_put_attr_text(h5, "", "format", "uniter-images"));
    UN_TRY(un_h5_put_attr_i64(h5, "", "version", 1));
    UN_TRY(un_h5_put_attr_text(h5, "", "source", source->name));
    UN_TRY(write_ids(h5, list));
    UN_TRY(write_offsets(h5, list));
    for (int c = 0; c < UN_IMAGE_COLUMNS; ++c) {
        struct un_h5_data *data;
        if (places[c].width == 0) continue;
        UN_TRY(un_h5_data_create(h5, places[c].name, places[c].type, list->regions,
                                 c == UN_IMAGE_CONFIDENCE ? 0 : places[c].width, &data));
        enum un_status status = find_place(data, out, places + c);
        un_h5_data_close(data);
        if (status != UN_OK) return status;
    }
    return UN_OK;
}

/* A disk without room is found now and not after hours; file systems that cannot reserve go without. */
static enum un_status reserve(const char *out) {
    struct stat st;
    char *partial = un_format("%s.partial", out);
    if (!partial) return UN_MEMORY;
    int fd = un_calls_open(partial, O_WRONLY | O_CLOEXEC), failed = 0;
    if (fd < 0 || fstat(fd, &st) != 0) failed = errno;
    if (!failed && st.st_size > 0 && fallocate(fd, 0, 0, st.st_size) != 0 && errno != EOPNOTSUPP &&
        errno != ENOSYS && errno != EINVAL && errno != EINTR)
        failed = errno;
    enum un_status status = failed ? un_fail(UN_IO, "%s: no room for its %lld bytes: %s", partial,
                                             fd < 0 ? 0LL : (long long)st.st_size, strerror(failed))
                                   : UN_OK;
    if (fd >= 0) close(fd);
    if (failed) unlink(partial);
    un_free(partial);
    return status;
}

enum un_status un_image_layout(const char *out, const struct un_image_source *source,
                               const struct un_image_list *list,
                               struct un_image_place places[UN_IMAGE_COLUMNS]) {
    struct un_h5 *h5;
    UN_TRY(un_h5_create(&h5, out));
    enum un_status status = create_all(h5, source, list, out, places);
    if (status != UN_OK) {
        un_h5_close(h5);
        return status;
    }
    UN_TRY(un_h5_set_aside(h5));
    return reserve(out);
}

static enum un_status find_all(struct un_h5 *h5, const char *out, const struct un_image_list *list,
                               struct un_image_place places[UN_IMAGE_COLUMNS]) {
    for (int c = 0; c < UN_IMAGE_COLUMNS; ++c) {
        struct un_h5_data *data;
        struct un_h5_shape shape;
        if (places[c].width == 0) continue;
        UN_TRY(un_h5_data_open(h5, places[c].name, &data, &shape));
        enum un_status status = find_place(data, out, places + c);
        if (status == UN_OK && (shape.dims[0] != list->regions || shape.dims[1] != places[c].width))
            status = un_fail(UN_DATA, "%s.partial: %s is %lld x %lld, not %lld x %lld", out, places[c].name,
                             (long long)shape.dims[0], (long long)shape.dims[1], (long long)list->regions,
                             (long long)places[c].width);
        un_h5_data_close(data);
        if (status != UN_OK) return status;
    }
    return UN_OK;
}

enum un_status un_image_layout_find(const char *out, const struct un_image_list *list,
                                    struct un_image_place places[UN_IMAGE_COLUMNS]) {
    struct un_h5 *h5;
    char *partial = un_format("%s.partial", out);
    if (!partial) return UN_MEMORY;
    enum un_status status = un_h5_open(&h5, partial, false);
    if (status == UN_OK) {
        status = find_all(h5, out, list, places);
        un_h5_close(h5);
    }
    un_free(partial);
    return status;
}
