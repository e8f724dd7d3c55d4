/* LMDB files: every key and value of a made database comes back; whatever byte is changed, or wherever the
 * file is cut, it is refused or read without harm. */
#include "io/convert/format/lmdb.h"
#include "runtime/memory.h"
#include "tests/support/expect.h"

#include <fcntl.h>
#include <lmdb.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { ENTRIES = 700 };

static size_t value_bytes(int i) {
    return (size_t)(i % 50 == 7 ? 3000 + 97 * i : i % 90);
}
static unsigned char value_byte(int i, size_t at) {
    return (unsigned char)(i * 31 + (int)(at * 7));
}

static void make(const char *path) {
    static unsigned char value[80000];
    MDB_env *env;
    MDB_txn *txn;
    MDB_dbi table;
    remove(path);
    assert_int_equal(mdb_env_create(&env), 0);
    assert_int_equal(mdb_env_set_mapsize(env, 1 << 24), 0);
    assert_int_equal(mdb_env_open(env, path, MDB_NOSUBDIR | MDB_NOLOCK | MDB_NOSYNC, 0644), 0);
    assert_int_equal(mdb_txn_begin(env, NULL, 0, &txn), 0);
    assert_int_equal(mdb_dbi_open(txn, NULL, 0, &table), 0);
    for (int i = 0; i < ENTRIES; ++i) {
        char key[32];
        snprintf(key, sizeof key, "key_%06d", i * 7919 % ENTRIES);
        int number = i * 7919 % ENTRIES;
        for (size_t k = 0; k < value_bytes(number); ++k) value[k] = value_byte(number, k);
        MDB_val k = {strlen(key), key}, v = {value_bytes(number), value};
        assert_int_equal(mdb_put(txn, table, &k, &v, 0), 0);
    }
    assert_int_equal(mdb_txn_commit(txn), 0);
    mdb_env_close(env);
}

static void check_item(const struct un_lmdb_item *item, int i) {
    char key[32];
    snprintf(key, sizeof key, "key_%06d", i);
    assert_int_equal(item->key_bytes, strlen(key));
    assert_memory_equal(item->key, key, strlen(key));
    assert_int_equal(item->value_bytes, value_bytes(i));
    for (size_t k = 0; k < item->value_bytes; ++k) assert_int_equal(item->value[k], value_byte(i, k));
}

static void test_read(void **state) {
    (void)state;
    const char *path = scratch("made.mdb");
    uint64_t before = live_blocks();
    struct un_lmdb *db;
    struct un_lmdb_cursor *one, *two;
    struct un_lmdb_item item;
    bool more, found;
    make(path);
    expect_ok(un_lmdb_open(&db, path));
    assert_int_equal(un_lmdb_entries(db), ENTRIES);
    assert_string_equal(un_lmdb_path(db), path);
    expect_ok(un_lmdb_cursor_open(db, &one, true));
    expect_ok(un_lmdb_cursor_open(db, &two, false)); /* two of one thread */
    for (int i = 0; i < ENTRIES; ++i) {
        char key[32];
        expect_ok(un_lmdb_cursor_next(one, &item, &more));
        assert_true(more);
        check_item(&item, i);
        snprintf(key, sizeof key, "key_%06d", ENTRIES - 1 - i);
        expect_ok(un_lmdb_cursor_find(two, key, strlen(key), &item, &found));
        assert_true(found);
        check_item(&item, ENTRIES - 1 - i);
    }
    expect_ok(un_lmdb_cursor_next(one, &item, &more));
    assert_false(more);
    expect_ok(un_lmdb_cursor_find(two, "key_1", 5, &item, &found));
    assert_false(found);
    expect_ok(un_lmdb_cursor_find(two, "", 0, &item, &found));
    assert_false(found);
    un_lmdb_cursor_close(one);
    un_lmdb_cursor_close(two);
    un_lmdb_close(db);
    assert_int_equal(live_blocks(), before);
}

