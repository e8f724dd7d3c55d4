/* The detector's network in nested loops (plain.h). */
#include "tests/unit/model/detector/plain.h"

#include "runtime/memory.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

struct plain {
    const struct un_detector_file *file;
    const struct un_detector_sizes *sizes;
};

static double *fresh(int64_t count) {
    double *x = un_alloc((size_t)count, sizeof *x, "plain network");
    if (!x) abort();
    return x;
}

static struct plain_map map_of(int64_t channels, int64_t height, int64_t width) {
    return (struct plain_map){channels, height, width, fresh(channels * height * width)};
}

static double at(const struct plain_map *m, int64_t c, int64_t y, int64_t x) {
    if (y < 0 || x < 0 || y >= m->height || x >= m->width) return 0;
    return m->value[(c * m->height + y) * m->width + x];
}

static bool there(const struct plain *p, const char *name, const char *part) {
    char full[160];
    snprintf(full, sizeof full, "%s%s", name, part);
    return un_detector_file_find(p->file, full) >= 0;
}

/* All elements of a tensor. */
static double *tensor(const struct plain *p, const char *name, const char *part) {
    char full[160];
    snprintf(full, sizeof full, "%s%s", name, part);
    int64_t i = un_detector_file_find(p->file, full), count = 1;
    if (i < 0) abort();
    struct un_detector_tensor t = p->file->tensor(p->file->context, i);
    for (int k = 0; k < t.rank; ++k) count *= t.shape[k];
    double *wide = fresh(count);
    float *values = un_alloc((size_t)count, sizeof *values, "plain network");
    if (!values || p->file->read(p->file->context, i, 0, count, values) != UN_OK) abort();
    for (int64_t k = 0; k < count; ++k) wide[k] = values[k];
    un_free(values);
    return wide;
}

struct how {
    int64_t out, size, stride, pad, dilation;
    bool relu;
};

static double spot(const struct plain_map *x, const double *weight, const struct how *h, int64_t o,
                   int64_t row, int64_t col) {
    double sum = 0;
    for (int64_t c = 0; c < x->channels; ++c)
        for (int64_t ky = 0; ky < h->size; ++ky)
            for (int64_t kx = 0; kx < h->size; ++kx)
                sum += weight[((o * x->channels + c) * h->size + ky) * h->size + kx] *
                       at(x, c, row * h->stride + ky * h->dilation - h->pad,
                          col * h->stride + kx * h->dilation - h->pad);
    return sum;
}

/* With a norm or with a bias, as the file has it. */
static struct plain_map conv(const struct plain *p, const struct plain_map *x, const char *name,
                             struct how h) {
    int64_t reach = h.dilation * (h.size - 1) + 1;
    struct plain_map y = map_of(h.out, (x->height + 2 * h.pad - reach) / h.stride + 1,
                                (x->width + 2 * h.pad - reach) / h.stride + 1);
    bool normed = there(p, name, ".norm.weight");
    double *weight = tensor(p, name, ".weight"), *bias = normed ? NULL : tensor(p, name, ".bias");
    double *gamma = normed ? tensor(p, name, ".norm.weight") : NULL;
    double *beta = normed ? tensor(p, name, ".norm.bias") : NULL;
    double *mean = normed ? tensor(p, name, ".norm.running_mean") : NULL;
    double *variance = normed ? tensor(p, name, ".norm.running_var") : NULL;
    for (int64_t o = 0; o < h.out; ++o)
        for (int64_t row = 0; row < y.height; ++row)
            for (int64_t col = 0; col < y.width; ++col) {
                double v = spot(x, weight, &h, o, row, col);
                v = normed ? (v - mean[o]) / sqrt(variance[o] + 1e-5) * gamma[o] + beta[o] : v + bias[o];
                y.value[(o * y.height + row) * y.width + col] = h.relu && v < 0 ? 0 : v;
            }
    double *all[] = {weight, bias, gamma, beta, mean, variance};
    for (size_t i = 0; i < sizeof all / sizeof *all; ++i) un_free(all[i]);
    return y;
}

static struct plain_map max_pool(const struct plain_map *x) {
    struct plain_map y = map_of(x->channels, (int64_t)ceil((double)(x->height - 3) / 2) + 1,
                                (int64_t)ceil((double)(x->width - 3) / 2) + 1);
    for (int64_t c = 0; c < y.channels; ++c)
        for (int64_t row = 0; row < y.height; ++row)
            for (int64_t col = 0; col < y.width; ++col) {
                double most = -INFINITY;
                for (int64_t i = 2 * row; i < 2 * row + 3 && i < x->height; ++i)
                    for (int64_t j = 2 * col; j < 2 * col + 3 && j < x->width; ++j)
                        most = fmax(most, at(x, c, i, j));
                y.value[(c * y.height + row) * y.width + col] = most;
            }
    return y;
}

