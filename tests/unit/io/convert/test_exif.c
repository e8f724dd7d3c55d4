/* The orientation of EXIF: found in either order of bytes, nothing where it is damaged, never a read past the end. */
#include "io/convert/pixels/pixels.h"
#include "tests/support/check.h"
#include "tests/support/expect.h"
#include "tests/support/made_photos.h"

#include <stdlib.h>
#include <string.h>

enum { MARK = 6, SEGMENT = MARK + MADE_EXIF };
/* Places in a segment of made_exif. */
enum {
    AT_MAGIC = MARK + 2,
    AT_IFD = MARK + 4,
    AT_COUNT = MARK + 8,
    AT_TAG = MARK + 22,
    AT_TYPE = MARK + 24,
    AT_NUMBER = MARK + 26,
    AT_VALUE = MARK + 30
};

static int exif(const uint8_t *bytes, size_t n) {
    uint8_t *copy = malloc(n ? n : 1);
    assert_non_null(copy);
    if (n > 0) memcpy(copy, bytes, n);
    int found = un_exif_orientation(copy, n);
    free(copy);
    return found;
}

static int changed(const uint8_t *segment, bool big, int at, int bytes, uint32_t value) {
    uint8_t other[SEGMENT];
    memcpy(other, segment, SEGMENT);
    for (int i = 0; i < bytes; ++i) other[big ? at + bytes - 1 - i : at + i] = (uint8_t)(value >> 8 * i);
    return exif(other, SEGMENT);
}

static void test_exif(void **state) {
    (void)state;
    for (int big = 0; big < 2; ++big) {
        uint8_t s[SEGMENT] = "Exif\0";
        for (int o = 1; o <= 8; ++o) {
            assert_int_equal(made_exif(s + MARK, o, big), MADE_EXIF);
            assert_int_equal(exif(s, SEGMENT), o);
        }
        made_exif(s + MARK, 6, big);
        assert_int_equal(changed(s, big, AT_VALUE, 2, 0), 0);
        assert_int_equal(changed(s, big, AT_VALUE, 2, 9), 0);
        assert_int_equal(changed(s, big, AT_VALUE, 2, 0x0600), 0);
        assert_int_equal(changed(s, big, AT_VALUE + 2, 2, 0xFFFF), 6); /* unused half */
        assert_int_equal(changed(s, big, AT_TYPE, 2, 4), 0);           /* LONG */
        assert_int_equal(changed(s, big, AT_NUMBER, 4, 2), 0);
        assert_int_equal(changed(s, big, AT_NUMBER, 4, 0), 0);
        assert_int_equal(changed(s, big, AT_TAG, 2, 0x0113), 0);
        assert_int_equal(changed(s, big, AT_COUNT, 2, 1), 0); /* the second entry is not one */
        assert_int_equal(changed(s, big, AT_COUNT, 2, 0), 0);
        assert_int_equal(changed(s, big, AT_COUNT, 2, 0xFFFF), 6); /* found before the damage */
        assert_int_equal(changed(s, big, AT_MAGIC, 2, 43), 0);
        static const uint32_t places[] = {0,         7,          9,          MADE_EXIF - 2, MADE_EXIF - 1,
                                          MADE_EXIF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE,    0xFFFFFFFF};
        for (size_t i = 0; i < sizeof places / sizeof *places; ++i)
            assert_int_equal(changed(s, big, AT_IFD, 4, places[i]), 0);
        for (size_t n = 0; n < SEGMENT; ++n) assert_int_equal(exif(s, n), n < AT_TAG + 12 ? 0 : 6);
        for (int i = 0; i < MARK + 2; ++i) assert_int_equal(changed(s, big, i, 1, s[i] ^ 0x20u), 0);
    }
}

/* A segment right behind the first mark. */
static void put_front(struct made_file *file, const uint8_t *bytes, size_t n) {
    file->bytes = realloc(file->bytes, file->n + n);
    assert_non_null(file->bytes);
    memmove(file->bytes + 2 + n, file->bytes + 2, file->n - 2);
    memcpy(file->bytes + 2, bytes, n);
    file->n += n;
}

/* Whichever segment comes first and says so; others (XMP) share its number. */
static void test_exif_segments(void **state) {
    (void)state;
    static const uint8_t xmp[] = "\xFF\xE1\0\x0Chttp://xmp",
                         late[] = "\xFF\xE1\0\x22"
                                  "Exif\0\0II*\0\10\0\0\0\1\0\x12\1\3\0\1\0\0\0\3\0\0\0\0\0\0\0";
    static const struct un_pixels_how upright = {true};
    struct un_pixels p = {0};
    struct made_photo photo = {.form = MADE_420, .width = 9, .height = 4};
    struct made_file file = made_photo(&photo);
    put_front(&file, late, 36);
    expect_ok(un_pixels_decode(&p, "photo", file.bytes, file.n, &upright));
    assert_int_equal(p.orientation, 3);
    put_front(&file, xmp, 14);
    expect_ok(un_pixels_decode(&p, "photo", file.bytes, file.n, &upright));
    assert_int_equal(p.orientation, 3);
    file.bytes[2 + 14 + 28] = 99;
    expect_ok(un_pixels_decode(&p, "photo", file.bytes, file.n, &upright));
    assert_int_equal(p.orientation, 0);
    assert_true(p.width == 9 && p.height == 4);
    free(file.bytes);
    un_pixels_free(&p);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_exif), cmocka_unit_test(test_exif_segments)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
