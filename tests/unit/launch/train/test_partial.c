/* Rows of a score matrix that outlive a kill: what is whole is taken up, what is torn or of others is not. */
#include "launch/train/partial.h"
#include "runtime/memory.h"
#include "tests/support/check.h"
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TEXTS = 7, IMAGES = 3 };
static char folder[] = "/tmp/un_partial_XXXXXX";
static char path[UN_PATH_MAX];
static const struct un_partial_head head = {.texts = TEXTS, .images = IMAGES, .plan = 5};
static float score[TEXTS * IMAGES];

static int make_folder(void **state) {
    (void)state;
    return mkdtemp(folder) ? (int)un_files_join(path, folder, "part") : -1;
}

static int remove_folder(void **state) {
    (void)state;
    return (int)un_files_remove_folder(folder, NULL);
}

static int64_t open_part(struct un_partial *p, const struct un_partial_head *h) {
    int64_t done;
    memset(score, 0, sizeof score);
    assert_int_equal(un_partial_open(p, path, h, score, &done), UN_OK);
    return done;
}

static void put(struct un_partial *p, int64_t first, int64_t n) {
    float rows[TEXTS * IMAGES];
    for (int64_t i = 0; i < n * IMAGES; ++i) rows[i] = (float)(first * IMAGES + i);
    assert_int_equal(un_partial_add(p, first, n, rows), UN_OK);
}

static void expect_rows(int64_t n) {
    for (int64_t i = 0; i < n * IMAGES; ++i) assert_true(score[i] == (float)i);
}

static void two_blocks(void) {
    struct un_partial p;
    unlink(path);
    assert_int_equal(open_part(&p, &head), 0);
    put(&p, 0, 2);
    put(&p, 2, 3);
    un_partial_close(&p, false);
}

static void whole_blocks_are_taken_up(void **state) {
    (void)state;
    struct un_partial p;
    two_blocks();
    assert_int_equal(open_part(&p, &head), 5);
    expect_rows(5);
    put(&p, 5, 2);
    un_partial_close(&p, false);
    assert_int_equal(open_part(&p, &head), 7);
    expect_rows(7);
    un_partial_close(&p, true);
    assert_int_not_equal(access(path, F_OK), 0);
    un_partial_close(&p, true); /* once more is nothing */
}

/* Cut at every length: the blocks before the cut are there, and what follows is written where they end. */
static void torn_at_any_byte(void **state) {
    (void)state;
    struct un_partial p;
    struct stat st;
    two_blocks();
    assert_int_equal(stat(path, &st), 0);
    int64_t block = 32, first = (int64_t)sizeof head + block + 2 * IMAGES * 4;
    assert_int_equal(st.st_size, first + block + 3 * IMAGES * 4);
    for (int64_t length = 0; length < st.st_size; ++length) {
        two_blocks();
        assert_int_equal(truncate(path, length), 0);
        int64_t done = open_part(&p, &head);
        assert_int_equal(done, length < first ? 0 : 2);
        put(&p, done, 1);
        un_partial_close(&p, false);
        assert_int_equal(open_part(&p, &head), done + 1);
        expect_rows(done + 1);
        un_partial_close(&p, false);
    }
}

static void damaged_at_any_byte(void **state) {
    (void)state;
    struct un_partial p;
    char *text;
    size_t bytes;
    two_blocks();
    assert_int_equal(un_files_read(path, 4096, &text, &bytes), UN_OK);
    for (size_t at = 0; at < bytes; ++at) {
        text[at] ^= 0x11;
        assert_int_equal(un_files_replace(path, text, bytes), UN_OK);
        text[at] ^= 0x11;
        int64_t done = open_part(&p, &head);
        assert_in_range(done, 0, 2);
        expect_rows(done);
        un_partial_close(&p, false);
    }
    un_free(text);
}

static void rows_of_others_are_not_taken(void **state) {
    (void)state;
    struct un_partial p;
    struct un_partial_head other = head;
    other.params[3] = 'x';
    two_blocks();
    assert_int_equal(open_part(&p, &other), 0);
    un_partial_close(&p, false);
    assert_int_equal(open_part(&p, &head), 0); /* and now they are gone */
    un_partial_close(&p, true);
    int64_t done;
    assert_int_equal(un_partial_open(&p, folder, &head, score, &done), UN_IO); /* a folder */
    un_error_clear();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_blocks_are_taken_up),
        cmocka_unit_test(torn_at_any_byte),
        cmocka_unit_test(damaged_at_any_byte),
        cmocka_unit_test(rows_of_others_are_not_taken),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
