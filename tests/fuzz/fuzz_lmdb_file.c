/* A whole data.mdb: the check, then liblmdb over every key and value. */
#include "io/convert/format/lmdb.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/fuzz_memory.h"

#include <unistd.h>

/* Mutable: keeps the reads of values from being left out by the compiler. */
static volatile unsigned sum;

static void read_all(struct un_lmdb *db) {
    struct un_lmdb_cursor *cursor, *finder;
    struct un_lmdb_item item, again;
    bool more = true, found;
    if (un_lmdb_cursor_open(db, &cursor, true) != UN_OK) return;
    if (un_lmdb_cursor_open(db, &finder, false) != UN_OK) finder = NULL;
    while (un_lmdb_cursor_next(cursor, &item, &more) == UN_OK && more) {
        for (size_t i = 0; i < item.value_bytes; ++i) sum += item.value[i];
        for (size_t i = 0; i < item.key_bytes; ++i) sum += item.key[i];
        if (finder) un_lmdb_cursor_find(finder, item.key, item.key_bytes, &again, &found);
    }
    un_lmdb_cursor_close(finder);
    un_lmdb_cursor_close(cursor);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char path[64];
    struct un_lmdb *db;
    int fd = fuzz_file(path, data, size);
    if (fd < 0) return 0;
    if (un_lmdb_open(&db, path) == UN_OK) {
        read_all(db);
        un_lmdb_close(db);
    }
    un_error_clear();
    close(fd);
    return 0;
}
