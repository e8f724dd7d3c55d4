/* Photos that are cut, damaged, lying or none: refused by name before memory is taken, and the next one is read well. */
#include "io/convert/pixels/pixels.h"
#include "runtime/memory.h"
#include "tests/support/check.h"
#include "tests/support/expect.h"
#include "tests/support/made_photos.h"

#include <fcntl.h>
#include <stdio.h> /* before jpeglib.h, which needs it */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <jpeglib.h>

static const struct un_pixels_how UPRIGHT = {true};

/* A copy of exactly that length, so that a sanitizer sees a read past its end. */
static enum un_status decode(struct un_pixels *p, const uint8_t *bytes, size_t n) {
    uint8_t *copy = malloc(n ? n : 1);
    assert_non_null(copy);
    if (n > 0) memcpy(copy, bytes, n);
    enum un_status status = un_pixels_decode(p, "some/photo", copy, n, &UPRIGHT);
    free(copy);
    if (status != UN_OK) assert_true(p->width == 0 && p->height == 0);
    return status;
}

static enum un_status decode_file(struct un_pixels *p, const struct made_file *file) {
    return decode(p, file->bytes, file->n);
}

static struct made_file small(enum made_form form) {
    struct made_photo photo = {
        .form = form, .width = 21, .height = 17, .seed = 4, .orientation = 6, .quality = 90};
    return made_photo(&photo);
}

static void test_cut(void **state) {
    (void)state;
    struct un_pixels p = {0};
    for (int form = 0; form < MADE_FORMS; ++form) {
        struct made_file file = small((enum made_form)form);
        expect_ok(decode_file(&p, &file));
        expect_error(decode(&p, file.bytes, 0), UN_DATA, "some/photo: empty");
        for (size_t n = 1; n < file.n; n += n < 10 || n + 10 >= file.n ? 1 : 10)
            expect_error(decode(&p, file.bytes, n), UN_DATA, "some/photo: ", "truncated");
        expect_ok(decode_file(&p, &file));
        free(file.bytes);
    }
    un_pixels_free(&p);
}

/* No more memory than a whole photo of this size takes. */
static void expect_no_memory(struct un_pixels *p, const struct made_file *file, const char *word) {
    uint64_t before = un_memory_counts().live_bytes;
    expect_error(decode_file(p, file), UN_DATA, "some/photo: ", word);
    assert_int_equal(un_memory_counts().live_bytes, before);
}

static void test_sides(void **state) {
    (void)state;
    static const enum made_form forms[] = {MADE_420, MADE_PROGRESSIVE, MADE_PNG_RGB8};
    struct un_pixels p = {0};
    for (int i = 0; i < 3; ++i) {
        struct made_file file = small(forms[i]);
        made_sides(&file, 65500, 65500);
        expect_no_memory(&p, &file, "65500 x 65500 pixels are more than the 100000000 that are read");
        made_sides(&file, 10001, 10000);
        expect_no_memory(&p, &file, "10001 x 10000 pixels are more than");
        made_sides(&file, 10000, 10000);
        expect_no_memory(&p, &file, "bytes cannot hold 10000 x 10000 pixels");
        made_sides(&file, 21, 0);
        expect_no_memory(&p, &file, i < 2 ? "JPEG: " : "PNG: ");
        if (i < 2)
            made_sides(&file, 65535, 1);
        else
            made_sides(&file, 1000001, 1);
        expect_no_memory(&p, &file, i < 2 ? "JPEG: " : "PNG: ");
        free(file.bytes);
    }
    struct made_file file = small(MADE_PNG_RGB8); /* sides whose product is beyond 64 bits */
    made_sides(&file, 0x7FFFFFFF, 0x7FFFFFFF);
    expect_no_memory(&p, &file, "PNG: ");
    made_sides(&file, 0xFFFFFFFF, 0xFFFFFFFF);
    expect_no_memory(&p, &file, "PNG: ");
    free(file.bytes);
    un_pixels_free(&p);
}

