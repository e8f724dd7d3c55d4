/* The pass over a rank's rows: which bytes, in which order (seen by a pread of the test's own), what cannot be read. */
#include "io/data/warm.h"
#include "io/h5/column.h"
#include "runtime/memory.h"
#include "tests/support/expect.h"
#include "tests/support/make_files.h"
#include "tests/support/mutate.h"
#include "tests/support/one_set.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

enum { MOST = 256 };
static struct seen {
    ino_t file;
    int64_t at, bytes;
} seen[MOST];
static int64_t n_seen;
static bool watching, failing;

ssize_t pread(int fd, void *buf, size_t bytes, off_t at) {
    struct stat s;
    if (watching && fstat(fd, &s) == 0 && n_seen < MOST)
        seen[n_seen++] = (struct seen){s.st_ino, (int64_t)at, (int64_t)bytes};
    if (failing) {
        errno = EIO;
        return -1;
    }
    return (ssize_t)syscall(SYS_pread64, fd, buf, bytes, at);
}

static struct un_dataset *open_four(bool align) {
    struct make_files m = make_files_default();
    const char *parts[][2] = {{"a.img.h5", "a.txt.h5"}, {"b.img.h5", "b.txt.h5"}};
    struct one_set set;
    struct un_dataset *d;
    m.align = align;
    for (int i = 0; i < 2; ++i) {
        m.prefix = i ? "b" : "a";
        m.images = 40;
        expect_ok(make_files(&m, scratch(parts[i][0]), scratch(parts[i][1])));
    }
    one_set_init(&set, (const char *const[]){scratch("a.img.h5"), scratch("b.img.h5"), NULL},
                 (const char *const[]){scratch("a.txt.h5"), scratch("b.txt.h5"), NULL});
    set.lanes = 8;
    set.soft_labels = true;
    expect_ok(one_set_open(&d, &set));
    return d;
}

/* Runs it to its end; the bytes that it says. */
static int64_t run(struct un_warm *w) {
    int64_t all = 0, piece;
    n_seen = 0;
    watching = true;
    while ((piece = un_warm_next(w)) > 0) all += piece;
    watching = false;
    assert_int_equal(un_warm_next(w), 0);
    return all;
}

static int64_t read_bytes(void) {
    int64_t all = 0;
    for (int64_t i = 0; i < n_seen; ++i) all += seen[i].bytes;
    return all;
}

/* Each file once, forwards without a step back, no byte twice. */
static void expect_in_order(int64_t files) {
    int64_t changes = 0;
    for (int64_t i = 1; i < n_seen; ++i) {
        if (seen[i].file != seen[i - 1].file) {
            for (int64_t k = 0; k < i; ++k) assert_true(seen[k].file != seen[i].file);
            ++changes;
            continue;
        }
        assert_true(seen[i].at >= seen[i - 1].at + seen[i - 1].bytes);
    }
    assert_int_equal(changes + 1, files);
}

/* What all images [begin, end) hold in their columns: f16 16 wide, 6 f32, 11 f16. */
static int64_t image_bytes(const struct un_dataset *d, int64_t begin, int64_t end, bool soft) {
    int64_t bytes = 0;
    for (int64_t i = begin; i < end; ++i)
        bytes += un_dataset_image_regions(d, i) * (32 + 24 + (soft ? 22 : 0));
    return bytes;
}
static int64_t text_bytes(const struct un_dataset *d, int64_t begin, int64_t end) {
    int64_t words = 0;
    for (int64_t t = un_dataset_image_text(d, begin); t < un_dataset_image_text(d, end); ++t)
        words += un_dataset_text_length(d, t);
    return words * 4;
}

static void test_all_in_order(void **state) {
    (void)state;
    for (int soft = 0; soft < 2; ++soft) {
        uint64_t before = live_blocks();
        struct un_dataset *d = open_four(false);
        struct un_warm *w;
        expect_ok(un_warm_open(&w, &d, 1, &(bool){soft}, 0, 8));
        int64_t want = image_bytes(d, 0, 80, soft) + text_bytes(d, 0, 80);
        assert_int_equal(un_warm_bytes(w), want);
        assert_int_equal(run(w), want);
        assert_int_equal(read_bytes(), want);
        expect_in_order(4);
        assert_int_equal(un_warm_left_out(w), 0);
        un_warm_close(w);
        un_dataset_close(d);
        assert_int_equal(live_blocks(), before);
    }
}

