/* Sizes of the detector from the shapes of its weight file (sizes.h). */
#include "model/detector/sizes.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { NAME_MAX_BYTES = 128, RANK_MAX = 4, SHAPE_TEXT = 96 };
#define BACKBONE  "backbone."
#define RPN       "proposal_generator.rpn_head."
#define ANCHORS   "proposal_generator.anchor_generator.cell_anchors.0"
#define REGION    "roi_heads."
#define PREDICTOR "roi_heads.box_predictor."

/* Sizes read one after the other; the first thing wrong stops it. */
struct walk {
    const struct un_detector_file *file;
    enum un_status status;
};
/* A walk over the tensors of a detector. */
struct list {
    enum un_status (*each)(void *context, const struct un_detector_tensor *tensor);
    void *context;
    enum un_status status;
};

const struct un_detector_sizes un_detector_public_sizes = {.stem = 64,
                                                           .bottleneck = 64,
                                                           .width = 256,
                                                           .blocks = {3, 4, 23, 3},
                                                           .rpn = 512,
                                                           .anchors = 12,
                                                           .classes = 1600,
                                                           .attributes = 400,
                                                           .embedding = 256,
                                                           .attribute_hidden = 512,
                                                           .pool = UN_DETECTOR_POOL};

int64_t un_detector_file_find(const struct un_detector_file *file, const char *name) {
    for (int64_t i = 0; i < file->n; ++i)
        if (strcmp(file->tensor(file->context, i).name, name) == 0) return i;
    return -1;
}

static void shape_text(char *text, int rank, const int64_t *shape) {
    size_t used = 0;
    text[0] = '\0';
    for (int k = 0; k < rank && used < SHAPE_TEXT - 24; ++k)
        used += (size_t)snprintf(text + used, SHAPE_TEXT - used, "%s%lld", k ? "," : "", (long long)shape[k]);
}

/* Size `axis` of a tensor of `rank`, from which others follow. */
static int64_t size_of(struct walk *w, const char *name, int rank, int axis) {
    if (w->status != UN_OK) return 0;
    int64_t i = un_detector_file_find(w->file, name);
    if (i < 0) {
        w->status = un_fail(UN_DATA, "%s: not a region detector: there is no tensor %s", w->file->path, name);
        return 0;
    }
    struct un_detector_tensor t = w->file->tensor(w->file->context, i);
    if (t.rank != rank || t.shape[axis] < 1 || t.shape[axis] > 1 << 20) {
        char have[SHAPE_TEXT];
        shape_text(have, t.rank, t.shape);
        w->status = un_fail(UN_DATA, "%s: tensor %s is [%s]; %d sizes of 1 to 1048576 are wanted",
                            w->file->path, name, have, rank);
        return 0;
    }
    return t.shape[axis];
}

/* One tensor of the list. */
static void want(struct list *w, int rank, const int64_t *shape, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
static void want(struct list *w, int rank, const int64_t *shape, const char *format, ...) {
    char name[NAME_MAX_BYTES];
    if (w->status != UN_OK) return;
    va_list list;
    va_start(list, format);
    vsnprintf(name, sizeof name, format, list);
    va_end(list);
    w->status = w->each(w->context, &(struct un_detector_tensor){name, rank, shape});
}

/* A convolution and its frozen norm. */
static void want_conv(struct list *w, const char *name, int64_t out, int64_t in, int64_t side) {
    static const char *const parts[] = {"weight", "bias", "running_mean", "running_var"};
    want(w, 4, (int64_t[]){out, in, side, side}, "%s.weight", name);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; ++i) want(w, 1, &out, "%s.norm.%s", name, parts[i]);
}

static void want_stage(struct list *w, const char *name, int64_t blocks, int64_t in, int64_t mid,
                       int64_t out) {
    char layer[NAME_MAX_BYTES];
    for (int64_t b = 0; b < blocks; ++b) {
        snprintf(layer, sizeof layer, "%s.%lld.conv1", name, (long long)b);
        want_conv(w, layer, mid, b ? out : in, 1);
        snprintf(layer, sizeof layer, "%s.%lld.conv2", name, (long long)b);
        want_conv(w, layer, mid, mid, 3);
        snprintf(layer, sizeof layer, "%s.%lld.conv3", name, (long long)b);
        want_conv(w, layer, out, mid, 1);
        snprintf(layer, sizeof layer, "%s.%lld.shortcut", name, (long long)b);
        if (b == 0 && in != out) want_conv(w, layer, out, in, 1);
    }
}

/* A linear layer of the heads, or a convolution of one cell (rank 4), with its bias. */
static void want_linear(struct list *w, const char *name, int rank, int64_t out, int64_t in, int64_t side) {
    want(w, rank, (int64_t[]){out, in, side, side}, "%s.weight", name);
    want(w, 1, &out, "%s.bias", name);
}

static const char *const stages[UN_DETECTOR_STAGES] = {BACKBONE "res2", BACKBONE "res3", BACKBONE "res4",
                                                       REGION "res5"};