static void test_scans(void **state) {
    (void)state;
    struct made_photo photo = {.form = MADE_PROGRESSIVE, .width = 21, .height = 17};
    static const int more[] = {501, 502, 600, 757};
    struct un_pixels p = {0};
    photo.scans = UN_PIXELS_SCANS;
    struct made_file file = made_photo(&photo);
    expect_ok(decode_file(&p, &file));
    free(file.bytes);
    for (int i = 0; i < 4; ++i) {
        photo.scans = more[i];
        file = made_photo(&photo);
        expect_error(decode_file(&p, &file), UN_DATA, "some/photo: a JPEG of more than 500 scans");
        free(file.bytes);
    }
    un_pixels_free(&p);
}

static void test_others(void **state) {
    (void)state;
    static const struct {
        size_t n;
        const char *bytes, *word;
    } files[] = {{10, "GIF89a....", "a GIF"},
                 {16, "RIFF\1\2\3\4WEBPVP8 ", "a WebP"},
                 {8, "II*\0\10\0\0\0", "a TIFF"},
                 {8, "MM\0*\0\0\0\10", "a TIFF"},
                 {16,
                  "\0\0\0\x18"
                  "ftypheic\0\0\0\0",
                  "a HEIF"},
                 {16,
                  "\0\0\0\x18"
                  "ftypmif1\0\0\0\0",
                  "a HEIF"},
                 {16,
                  "\0\0\0\x18"
                  "ftypavif\0\0\0\0",
                  "an AVIF"},
                 {16,
                  "\0\0\0\x18"
                  "ftypisom\0\0\0\0",
                  "a film"},
                 {12, "\0\0\0\x0CjP  \r\n\x87\n", "a JPEG 2000"},
                 {12, "\0\0\0\x0CJXL \r\n\x87\n", "a JPEG XL"},
                 {8, "BM\x46\0\0\0\0\0", "a BMP"},
                 {6, "%PDF-1", "a PDF"},
                 {14, "<!DOCTYPE html", "a page of HTML"},
                 {5, "hello", "not an image (first bytes: 68 65 6c 6c 6f)"},
                 {11, "\0\0\0\0\0\0\0\0\0\0\0", "not an image (first bytes: 00 00 00 00 00 00 00 00)"},
                 {2, "\xFF\xD9", "not an image"},
                 {8, "\x89PNG\n\n\n\n", "not an image"}};
    struct un_pixels p = {0};
    for (size_t i = 0; i < sizeof files / sizeof *files; ++i)
        expect_error(decode(&p, (const uint8_t *)files[i].bytes, files[i].n), UN_DATA,
                     "some/photo: ", files[i].word);
    un_pixels_free(&p);
}

/* Two components: no colours that anyone knows. */
static struct made_file two_components(void) {
    struct jpeg_compress_struct c = {0};
    struct jpeg_error_mgr errors;
    unsigned char *bytes = NULL, row[16] = {0};
    unsigned char *rows[1] = {row};
    unsigned long n = 0;
    c.err = jpeg_std_error(&errors);
    jpeg_create_compress(&c);
    jpeg_mem_dest(&c, &bytes, &n);
    c.image_width = 8, c.image_height = 8;
    c.input_components = 2, c.in_color_space = JCS_UNKNOWN;
    jpeg_set_defaults(&c);
    jpeg_start_compress(&c, TRUE);
    while (c.next_scanline < 8) jpeg_write_scanlines(&c, rows, 1);
    jpeg_finish_compress(&c);
    jpeg_destroy_compress(&c);
    return (struct made_file){bytes, n};
}

