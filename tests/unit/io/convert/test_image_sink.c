/* The image sink with a made-up source: what is put is read back, bad values are named, a kill at any moment
 * is survived with equal bytes, and nothing half-made is left. */
#include "io/convert/image/sink.h"
#include "io/data/file.h"
#include "io/inspect/inspect.h"
#include "runtime/half.h"
#include "runtime/memory.h"
#include "tests/support/expect.h"
#include "tests/support/made_images.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const struct un_image_shape shape16 = {19, 5, UN_F16, UN_F16, UN_F16, true};
static const struct un_image_shape shape32 = {7, 3, UN_F32, UN_F32, UN_F32, true};
static const struct un_image_shape plain = {33, 0, UN_F16, UN_F32, UN_F16, false};

static enum un_status import(struct made *m, const char *out, int64_t threads) {
    const struct un_image_import how = {.threads = threads, .quiet = true};
    return un_image_import(&m->source, out, &how);
}

/* Regions in the order they must stand in: by falling confidence, stably; an insertion sort. */
static void expected_order(const struct made *m, int64_t image, int64_t n, int64_t *order) {
    for (int64_t i = 0; i < n; ++i) {
        int64_t at = i;
        for (; m->shape.has_confidence && at > 0 &&
               made_confidence(m, image, order[at - 1]) < made_confidence(m, image, i);
             --at)
            order[at] = order[at - 1];
        order[at] = i;
    }
}

static double get(const void *values, enum un_type type, int64_t i) {
    return type == UN_F16 ? (double)un_half_to(((const uint16_t *)values)[i])
                          : (double)((const float *)values)[i];
}

static void check_image(const struct made *m, struct un_image_file *f, int64_t image) {
    char values[4096];
    int64_t n = made_regions(m, image), first = f->region_offset[image], order[16];
    assert_int_equal(f->region_offset[image + 1] - first, n);
    expected_order(m, image, n, order);
    for (int64_t k = 0; k < n; ++k) {
        expect_ok(un_column_read(&f->feature, first + k, 1, values));
        for (int64_t c = 0; c < f->img_dim; ++c)
            assert_true(get(values, f->feature_type, c) == made_feature(m, image, order[k], c));
        expect_ok(un_column_read(&f->box, first + k, 1, values));
        for (int c = 0; c < 6; ++c) assert_true(get(values, UN_F32, c) == made_box(m, image, order[k], c));
        expect_ok(un_column_read(&f->confidence, first + k, 1, values));
        assert_true(get(values, UN_F32, 0) ==
                    (m->shape.has_confidence ? made_confidence(m, image, order[k]) : 1.0));
        for (int64_t c = 0; c < f->classes; ++c) {
            if (c == 0) expect_ok(un_column_read(&f->soft, first + k, 1, values));
            assert_true(get(values, UN_F16, c) == made_soft(m, image, order[k], c));
        }
    }
}

static void check_file(const struct made *m, const char *path) {
    struct un_image_file f;
    expect_ok(un_image_file_open(&f, path));
    assert_int_equal(f.images, m->n);
    assert_int_equal(f.img_dim, m->shape.img_dim);
    assert_int_equal(f.classes, m->shape.classes);
    assert_int_equal(f.feature_type, m->shape.feature_type);
    for (int64_t i = 0; i < m->n; ++i) {
        char id[64];
        snprintf(id, sizeof id, "image_%0*lld", (int)(1 + i % 5), (long long)i);
        assert_string_equal(f.ids + i * f.id_stride, id);
        check_image(m, &f, i);
    }
    un_image_file_close(&f);
}

static void assert_nothing_left(const char *out) {
    char path[600];
    assert_int_not_equal(access(out, F_OK), 0);
    snprintf(path, sizeof path, "%s.partial", out);
    assert_int_not_equal(access(path, F_OK), 0);
    snprintf(path, sizeof path, "%s.partial.done", out);
    assert_int_not_equal(access(path, F_OK), 0);
}

static void round_trip(struct un_image_shape shape, int64_t n, bool unsorted, int64_t threads) {
    const char *out = scratch("round.img.h5");
    uint64_t before = live_blocks();
    struct made m = made_source(n, shape);
    m.unsorted = unsorted;
    expect_ok(import(&m, out, threads));
    assert_int_equal(m.reads, n);
    check_file(&m, out);
    assert_int_equal(live_blocks(), before);
    expect_error(import(&m, out, 1), UN_USAGE, out, "exists; it is not overwritten");
    assert_int_equal(remove(out), 0);
    assert_nothing_left(out);
}

static void test_round_trip(void **state) {
    (void)state;
    round_trip(shape16, 1, false, 1);
    round_trip(shape16, 97, true, 3);
    round_trip(shape32, 61, true, 5);
    round_trip(shape32, 4099, false, 2); /* more than a block of the index */
    round_trip(plain, 53, false, 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    scratch_remove();
    return failed;
}
