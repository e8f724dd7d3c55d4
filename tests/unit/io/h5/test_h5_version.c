/* io/h5: who writes to a file while it is read is told, by the column read with pread and by HDF5; nothing else is. */
#include "io/h5/column.h"
#include "tests/support/expect.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { ROWS = 64, WIDTH = 8 };

/* `raw` is read with pread, `wide` (stored as 64 bits) through HDF5. */
struct file {
    struct un_h5 *h5;
    int fd;
    struct un_column raw, wide;
    const char *path;
};

static void write_file(const char *path) {
    static float raw[ROWS * WIDTH];
    static int64_t wide[ROWS];
    struct un_h5 *f;
    for (int i = 0; i < ROWS * WIDTH; ++i) raw[i] = (float)i;
    for (int i = 0; i < ROWS; ++i) wide[i] = i;
    expect_ok(un_h5_create(&f, path));
    expect_ok(un_h5_write_all(f, "raw", UN_F32, ROWS, WIDTH, raw));
    expect_ok(un_h5_write_all(f, "wide", UN_I64, ROWS, 0, wide));
    expect_ok(un_h5_commit(f));
    un_h5_close(f);
}

static void open_file(struct file *f, const char *name) {
    f->path = scratch(name);
    write_file(f->path);
    /* an hour old, so that what is written now has another time whatever the clock's steps */
    struct timespec old[2] = {{.tv_sec = 1000000000}, {.tv_sec = 1000000000, .tv_nsec = 5}};
    assert_int_equal(utimensat(AT_FDCWD, f->path, old, 0), 0);
    expect_ok(un_h5_open(&f->h5, f->path, true));
    f->fd = open(f->path, O_RDONLY);
    const struct un_column_source source = {f->h5, f->path, f->fd};
    const struct un_field raw = {"raw", UN_H5_FLOAT, 2, ROWS, WIDTH}, wide = {"wide", UN_H5_INT, 1, ROWS, 1};
    expect_ok(un_column_open(&f->raw, &source, &raw, UN_F32));
    expect_ok(un_column_open(&f->wide, &source, &wide, UN_I32));
    assert_true(f->raw.at >= 0);
    assert_true(f->wide.at < 0);
    f->raw.tries = f->wide.tries = 1;
    un_h5_set_tries(f->h5, 1);
}

static void close_file(struct file *f) {
    un_column_close(&f->raw);
    un_column_close(&f->wide);
    un_h5_close(f->h5);
    close(f->fd);
}

static void put(const char *path, off_t at, const char *text, size_t bytes) {
    int fd = open(path, O_WRONLY);
    assert_true(pwrite(fd, text, bytes, at) == (ssize_t)bytes);
    close(fd);
}

static void expect_refused(struct file *f) {
    float row[WIDTH];
    int32_t one;
    expect_error(un_column_read(&f->raw, 3, 1, row), UN_IO, "has changed while it was read");
    expect_error(un_column_read(&f->wide, 3, 1, &one), UN_IO, "has changed while it was read");
    expect_error(un_column_read(&f->wide, 4, 1, &one), UN_IO, f->path); /* and so it stays */
}

/* The row that is asked for stands as it did: that another one changed is reason enough. */
static void test_written_over(void **state) {
    (void)state;
    struct file f;
    open_file(&f, "over.h5");
    float row[WIDTH];
    expect_ok(un_column_read(&f.raw, 3, 1, row));
    assert_true(row[0] == 3 * WIDTH);
    put(f.path, (off_t)f.raw.at + 20 * WIDTH * 4, "zzzz", 4);
    expect_refused(&f);
    expect_error(un_column_read(&f.raw, 20, 1, row), UN_IO, "has changed while it was read");
    close_file(&f);
}

static void test_longer(void **state) {
    (void)state;
    struct file f;
    open_file(&f, "longer.h5");
    struct stat st;
    assert_int_equal(stat(f.path, &st), 0);
    put(f.path, st.st_size, "more", 4);
    expect_refused(&f);
    close_file(&f);
}

static void test_shorter(void **state) {
    (void)state;
    struct file f;
    open_file(&f, "shorter.h5");
    float row[WIDTH];
    int32_t one;
    assert_int_equal(truncate(f.path, (off_t)f.raw.at + 10 * WIDTH * 4), 0);
    expect_error(un_column_read(&f.raw, 3, 1, row), UN_IO, "has changed while it was read");
    expect_error(un_column_read(&f.raw, 30, 1, row), UN_IO, "row 30");
    expect_error(un_column_read(&f.wide, 3, 1, &one), UN_IO, f.path);
    close_file(&f);
}

/* A new file under the name, a removed name, another mode: what is open is what it was. */
static void test_untouched(void **state) {
    (void)state;
    struct file f;
    open_file(&f, "same.h5");
    float row[WIDTH];
    int32_t one;
    char other[1024];
    snprintf(other, sizeof other, "%s.new", f.path);
    assert_int_equal(chmod(f.path, 0), 0);
    expect_ok(un_column_read(&f.raw, 5, 1, row));
    write_file(other);
    assert_int_equal(rename(other, f.path), 0);
    expect_ok(un_column_read(&f.raw, 6, 1, row));
    expect_ok(un_column_read(&f.wide, 7, 1, &one));
    assert_int_equal(unlink(f.path), 0);
    expect_ok(un_column_read(&f.raw, 6, 1, row));
    expect_ok(un_column_read(&f.wide, 8, 1, &one));
    assert_true(row[0] == 6 * WIDTH && one == 8);
    close_file(&f);
}

static int remove_scratch(void **state) {
    (void)state;
    scratch_remove();
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_written_over),
        cmocka_unit_test(test_longer),
        cmocka_unit_test(test_shorter),
        cmocka_unit_test(test_untouched),
    };
    return cmocka_run_group_tests_name("io/h5 version", tests, NULL, remove_scratch);
}
