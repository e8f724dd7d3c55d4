/* Is a data.mdb safe for liblmdb? Walks the newest tree by pread, with bounds, before the file is mapped.
 *
 * What must hold, because liblmdb relies on it: both meta pages agree, every page of the tree lies in the
 * file and is reached once, all leaves are equally deep, branches have two children at least, every node and
 * every run of overflow pages lies inside. Keys need not be sorted: then some are not found, nothing worse.
 * Format of data version 1, 64-bit, little-endian (LMDB 0.9: lmdb.h, mdb.c). */
#include "io/convert/format/lmdb.h"
#include "runtime/memory.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { HEADER = 16, META_BYTES = 136, NODE = 8, DEPTH_MAX = 32, PAGE_LEAST = 512, PAGE_MOST = 32768 };
enum { P_BRANCH = 1, P_LEAF = 2, P_OVERFLOW = 4, P_META = 8, P_KIND = 0x6F }; /* kinds and oddities */
/* The last page by the meta page may lie behind the file's end, when freed pages at the end were never
 * written. A larger number is refused: liblmdb maps so much. */
enum { FREE_TAIL = 1 << 16 };
enum { N_BIG = 1 }; /* of nodes */
static const uint32_t magic = 0xBEEFC0DE;
static const uint64_t no_page = UINT64_MAX;

struct meta {
    uint64_t page_bytes, flags, depth, entries, root, last, txn;
};
struct level {
    unsigned char *page;
    uint64_t number;
    int64_t nodes, next;
};
struct check {
    int fd;
    const char *path;
    uint64_t page_bytes, pages, entries;
    uint64_t *seen; /* a bit a page */
    unsigned char *buffer;
    struct level level[DEPTH_MAX];
};

static uint64_t get(const unsigned char *at, int bytes) {
    uint64_t value = 0;
    for (int i = 0; i < bytes; ++i) value |= (uint64_t)at[i] << 8 * i;
    return value;
}

static enum un_status read_at(const struct check *c, uint64_t offset, unsigned char *out, size_t bytes) {
    for (size_t done = 0; done < bytes;) {
        ssize_t got = pread(c->fd, out + done, bytes - done, (off_t)(offset + done));
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return un_fail(UN_IO, "%s: cannot read: %s", c->path, strerror(errno));
        if (got == 0)
            return un_fail(UN_DATA, "%s: cut short at byte %llu", c->path,
                           (unsigned long long)(offset + done));
        done += (size_t)got;
    }
    return UN_OK;
}

static enum un_status bad(const struct check *c, uint64_t page, const char *what) {
    return un_fail(UN_DATA, "%s: page %llu of %llu: %s", c->path, (unsigned long long)page,
                   (unsigned long long)c->pages, what);
}

static enum un_status read_meta(const struct check *c, uint64_t offset, struct meta *m) {
    unsigned char page[HEADER + META_BYTES];
    UN_TRY(read_at(c, offset, page, sizeof page));
    const unsigned char *body = page + HEADER, *main_table = body + 72;
    if (get(body, 4) != magic || !(get(page + 10, 2) & P_META))
        return un_fail(UN_DATA, "%s: not an LMDB database (no meta page at byte %llu)", c->path,
                       (unsigned long long)offset);
    if (get(body + 4, 4) != 1)
        return un_fail(UN_DATA, "%s: LMDB data version %llu, not 1", c->path,
                       (unsigned long long)get(body + 4, 4));
    *m = (struct meta){.page_bytes = get(body + 24, 4),
                       .flags = get(main_table + 4, 2),
                       .depth = get(main_table + 6, 2),
                       .entries = get(main_table + 32, 8),
                       .root = get(main_table + 40, 8),
                       .last = get(body + 120, 8),
                       .txn = get(body + 128, 8)};
    uint64_t p = m->page_bytes;
    if (p < PAGE_LEAST || p > PAGE_MOST || (p & (p - 1)) != 0)
        return un_fail(UN_DATA, "%s: LMDB pages of %llu bytes", c->path, (unsigned long long)p);
    return UN_OK;
}

/* The meta that liblmdb will take: the newer one, the first if equal. */
static enum un_status find_meta(struct check *c, struct meta *m) {
    struct meta second;
    struct stat st;
    if (fstat(c->fd, &st) != 0) return un_fail(UN_IO, "%s: %s", c->path, strerror(errno));
    UN_TRY(read_meta(c, 0, m));
    UN_TRY(read_meta(c, m->page_bytes, &second));
    if (second.page_bytes != m->page_bytes)
        return un_fail(UN_DATA, "%s: the meta pages do not agree about the page size", c->path);
    if (second.txn > m->txn) *m = second;
    c->page_bytes = m->page_bytes;
    c->pages = (uint64_t)st.st_size / c->page_bytes;
    if (m->flags != 0)
        return un_fail(UN_DATA, "%s: the table is not a plain one (duplicates or integer keys, flags %llx)",
                       c->path, (unsigned long long)m->flags);
    if (m->depth > DEPTH_MAX || (m->depth == 0) != (m->root == no_page) || m->last / 2 > c->pages + FREE_TAIL)
        return un_fail(UN_DATA, "%s: damaged meta page: depth %llu, root %llu, last page %llu", c->path,
                       (unsigned long long)m->depth, (unsigned long long)m->root,
                       (unsigned long long)m->last);
    if (m->depth > 0 && m->last < 2)
        return un_fail(UN_DATA, "%s: damaged meta page: last page %llu", c->path,
                       (unsigned long long)m->last);
    if (c->pages > m->last + 1) c->pages = m->last + 1; /* liblmdb looks no further */
    return UN_OK;
}

