/* Random weights of a region detector (detector_case.h). */
#include "tests/support/detector_case.h"

#include "runtime/memory.h"
#include "runtime/rng.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { NAME_BYTES = 80, INPUT_STREAM = 9999 };
#define RPN       "proposal_generator.rpn_head."
#define PREDICTOR "roi_heads.box_predictor."

struct detector_case_tensor {
    char name[NAME_BYTES];
    int rank;
    int64_t shape[4], count;
    float middle, range; /* uniform in middle -+ range; range below 0: anchors */
};

/* ---- values ---- */

static float uniform(uint64_t seed, uint32_t stream, int64_t i) {
    struct un_rng4 r =
        un_rng(seed, UN_RNG_TEST, 77, (uint32_t)(i >> 34), stream, (uint32_t)((i >> 2) & 0xFFFFFFFF));
    return 2 * un_rng_unit(r.v[i & 3]) - 1;
}

float detector_case_pixel(uint64_t seed, int64_t i) {
    return 10 + 130 * uniform(seed, INPUT_STREAM, i);
}

/* Corner k of anchor a: three shapes of rising sizes around 0. */
static float anchor(int64_t element) {
    static const double ratio[] = {0.5, 1, 2};
    int64_t a = element / 4, k = element % 4;
    double size = 32.0 * pow(2, (double)(a / 3)), width = size / sqrt(ratio[a % 3]),
           height = width * ratio[a % 3];
    return (float)((k < 2 ? -0.5 : 0.5) * (k % 2 ? height : width));
}

static enum un_status case_read(void *context, int64_t i, int64_t first, int64_t count, float *out) {
    const struct detector_case *c = context;
    const struct detector_case_tensor *t = &c->tensor[i];
    if (first < 0 || count < 0 || first + count > t->count)
        return un_fail(UN_INTERNAL, "%s has %lld elements", t->name, (long long)t->count);
    for (int64_t k = 0; k < count; ++k)
        out[k] = t->range < 0 ? anchor(first + k)
                              : t->middle + t->range * uniform(c->seed, (uint32_t)i, first + k);
    if (c->spoiled == i && c->spoiled_element >= first && c->spoiled_element < first + count)
        out[c->spoiled_element - first] = c->spoiled_value;
    return UN_OK;
}

static struct un_detector_tensor case_tensor(void *context, int64_t i) {
    const struct detector_case *c = context;
    return (struct un_detector_tensor){c->tensor[i].name, c->tensor[i].rank, c->tensor[i].shape};
}

/* ---- the list of tensors ---- */

struct listing {
    struct detector_case *c;
    enum un_status status;
};

static void add(struct listing *l, const char *name, const char *part, int rank, const int64_t *shape,
                double middle, double range) {
    struct detector_case *c = l->c;
    if (l->status == UN_OK && c->n == c->capacity) {
        int64_t more = c->capacity ? 2 * c->capacity : 64;
        l->status =
            un_grow((void **)&c->tensor, (size_t)c->capacity, (size_t)more, sizeof *c->tensor, "tensors");
        if (l->status == UN_OK) c->capacity = more;
    }
    if (l->status != UN_OK) return;
    struct detector_case_tensor *t = &c->tensor[c->n++];
    snprintf(t->name, sizeof t->name, "%s%s", name, part);
    t->rank = rank;
    t->count = 1;
    for (int k = 0; k < rank; ++k) t->count *= t->shape[k] = shape[k];
    t->middle = (float)middle;
    t->range = (float)range;
}

/* gamma: of the norm. */
static void add_conv(struct listing *l, const char *name, int64_t out, int64_t in, int64_t side,
                     double gamma) {
    int64_t inner = in * side * side;
    add(l, name, ".weight", 4, (int64_t[]){out, in, side, side}, 0, sqrt(6.0 / (double)inner));
    add(l, name, ".norm.weight", 1, &out, gamma, 0.1 * gamma);
    add(l, name, ".norm.bias", 1, &out, 0, 0.1);
    add(l, name, ".norm.running_mean", 1, &out, 0, 0.1);
    add(l, name, ".norm.running_var", 1, &out, 1, 0.5);
    add(l, name, ".norm.num_batches_tracked", 0, NULL, 1, 0);
}