/* A rank reads its lanes' rows and no others, with the whole index and with its part of it. */
static void test_part(void **state) {
    (void)state;
    struct un_dataset *d = open_four(true);
    for (int kept = 0; kept < 2; ++kept) {
        int64_t begin = un_dataset_lane_image(d, 3), end = un_dataset_lane_image(d, 5), pairs;
        struct un_warm *w;
        if (kept) expect_ok(un_dataset_keep(d, begin, end));
        expect_ok(un_warm_open(&w, &d, 1, &(bool){true}, 3, 5));
        pairs = 2 * text_bytes(d, begin, end); /* a pair for each word */
        int64_t want = image_bytes(d, begin, end, true) + text_bytes(d, begin, end) + pairs;
        assert_int_equal(run(w), want);
        assert_int_equal(read_bytes(), want);
        expect_in_order(4); /* lanes 3 and 4 lie in one file each */
        un_warm_close(w);
    }
    un_dataset_close(d);
}

/* Stopped after any piece it leaves nothing behind; a column that cannot be read is passed over, and the pass ends. */
static void test_failing(void **state) {
    (void)state;
    uint64_t before = live_blocks();
    struct un_dataset *d = open_four(false);
    struct un_warm *w;
    expect_ok(un_warm_open(&w, &d, 1, &(bool){true}, 0, 8));
    assert_true(un_warm_next(w) > 0);
    un_warm_close(w); /* stopped */
    expect_ok(un_warm_open(&w, &d, 1, &(bool){true}, 0, 8));
    failing = true;
    int64_t all = run(w);
    failing = false;
    assert_int_equal(all, un_warm_bytes(w));
    assert_int_equal(n_seen, 8); /* one try each: 2 files of 3 columns, 2 of one */
    un_warm_close(w);
    un_dataset_close(d);
    assert_int_equal(live_blocks(), before);
}

/* Columns in chunks are HDF5's: counted, not read. */
static void test_chunks(void **state) {
    (void)state;
    struct make_files m = make_files_default();
    struct one_set set;
    struct un_dataset *d;
    struct un_warm *w;
    expect_ok(make_files(&m, scratch("c.img.h5"), scratch("c.txt.h5")));
    hid_t half = mutate_half_type();
    mutate_restore(scratch("c.img.h5"), "feature", half, 4, 1);
    mutate_restore(scratch("c.txt.h5"), "token", H5T_STD_I64LE, 7, 1);
    H5Tclose(half);
    ONE_SET(&set, scratch("c.img.h5"), scratch("c.txt.h5"));
    expect_ok(one_set_open(&d, &set));
    expect_ok(un_warm_open(&w, &d, 1, &(bool){false}, 0, set.lanes));
    assert_int_equal(un_warm_left_out(w), 2);
    int64_t regions = un_dataset_info(d)->regions;
    assert_int_equal(run(w), regions * 24);
    un_warm_close(w);
    un_dataset_close(d);
}

static void test_no_memory(void **state) {
    (void)state;
    struct un_dataset *d = open_four(false);
    struct un_warm *w;
    uint64_t before = live_blocks();
    for (uint64_t n = 1; n <= 4; ++n) {
        un_memory_fail_at(n);
        enum un_status status = un_warm_open(&w, &d, 1, &(bool){true}, 0, 8);
        un_memory_fail_at(0);
        assert_int_equal(status, UN_MEMORY);
        assert_null(w);
        assert_int_equal(live_blocks(), before);
    }
    un_error_clear();
    un_dataset_close(d);
}

static int remove_scratch(void **state) {
    (void)state;
    scratch_remove();
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_in_order), cmocka_unit_test(test_part),      cmocka_unit_test(test_failing),
        cmocka_unit_test(test_chunks),       cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, remove_scratch);
}