static void test_forms(void **state) {
    (void)state;
    struct un_pixels p = {0};
    struct made_file file = two_components();
    expect_error(decode_file(&p, &file), UN_DATA, "a JPEG of 2 components");
    free(file.bytes);
    file = small(MADE_420);
    size_t at = made_frame(&file);
    file.bytes[at + 4] = 12;
    expect_error(decode_file(&p, &file), UN_DATA, "some/photo: JPEG: damaged, or of a kind");
    file.bytes[at + 4] = 8;
    file.bytes[at + 1] = 0xC3; /* lossless: not known, or known and then these are not its data */
    expect_error(decode_file(&p, &file), UN_DATA, "some/photo: JPEG: damaged, or of a kind");
    file.bytes[at + 1] = 0xC5; /* hierarchical */
    expect_error(decode_file(&p, &file), UN_DATA, "some/photo: JPEG: damaged, or of a kind");
    file.bytes[at + 1] = 0xC0;
    expect_ok(decode_file(&p, &file));
    free(file.bytes);
    un_pixels_free(&p);
}

/* `n` bytes put into a file. */
static void insert(struct made_file *file, size_t at, const void *bytes, size_t n) {
    file->bytes = realloc(file->bytes, file->n + n);
    assert_non_null(file->bytes);
    memmove(file->bytes + at + n, file->bytes + at, file->n - at);
    memcpy(file->bytes + at, bytes, n);
    file->n += n;
}

/* What is damaged but has its end is decoded and counted; nothing is printed. */
static void test_damaged(void **state) {
    (void)state;
    struct un_pixels good = {0}, p = {0};
    struct made_file file = small(MADE_444);
    expect_ok(decode_file(&good, &file));
    insert(&file, made_frame(&file), "junk", 4); /* between two segments */
    expect_ok(decode_file(&p, &file));
    assert_int_equal(p.warnings, 1);
    assert_memory_equal(p.bgr, good.bgr, 21 * 17 * 3);
    insert(&file, file.n, "behind the end", 14);
    expect_ok(decode_file(&p, &file));
    assert_int_equal(p.warnings, 1);
    insert(&file, file.n - 40, "\xFF\xD9", 2); /* an end in the middle: the rest of the pixels is missing */
    expect_ok(decode_file(&p, &file));
    assert_true(p.warnings > 1);
    free(file.bytes);
    file = small(MADE_PNG_RGB8);
    expect_ok(decode_file(&good, &file));
    insert(&file, 33, "\0\0\0\4teXt...\0BAD!",
           16); /* behind IHDR; its checksum is wrong, but it says nothing */
    expect_ok(decode_file(&p, &file));
    assert_true(p.warnings >= 1);
    assert_memory_equal(p.bgr, good.bgr, 21 * 17 * 3);
    file.bytes[file.n - 30] ^= 1; /* the pixels themselves */
    expect_error(decode_file(&p, &file), UN_DATA, "some/photo: PNG: damaged, or of a kind");
    file.bytes[33] = 0x47; /* a chunk of more than a gigabyte */
    expect_error(decode_file(&p, &file), UN_DATA, "some/photo: truncated");
    free(file.bytes);
    un_pixels_free(&p);
    un_pixels_free(&good);
}

/* Every byte changed in turn: something comes out or a reason does. */
static int all_bytes(void *context) {
    struct un_pixels p = {0};
    (void)context;
    for (int form = 0; form < MADE_FORMS; ++form) {
        struct made_file file = small((enum made_form)form);
        for (size_t i = 0; i < file.n; ++i) {
            file.bytes[i] ^= (uint8_t)(1u << i % 8);
            enum un_status status = un_pixels_decode(&p, "x", file.bytes, file.n, &UPRIGHT);
            if (status != UN_OK && status != UN_DATA) return 1;
            if (status == UN_OK && (p.width <= 0 || p.height <= 0)) return 2;
            un_error_clear();
            file.bytes[i] ^= (uint8_t)(1u << i % 8);
        }
        free(file.bytes);
    }
    un_pixels_free(&p);
    return 0;
}

