/* Read-only LMDB through liblmdb, after the check (lmdb.h). Each cursor has a transaction of its own. */
#include "io/convert/format/lmdb.h"
#include "io/disk/files.h"
#include "runtime/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* Values of at least LARGE bytes are fetched ahead and given back; they have pages of their own (the largest
 * page is 32 KiB, and a node takes half of it at most). After EVERY bytes of them the whole mapping is given
 * back, because the system maps more around a page than was asked for. */
enum { LARGE = 1 << 14, EVERY = 1 << 24, PAGE_HEADER = 16 };

struct un_lmdb {
    char path[UN_PATH_MAX];
    MDB_env *env;
    MDB_dbi table;
    int64_t entries;
};
struct un_lmdb_cursor {
    struct un_lmdb *db;
    MDB_txn *txn;
    MDB_cursor *cursor;
    uintptr_t first, after; /* system pages of the last value, to be given back */
    uintptr_t page;         /* bytes of one */
    size_t used;            /* bytes of values since the whole mapping was given back */
    size_t lmdb_page, map;  /* bytes of LMDB's, and of the whole mapping */
    bool whole;
};

/* The library's own words change with it, so they only follow. */
static const char *reason(int code) {
    switch (code) {
    case MDB_INVALID:
    case MDB_VERSION_MISMATCH: return "not an LMDB file of a version that is read";
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND: return "damaged, or cut short while it was written";
    case MDB_INCOMPATIBLE: return "a database with several values a key, or of numbers, which is not read";
    case ENOMEM: return "no memory to map it";
    default: return code > 0 ? "cannot be read" : "LMDB refuses it";
    }
}

static enum un_status fail(const struct un_lmdb *db, int code) {
    return un_fail(code == ENOMEM ? UN_MEMORY
                   : code > 0     ? UN_IO
                                  : UN_DATA,
                   "%s: %s (LMDB: %s)", db->path, reason(code), mdb_strerror(code));
}

