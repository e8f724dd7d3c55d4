/* Which blobs of a .caffemodel make which tensors of the region detector. */
#include "io/weights/caffe_rules.h"
#include "runtime/memory.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    STAGES = 4,
    COLUMNS = 4,
    ANY = -1,
    SIZE_MAX_ROWS = 1 << 20,
    BLOCK_TEXT = 24,
    LAYER_TEXT = 64,
    LETTERS = 26,
    NAME_TEXT = 128,
    GROWTH = 256
};
enum { ORIGINAL_SCALES = 4, ORIGINAL_LEAST = 4 };
#define RPN       "proposal_generator.rpn_head."
#define PREDICTOR "roi_heads.box_predictor."

/* The walk over the layers that must be there; the first thing wrong stops it. */
struct plan {
    struct un_caffe_detector *d;
    enum un_status status;
};
/* The three layers of a convolution. */
struct layers {
    char conv[LAYER_TEXT], norm[LAYER_TEXT], scale[LAYER_TEXT];
};
/* A blob that was found, with its shape at the rank that is wanted. */
struct found {
    int64_t blob;
    int rank;
    int64_t shape[COLUMNS];
};

static void say_shape(char text[NAME_TEXT], int rank, const int64_t *shape) {
    size_t used = 0;
    text[0] = '\0';
    for (int k = 0; k < rank && used < NAME_TEXT - 24; ++k) {
        if (shape[k] == ANY)
            used += (size_t)snprintf(text + used, NAME_TEXT - used, "%sany", k ? "," : "");
        else
            used += (size_t)snprintf(text + used, NAME_TEXT - used, "%s%" PRId64, k ? "," : "", shape[k]);
    }
}

/* The sizes behind leading ones, which blobs of old files have in front. */
static bool fits(const struct un_caffe_blob *blob, int rank, const int64_t *want, int64_t *shape) {
    int surplus = blob->rank - rank;
    if (surplus < 0) return false;
    for (int k = 0; k < surplus; ++k)
        if (blob->shape[k] != 1) return false;
    for (int k = 0; k < rank; ++k) {
        shape[k] = blob->shape[surplus + k];
        if (shape[k] < 1 || shape[k] > SIZE_MAX_ROWS || (want[k] != ANY && want[k] != shape[k])) return false;
    }
    return true;
}

/* Blob `number` of the `blobs` that the layer must have. */
static struct found take(struct plan *p, const char *layer, int number, int blobs, int rank,
                         const int64_t *want) {
    const struct un_caffe_file *file = p->d->file;
    struct found found = {.rank = rank, .shape = {1, 1, 1, 1}};
    if (p->status != UN_OK) return found;
    int64_t at = un_caffe_find(file, layer);
    if (at < 0) {
        p->status =
            un_fail(UN_DATA, "%s: layer %s, blob %d is missing: not the region detector's .caffemodel",
                    file->path, layer, number);
        return found;
    }
    p->d->used[at] = true;
    if (file->layers[at].n_blobs != blobs) {
        p->status = un_fail(UN_DATA, "%s: layer %s has %" PRId64 " blobs, %d are wanted", file->path, layer,
                            file->layers[at].n_blobs, blobs);
        return found;
    }
    found.blob = file->layers[at].blob + number;
    const struct un_caffe_blob *blob = &file->blobs[found.blob];
    if (fits(blob, rank, want, found.shape)) return found;
    char have[NAME_TEXT], wanted[NAME_TEXT];
    say_shape(have, blob->rank, blob->shape);
    say_shape(wanted, rank, want);
    p->status = un_fail(UN_DATA, "%s: layer %s, blob %d is [%s], [%s] is wanted", file->path, layer, number,
                        have, wanted);
    return found;
}

static void add(struct plan *p, enum un_caffe_way way, const struct found *found, float factor,
                const char *format, ...) __attribute__((format(printf, 5, 6)));
/* A tensor of found->shape. */
static void add(struct plan *p, enum un_caffe_way way, const struct found *found, float factor,
                const char *format, ...) {
    struct un_caffe_detector *d = p->d;
    if (p->status != UN_OK) return;
    if (d->n == d->room) {
        p->status = un_grow((void **)&d->rules, (size_t)d->room, (size_t)d->room + GROWTH, sizeof *d->rules,
                            "tensors of a .caffemodel");
        if (p->status != UN_OK) return;
        d->room += GROWTH;
    }
    struct un_caffe_rule *rule = &d->rules[d->n++];
    *rule = (struct un_caffe_rule){
        .way = way, .blob = found->blob, .factor = factor, .rank = found->rank, .count = 1};
    for (int k = 0; k < found->rank; ++k) {
        rule->shape[k] = found->shape[k];
        rule->count *= found->shape[k];
    }
    rule->row = rule->count / found->shape[0];
    va_list list;
    va_start(list, format);
    vsnprintf(rule->name, sizeof rule->name, format, list);
    va_end(list);
}