static int64_t count_blocks(struct walk *w, const char *stage) {
    char name[NAME_MAX_BYTES];
    int64_t n = 0;
    for (; w->status == UN_OK; ++n) {
        snprintf(name, sizeof name, "%s.%lld.conv1.weight", stage, (long long)n);
        if (un_detector_file_find(w->file, name) < 0) break;
        if (n == UN_DETECTOR_BLOCKS_MAX)
            w->status = un_fail(UN_DATA, "%s: more than %d blocks of %s", w->file->path,
                                UN_DETECTOR_BLOCKS_MAX, stage);
    }
    if (w->status == UN_OK && n == 0)
        w->status = un_fail(UN_DATA, "%s: not a region detector: there is no tensor %s.0.conv1.weight",
                            w->file->path, stage);
    return n;
}

static void read_sizes(struct walk *w, struct un_detector_sizes *s) {
    *s = (struct un_detector_sizes){.pool = UN_DETECTOR_POOL};
    s->stem = size_of(w, BACKBONE "stem.conv1.weight", 4, 0);
    for (int k = 0; k < UN_DETECTOR_STAGES; ++k) s->blocks[k] = count_blocks(w, stages[k]);
    s->bottleneck = size_of(w, BACKBONE "res2.0.conv1.weight", 4, 0);
    s->width = size_of(w, BACKBONE "res2.0.conv3.weight", 4, 0);
    s->rpn = size_of(w, RPN "conv.weight", 4, 0);
    s->anchors = size_of(w, ANCHORS, 2, 0);
    s->classes = size_of(w, PREDICTOR "cls_score.weight", 2, 0) - 1;
    s->embedding = size_of(w, PREDICTOR "cls_embedding.weight", 2, 1);
    s->attribute_hidden = size_of(w, PREDICTOR "fc_attr.weight", 2, 0);
    s->attributes = size_of(w, PREDICTOR "attr_score.weight", 2, 0) - 1;
    if (w->status == UN_OK && (s->classes < 1 || s->attributes < 1))
        w->status = un_fail(UN_DATA, "%s: a detector of %lld classes and %lld attributes", w->file->path,
                            (long long)s->classes, (long long)s->attributes);
}

enum un_status un_detector_tensors(const struct un_detector_sizes *sizes,
                                   enum un_status (*each)(void *context,
                                                          const struct un_detector_tensor *tensor),
                                   void *context) {
    const struct un_detector_sizes *s = sizes;
    struct list w = {each, context, UN_OK};
    int64_t features = un_detector_features(s), in = s->stem;
    want_conv(&w, BACKBONE "stem.conv1", s->stem, 3, 7);
    for (int k = 0; k < UN_DETECTOR_STAGES; ++k) {
        want_stage(&w, stages[k], s->blocks[k], in, s->bottleneck << k, s->width << k);
        in = s->width << k;
    }
    want(&w, 2, (int64_t[]){s->anchors, 4}, ANCHORS);
    want_linear(&w, RPN "conv", 4, s->rpn, 4 * s->width, 3);
    want_linear(&w, RPN "objectness_logits", 4, s->anchors, s->rpn, 1);
    want_linear(&w, RPN "anchor_deltas", 4, 4 * s->anchors, s->rpn, 1);
    want_linear(&w, PREDICTOR "cls_score", 2, s->classes + 1, features, 0);
    want_linear(&w, PREDICTOR "bbox_pred", 2, 4 * s->classes, features, 0);
    want(&w, 2, (int64_t[]){s->classes + 1, s->embedding}, PREDICTOR "cls_embedding.weight");
    want_linear(&w, PREDICTOR "fc_attr", 2, s->attribute_hidden, features + s->embedding, 0);
    want_linear(&w, PREDICTOR "attr_score", 2, s->attributes + 1, s->attribute_hidden, 0);
    return w.status;
}

/* context: the file that must have it. */
static enum un_status check_tensor(void *context, const struct un_detector_tensor *want) {
    const struct un_detector_file *file = context;
    char have[SHAPE_TEXT], wanted[SHAPE_TEXT];
    int64_t i = un_detector_file_find(file, want->name);
    shape_text(wanted, want->rank, want->shape);
    if (i < 0) return un_fail(UN_DATA, "%s: tensor %s [%s] is missing", file->path, want->name, wanted);
    struct un_detector_tensor t = file->tensor(file->context, i);
    if (t.rank == want->rank && memcmp(t.shape, want->shape, (size_t)t.rank * sizeof *t.shape) == 0)
        return UN_OK;
    shape_text(have, t.rank, t.shape);
    return un_fail(UN_DATA, "%s: tensor %s is [%s], [%s] is wanted", file->path, want->name, have, wanted);
}

enum un_status un_detector_sizes_of(struct un_detector_sizes *sizes, const struct un_detector_file *file) {
    struct walk w = {file, UN_OK};
    read_sizes(&w, sizes);
    if (w.status != UN_OK) return w.status;
    return un_detector_tensors(sizes, check_tensor, (void *)file);
}