static void add_stage(struct listing *l, const char *stage, int64_t blocks, int64_t in, int64_t mid,
                      int64_t out) {
    char name[NAME_BYTES / 2];
    for (int64_t b = 0; b < blocks; ++b, in = out) {
        snprintf(name, sizeof name, "%s.%lld.shortcut", stage, (long long)b);
        if (in != out) add_conv(l, name, out, in, 1, 0.7);
        snprintf(name, sizeof name, "%s.%lld.conv1", stage, (long long)b);
        add_conv(l, name, mid, in, 1, 1);
        snprintf(name, sizeof name, "%s.%lld.conv2", stage, (long long)b);
        add_conv(l, name, mid, mid, 3, 1);
        snprintf(name, sizeof name, "%s.%lld.conv3", stage, (long long)b);
        add_conv(l, name, out, mid, 1, 0.2);
    }
}

/* gain: how much larger than the input's the outputs are. */
static void add_linear(struct listing *l, const char *name, int rank, int64_t out, int64_t in, int64_t side,
                       double gain) {
    int64_t inner = rank == 4 ? in * side * side : in;
    add(l, name, ".weight", rank, (int64_t[]){out, in, side, side}, 0, gain * sqrt(3.0 / (double)inner));
    add(l, name, ".bias", 1, &out, 0, 0.1);
}

static void add_heads(struct listing *l, const struct un_detector_sizes *s) {
    int64_t features = un_detector_features(s);
    add(l, "proposal_generator.anchor_generator.cell_anchors.0", "", 2, (int64_t[]){s->anchors, 4}, 0, -1);
    add_linear(l, RPN "conv", 4, s->rpn, 4 * s->width, 3, 1.4);
    add_linear(l, RPN "objectness_logits", 4, s->anchors, s->rpn, 1, 1);
    add_linear(l, RPN "anchor_deltas", 4, 4 * s->anchors, s->rpn, 1, 0.2);
    add_stage(l, "roi_heads.res5", s->blocks[3], 4 * s->width, 8 * s->bottleneck, features);
    add_linear(l, PREDICTOR "cls_score", 2, s->classes + 1, features, 0, 3);
    add_linear(l, PREDICTOR "bbox_pred", 2, 4 * s->classes, features, 0, 1);
    add(l, PREDICTOR "cls_embedding.weight", "", 2, (int64_t[]){s->classes + 1, s->embedding}, 0, 1);
    add_linear(l, PREDICTOR "fc_attr", 2, s->attribute_hidden, features + s->embedding, 0, 1.4);
    add_linear(l, PREDICTOR "attr_score", 2, s->attributes + 1, s->attribute_hidden, 0, 2);
}

enum un_status detector_case_open(struct detector_case *c, const struct un_detector_sizes *s, uint64_t seed) {
    *c = (struct detector_case){.seed = seed, .spoiled = -1};
    struct listing l = {c, UN_OK};
    static const char *const stages[] = {"backbone.res2", "backbone.res3", "backbone.res4"};
    int64_t in = s->stem;
    add_conv(&l, "backbone.stem.conv1", s->stem, 3, 7, 1.0 / 64);
    for (int k = 0; k < 3; in = s->width << k++)
        add_stage(&l, stages[k], s->blocks[k], in, s->bottleneck << k, s->width << k);
    add_heads(&l, s);
    c->file = (struct un_detector_file){
        .path = "random.safetensors", .n = c->n, .tensor = case_tensor, .read = case_read, .context = c};
    if (l.status != UN_OK) detector_case_close(c);
    return l.status;
}

void detector_case_close(struct detector_case *c) {
    un_free(c->tensor);
    c->tensor = NULL;
    c->n = c->file.n = 0;
}

bool detector_case_spoil(struct detector_case *c, const char *tensor, int64_t element, float value) {
    c->spoiled = un_detector_file_find(&c->file, tensor);
    c->spoiled_element = element;
    c->spoiled_value = value;
    return c->spoiled >= 0;
}