static struct plain_map block(const struct plain *p, const struct plain_map *x, const char *name, int64_t mid,
                              int64_t out, int64_t stride, int64_t dilation) {
    char part[120];
    snprintf(part, sizeof part, "%s.conv1", name);
    struct plain_map a = conv(p, x, part, (struct how){mid, 1, stride, 0, 1, true});
    snprintf(part, sizeof part, "%s.conv2", name);
    struct plain_map b = conv(p, &a, part, (struct how){mid, 3, 1, dilation, dilation, true});
    snprintf(part, sizeof part, "%s.conv3", name);
    struct plain_map y = conv(p, &b, part, (struct how){out, 1, 1, 0, 1, false}), other = {0};
    snprintf(part, sizeof part, "%s.shortcut", name);
    if (there(p, part, ".weight")) other = conv(p, x, part, (struct how){out, 1, stride, 0, 1, false});
    const double *add = other.value ? other.value : x->value;
    for (int64_t i = 0; i < y.channels * y.height * y.width; ++i) y.value[i] = fmax(y.value[i] + add[i], 0);
    un_free(a.value);
    un_free(b.value);
    un_free(other.value);
    return y;
}

/* k: 0 res2 .. 3 res5. */
static struct plain_map stage(const struct plain *p, const struct plain_map *x, const char *name, int k) {
    struct plain_map now = *x;
    for (int64_t b = 0; b < p->sizes->blocks[k]; ++b) {
        char full[100];
        snprintf(full, sizeof full, "%s.%d", name, (int)b);
        bool halves = b == 0 && (k == 1 || k == 2);
        struct plain_map next = block(p, &now, full, p->sizes->bottleneck << k, p->sizes->width << k,
                                      halves ? 2 : 1, k == 3 ? 2 : 1);
        if (b > 0) un_free(now.value);
        now = next;
    }
    return now;
}

void plain_see(struct plain_sight *s, const struct un_detector_file *file,
               const struct un_detector_sizes *sizes, const float *input, int64_t height, int64_t width) {
    const struct plain p = {file, sizes};
    static const char *const names[] = {"backbone.res2", "backbone.res3", "backbone.res4"};
    struct plain_map photo = map_of(3, height, width);
    for (int64_t i = 0; i < height * width; ++i)
        for (int64_t c = 0; c < 3; ++c) photo.value[c * height * width + i] = input[3 * i + c];
    struct plain_map full =
        conv(&p, &photo, "backbone.stem.conv1", (struct how){sizes->stem, 7, 2, 3, 1, true});
    s->stem = max_pool(&full);
    for (int k = 0; k < 3; ++k) s->res[k] = stage(&p, k ? &s->res[k - 1] : &s->stem, names[k], k);
    struct plain_map hidden =
        conv(&p, &s->res[2], "proposal_generator.rpn_head.conv", (struct how){sizes->rpn, 3, 1, 1, 1, true});
    s->logits = conv(&p, &hidden, "proposal_generator.rpn_head.objectness_logits",
                     (struct how){sizes->anchors, 1, 1, 0, 1, false});
    s->deltas = conv(&p, &hidden, "proposal_generator.rpn_head.anchor_deltas",
                     (struct how){4 * sizes->anchors, 1, 1, 0, 1, false});
    un_free(photo.value);
    un_free(full.value);
    un_free(hidden.value);
}

void plain_sight_free(struct plain_sight *s) {
    struct plain_map *all[] = {&s->stem, &s->res[0], &s->res[1], &s->res[2], &s->logits, &s->deltas};
    for (size_t i = 0; i < sizeof all / sizeof *all; ++i) un_free(all[i]->value);
}

/* Cells [from, to) of bin b along an axis, cut to the map; edges in float. */
static void bin_of(float lo, float hi, int64_t b, int64_t pool, int64_t cells, int64_t *from, int64_t *to) {
    float start = roundf(lo * 0.0625f), end = roundf(hi * 0.0625f);
    volatile float size = fmaxf(end - start + 1, 1) / (float)pool;
    volatile float left = (float)b * size, right = (float)(b + 1) * size;
    double first = start + floorf(left), last = start + ceilf(right);
    *from = (int64_t)fmin(fmax(first, 0), (double)cells);
    *to = (int64_t)fmin(fmax(last, 0), (double)cells);
}

