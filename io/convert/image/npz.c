/* Folders of .npz as detectors write them, an image a file (source.h); arrays.h says which names
 * are taken. The id is the file's name without .npz. Pickled members are never read; that is said once. */
#include "io/convert/image/arrays.h"
#include "io/convert/image/source_files.h"
#include "runtime/memory.h"

#include <stdio.h>
#include <string.h>

struct source_npz {
    struct un_image_source source; /* first */
    struct un_source_files files;
    bool noted; /* that members are pickled */
};
struct un_image_reader {
    struct source_npz *source;
    struct un_image_room room;
};
/* The members of one file that count. */
struct chosen {
    struct un_image_arrays arrays;
    struct un_npz_member member[UN_ARRAY_ROLES];
};

static enum un_status choose(struct source_npz *s, struct un_npz *npz, const char *path, struct chosen *c) {
    memset(c, 0, sizeof *c);
    c->arrays.onehot = s->source.onehot;
    for (int64_t i = 0; i < un_npz_members(npz); ++i) {
        struct un_npz_member m;
        char name[64];
        int place;
        if (!un_npz_name(npz, i, name)) continue;
        enum un_array_role role = un_array_role(&c->arrays, name, strlen(name), &place);
        if (role == UN_ARRAY_ROLES) un_image_arrays_other(&c->arrays, name, strlen(name));
        if (role == UN_ARRAY_ROLES && s->noted) continue;
        UN_TRY(un_npz_member(npz, i, &m));
        if (m.npy.type == UN_NPY_OBJECT && !s->noted) {
            un_log(UN_LOG_INFO, "%s: member %s is pickled: skipped, here and in all files", path, name);
            s->noted = true;
        }
        if (role != UN_ARRAY_ROLES && m.npy.type != UN_NPY_OBJECT &&
            un_image_arrays_add(&c->arrays, name, strlen(name), &m.npy, NULL))
            c->member[role] = m;
    }
    return UN_OK;
}

static enum un_status load(struct un_npz *npz, struct chosen *c, struct un_image_room *room,
                           enum un_array_role role) {
    struct un_image_array *a = c->arrays.role + role;
    const struct un_npz_member *m = c->member + role;
    if (!a->there) return UN_OK;
    if (role >= UN_ARRAY_WIDTH && a->npy.items != 1) return UN_OK; /* told by who wants the number */
    UN_TRY(un_image_room_take(room, role, (size_t)(m->bytes - m->head)));
    UN_TRY(un_npz_read(npz, m, room->at[role]));
    a->data = room->at[role];
    return UN_OK;
}

/* Up to the extents; without the values. */
static enum un_status look(struct source_npz *s, struct un_npz *npz, const char *path, struct chosen *c,
                           struct un_image_room *room, struct un_image_extent *e) {
    UN_TRY(choose(s, npz, path, c));
    UN_TRY(load(npz, c, room, UN_ARRAY_COUNT));
    return un_image_arrays_extent(&c->arrays, path, e);
}

static enum un_status add_image(struct un_image_list *list, const char *path, int64_t i,
                                const struct un_image_extent *e) {
    char id[UN_IMAGE_ID_MAX + 2];
    UN_TRY(un_image_arrays_agree(list, path, &e->shape));
    un_source_files_id(path, ".npz", id);
    return un_image_list_add(list, path, id, e->regions, i, 0);
}

static enum un_status survey(struct un_image_source *source, struct un_image_list *list) {
    struct source_npz *s = (struct source_npz *)source;
    struct un_image_room room = {0};
    enum un_status status = UN_OK;
    un_image_source_ahead(source, s->files.n, 1, "file");
    for (int64_t i = 0; i < s->files.n && status == UN_OK; ++i) {
        struct un_npz *npz;
        struct un_image_extent e;
        struct chosen c;
        status = un_npz_open(&npz, s->files.path[i]);
        if (status == UN_OK) status = look(s, npz, s->files.path[i], &c, &room, &e);
        if (status == UN_OK && list->n == 0) un_image_arrays_say(&c.arrays, s->files.path[i]);
        if (status == UN_OK) status = add_image(list, s->files.path[i], i, &e);
        un_npz_close(npz);
        status = un_image_source_listed(source, s->files.path[i], status);
        if (status == UN_OK) status = un_image_source_seen(source, 1);
    }
    s->noted = true; /* readers run in threads and say nothing */
    un_image_room_free(&room);
    return status;
}

static void where_is(const struct un_image_source *source, const struct un_image_list *list, int64_t index,
                     char *text, size_t size) {
    snprintf(text, size, "%s", ((const struct source_npz *)source)->files.path[list->list[index].at]);
}

static enum un_status reader_open(struct un_image_source *source, struct un_image_reader **reader) {
    struct un_image_reader *r = *reader = un_alloc(1, sizeof *r, "a reader");
    if (!r) return UN_MEMORY;
    r->source = (struct source_npz *)source;
    return UN_OK;
}

static void reader_close(struct un_image_reader *r) {
    un_image_room_free(&r->room);
    un_free(r);
}

static enum un_status read_image(struct un_image_reader *r, const struct un_image_list *list, int64_t index,
                                 struct un_image_record *record) {
    const char *path = r->source->files.path[list->list[index].at];
    struct un_npz *npz;
    struct un_image_extent e;
    struct chosen c;
    UN_TRY(un_npz_open(&npz, path));
    enum un_status status = look(r->source, npz, path, &c, &r->room, &e);
    for (int role = 0; role < UN_ARRAY_ROLES && status == UN_OK; ++role)
        status = load(npz, &c, &r->room, (enum un_array_role)role);
    if (status == UN_OK) status = un_image_arrays_record(&c.arrays, path, list, index, &r->room, record);
    un_npz_close(npz);
    return status;
}

static void close_source(struct un_image_source *source) {
    struct source_npz *s = (struct source_npz *)source;
    un_source_files_free(&s->files);
    un_free(s);
}

static enum un_status open_source(struct source_npz *s, const char *const *paths, int n) {
    UN_TRY(un_source_files_add(&s->files, paths, n, ".npz", NULL));
    for (int64_t i = 0; i < s->files.n; ++i) UN_TRY(un_image_stamp(&s->source.stamp, s->files.path[i]));
    un_image_source_name(&s->source, "npz", paths, n);
    return UN_OK;
}

enum un_status un_image_source_npz(struct un_image_source **source, const char *const *paths, int n) {
    static const struct un_image_source_ops ops = {survey, reader_open, read_image, reader_close,
                                                   close_source};
    struct source_npz *s = un_alloc(1, sizeof *s, "a source of npz");
    *source = NULL;
    if (!s) return UN_MEMORY;
    s->source.ops = &ops;
    s->source.where = where_is;
    return un_image_source_opened(&s->source, open_source(s, paths, n), source);
}
