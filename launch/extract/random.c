/* Random weights (random.h). They keep what the network computes near the size of its input, so nothing is zero or infinite, which
 * some chips compute faster. */
#include "launch/extract/random.h"
#include "runtime/memory.h"
#include "runtime/rng.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { NAME_BYTES = 128, RANK_MOST = 4, ANCHOR_SHAPES = 3 };

struct un_extract_random_tensor {
    char name[NAME_BYTES];
    int rank;
    int64_t shape[RANK_MOST];
    float middle, range; /* uniform in middle -+ range */
    bool anchors;
};

static bool ends(const char *text, const char *end) {
    size_t n = strlen(text), m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

/* Norms change nothing much, but that the last one of a block is small, as many blocks are summed. */
static void choose_range(struct un_extract_random_tensor *t) {
    int64_t inner = 1;
    for (int k = 1; k < t->rank; ++k) inner *= t->shape[k];
    t->middle = ends(t->name, "running_var") ? 1 : ends(t->name, "norm.weight") ? 1 : 0;
    t->range = t->rank > 1 ? (float)sqrt(6.0 / (double)inner) : 0.1f;
    if (ends(t->name, "conv3.norm.weight")) t->middle = 0.2f;
    if (strstr(t->name, "anchor_deltas")) t->range *= 0.1f;
    t->anchors = strstr(t->name, "cell_anchors") != NULL;
}

static enum un_status add(void *context, const struct un_detector_tensor *tensor) {
    struct un_extract_random *r = context;
    if (r->n == r->capacity) {
        void *list = r->list;
        int64_t more = 2 * r->capacity + 64;
        UN_TRY(un_grow(&list, (size_t)r->capacity, (size_t)more, sizeof *r->list, "random weights"));
        r->list = list;
        r->capacity = more;
    }
    struct un_extract_random_tensor *t = r->list + r->n++;
    snprintf(t->name, sizeof t->name, "%s", tensor->name);
    t->rank = tensor->rank;
    for (int k = 0; k < t->rank && k < RANK_MOST; ++k) t->shape[k] = tensor->shape[k];
    choose_range(t);
    return UN_OK;
}

static struct un_detector_tensor tensor_of(void *context, int64_t i) {
    const struct un_extract_random *r = context;
    return (struct un_detector_tensor){r->list[i].name, r->list[i].rank, r->list[i].shape};
}

/* Corner k of anchor a: sides 64, 128, ... in the shapes 1:2, 1:1, 2:1. */
static float anchor(int64_t i) {
    int64_t a = i / 4, k = i % 4;
    double side = 64.0 * pow(2, (double)(a / ANCHOR_SHAPES)),
           root = sqrt(pow(2, (double)(a % ANCHOR_SHAPES) - 1));
    return (float)((k < 2 ? -0.5 : 0.5) * (k % 2 ? side * root : side / root));
}

static enum un_status read_values(void *context, int64_t i, int64_t first, int64_t count, float *out) {
    const struct un_extract_random *r = context;
    const struct un_extract_random_tensor *t = r->list + i;
    for (int64_t k = 0; k < count; ++k) {
        uint32_t at = (uint32_t)(first + k);
        float unit = un_rng_unit(un_rng(1, UN_RNG_BENCH, 0, 1, (uint32_t)i, at / 4).v[at % 4]);
        out[k] = t->anchors ? anchor(first + k) : t->middle + t->range * (2 * unit - 1);
    }
    return UN_OK;
}

enum un_status un_extract_random_open(struct un_extract_random *r) {
    *r = (struct un_extract_random){0};
    UN_TRY(un_detector_tensors(&un_detector_public_sizes, add, r));
    r->file = (struct un_detector_file){"random weights", r->n, tensor_of, read_values, r};
    return UN_OK;
}

void un_extract_random_close(struct un_extract_random *r) {
    un_free(r->list);
    *r = (struct un_extract_random){0};
}
