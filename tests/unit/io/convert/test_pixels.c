/* Photos of every form against the pixels they were drawn from: PNG exactly, JPEG closely; every orientation; and the
 * five photos whose digests other decoders gave. */
#include "io/convert/pixels/pixels.h"
#include "runtime/memory.h"
#include "tests/support/check.h"
#include "tests/support/expect.h"
#include "tests/support/made_photos.h"
#include "tests/support/sha256.h"

#include <stdio.h> /* before jpeglib.h, which needs it */
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>

/* Rounding at quality 100 and of the colour transforms: 2. Halved chroma has no neighbour at an edge, where it is
 * half a pixel off; the waves rise by at most 111 * 2 pi * 0.004 = 2.8 a pixel and axis, of which less than half is
 * chroma: 2. */
enum { NEAR = 4 };

static const struct un_pixels_how UPRIGHT = {true}, STORED = {false};

static void test_sha256(void **state) {
    (void)state;
    static const char *const text[] = {"", "abc", "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"};
    static const char *const want[] = {"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
                                       "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
                                       "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"};
    char got[SHA256_TEXT];
    for (int i = 0; i < 3; ++i) {
        sha256_text(text[i], strlen(text[i]), got);
        assert_string_equal(got, want[i]);
    }
}

static void decode(struct un_pixels *p, const struct made_photo *photo, const struct un_pixels_how *how) {
    struct made_file file = made_photo(photo);
    expect_ok(un_pixels_decode(p, made_form_name(photo->form), file.bytes, file.n, how));
    assert_int_equal(p->warnings, 0);
    assert_int_equal(p->orientation, photo->orientation);
    free(file.bytes);
}

/* Worst deviation from what was drawn. */
static int worst(const struct un_pixels *p, const struct made_photo *photo, bool upright) {
    int most = 0;
    for (int64_t y = 0; y < p->height; ++y)
        for (int64_t x = 0; x < p->width; ++x) {
            int64_t sy = y, sx = x;
            uint8_t want[3];
            if (upright) made_stored(photo, y, x, &sy, &sx);
            made_pixel(photo, sy, sx, want);
            for (int c = 0; c < 3; ++c) {
                int off = abs(p->bgr[(y * p->width + x) * 3 + c] - want[c]);
                most = off > most ? off : most;
            }
        }
    return most;
}

static const int64_t SIZES[][2] = {{1, 1}, {3, 2}, {1, 9}, {7, 5}, {33, 70}};

static void test_png(void **state) {
    (void)state;
    static const int components[] = {1, 1, 1, 1, 1, 3, 3, 3, 3, 2, 2, 3, 3, 4, 4};
    struct un_pixels p = {0};
    for (int form = MADE_JPEGS; form < MADE_FORMS; ++form)
        for (size_t size = 0; size < sizeof SIZES / sizeof *SIZES; ++size)
            for (int flags = 0; flags < 8; ++flags) {
                struct made_photo photo = {.form = (enum made_form)form,
                                           .width = SIZES[size][0],
                                           .height = SIZES[size][1],
                                           .seed = (uint64_t)(form * 8 + flags),
                                           .interlaced = flags & 1,
                                           .transparent = flags & 2,
                                           .gamma = flags & 4};
                decode(&p, &photo, &UPRIGHT);
                assert_int_equal(p.width, photo.width);
                assert_int_equal(p.height, photo.height);
                assert_int_equal(p.components, components[form - MADE_JPEGS]);
                if (worst(&p, &photo, false) != 0)
                    fail_msg("%s, flags %d: not exact", made_form_name(photo.form), flags);
            }
    un_pixels_free(&p);
}

static void test_jpeg(void **state) {
    (void)state;
    static const int components[] = {3, 3, 3, 3, 1, 3, 4, 4, 4, 3};
    struct un_pixels p = {0};
    for (int form = 0; form < MADE_JPEGS; ++form)
        for (size_t size = 0; size < sizeof SIZES / sizeof *SIZES; ++size)
            for (uint64_t seed = 0; seed < 6; ++seed) {
                struct made_photo photo = {(enum made_form)form, SIZES[size][0], SIZES[size][1], seed,
                                           .quality = 100};
                decode(&p, &photo, &UPRIGHT);
                assert_int_equal(p.width, photo.width);
                assert_int_equal(p.height, photo.height);
                assert_int_equal(p.components, components[form]);
                int off = worst(&p, &photo, false);
                if (off > NEAR)
                    fail_msg("%s, seed %d: off by %d", made_form_name(photo.form), (int)seed, off);
            }
    un_pixels_free(&p);
}

