/* Folders of .npz as detectors write them, an image a file (source.h); arrays.h says which names
 * are taken. The id is the file's name without .npz. Pickled members are never read; that is said once. */
#include "io/convert/image/arrays.h"
#include "io/disk/files.h"
#include "runtime/memory.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct source_npz {
    struct un_image_source source; /* first */
    char **path;                   /* [n] */
    int64_t n, capacity;
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
    for (int64_t i = 0; i < un_npz_members(npz); ++i) {
        struct un_npz_member m;
        char name[64];
        int place;
        if (!un_npz_name(npz, i, name)) continue;
        enum un_array_role role = un_array_role(name, strlen(name), &place);
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
    const char *name = strrchr(path, '/');
    UN_TRY(un_image_arrays_agree(list, path, &e->shape));
    snprintf(id, sizeof id, "%s", name ? name + 1 : path);
    size_t length = strlen(id);
    if (length > 4 && strcmp(id + length - 4, ".npz") == 0) id[length - 4] = '\0';
    return un_image_list_add(list, path, id, e->regions, i, 0);
}

static enum un_status survey(struct un_image_source *source, struct un_image_list *list) {
    struct source_npz *s = (struct source_npz *)source;
    struct un_image_room room = {0};
    enum un_status status = UN_OK;
    for (int64_t i = 0; i < s->n && status == UN_OK; ++i) {
        struct un_npz *npz;
        struct un_image_extent e;
        struct chosen c;
        status = un_npz_open(&npz, s->path[i]);
        if (status == UN_OK) status = look(s, npz, s->path[i], &c, &room, &e);
        if (status == UN_OK && list->n == 0) un_image_arrays_say(&c.arrays, s->path[i]);
        if (status == UN_OK) status = add_image(list, s->path[i], i, &e);
        un_npz_close(npz);
        status = un_image_source_listed(source, s->path[i], status);
    }
    s->noted = true; /* readers run in threads and say nothing */
    un_image_room_free(&room);
    return status;
}

static void where_is(const struct un_image_source *source, const struct un_image_list *list, int64_t index,
                     char *text, size_t size) {
    snprintf(text, size, "%s", ((const struct source_npz *)source)->path[list->list[index].at]);
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
    const char *path = r->source->path[list->list[index].at];
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
    for (int64_t i = 0; i < s->n; ++i) un_free(s->path[i]);
    un_free(s->path);
    un_free(s);
}

static enum un_status add_path(struct source_npz *s, const char *path) {
    if (s->n == s->capacity) {
        void *paths = s->path;
        int64_t more = 2 * s->capacity + 64;
        UN_TRY(un_grow(&paths, (size_t)s->capacity, (size_t)more, sizeof *s->path, "names of files"));
        s->path = paths;
        s->capacity = more;
    }
    if (!(s->path[s->n] = un_strdup(path))) return UN_MEMORY;
    ++s->n;
    return UN_OK;
}

static int compare(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Every NAME.npz, in the order of names. */
static enum un_status add_folder(struct source_npz *s, const char *folder) {
    char path[UN_PATH_MAX];
    int64_t first = s->n;
    enum un_status status = UN_OK;
    DIR *dir = opendir(folder);
    if (!dir) return un_fail(UN_IO, "%s: cannot open: %s", folder, strerror(errno));
    for (struct dirent *entry; status == UN_OK && (errno = 0, entry = readdir(dir));) {
        size_t length = strlen(entry->d_name);
        if (length < 5 || entry->d_name[0] == '.' || strcmp(entry->d_name + length - 4, ".npz") != 0)
            continue;
        status = un_files_join(path, folder, entry->d_name);
        if (status == UN_OK) status = add_path(s, path);
    }
    if (status == UN_OK && errno != 0)
        status = un_fail(UN_IO, "%s: cannot read: %s", folder, strerror(errno));
    closedir(dir);
    UN_TRY(status);
    if (s->n == first) return un_fail(UN_DATA, "%s: no .npz files in it", folder);
    qsort(s->path + first, (size_t)(s->n - first), sizeof *s->path, compare);
    return UN_OK;
}

static enum un_status open_source(struct source_npz *s, const char *const *paths, int n) {
    for (int i = 0; i < n; ++i) {
        struct stat st;
        if (stat(paths[i], &st) != 0) return un_fail(UN_IO, "%s: cannot open: %s", paths[i], strerror(errno));
        UN_TRY(S_ISDIR(st.st_mode) ? add_folder(s, paths[i]) : add_path(s, paths[i]));
    }
    for (int64_t i = 0; i < s->n; ++i) UN_TRY(un_image_stamp(&s->source.stamp, s->path[i]));
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