/* 1 / count of a norm's moving average. */
static float read_factor(struct plan *p, const char *layer) {
    float count = 1;
    struct found found = take(p, layer, 2, 3, 1, (int64_t[]){1});
    if (p->status == UN_OK) p->status = un_caffe_read(p->d->file, found.blob, 0, 1, &count);
    if (p->status == UN_OK && !(count > 0))
        p->status = un_fail(UN_DATA, "%s: layer %s, blob 2: a count of %g: this norm has averaged nothing",
                            p->d->file->path, layer, (double)count);
    return 1.0f / count;
}

/* A convolution [wanted, in, side, side] with its norm, of three layers; the channels it puts out. */
static int64_t plan_conv(struct plan *p, const char *name, const struct layers *l, int64_t wanted, int64_t in,
                         int64_t side) {
    struct found weight = take(p, l->conv, 0, 1, 4, (int64_t[]){wanted, in, side, side});
    int64_t out = weight.shape[0];
    struct found mean = take(p, l->norm, 0, 3, 1, &out), variance = take(p, l->norm, 1, 3, 1, &out);
    float factor = read_factor(p, l->norm);
    struct found times = take(p, l->scale, 0, 2, 1, &out), plus = take(p, l->scale, 1, 2, 1, &out);
    add(p, UN_CAFFE_AS_IS, &weight, 1, "%s.weight", name);
    add(p, UN_CAFFE_MEAN, &mean, factor, "%s.norm.running_mean", name);
    add(p, UN_CAFFE_VARIANCE, &variance, factor, "%s.norm.running_var", name);
    add(p, UN_CAFFE_AS_IS, &times, 1, "%s.norm.weight", name);
    add(p, UN_CAFFE_AS_IS, &plus, 1, "%s.norm.bias", name);
    return out;
}

static struct layers layers_of(const char *block, const char *branch) {
    struct layers l;
    snprintf(l.conv, sizeof l.conv, "res%s_branch%s", block, branch);
    snprintf(l.norm, sizeof l.norm, "bn%s_branch%s", block, branch);
    snprintf(l.scale, sizeof l.scale, "scale%s_branch%s", block, branch);
    return l;
}

static bool has_layer(const struct plan *p, const char *layer) {
    return un_caffe_find(p->d->file, layer) >= 0;
}

/* Na, Nb1, Nb2, ... if there is an Nb1, else Na, Nb, Nc, ...; is there such a block? The first must be there. */
static bool name_block(const struct plan *p, int stage, int block, char text[BLOCK_TEXT]) {
    char first[BLOCK_TEXT];
    snprintf(first, sizeof first, "%db1", stage);
    bool numbered = block > 0 && has_layer(p, layers_of(first, "2a").conv);
    if (numbered)
        snprintf(text, BLOCK_TEXT, "%db%d", stage, block);
    else
        snprintf(text, BLOCK_TEXT, "%d%c", stage, 'a' + block);
    if (!numbered && block >= LETTERS) return false;
    return block == 0 || has_layer(p, layers_of(text, "2a").conv);
}

/* Block `number` of a stage; sides: channels inside and out of it, ANY where they are not known yet. */
static void plan_block(struct plan *p, const char *stage, int number, const char *block, int64_t in,
                       int64_t sides[2]) {
    char name[NAME_TEXT];
    struct layers one = layers_of(block, "2a"), two = layers_of(block, "2b"), three = layers_of(block, "2c"),
                  shortcut = layers_of(block, "1");
    snprintf(name, sizeof name, "%s.%d.conv1", stage, number);
    sides[0] = plan_conv(p, name, &one, sides[0], in, 1);
    snprintf(name, sizeof name, "%s.%d.conv2", stage, number);
    plan_conv(p, name, &two, sides[0], sides[0], 3);
    snprintf(name, sizeof name, "%s.%d.conv3", stage, number);
    sides[1] = plan_conv(p, name, &three, sides[1], sides[0], 1);
    snprintf(name, sizeof name, "%s.%d.shortcut", stage, number);
    if (number == 0 && in != sides[1]) plan_conv(p, name, &shortcut, sides[1], in, 1);
}

/* A stage has twice the channels of the one before. */
static void plan_backbone(struct plan *p, int64_t *coarse, int64_t *features) {
    static const char *const stages[STAGES] = {"backbone.res2", "backbone.res3", "backbone.res4",
                                               "roi_heads.res5"};
    static const struct layers stem = {"conv1", "bn_conv1", "scale_conv1"};
    char block[BLOCK_TEXT];
    int64_t sides[2] = {ANY, ANY}, in = plan_conv(p, "backbone.stem.conv1", &stem, ANY, 3, 7);
    for (int s = 0; s < STAGES && p->status == UN_OK; ++s) {
        for (int b = 0; b < UN_CAFFE_BLOCKS_MAX && p->status == UN_OK && name_block(p, s + 2, b, block);
             ++b) {
            plan_block(p, stages[s], b, block, in, sides);
            in = sides[1];
        }
        if (s == STAGES - 2) *coarse = in;
        sides[0] *= 2;
        sides[1] *= 2;
    }
    *features = in;
}