/* The inks as the library gives them. */
static void read_inks(const struct made_file *file, uint8_t *inks, int64_t width, bool *marked) {
    struct jpeg_decompress_struct c = {0};
    struct jpeg_error_mgr errors;
    c.err = jpeg_std_error(&errors);
    jpeg_create_decompress(&c);
    jpeg_mem_src(&c, file->bytes, file->n);
    jpeg_read_header(&c, TRUE);
    *marked = c.saw_Adobe_marker;
    jpeg_start_decompress(&c);
    assert_int_equal(c.output_components, 4);
    while (c.output_scanline < c.output_height) {
        JSAMPROW row = inks + 4 * width * c.output_scanline;
        jpeg_read_scanlines(&c, &row, 1);
    }
    jpeg_finish_decompress(&c);
    jpeg_destroy_decompress(&c);
}

/* 255 is no ink with a marker and full ink without; in double, every pixel. */
static void test_inks(void **state) {
    (void)state;
    static uint8_t inks[90 * 70 * 4];
    struct un_pixels p = {0};
    for (int form = MADE_CMYK; form <= MADE_YCCK; ++form)
        for (uint64_t seed = 0; seed < 4; ++seed) {
            struct made_photo photo = {.form = (enum made_form)form, .width = 90, .height = 70, .seed = seed};
            struct made_file file = made_photo(&photo);
            bool marked;
            read_inks(&file, inks, photo.width, &marked);
            free(file.bytes);
            assert_int_equal(marked, form != MADE_CMYK);
            decode(&p, &photo, &UPRIGHT);
            for (int i = 0; i < 90 * 70; ++i)
                for (int c = 0; c < 3; ++c) {
                    double ink = marked ? inks[4 * i + c] : 255 - inks[4 * i + c],
                           black = marked ? inks[4 * i + 3] : 255 - inks[4 * i + 3];
                    assert_int_equal(p.bgr[3 * i + 2 - c], (int)floor(ink * black / 255 + 0.5));
                }
        }
    un_pixels_free(&p);
}

/* Six pixels with a name each, written out by hand for every orientation; then sizes beyond a tile. */
static void test_small_turns(void **state) {
    (void)state;
    static const struct {
        int height, width, order[6];
    } want[9] = {{2, 3, {0, 1, 2, 3, 4, 5}}, {2, 3, {0, 1, 2, 3, 4, 5}}, {2, 3, {2, 1, 0, 5, 4, 3}},
                 {2, 3, {5, 4, 3, 2, 1, 0}}, {2, 3, {3, 4, 5, 0, 1, 2}}, {3, 2, {0, 3, 1, 4, 2, 5}},
                 {3, 2, {3, 0, 4, 1, 5, 2}}, {3, 2, {5, 2, 4, 1, 3, 0}}, {3, 2, {2, 5, 1, 4, 0, 3}}};
    struct un_pixels p = {0};
    for (int o = 0; o <= 8; ++o)
        for (int big = 0; big < 2; ++big) {
            struct made_photo photo = {
                .form = MADE_PNG_RGB8, .width = 3, .height = 2, .orientation = o, .exif_big = big};
            decode(&p, &photo, &UPRIGHT);
            assert_int_equal(p.height, want[o].height);
            assert_int_equal(p.width, want[o].width);
            for (int i = 0; i < 6; ++i) {
                uint8_t bgr[3];
                made_pixel(&photo, want[o].order[i] / 3, want[o].order[i] % 3, bgr);
                assert_memory_equal(p.bgr + 3 * i, bgr, 3);
            }
            decode(&p, &photo, &STORED);
            assert_int_equal(p.width, 3);
            assert_int_equal(worst(&p, &photo, false), 0);
        }
    un_pixels_free(&p);
}