/* Pages [first, first + n) are in the file and new. from: the page that says so. */
static enum un_status reach(struct check *c, uint64_t from, uint64_t first, uint64_t n) {
    if (first < 2 || first >= c->pages || n > c->pages - first)
        return un_fail(UN_DATA, "%s: page %llu of %llu: points to pages %llu to %llu, outside of the file",
                       c->path, (unsigned long long)from, (unsigned long long)c->pages,
                       (unsigned long long)first, (unsigned long long)(first + n - 1));
    for (uint64_t page = first; page < first + n; ++page) {
        if (c->seen[page / 64] >> page % 64 & 1) return bad(c, page, "is reached twice");
        c->seen[page / 64] |= (uint64_t)1 << page % 64;
    }
    return UN_OK;
}

static enum un_status check_overflow(struct check *c, uint64_t from, uint64_t page, uint64_t bytes) {
    unsigned char head[HEADER];
    uint64_t need = (HEADER - 1 + bytes) / c->page_bytes + 1;
    UN_TRY(reach(c, from, page, need));
    UN_TRY(read_at(c, page * c->page_bytes, head, sizeof head));
    if (get(head, 8) != page || (get(head + 10, 2) & P_KIND) != P_OVERFLOW)
        return bad(c, page, "is no overflow page of that number");
    return get(head + 12, 4) < need ? bad(c, page, "the overflow run is shorter than its value") : UN_OK;
}

/* Where node i of a page stands; checked that its head and key lie inside. */
static enum un_status find_node(const struct check *c, const struct level *l, int64_t i,
                                const unsigned char **node) {
    uint64_t at = get(l->page + HEADER + 2 * i, 2), upper = get(l->page + 14, 2);
    if (at < upper || at % 2 != 0 || at + NODE > c->page_bytes ||
        at + NODE + get(l->page + at + 6, 2) > c->page_bytes)
        return bad(c, l->number, "a node lies outside of it");
    *node = l->page + at;
    return UN_OK;
}

static enum un_status check_leaf(struct check *c, const struct level *l) {
    for (int64_t i = 0; i < l->nodes; ++i) {
        const unsigned char *node;
        UN_TRY(find_node(c, l, i, &node));
        uint64_t bytes = get(node, 4), flags = get(node + 4, 2), key = get(node + 6, 2);
        uint64_t room = c->page_bytes - (uint64_t)(node - l->page) - NODE - key;
        if (key == 0) return bad(c, l->number, "an empty key");
        if (flags & ~(uint64_t)N_BIG)
            return bad(c, l->number,
                       "a node of a named table or with duplicates; only plain tables are read");
        if ((flags & N_BIG ? 8 : bytes) > room) return bad(c, l->number, "a value lies outside of it");
        if (flags & N_BIG) UN_TRY(check_overflow(c, l->number, get(node + NODE + key, 8), bytes));
    }
    c->entries += (uint64_t)l->nodes;
    return UN_OK;
}

static enum un_status enter(struct check *c, struct level *l, uint64_t from, uint64_t page, bool leaf) {
    UN_TRY(reach(c, from, page, 1));
    UN_TRY(read_at(c, page * c->page_bytes, l->page, c->page_bytes));
    uint64_t lower = get(l->page + 12, 2), upper = get(l->page + 14, 2);
    l->number = page;
    l->next = 0;
    if (get(l->page, 8) != page) return bad(c, page, "bears another number");
    if ((get(l->page + 10, 2) & P_KIND) != (leaf ? P_LEAF : P_BRANCH))
        return bad(c, page, leaf ? "is no leaf" : "is no branch");
    if (lower < HEADER || lower % 2 != 0 || lower > upper || upper > c->page_bytes)
        return bad(c, page, "its bounds are wrong");
    l->nodes = (int64_t)(lower - HEADER) / 2;
    if (l->nodes < (leaf ? 1 : 2)) return bad(c, page, "too few nodes");
    return leaf ? check_leaf(c, l) : UN_OK;
}

static enum un_status walk(struct check *c, const struct meta *m) {
    int depth = (int)m->depth, at = 0;
    for (int i = 0; i < depth; ++i) c->level[i].page = c->buffer + (size_t)i * c->page_bytes;
    if (depth == 0) return UN_OK;
    UN_TRY(enter(c, c->level, 0, m->root, depth == 1));
    while (at >= 0) {
        struct level *l = c->level + at;
        const unsigned char *node;
        if (at == depth - 1 || l->next == l->nodes) {
            --at;
            continue;
        }
        UN_TRY(find_node(c, l, l->next++, &node));
        UN_TRY(enter(c, l + 1, l->number, get(node, 6), at + 1 == depth - 1));
        ++at;
    }
    return UN_OK;
}

enum un_status un_lmdb_check(int fd, const char *path, int64_t *entries) {
    struct check c = {.fd = fd, .path = path};
    struct meta m;
    UN_TRY(find_meta(&c, &m));
    c.seen = un_alloc(c.pages / 64 + 1, sizeof *c.seen, "pages of an LMDB file");
    c.buffer = un_alloc((size_t)m.depth + 1, c.page_bytes, "pages of an LMDB file");
    enum un_status status = c.seen && c.buffer ? walk(&c, &m) : UN_MEMORY;
    if (status == UN_OK && c.entries != m.entries)
        status = un_fail(UN_DATA, "%s: %llu entries, but its meta page says %llu", path,
                         (unsigned long long)c.entries, (unsigned long long)m.entries);
    *entries = (int64_t)c.entries;
    un_free(c.seen);
    un_free(c.buffer);
    return status;
}