static int quiet(void *context) {
    int fd = open(context, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (fd < 0 || dup2(fd, STDERR_FILENO) < 0 || dup2(fd, STDOUT_FILENO) < 0) return 3;
    return all_bytes(NULL);
}

static void test_quiet(void **state) {
    (void)state;
    struct stat st;
    char said[1024];
    snprintf(said, sizeof said, "%s", scratch("said"));
    int status = in_child(quiet, said, 60);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_int_equal(stat(said, &st), 0);
    assert_int_equal(st.st_size, 0);
}

static void test_files(void **state) {
    (void)state;
    struct un_pixels p = {0};
    struct made_file file = small(MADE_420);
    made_write(scratch("good.jpg"), &file);
    expect_error(un_pixels_read(&p, "no/such.jpg", &UPRIGHT), UN_IO, "no/such.jpg: cannot open");
    expect_error(un_pixels_read(&p, scratch_folder(), &UPRIGHT), UN_IO, scratch_folder(),
                 "not a regular file");
    assert_int_equal(mkfifo(scratch("fifo"), 0600), 0);
    expect_error(un_pixels_read(&p, scratch("fifo"), &UPRIGHT), UN_IO, "fifo: not a regular file");
    made_write(scratch("huge.jpg"), &file);
    assert_int_equal(truncate(scratch("huge.jpg"), (off_t)UN_PIXELS_FILE + 1), 0);
    expect_error(un_pixels_read(&p, scratch("huge.jpg"), &UPRIGHT), UN_DATA,
                 "huge.jpg: 268435457 bytes are more than the 268435456");
    assert_int_equal(p.file_capacity, 0);
    expect_error(un_pixels_decode(&p, "m", file.bytes, (size_t)UN_PIXELS_FILE + 1, &UPRIGHT), UN_DATA,
                 "m: 268435457 bytes");
    expect_ok(un_pixels_read(&p, scratch("good.jpg"), &UPRIGHT));
    free(file.bytes);
    un_pixels_free(&p);
}

/* Each allocation fails once; the struct can be used after it, and nothing is lost. */
static void test_no_memory(void **state) {
    (void)state;
    static const enum made_form forms[] = {MADE_420, MADE_CMYK, MADE_PNG_GRAY2};
    uint64_t before = live_blocks();
    for (int i = 0; i < 3; ++i) {
        struct made_file file = small(forms[i]);
        made_write(scratch("photo"), &file);
        free(file.bytes);
        for (uint64_t at = 1; at <= 3; ++at) { /* the file, its pixels, these turned */
            struct un_pixels p = {0};
            un_memory_fail_at(at);
            expect_error(un_pixels_read(&p, scratch("photo"), &UPRIGHT), UN_MEMORY, "no memory");
            un_memory_fail_at(0);
            assert_true(p.width == 0 && p.height == 0);
            expect_ok(un_pixels_read(&p, scratch("photo"), &UPRIGHT));
            assert_true(p.width == 17 && p.height == 21);
            un_pixels_free(&p);
        }
    }
    assert_int_equal(live_blocks(), before);
}

/* A larger photo does not fit; the smaller ones still do. */
static void test_no_room(void **state) {
    (void)state;
    struct made_photo photo = {.form = MADE_420, .width = 200, .height = 100, .orientation = 3};
    struct made_file file = small(MADE_420), large = made_photo(&photo);
    struct un_pixels p = {0};
    uint64_t before = live_blocks();
    for (uint64_t at = 1; at <= 2; ++at) {
        expect_ok(decode_file(&p, &file));
        un_memory_fail_at(at);
        expect_error(decode_file(&p, &large), UN_MEMORY, "no memory");
        un_memory_fail_at(0);
        expect_ok(decode_file(&p, &file));
        assert_true(p.width == 17 && p.height == 21);
        expect_ok(decode_file(&p, &large));
        un_pixels_free(&p);
        assert_int_equal(live_blocks(), before);
    }
    free(file.bytes);
    free(large.bytes);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cut),     cmocka_unit_test(test_sides), cmocka_unit_test(test_scans),
        cmocka_unit_test(test_others),  cmocka_unit_test(test_forms), cmocka_unit_test(test_damaged),
        cmocka_unit_test(test_quiet),   cmocka_unit_test(test_files), cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_no_room),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    scratch_remove();
    return failed;
}