static void test_turns(void **state) {
    (void)state;
    static const int64_t sizes[][2] = {{1, 1}, {1, 130}, {130, 1}, {64, 64}, {65, 129}, {200, 63}};
    struct un_pixels p = {0}, q = {0};
    for (int o = 1; o <= 8; ++o)
        for (size_t size = 0; size < sizeof sizes / sizeof *sizes; ++size) {
            struct made_photo photo = {
                .form = MADE_PNG_RGB8, .width = sizes[size][0], .height = sizes[size][1], .orientation = o};
            decode(&p, &photo, &UPRIGHT);
            assert_int_equal(p.width, o >= 5 ? photo.height : photo.width);
            assert_int_equal(worst(&p, &photo, true), 0);
            photo.form = MADE_420, photo.exif_big = o % 2;
            decode(&p, &photo, &UPRIGHT);
            decode(&q, &photo, &STORED);
            for (int64_t i = 0; i < p.width * p.height; ++i) {
                int64_t y, x;
                made_stored(&photo, i / p.width, i % p.width, &y, &x);
                assert_memory_equal(p.bgr + 3 * i, q.bgr + 3 * (y * q.width + x), 3);
            }
        }
    un_pixels_free(&p);
    un_pixels_free(&q);
}

static void expect_digest(const struct un_pixels *p, const char *want) {
    char got[SHA256_TEXT];
    size_t n = (size_t)(p->width * p->height * 3);
    uint8_t *rgb = malloc(n);
    assert_non_null(rgb);
    for (size_t i = 0; i < n; ++i) rgb[i] = p->bgr[i / 3 * 3 + 2 - i % 3];
    sha256_text(rgb, n, got);
    free(rgb);
    assert_string_equal(got, want);
}

static void test_reference(void **state) {
    (void)state;
    FILE *list = fopen("../shared/reference/detector/photos/photos.tsv", "r");
    struct un_pixels p = {0};
    char line[1024], name[64], stored[65], upright[65], path[256];
    int n = 0, w, h, components, orientation, uw, uh;
    if (!list) {
        print_message("skipped: no photos in ../shared/reference/detector\n");
        skip();
    }
    while (fgets(line, sizeof line, list)) {
        if (sscanf(line, "%63s %d %d %d %d %64s %d %d %64s", name, &w, &h, &components, &orientation, stored,
                   &uw, &uh, upright) != 9)
            continue;
        snprintf(path, sizeof path, "../shared/reference/detector/photos/%s", name);
        expect_ok(un_pixels_read(&p, path, &STORED));
        assert_true(p.width == w && p.height == h && p.components == components &&
                    p.orientation == orientation && p.warnings == 0);
        expect_digest(&p, stored);
        expect_ok(un_pixels_read(&p, path, &UPRIGHT));
        assert_true(p.width == uw && p.height == uh);
        expect_digest(&p, upright);
        ++n;
    }
    fclose(list);
    un_pixels_free(&p);
    assert_true(n >= 5);
}

/* Once it is as large as the largest, nothing more is taken. */
static void test_memory(void **state) {
    (void)state;
    uint64_t before = live_blocks();
    struct un_pixels p = {0};
    for (int i = -1; i < MADE_FORMS; ++i) {
        struct made_photo photo = {
            .form = MADE_PNG_RGB16, .width = 300, .height = 400, .orientation = 6}; /* a large file, turned */
        if (i >= 0)
            photo.form = (enum made_form)i, photo.width = 100 + i, photo.height = 99,
            photo.orientation = i % 9;
        made_photo_write(scratch("one"), &photo);
        un_memory_freeze(i >= 0);
        expect_ok(un_pixels_read(&p, scratch("one"), &UPRIGHT));
        un_memory_freeze(false);
    }
    assert_int_equal(un_memory_counts().frozen_allocs, 0);
    assert_int_equal(p.capacity, 360000);
    assert_int_equal(p.turned_capacity, 360000);
    un_pixels_free(&p);
    assert_int_equal(live_blocks(), before);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sha256), cmocka_unit_test(test_png),         cmocka_unit_test(test_jpeg),
        cmocka_unit_test(test_inks),   cmocka_unit_test(test_small_turns), cmocka_unit_test(test_turns),
        cmocka_unit_test(test_memory), cmocka_unit_test(test_reference),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    scratch_remove();
    return failed;
}