/* Rows of a tensor that a rule makes of a blob's; 0: too few. */
static int64_t rows_made(enum un_caffe_way way, int64_t rows) {
    if (way == UN_CAFFE_OBJECT) return rows % 2 ? 0 : rows / 2;
    if (way == UN_CAFFE_DELTAS) return rows > COLUMNS ? rows - COLUMNS : 0;
    return way == UN_CAFFE_TO_END && rows < 2 ? 0 : rows;
}

/* Weight and bias under one rule. want: [rows, columns, side, side], or [rows, columns, 0]. The blob's rows come back. */
static int64_t plan_linear(struct plan *p, enum un_caffe_way way, const char *name, const char *layer,
                           const int64_t *want) {
    struct found weight = take(p, layer, 0, 2, want[2] ? 4 : 2, want);
    int64_t rows = weight.shape[0];
    struct found bias = take(p, layer, 1, 2, 1, &rows);
    weight.shape[0] = bias.shape[0] = rows_made(way, rows);
    if (p->status == UN_OK && bias.shape[0] == 0)
        p->status = un_fail(UN_DATA, "%s: layer %s, blob 0: a number of rows that cannot be: %" PRId64,
                            p->d->file->path, layer, rows);
    add(p, way, &weight, 1, "%s.weight", name);
    add(p, way, &bias, 1, "%s.bias", name);
    return rows;
}

static void plan_anchors(struct plan *p, int64_t anchors) {
    struct un_caffe_detector *d = p->d;
    int64_t scales = anchors / UN_CAFFE_RATIOS;
    if (p->status != UN_OK) return;
    if (anchors % UN_CAFFE_RATIOS || scales > UN_CAFFE_SCALES_MAX) {
        p->status = un_fail(
            UN_DATA, "%s: layer rpn_cls_score, blob 0: scores of %" PRId64 " anchors; 3, 6, ... %d are known",
            d->file->path, anchors, UN_CAFFE_RATIOS * UN_CAFFE_SCALES_MAX);
        return;
    }
    d->n_scales = scales;
    d->guessed = scales != ORIGINAL_SCALES;
    for (int64_t i = 0; i < scales; ++i) d->scales[i] = ldexp(d->guessed ? 1 : ORIGINAL_LEAST, (int)i);
    add(p, UN_CAFFE_ANCHORS, &(struct found){.rank = 2, .shape = {anchors, COLUMNS}}, 1,
        "proposal_generator.anchor_generator.cell_anchors.0");
}

static void plan_heads(struct plan *p, int64_t coarse, int64_t features) {
    int64_t hidden =
        plan_linear(p, UN_CAFFE_AS_IS, RPN "conv", "rpn_conv/3x3", (int64_t[]){ANY, coarse, 3, 3});
    int64_t scores = plan_linear(p, UN_CAFFE_OBJECT, RPN "objectness_logits", "rpn_cls_score",
                                 (int64_t[]){ANY, hidden, 1, 1});
    plan_linear(p, UN_CAFFE_AS_IS, RPN "anchor_deltas", "rpn_bbox_pred",
                (int64_t[]){scores / 2 * COLUMNS, hidden, 1, 1});
    plan_anchors(p, scores / 2);
    int64_t classes =
        plan_linear(p, UN_CAFFE_TO_END, PREDICTOR "cls_score", "cls_score", (int64_t[]){ANY, features, 0});
    plan_linear(p, UN_CAFFE_DELTAS, PREDICTOR "bbox_pred", "bbox_pred",
                (int64_t[]){COLUMNS * classes, features, 0});
    struct found embedding = take(p, "cls_embedding", 0, 1, 2, (int64_t[]){classes, ANY});
    add(p, UN_CAFFE_TO_END, &embedding, 1, PREDICTOR "cls_embedding.weight");
    int64_t joined = features + embedding.shape[1];
    int64_t inner =
        plan_linear(p, UN_CAFFE_AS_IS, PREDICTOR "fc_attr", "fc_attr", (int64_t[]){ANY, joined, 0});
    plan_linear(p, UN_CAFFE_TO_END, PREDICTOR "attr_score", "attr_score", (int64_t[]){ANY, inner, 0});
}

enum un_status un_caffe_plan(struct un_caffe_detector *d) {
    struct plan p = {d, UN_OK};
    int64_t coarse = 0, features = 0;
    plan_backbone(&p, &coarse, &features);
    plan_heads(&p, coarse, features);
    return p.status;
}