static enum un_status open_checked(struct un_lmdb *db) {
    MDB_txn *txn = NULL;
    int fd = open(db->path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return un_fail(UN_IO, "%s: cannot open: %s", db->path, strerror(errno));
    enum un_status status = un_lmdb_check(fd, db->path, &db->entries);
    close(fd);
    UN_TRY(status);
    int code = mdb_env_create(&db->env);
    if (code == 0)
        code = mdb_env_set_mapsize(db->env, 1 << 20); /* not what the file says; raised to its pages */
    if (code == 0)
        code = mdb_env_open(db->env, db->path,
                            MDB_RDONLY | MDB_NOSUBDIR | MDB_NOLOCK | MDB_NOTLS | MDB_NORDAHEAD, 0);
    if (code == 0) code = mdb_txn_begin(db->env, NULL, MDB_RDONLY, &txn);
    if (code == 0) code = mdb_dbi_open(txn, NULL, 0, &db->table);
    if (txn) mdb_txn_abort(txn);
    return code == 0 ? UN_OK : fail(db, code);
}

enum un_status un_lmdb_open(struct un_lmdb **db, const char *path) {
    struct un_lmdb *d = *db = NULL;
    struct stat st;
    if (stat(path, &st) != 0) return un_fail(UN_IO, "%s: cannot open: %s", path, strerror(errno));
    if (!(d = un_alloc(1, sizeof *d, "an LMDB database"))) return UN_MEMORY;
    enum un_status status = S_ISDIR(st.st_mode) ? un_files_join(d->path, path, "data.mdb") : UN_OK;
    if (status == UN_OK && !S_ISDIR(st.st_mode) &&
        snprintf(d->path, sizeof d->path, "%s", path) >= (int)sizeof d->path)
        status = un_fail(UN_USAGE, "%.100s...: the path is too long", path);
    if (status == UN_OK) status = open_checked(d);
    if (status == UN_OK)
        *db = d;
    else
        un_lmdb_close(d);
    return status;
}

void un_lmdb_close(struct un_lmdb *db) {
    if (!db) return;
    if (db->env) mdb_env_close(db->env);
    un_free(db);
}

int64_t un_lmdb_entries(const struct un_lmdb *db) {
    return db->entries;
}
const char *un_lmdb_path(const struct un_lmdb *db) {
    return db->path;
}

enum un_status un_lmdb_cursor_open(struct un_lmdb *db, struct un_lmdb_cursor **cursor, bool whole) {
    struct un_lmdb_cursor *c = *cursor = un_alloc(1, sizeof *c, "an LMDB cursor");
    if (!c) return UN_MEMORY;
    c->db = db;
    c->whole = whole;
    c->page = (uintptr_t)sysconf(_SC_PAGESIZE);
    int code = mdb_txn_begin(db->env, NULL, MDB_RDONLY, &c->txn);
    if (code == 0) code = mdb_cursor_open(c->txn, db->table, &c->cursor);
    MDB_stat stat;
    MDB_envinfo info;
    if (code == 0) code = mdb_env_stat(db->env, &stat);
    if (code == 0) code = mdb_env_info(db->env, &info);
    if (code == 0) {
        c->lmdb_page = stat.ms_psize;
        c->map = info.me_mapsize;
        return UN_OK;
    }
    un_lmdb_cursor_close(c);
    *cursor = NULL;
    return fail(db, code);
}

/* The mapping would count as our memory, up to the whole file. */
static void give_back(struct un_lmdb_cursor *c) {
    if (c->after > c->first) madvise((void *)c->first, c->after - c->first, MADV_DONTNEED);
    c->first = c->after = 0;
}

void un_lmdb_cursor_close(struct un_lmdb_cursor *c) {
    if (!c) return;
    give_back(c);
    if (c->cursor) mdb_cursor_close(c->cursor);
    if (c->txn) mdb_txn_abort(c->txn);
    un_free(c);
}

static void set(struct un_lmdb_cursor *c, struct un_lmdb_item *item, MDB_val key, MDB_val value) {
    *item = (struct un_lmdb_item){key.mv_data, value.mv_data, key.mv_size, value.mv_size};
    if (value.mv_size < LARGE) return;
    uintptr_t at = (uintptr_t)value.mv_data, number;
    c->first = at / c->page * c->page;
    c->after = (at + value.mv_size) / c->page * c->page;
    if (c->whole) madvise((void *)c->first, c->after - c->first, MADV_WILLNEED);
    /* the page before the value bears its number, which tells where the mapping starts */
    memcpy(&number, (const char *)value.mv_data - PAGE_HEADER, sizeof number);
    uintptr_t base = at - PAGE_HEADER - number * c->lmdb_page, end = (base + c->map) / c->page * c->page;
    c->used += value.mv_size;
    if (c->used < EVERY) return;
    c->used = 0;
    c->first = base;
    c->after = end;
}

enum un_status un_lmdb_cursor_next(struct un_lmdb_cursor *c, struct un_lmdb_item *item, bool *more) {
    MDB_val key, value;
    give_back(c);
    int code = mdb_cursor_get(c->cursor, &key, &value, MDB_NEXT);
    *more = code == 0;
    if (code == MDB_NOTFOUND) return UN_OK;
    if (code != 0) return fail(c->db, code);
    set(c, item, key, value);
    return UN_OK;
}

enum un_status un_lmdb_cursor_find(struct un_lmdb_cursor *c, const void *key, size_t bytes,
                                   struct un_lmdb_item *item, bool *found) {
    MDB_val k = {bytes, (void *)(uintptr_t)key}, value;
    give_back(c);
    *found = false;
    if (bytes == 0 || bytes > (size_t)mdb_env_get_maxkeysize(c->db->env)) return UN_OK;
    int code = mdb_cursor_get(c->cursor, &k, &value, MDB_SET_KEY);
    *found = code == 0;
    if (code == MDB_NOTFOUND) return UN_OK;
    if (code != 0) return fail(c->db, code);
    set(c, item, k, value);
    return UN_OK;
}
