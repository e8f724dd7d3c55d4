/* Regions of the photo that was seen last through the last stage and the classifiers. */
#include "model/detector/private.h"

static enum un_status check_regions(const struct un_detector *d, int64_t regions) {
    if (d->height == 0) return un_fail(UN_INTERNAL, "regions of a photo that the detector has not seen");
    if (regions < 1 || regions > d->limits.regions)
        return un_fail(UN_DATA, "%lld regions of a photo: the detector was opened for 1 to %lld",
                       (long long)regions, (long long)d->limits.regions);
    return UN_OK;
}

/* Boxes [first, first + count) into work.wide[0]. */
static void pool_regions(struct un_detector *d, int64_t first, int64_t count) {
    int64_t cols = 4 * d->sizes.width, pool = d->sizes.pool;
    d->device->ops->region_pool(d->queue, un_mat32(d->work.wide[0], count * pool * pool, cols),
                                un_mat32(d->work.map, d->height * d->width, cols), d->height, d->width,
                                d->work.box + 4 * first, count, pool, 1.0f / UN_DETECTOR_STRIDE);
}

static void send_boxes(struct un_detector *d, const float *box, int64_t regions) {
    d->device->mem->copy_in(d->queue, d->work.box, box, (size_t)(4 * regions) * sizeof(float));
}

/* Regions are maps of pool x pool cells; a run of them at a time, so that their maps stay small. */
static void features_fwd(struct un_detector *d, int64_t regions) {
    const struct un_detector_stage *last = &d->weights.stage[UN_DETECTOR_STAGES - 1];
    int64_t at_once = un_detector_regions_at_once(d, regions), pool = d->sizes.pool;
    for (int64_t first = 0; first < regions; first += at_once) {
        int64_t count = regions - first < at_once ? regions - first : at_once;
        struct un_maps maps = {count, pool, pool};
        pool_regions(d, first, count);
        const float *x = un_detector_stage_fwd(d, last, d->work.wide[0], &maps, NULL);
        d->device->ops->mean_rows(d->queue, un_mat32(d->work.feature + first * last->out, count, last->out),
                                  un_mat32(x, un_maps_rows(&maps), last->out), pool * pool);
    }
}

static void linear(struct un_detector *d, float *y, const struct un_conv *c, const float *x, int64_t rows,
                   enum un_activation activation) {
    struct un_piece piece = {.rows = rows,
                             .filled = (rows + d->grain.round - 1) / d->grain.round * d->grain.round};
    un_conv_fwd(d, y, c, x, NULL, &piece, activation);
}

/* The first largest of a row. */
static int32_t best_of(const float *x, int64_t n) {
    int64_t best = 0;
    for (int64_t k = 1; k < n; ++k)
        if (x[k] > x[best]) best = k;
    return (int32_t)best;
}

/* Indices for un_detector_gather: each region's own row, then its best class. The one trip to the host inside the head. */
static enum un_status choose_classes(struct un_detector *d, int64_t regions) {
    const struct un_device_ops *mem = d->device->mem;
    int64_t cols = d->sizes.classes + 1;
    mem->copy_out(d->queue, d->out.classes, d->work.classes, (size_t)(regions * cols) * sizeof(float));
    UN_TRY(mem->queue_wait(d->queue));
    for (int64_t i = 0; i < regions; ++i) {
        d->out.index[i] = (int32_t)i;
        d->out.index[regions + i] = best_of(d->out.classes + i * cols, cols);
    }
    mem->copy_in(d->queue, d->work.index, d->out.index, (size_t)(2 * regions) * sizeof *d->out.index);
    return UN_OK;
}

/* joined = feature | embedding of the class. */
static void join(struct un_detector *d, int64_t regions) {
    const struct un_conv *table = &d->weights.embedding;
    int64_t features = un_detector_features(&d->sizes);
    struct un_mat left = un_mat32(d->work.joined, regions, features), right = left;
    struct un_mat rows = un_mat32(table->weight, table->out, table->in);
    left.stride = right.stride = features + table->in;
    right.data = d->work.joined + features;
    right.cols = table->in;
    rows.stride = table->stride;
    const struct un_ops *ops = d->device->ops;
    ops->gather_rows(d->queue, left, un_mat32(d->work.feature, regions, features), d->work.index);
    ops->gather_rows(d->queue, right, rows, d->work.index + regions);
}

static enum un_status classify(struct un_detector *d, int64_t regions) {
    const struct un_detector_weights *w = &d->weights;
    struct un_detector_work *k = &d->work;
    linear(d, k->classes, &w->classes, k->feature, regions, UN_ACT_NONE);
    linear(d, k->box_delta, &w->boxes, k->feature, regions, UN_ACT_NONE);
    UN_TRY(choose_classes(d, regions));
    join(d, regions);
    linear(d, k->hidden, &w->attribute_hidden, k->joined, regions, UN_ACT_RELU);
    linear(d, k->attributes, &w->attributes, k->hidden, regions, UN_ACT_NONE);
    return UN_OK;
}

static void fetch(struct un_detector *d, float *to, const float *from, int64_t rows, int64_t cols) {
    d->device->mem->copy_out(d->queue, to, from, (size_t)(rows * cols) * sizeof *to);
}

enum un_status un_detector_judge(struct un_detector *d, const float *box, int64_t regions,
                                 struct un_detector_judgement *judgement) {
    UN_TRY(check_regions(d, regions));
    send_boxes(d, box, regions);
    features_fwd(d, regions);
    UN_TRY(classify(d, regions));
    fetch(d, d->out.feature, d->work.feature, regions, un_detector_features(&d->sizes));
    fetch(d, d->out.box_delta, d->work.box_delta, regions, 4 * d->sizes.classes);
    fetch(d, d->out.attributes, d->work.attributes, regions, d->sizes.attributes + 1);
    UN_TRY(d->device->mem->queue_wait(d->queue));
    *judgement = (struct un_detector_judgement){.feature = d->out.feature,
                                                .class_logits = d->out.classes,
                                                .box_deltas = d->out.box_delta,
                                                .attribute_logits = d->out.attributes};
    return UN_OK;
}

enum un_status un_detector_pool(struct un_detector *d, const float *box, int64_t regions, float *out) {
    UN_TRY(check_regions(d, regions));
    send_boxes(d, box, regions);
    int64_t at_once = un_detector_regions_at_once(d, regions);
    int64_t size = d->sizes.pool * d->sizes.pool * 4 * d->sizes.width;
    for (int64_t first = 0; first < regions; first += at_once) {
        int64_t count = regions - first < at_once ? regions - first : at_once;
        pool_regions(d, first, count);
        fetch(d, out + first * size, d->work.wide[0], count, size);
    }
    return d->device->mem->queue_wait(d->queue);
}
