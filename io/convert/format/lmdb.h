/* A read-only LMDB database: the plain main table of a data.mdb.
 *
 * liblmdb trusts its file and crashes on a damaged one, so the whole tree is checked (lmdb_check.c) before
 * liblmdb sees it. Nothing is written, no lock file is made; folders may be read-only. The file must not be
 * changed by others while it is open. Messages name file and page. */
#ifndef UN_IO_CONVERT_FORMAT_LMDB_H
#define UN_IO_CONVERT_FORMAT_LMDB_H

#include "runtime/status.h"

struct un_lmdb;
struct un_lmdb_cursor;

/* Borrowed from the mapped file until the cursor's next call. Values of any alignment. */
struct un_lmdb_item {
    const unsigned char *key, *value;
    size_t key_bytes, value_bytes;
};

/* path: a folder with data.mdb, or the file. UN_IO; UN_DATA: not LMDB, damaged, named tables or duplicates
 * in it. */
enum un_status un_lmdb_open(struct un_lmdb **db, const char *path);
void un_lmdb_close(struct un_lmdb *db); /* NULL allowed; after its cursors */
int64_t un_lmdb_entries(const struct un_lmdb *db);
const char *un_lmdb_path(const struct un_lmdb *db); /* of the file */

/* Thread-safe: any number, each used by one thread at a time. whole: values will be read from end to end, so
 * they are fetched ahead; either way their memory is given back at the next call. */
enum un_status un_lmdb_cursor_open(struct un_lmdb *db, struct un_lmdb_cursor **cursor, bool whole);
void un_lmdb_cursor_close(struct un_lmdb_cursor *cursor); /* NULL allowed */
/* In the order of keys, from the first. *more false at the end. */
enum un_status un_lmdb_cursor_next(struct un_lmdb_cursor *cursor, struct un_lmdb_item *item, bool *more);
/* *found false: there is no such key. Sets where `next` goes on. */
enum un_status un_lmdb_cursor_find(struct un_lmdb_cursor *cursor, const void *key, size_t bytes,
                                   struct un_lmdb_item *item, bool *found);

/* The check alone. fd: the open file, path for messages; *entries of the main table. */
enum un_status un_lmdb_check(int fd, const char *path, int64_t *entries);

#endif
