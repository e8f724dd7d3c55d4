/* Which images: by a keyed hash of the id or by a list (select.h). */
#include "io/convert/select/select.h"
#include "io/data/file.h"
#include "io/disk/files.h"
#include "runtime/memory.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

static const size_t list_bytes_most = (size_t)1 << 32;

struct un_select un_select_fraction(double fraction, int64_t seed, enum un_select_use use) {
    const int64_t key[] = {seed, (int64_t)use};
    return (struct un_select){
        .rule = UN_SELECT_FRACTION, .fraction = fraction, .key = XXH3_64bits(key, sizeof key)};
}

/* *found: the index of an equal id, which is not added again; else -1. */
static enum un_status add_id(struct un_select *s, const char *where, const char *id, int64_t *found) {
    if (s->n == s->capacity) {
        int64_t more = s->capacity + s->capacity / 2 + 64;
        void *ids = s->ids;
        UN_TRY(un_grow(&ids, (size_t)s->capacity, (size_t)more, sizeof *s->ids, "image ids"));
        s->ids = ids;
        s->capacity = more;
    }
    s->ids[s->n] = id;
    UN_TRY(un_idmap_add(&s->map, s->ids, s->n, found));
    if (*found >= 0) return UN_OK;
    UN_TRY(un_image_list_add(&s->pool, where, id, 1, 0, 0));
    s->ids[s->n++] = s->pool.list[s->pool.n - 1].id;
    return UN_OK;
}

static enum un_status add_line(struct un_select *s, const char *path, int64_t line, const char *text,
                               size_t length) {
    char id[UN_IMAGE_ID_MAX + 1];
    int64_t found;
    while (length > 0 && (text[length - 1] == '\r' || text[length - 1] == ' ')) --length;
    if (length == 0) return un_fail(UN_DATA, "%s: line %lld is empty", path, (long long)line);
    if (length > UN_IMAGE_ID_MAX)
        return un_fail(UN_DATA, "%s: line %lld: an image id of %zu bytes, at most %d", path, (long long)line,
                       length, UN_IMAGE_ID_MAX);
    if (memchr(text, '\0', length))
        return un_fail(UN_DATA, "%s: line %lld: a zero byte", path, (long long)line);
    memcpy(id, text, length);
    id[length] = '\0';
    UN_TRY(add_id(s, path, id, &found));
    return found < 0 ? UN_OK
                     : un_fail(UN_DATA, "%s: line %lld: %s stands already in line %lld", path,
                               (long long)line, id, (long long)(found + 1));
}

static enum un_status add_lines(struct un_select *s, const char *path) {
    char *text;
    size_t bytes;
    UN_TRY(un_files_read(path, list_bytes_most, &text, &bytes));
    enum un_status status = bytes > 0 ? UN_OK : un_fail(UN_DATA, "%s: no image id in it", path);
    for (size_t at = 0; at < bytes && status == UN_OK;) {
        const char *end = memchr(text + at, '\n', bytes - at);
        size_t length = end ? (size_t)(end - (text + at)) : bytes - at;
        status = add_line(s, path, s->n + 1, text + at, length);
        at += length + 1;
    }
    un_free(text);
    return status;
}

static enum un_status add_cells(struct un_select *s, const char *path, const char *ids, int64_t stride,
                                int64_t n, int64_t most) {
    int64_t found;
    for (int64_t i = 0; i < n && s->n < most; ++i) UN_TRY(add_id(s, path, ids + i * stride, &found));
    return UN_OK;
}

static enum un_status add_file(struct un_select *s, const char *path, int64_t most) {
    bool text;
    enum un_status status;
    UN_TRY(un_data_kind(path, &text));
    if (text) {
        struct un_text_file f;
        UN_TRY(un_text_file_open(&f, path));
        status = add_cells(s, path, f.image_ids, f.image_stride, f.texts, most);
        un_text_file_close(&f);
    } else {
        struct un_image_file f;
        UN_TRY(un_image_file_open(&f, path));
        status = add_cells(s, path, f.ids, f.id_stride, f.images, most);
        un_image_file_close(&f);
    }
    return status;
}

static enum un_status finish(struct un_select *s, const char *path) {
    if (s->n == 0) return un_fail(UN_DATA, "%s: no image id in it", path);
    s->hit = un_alloc((size_t)s->n, 1, "image ids");
    return s->hit ? UN_OK : UN_MEMORY;
}

static bool is_hdf5(const char *path) {
    static const unsigned char magic[8] = {0x89, 'H', 'D', 'F', '\r', '\n', 0x1A, '\n'};
    unsigned char head[8];
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    bool is = fd >= 0 && read(fd, head, sizeof head) == (ssize_t)sizeof head &&
              memcmp(head, magic, sizeof head) == 0;
    if (fd >= 0) close(fd);
    return is;
}

enum un_status un_select_ids(struct un_select *s, const char *path) {
    *s = (struct un_select){.rule = UN_SELECT_IDS};
    enum un_status status = is_hdf5(path) ? add_file(s, path, INT64_MAX) : add_lines(s, path);
    if (status == UN_OK) status = finish(s, path);
    if (status == UN_OK) status = un_image_stamp(&s->stamp, path);
    if (status != UN_OK) un_select_free(s);
    return status;
}

enum un_status un_select_first(struct un_select *s, const char *const *paths, int n, int64_t most) {
    enum un_status status = UN_OK;
    *s = (struct un_select){.rule = UN_SELECT_IDS};
    for (int i = 0; i < n && s->n < most && status == UN_OK; ++i) status = add_file(s, paths[i], most);
    if (status == UN_OK) status = finish(s, paths[0]);
    if (status != UN_OK) un_select_free(s);
    return status;
}

void un_select_free(struct un_select *s) {
    un_idmap_close(&s->map);
    un_image_list_free(&s->pool);
    un_free(s->ids);
    un_free(s->hit);
    *s = (struct un_select){0};
}

bool un_select_has(struct un_select *s, const char *id) {
    bool has = true;
    int64_t at;
    if (s->rule == UN_SELECT_FRACTION)
        has = (double)(XXH3_64bits_withSeed(id, strlen(id), s->key) >> 11) * 0x1p-53 < s->fraction;
    if (s->rule == UN_SELECT_IDS) {
        at = un_idmap_find(&s->map, id);
        has = at >= 0;
        if (has) s->hit[at] = 1;
    }
    return has != s->invert;
}

void un_select_tell_missing(const struct un_select *s, const char *out) {
    int64_t missing = 0, first = -1;
    for (int64_t i = 0; s->rule == UN_SELECT_IDS && i < s->n; ++i) {
        if (s->hit[i]) continue;
        if (missing++ == 0) first = i;
    }
    if (missing)
        un_log(UN_LOG_WARN, "%s: nothing was found for %lld of %lld image ids of the list, %s the first", out,
               (long long)missing, (long long)s->n, s->ids[first]);
}
