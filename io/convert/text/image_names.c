/* Ids of images and the ways people write them (image_names.h).
 *
 * Three tables over the same ids: by the id (idmap), and two sorted lists, by stem and by trailing number;
 * equal neighbours in a list are what makes a match ambiguous. */
#include "io/convert/text/image_names.h"
#include "io/disk/ids.h"
#include "io/disk/paths.h"
#include "io/h5/h5.h"
#include "runtime/memory.h"

#include <stdlib.h>
#include <string.h>

enum { STEM_MAX = 256, DIGITS_MAX = 18 };

struct entry {
    const char *stem; /* of the list by stem: lower case, in the pool */
    int64_t number;   /* of the list by number: what the stem ends in */
    int64_t index;
    int prefix; /* bytes of the stem before the number */
};
struct un_image_names {
    char *pool; /* the ids, each with its zero byte */
    size_t bytes, room;
    const char **id; /* [n] into the pool */
    int64_t n, ids_room;
    struct un_idmap by_id;
    char *stems;
    struct entry *by_stem, *by_number; /* [n], [numbers] */
    int64_t numbers;
};

static char lower(char c) {
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* Does the text end in an extension of pictures or arrays? Its length then. */
static size_t extension(const char *text, size_t n) {
    static const char *const known[] = {".npz", ".npy", ".jpg",  ".jpeg", ".png",
                                        ".gif", ".bmp", ".webp", ".tif",  ".tiff"};
    for (size_t i = 0; i < sizeof known / sizeof *known; ++i) {
        size_t length = strlen(known[i]);
        if (n > length && memcmp(text + n - length, known[i], length) == 0) return length;
    }
    return 0;
}

/* Without folder, extensions and case; false: nothing is left, or it is too long. */
static bool make_stem(char stem[STEM_MAX], const char *id) {
    const char *slash = strrchr(id, '/'), *front = slash ? slash + 1 : id;
    size_t n = strlen(front), tail;
    if (n == 0 || n >= STEM_MAX) return false;
    for (size_t i = 0; i < n; ++i) stem[i] = lower(front[i]);
    while ((tail = extension(stem, n)) > 0) n -= tail;
    stem[n] = '\0';
    return true;
}

/* The number a stem ends in; false: none, too long to be one, or the end of a word. */
static bool make_number(const char *stem, int64_t *number, int *prefix) {
    size_t n = strlen(stem), first = n;
    while (first > 0 && stem[first - 1] >= '0' && stem[first - 1] <= '9') --first;
    *prefix = (int)first;
    *number = 0;
    if (first == n || (first > 0 && stem[first - 1] != '_' && stem[first - 1] != '-')) return false;
    while (first < n && stem[first] == '0') ++first;
    if (n - first > DIGITS_MAX) return false;
    for (; first < n; ++first) *number = *number * 10 + (stem[first] - '0');
    return true;
}

static int compare_stems(const void *a, const void *b) {
    const struct entry *p = a, *q = b;
    int c = strcmp(p->stem, q->stem);
    return c != 0 ? c : (p->index > q->index) - (p->index < q->index);
}
static int compare_numbers(const void *a, const void *b) {
    const struct entry *p = a, *q = b;
    if (p->number != q->number) return p->number < q->number ? -1 : 1;
    return (p->index > q->index) - (p->index < q->index);
}

/* Ids go to the pool by offset first, as the pool moves while it grows. */
static enum un_status add_id(struct un_image_names *m, const char *id) {
    size_t length = strlen(id) + 1, room = m->room ? m->room : 1 << 16;
    while (room < m->bytes + length) room *= 2;
    if (room > m->room) {
        UN_TRY(un_grow((void **)&m->pool, m->room, room, 1, "ids of images"));
        m->room = room;
    }
    memcpy(m->pool + m->bytes, id, length);
    m->bytes += length;
    ++m->n;
    return UN_OK;
}

static enum un_status add_file(struct un_image_names *m, const char *path) {
    struct un_h5 *file;
    int64_t n = 0, stride = 0;
    char *cells = NULL;
    UN_TRY(un_h5_open(&file, path, true));
    enum un_status status = un_h5_read_texts(file, "image_id", &n, &stride, &cells);
    for (int64_t i = 0; i < n && status == UN_OK; ++i) status = add_id(m, cells + i * stride);
    un_free(cells);
    un_h5_close(file);
    return status;
}

static enum un_status index_ids(struct un_image_names *m, const char *name) {
    int64_t first, second;
    size_t at = 0;
    m->id = un_alloc((size_t)m->n + 1, sizeof *m->id, "ids of images");
    if (!m->id) return UN_MEMORY;
    for (int64_t i = 0; i < m->n; ++i, at += strlen(m->pool + at) + 1) m->id[i] = m->pool + at;
    UN_TRY(un_idmap_open(&m->by_id, m->id, m->n, &first, &second));
    if (first < 0) return UN_OK;
    return un_fail(UN_DATA, "%s: image %s stands twice: rows %lld and %lld (counted over all files)", name,
                   m->id[first], (long long)first, (long long)second);
}

static enum un_status index_forms(struct un_image_names *m) {
    char stem[STEM_MAX];
    size_t at = 0;
    m->stems = un_alloc(m->bytes + 1, 1, "names of images"); /* a stem is no longer than its id */
    m->by_stem = un_alloc((size_t)m->n + 1, sizeof *m->by_stem, "names of images");
    m->by_number = un_alloc((size_t)m->n + 1, sizeof *m->by_number, "numbers of images");
    if (!m->stems || !m->by_stem || !m->by_number) return UN_MEMORY;
    for (int64_t i = 0; i < m->n; ++i) {
        struct entry *e = &m->by_stem[i];
        bool has = make_stem(stem, m->id[i]);
        if (!has) stem[0] = '\0'; /* sorted to the front, found by nobody */
        *e = (struct entry){.stem = strcpy(m->stems + at, stem), .index = i};
        at += strlen(stem) + 1;
        if (has && make_number(stem, &e->number, &e->prefix)) m->by_number[m->numbers++] = *e;
    }
    qsort(m->by_stem, (size_t)m->n, sizeof *m->by_stem, compare_stems);
    qsort(m->by_number, (size_t)m->numbers, sizeof *m->by_number, compare_numbers);
    return UN_OK;
}

static enum un_status finish(struct un_image_names **names, struct un_image_names *m, const char *name,
                             enum un_status status) {
    if (status == UN_OK && m->n == 0) status = un_fail(UN_DATA, "%s: no images in it", name);
    if (status == UN_OK) status = index_ids(m, name);
    if (status == UN_OK) status = index_forms(m);
    *names = status == UN_OK ? m : NULL;
    if (status != UN_OK) un_image_names_close(m);
    return status;
}

enum un_status un_image_names_open(struct un_image_names **names, const char *const *paths, int n) {
    struct un_image_names *m = un_alloc(1, sizeof *m, "names of images");
    enum un_status status = m ? UN_OK : UN_MEMORY;
    *names = NULL;
    if (!m) return UN_MEMORY;
    for (int i = 0; i < n && status == UN_OK; ++i) status = add_file(m, paths[i]);
    return finish(names, m, n > 0 ? paths[n - 1] : "no files", status);
}

enum un_status un_image_names_make(struct un_image_names **names, const char *name, const char *const *ids,
                                   int64_t n) {
    struct un_image_names *m = un_alloc(1, sizeof *m, "names of images");
    enum un_status status = m ? UN_OK : UN_MEMORY;
    *names = NULL;
    if (!m) return UN_MEMORY;
    for (int64_t i = 0; i < n && status == UN_OK; ++i) status = add_id(m, ids[i]);
    return finish(names, m, name, status);
}

enum un_status un_image_names_expand(struct un_image_names **names, const struct un_strings *files) {
    char **paths;
    int64_t n;
    *names = NULL;
    if (files->n == 0) return UN_OK;
    UN_TRY(un_paths_expand(&paths, &n, files, "images"));
    enum un_status status = n > INT16_MAX ? un_fail(UN_USAGE, "images: %lld files are too many", (long long)n)
                                          : un_image_names_open(names, (const char *const *)paths, (int)n);
    un_paths_free(paths, n);
    return status;
}

void un_image_names_close(struct un_image_names *m) {
    if (!m) return;
    un_idmap_close(&m->by_id);
    un_free(m->pool);
    un_free(m->id);
    un_free(m->stems);
    un_free(m->by_stem);
    un_free(m->by_number);
    un_free(m);
}

int64_t un_image_names_count(const struct un_image_names *m) {
    return m->n;
}

/* First entry that is not before the key. */
static int64_t lower_bound(const struct entry *list, int64_t n, const struct entry *key,
                           int (*compare)(const void *, const void *)) {
    int64_t lo = 0, hi = n;
    while (lo < hi) {
        int64_t mid = lo + (hi - lo) / 2;
        if (compare(&list[mid], key) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static const char *find_number(const struct un_image_names *m, const struct entry *key,
                               enum un_image_match *how) {
    const char *found = NULL;
    int64_t at = lower_bound(m->by_number, m->numbers, key, compare_numbers);
    for (; at < m->numbers && m->by_number[at].number == key->number; ++at) {
        const struct entry *e = &m->by_number[at];
        bool same = e->prefix == key->prefix && memcmp(e->stem, key->stem, (size_t)key->prefix) == 0;
        if (key->prefix > 0 && e->prefix > 0 && !same) continue;
        *how = found ? UN_MATCH_SEVERAL : UN_MATCH_NUMBER;
        if (found) return NULL;
        found = m->id[e->index];
    }
    return found;
}

const char *un_image_names_find(const struct un_image_names *m, const char *id, enum un_image_match *how) {
    char stem[STEM_MAX];
    int64_t exact = un_idmap_find(&m->by_id, id);
    *how = exact >= 0 ? UN_MATCH_WRITTEN : UN_MATCH_NONE;
    if (exact >= 0) return m->id[exact];
    if (!make_stem(stem, id)) return NULL;
    struct entry key = {.stem = stem, .index = -1};
    int64_t at = lower_bound(m->by_stem, m->n, &key, compare_stems);
    if (at < m->n && strcmp(m->by_stem[at].stem, stem) == 0) {
        bool several = at + 1 < m->n && strcmp(m->by_stem[at + 1].stem, stem) == 0;
        *how = several ? UN_MATCH_SEVERAL : UN_MATCH_STEM;
        return several ? NULL : m->id[m->by_stem[at].index];
    }
    return make_number(stem, &key.number, &key.prefix) ? find_number(m, &key, how) : NULL;
}
