/* The authors' img_db: an LMDB folder whose values are one image each (lmdb_image.h), the key the image's id
 * as it stands; `__keys__` lists the keys and is passed over. Halves and floats keep their bits. */
#include "io/convert/image/img_db.h"
#include "io/convert/format/lmdb.h"
#include "io/convert/image/img_db_value.h"
#include "io/disk/files.h"
#include "runtime/memory.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct source_lmdb {
    struct un_image_source source; /* first */
    struct un_lmdb **db;           /* [n] */
    const char **folder;           /* [n] borrowed */
    int n;
};
struct un_image_reader {
    const struct source_lmdb *source;
    struct un_lmdb_cursor **cursor; /* [n], opened at first use */
    struct un_image_room room;
};

/* What is at an item: arrays and, of an .npz, its values (or with `survey` only the numbers). */
static enum un_status find_image(const struct source_lmdb *s, const struct un_lmdb_item *item,
                                 const char *where, bool survey, struct un_image_room *room,
                                 struct un_image_arrays *arrays) {
    struct un_npz_member member[UN_ARRAY_ROLES] = {0};
    struct un_image_extent e;
    struct un_npz *npz;
    *arrays = (struct un_image_arrays){.onehot = s->source.onehot};
    enum un_status status = un_lmdb_image_find(item->value, item->value_bytes, where, arrays, &npz, member);
    if (status == UN_OK && npz) status = un_lmdb_image_load(npz, member, arrays, room, true);
    if (status == UN_OK && npz && !survey) status = un_image_arrays_extent(arrays, where, &e);
    if (status == UN_OK && npz && !survey) status = un_lmdb_image_load(npz, member, arrays, room, false);
    un_npz_close(npz);
    return status;
}

static enum un_status add_image(struct source_lmdb *s, const struct un_lmdb_item *item,
                                struct un_image_room *room, struct un_image_list *list, int number) {
    const char *path = un_lmdb_path(s->db[number]);
    char id[UN_IMAGE_ID_MAX + 1], where[UN_PATH_MAX + UN_IMAGE_ID_MAX + 8];
    struct un_image_arrays arrays;
    struct un_image_extent e;
    if (item->key_bytes > UN_IMAGE_ID_MAX || memchr(item->key, 0, item->key_bytes))
        return un_fail(UN_DATA, "%s: a key of %zu bytes (%.*s) is no image id", path, item->key_bytes, 20,
                       (const char *)memcpy(memset(id, 0, sizeof id), item->key,
                                            item->key_bytes < 20 ? item->key_bytes : 20));
    memcpy(id, item->key, item->key_bytes);
    id[item->key_bytes] = '\0';
    snprintf(where, sizeof where, "%s: %s", path, id);
    enum un_status status = find_image(s, item, where, true, room, &arrays);
    if (status == UN_OK) status = un_image_arrays_extent(&arrays, where, &e);
    if (status == UN_OK && list->n == 0) un_image_arrays_say(&arrays, where);
    if (status == UN_OK) status = un_image_arrays_agree(list, where, &e.shape);
    if (status == UN_OK) status = un_image_list_add(list, where, id, e.regions, number, 0);
    return un_image_source_listed(&s->source, where, status);
}

static enum un_status survey_one(struct source_lmdb *s, struct un_image_list *list, int number) {
    struct un_lmdb *db = s->db[number];
    static const char keys[] = "__keys__";
    struct un_image_room room = {0};
    struct un_lmdb_cursor *cursor;
    struct un_lmdb_item item;
    bool more = true;
    UN_TRY(un_lmdb_cursor_open(db, &cursor, false));
    enum un_status status = UN_OK;
    while (status == UN_OK) {
        status = un_lmdb_cursor_next(cursor, &item, &more);
        if (status != UN_OK || !more) break;
        if (item.key_bytes == sizeof keys - 1 && memcmp(item.key, keys, sizeof keys - 1) == 0) continue;
        status = add_image(s, &item, &room, list, number);
        if (status == UN_OK) status = un_image_source_seen(&s->source, 1);
    }
    un_lmdb_cursor_close(cursor);
    un_image_room_free(&room);
    return status;
}

