/* The class whose embedding is joined to a region's feature. */
#include "tests/support/check.h"
#include "tests/support/expect.h"
#include "tests/unit/model/detector/rig.h"

#include <string.h>

/* A file in which no class is better than another but by its bias. */
struct even {
    struct detector_case *weights;
    int64_t weight, bias; /* tensors */
    float lead[10];       /* biases of the classes */
};
static struct un_detector_tensor even_tensor(void *context, int64_t i) {
    struct even *e = context;
    return e->weights->file.tensor(e->weights, i);
}
static enum un_status even_read(void *context, int64_t i, int64_t first, int64_t count, float *out) {
    struct even *e = context;
    if (i == e->weight) memset(out, 0, (size_t)count * sizeof *out);
    if (i == e->bias) memcpy(out, e->lead + first, (size_t)count * sizeof *out);
    return i == e->weight || i == e->bias ? UN_OK : e->weights->file.read(e->weights, i, first, count, out);
}

/* Attribute logits of one region, with these biases. */
static void attributes_of(float out[5], struct even *even) {
    struct rig rig;
    struct un_detector_sight sight;
    struct un_detector_judgement j;
    rig_open(&rig,
             &(struct rig_how){.sizes = rig_odd(), .height = 40, .width = 40, .regions = 1, .threads = 1});
    un_detector_close(rig.detector);
    even->weights = &rig.weights;
    even->weight = un_detector_file_find(&rig.weights.file, "roi_heads.box_predictor.cls_score.weight");
    even->bias = un_detector_file_find(&rig.weights.file, "roi_heads.box_predictor.cls_score.bias");
    struct un_detector_file file = {"even.safetensors", rig.weights.n, even_tensor, even_read, even};
    const struct un_detector_limits limits = {.pixels = 1600, .regions = 1};
    expect_ok(un_detector_open(&rig.detector, rig.device, &file, &rig.sizes, &limits));
    expect_ok(un_detector_see(rig.detector, rig.input, 40, 40, &sight));
    expect_ok(un_detector_judge(rig.detector, rig.box, 1, &j));
    memcpy(out, j.attribute_logits, 5 * sizeof *out);
    rig_close(&rig);
}

/* Of equals the first; the background, which is the last, is among them. */
static void first_largest(void **state) {
    (void)state;
    float two[5], alone[5], background[5], none[5];
    attributes_of(two, &(struct even){.lead = {0, 0, 1, 0, 0, 1, 0, 0, 0, 1}});
    attributes_of(alone, &(struct even){.lead = {0, 0, 1}});
    attributes_of(background, &(struct even){.lead = {[9] = 1}});
    assert_memory_equal(two, alone, sizeof two);
    attributes_of(none, &(struct even){.lead = {0}}); /* all are equal: class 0 */
    assert_memory_not_equal(two, background, sizeof two);
    assert_memory_not_equal(none, background, sizeof none);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(first_largest)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