static struct plain_map pool_region(const struct plain_map *map, const float *box, int64_t pool) {
    struct plain_map y = map_of(map->channels, pool, pool);
    for (int64_t row = 0; row < pool; ++row)
        for (int64_t col = 0; col < pool; ++col) {
            int64_t top, bottom, left, right;
            bin_of(box[1], box[3], row, pool, map->height, &top, &bottom);
            bin_of(box[0], box[2], col, pool, map->width, &left, &right);
            for (int64_t c = 0; c < map->channels && top < bottom && left < right; ++c) {
                double most = -INFINITY;
                for (int64_t i = top; i < bottom; ++i)
                    for (int64_t j = left; j < right; ++j) most = fmax(most, at(map, c, i, j));
                y.value[(c * pool + row) * pool + col] = most;
            }
        }
    return y;
}

static void linear(const struct plain *p, double *y, const double *x, const char *name, int64_t out,
                   int64_t in, bool relu) {
    double *weight = tensor(p, name, ".weight"), *bias = tensor(p, name, ".bias");
    for (int64_t o = 0; o < out; ++o) {
        double sum = bias[o];
        for (int64_t i = 0; i < in; ++i) sum += weight[o * in + i] * x[i];
        y[o] = relu && sum < 0 ? 0 : sum;
    }
    un_free(weight);
    un_free(bias);
}

static int64_t best_of(const double *x, int64_t n, double *least_lead) {
    int64_t best = 0;
    double size = 0, second = -INFINITY;
    for (int64_t k = 0; k < n; ++k) {
        if (x[k] > x[best]) best = k;
        size = fmax(size, fabs(x[k]));
    }
    for (int64_t k = 0; k < n; ++k)
        if (k != best) second = fmax(second, x[k]);
    *least_lead = fmin(*least_lead, (x[best] - second) / size);
    return best;
}

static void classify(const struct plain *p, struct plain_judgement *j, int64_t region) {
    const struct un_detector_sizes *s = p->sizes;
    int64_t features = un_detector_features(s), classes = s->classes + 1, embedding = s->embedding;
    const double *feature = j->feature + region * features;
    double *logits = j->classes + region * classes,
           *table = tensor(p, "roi_heads.box_predictor.cls_embedding", ".weight");
    double *joined = fresh(features + embedding), *hidden = fresh(s->attribute_hidden);
    linear(p, logits, feature, "roi_heads.box_predictor.cls_score", classes, features, false);
    linear(p, j->boxes + region * 4 * s->classes, feature, "roi_heads.box_predictor.bbox_pred",
           4 * s->classes, features, false);
    int64_t best = best_of(logits, classes, &j->least_lead);
    for (int64_t k = 0; k < features; ++k) joined[k] = feature[k];
    for (int64_t k = 0; k < embedding; ++k) joined[features + k] = table[best * embedding + k];
    linear(p, hidden, joined, "roi_heads.box_predictor.fc_attr", s->attribute_hidden, features + embedding,
           true);
    linear(p, j->attributes + region * (s->attributes + 1), hidden, "roi_heads.box_predictor.attr_score",
           s->attributes + 1, s->attribute_hidden, false);
    un_free(table);
    un_free(joined);
    un_free(hidden);
}

void plain_judge(struct plain_judgement *j, const struct un_detector_file *file,
                 const struct un_detector_sizes *s, const struct plain_map *map, const float *box,
                 int64_t regions) {
    const struct plain p = {file, s};
    int64_t cells = s->pool * s->pool, features = un_detector_features(s), size = cells * map->channels;
    *j = (struct plain_judgement){fresh(regions * size),
                                  fresh(regions * features),
                                  fresh(regions * (s->classes + 1)),
                                  fresh(regions * 4 * s->classes),
                                  fresh(regions * (s->attributes + 1)),
                                  1};
    for (int64_t r = 0; r < regions; ++r) {
        struct plain_map pooled = pool_region(map, box + 4 * r, s->pool);
        struct plain_map last = stage(&p, &pooled, "roi_heads.res5", 3);
        for (int64_t i = 0; i < size; ++i) j->pooled[r * size + i] = pooled.value[i];
        for (int64_t c = 0; c < features; ++c) {
            for (int64_t i = 0; i < cells; ++i) j->feature[r * features + c] += last.value[c * cells + i];
            j->feature[r * features + c] /= (double)cells;
        }
        un_free(pooled.value);
        un_free(last.value);
        classify(&p, j, r);
    }
}

void plain_judgement_free(struct plain_judgement *j) {
    un_free(j->pooled);
    un_free(j->feature);
    un_free(j->classes);
    un_free(j->boxes);
    un_free(j->attributes);
}