static enum un_status survey(struct un_image_source *source, struct un_image_list *list) {
    struct source_lmdb *s = (struct source_lmdb *)source;
    int64_t entries = 0;
    for (int i = 0; i < s->n; ++i) entries += un_lmdb_entries(s->db[i]);
    un_image_source_ahead(source, entries, 1, "image");
    for (int i = 0; i < s->n; ++i) {
        int64_t first = list->n;
        UN_TRY(survey_one(s, list, i));
        UN_TRY(un_lmdb_nbb_check(s->folder[i], list, first));
    }
    return UN_OK;
}

static void where_is(const struct un_image_source *source, const struct un_image_list *list, int64_t index,
                     char *text, size_t size) {
    const struct un_image_entry *entry = list->list + index;
    snprintf(text, size, "%s: %s", un_lmdb_path(((const struct source_lmdb *)source)->db[entry->at]),
             entry->id);
}

static enum un_status reader_open(struct un_image_source *source, struct un_image_reader **reader) {
    const struct source_lmdb *s = (struct source_lmdb *)source;
    struct un_image_reader *r = *reader = un_alloc(1, sizeof *r, "a reader");
    if (!r) return UN_MEMORY;
    r->source = s;
    r->cursor = un_alloc((size_t)s->n, sizeof *r->cursor, "a reader");
    return r->cursor ? UN_OK : UN_MEMORY;
}

static void reader_close(struct un_image_reader *r) {
    for (int i = 0; r->cursor && i < r->source->n; ++i) un_lmdb_cursor_close(r->cursor[i]);
    un_free(r->cursor);
    un_image_room_free(&r->room);
    un_free(r);
}

static enum un_status read_image(struct un_image_reader *r, const struct un_image_list *list, int64_t index,
                                 struct un_image_record *record) {
    const struct un_image_entry *entry = list->list + index;
    struct un_lmdb *db = r->source->db[entry->at];
    char where[UN_PATH_MAX + UN_IMAGE_ID_MAX + 8];
    struct un_lmdb_item item;
    struct un_image_arrays arrays;
    bool found;
    snprintf(where, sizeof where, "%s: %s", un_lmdb_path(db), entry->id);
    if (!r->cursor[entry->at]) UN_TRY(un_lmdb_cursor_open(db, r->cursor + entry->at, true));
    UN_TRY(un_lmdb_cursor_find(r->cursor[entry->at], entry->id, strlen(entry->id), &item, &found));
    if (!found) return un_fail(UN_DATA, "%s: not found by its key; the keys are not in order", where);
    UN_TRY(find_image(r->source, &item, where, false, &r->room, &arrays));
    return un_image_arrays_record(&arrays, where, list, index, &r->room, record);
}

static void close_source(struct un_image_source *source) {
    struct source_lmdb *s = (struct source_lmdb *)source;
    for (int i = 0; s->db && i < s->n; ++i) un_lmdb_close(s->db[i]);
    un_free(s->db);
    un_free(s->folder);
    un_free(s);
}

static enum un_status open_source(struct source_lmdb *s, const char *const *paths, int n) {
    char path[UN_PATH_MAX];
    s->db = un_alloc((size_t)n, sizeof(struct un_lmdb *), "LMDB databases");
    s->folder = un_alloc((size_t)n, sizeof(const char *), "LMDB databases");
    if (!s->db || !s->folder) return UN_MEMORY;
    s->n = n;
    for (int i = 0; i < n; ++i) {
        s->folder[i] = paths[i];
        UN_TRY(un_files_join(path, paths[i], "meta.json"));
        if (access(path, F_OK) == 0)
            return un_fail(UN_USAGE, "%s: a txt_db (it has a meta.json): texts, not images", paths[i]);
        UN_TRY(un_lmdb_open(s->db + i, paths[i]));
        UN_TRY(un_image_stamp(&s->source.stamp, un_lmdb_path(s->db[i])));
    }
    un_image_source_name(&s->source, "lmdb", paths, n);
    return UN_OK;
}

enum un_status un_image_source_lmdb(struct un_image_source **source, const char *const *paths, int n) {
    static const struct un_image_source_ops ops = {survey, reader_open, read_image, reader_close,
                                                   close_source};
    struct source_lmdb *s = un_alloc(1, sizeof *s, "an LMDB source");
    *source = NULL;
    if (!s) return UN_MEMORY;
    s->source.ops = &ops;
    s->source.where = where_is;
    return un_image_source_opened(&s->source, open_source(s, paths, n), source);
}
