/* Memory of what the detector rounds to bf16: a buffer that is too small would not leave the block, only reach into its next
 * part, which no checker of memory sees. */
#include "model/detector/private.h"
#include "runtime/ops.h"
#include "tests/support/check.h"
#include "tests/support/expect.h"
#include "tests/unit/model/detector/rig.h"

/* An op has no context; one test at a time. */
static const struct un_ops *plain;
static const unsigned char *furthest;

static void note_cast(struct un_queue *q, void *dst, enum un_type dst_type, const void *src,
                      enum un_type src_type, int64_t count) {
    const unsigned char *end = (const unsigned char *)dst + count * un_type_bytes(dst_type);
    if (end > furthest) furthest = end;
    plain->cast(q, dst, dst_type, src, src_type, count);
}

/* What is rounded for a product ends before the part of the block behind it: by a large map, by many regions. */
static void rounded_factors_fit(void **state) {
    (void)state;
    static const int64_t most[][3] = {{260, 200, 1}, {30, 40, 9000}};
    for (int i = 0; i < 4; ++i) {
        struct rig_how how = {.sizes = i % 2 ? rig_plain() : rig_odd(),
                              .height = most[i / 2][0],
                              .width = most[i / 2][1],
                              .regions = most[i / 2][2],
                              .threads = 1,
                              .factor = UN_BF16};
        struct rig rig;
        struct un_detector_sight sight;
        struct un_detector_judgement j;
        rig_open(&rig, &how);
        const struct un_detector_work *w = &rig.detector->work;
        plain = rig.device->ops;
        struct un_ops noted = *plain;
        noted.cast = note_cast;
        rig.device->ops = &noted;
        furthest = NULL;
        expect_ok(un_detector_see(rig.detector, rig.input, rig.height, rig.width, &sight));
        expect_ok(un_detector_judge(rig.detector, rig.box, rig.regions, &j));
        assert_true(furthest > (const unsigned char *)w->low && furthest <= (const unsigned char *)w->inside);
        rig_close(&rig);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(rounded_factors_fit)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