/* Reads all of it if it opens; returns whether it did. */
static bool read_all(const char *path) {
    struct un_lmdb *db;
    struct un_lmdb_cursor *cursor;
    struct un_lmdb_item item;
    bool more = true;
    unsigned sum = 0;
    if (un_lmdb_open(&db, path) != UN_OK) {
        assert_int_equal(un_error_get()->status, UN_DATA);
        assert_non_null(strstr(un_error_get()->text, path));
        un_error_clear();
        return false;
    }
    expect_ok(un_lmdb_cursor_open(db, &cursor, false));
    int64_t n = 0;
    while (un_lmdb_cursor_next(cursor, &item, &more) == UN_OK && more) {
        for (size_t k = 0; k < item.value_bytes; ++k) sum += item.value[k];
        ++n;
    }
    assert_int_equal(n, un_lmdb_entries(db));
    un_lmdb_cursor_close(cursor);
    un_lmdb_close(db);
    return sum < UINT32_MAX;
}

static void test_damage(void **state) {
    (void)state;
    const char *path = scratch("damaged.mdb");
    make(path);
    int fd = open(path, O_RDWR);
    off_t bytes = lseek(fd, 0, SEEK_END);
    int refused = 0, tried = 0;
    uint64_t before = live_blocks();
    for (off_t page = 0; page < bytes; page += 4096)
        for (int at = 0; at < 4096; at += at < 160 ? 1 : 251) {
            unsigned char old, now;
            if (page / 4096 > 60 && at % 8 != 0) continue;
            assert_int_equal(pread(fd, &old, 1, page + at), 1);
            now = (unsigned char)(old ^ (at % 2 ? 0xFF : 1 << at % 8));
            assert_int_equal(pwrite(fd, &now, 1, page + at), 1);
            refused += !read_all(path);
            ++tried;
            assert_int_equal(pwrite(fd, &old, 1, page + at), 1);
        }
    assert_true(refused > 200 && refused < tried);
    assert_true(read_all(path));
    for (off_t cut = 0; cut < bytes; cut += cut < 12288 ? 512 : 7 * 4096 + 512) {
        assert_int_equal(ftruncate(fd, 0), 0);
        make(path);
        close(fd);
        fd = open(path, O_RDWR);
        assert_int_equal(ftruncate(fd, cut), 0);
        assert_false(read_all(path));
    }
    close(fd);
    assert_int_equal(live_blocks(), before);
}

/* A byte of page `page` at `at`, then the words of the refusal. */
static void refuse(off_t page, off_t at, uint64_t value, int bytes, const char *words) {
    const char *path = scratch("refused.mdb");
    struct un_lmdb *db;
    make(path);
    int fd = open(path, O_RDWR);
    assert_int_equal(pwrite(fd, &value, (size_t)bytes, page * 4096 + at), bytes);
    close(fd);
    expect_error(un_lmdb_open(&db, path), UN_DATA, path, words);
    assert_null(db);
}

static void test_messages(void **state) {
    (void)state;
    unsigned char meta[4096];
    uint64_t root, entries;
    const char *path = scratch("plain.mdb");
    make(path);
    int fd = open(path, O_RDONLY);
    assert_int_equal(pread(fd, meta, sizeof meta, 4096), sizeof meta); /* the newer one after one commit */
    close(fd);
    memcpy(&entries, meta + 16 + 72 + 32, 8);
    memcpy(&root, meta + 16 + 72 + 40, 8);
    assert_int_equal(entries, ENTRIES);
    refuse(0, 16, 0, 4, "not an LMDB database");
    refuse(1, 20, 999, 4, "data version 999");
    refuse(0, 16 + 24, 100, 4, "pages of 100 bytes");
    refuse(1, 16 + 72 + 4, 4, 2, "not a plain one");
    refuse(1, 16 + 72 + 6, 200, 2, "depth 200");
    refuse(1, 16 + 72 + 6, 1, 2, "is no leaf");
    refuse(1, 16 + 72 + 40, 1 << 20, 8, "outside of the file");
    refuse(1, 16 + 72 + 32, 3, 8, "its meta page says 3");
    refuse((off_t)root, 0, 1, 8, "bears another number");
    refuse((off_t)root, 10, 2, 2, "is no branch");
    refuse((off_t)root, 12, 17, 2, "bounds");
    refuse((off_t)root, 12, 18, 2, "too few nodes");
    refuse((off_t)root, 16, 4094, 2, "a node lies outside");
    expect_error(un_lmdb_open(&(struct un_lmdb *){NULL}, "nowhere/at.mdb"), UN_IO, "nowhere/at.mdb",
                 "cannot open");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_read),
        cmocka_unit_test(test_damage),
        cmocka_unit_test(test_messages),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    scratch_remove();
    return failed;
}
