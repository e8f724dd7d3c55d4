/* A photo through the backbone and the proposals' head. */
#include "model/detector/private.h"

static enum un_status check_input(const struct un_detector *d, int64_t height, int64_t width) {
    if (height < UN_DETECTOR_SIDE_LEAST || width < UN_DETECTOR_SIDE_LEAST)
        return un_fail(UN_DATA,
                       "an input of %lld x %lld pixels is too small for the network: %d a side at least",
                       (long long)width, (long long)height, UN_DETECTOR_SIDE_LEAST);
    if (height > d->limits.pixels / width)
        return un_fail(UN_DATA, "an input of %lld x %lld pixels is larger than the %lld there is memory for",
                       (long long)width, (long long)height, (long long)d->limits.pixels);
    return UN_OK;
}

static enum un_status touch(struct un_detector *d, enum un_detector_map map, float *values, int64_t channels,
                            const struct un_maps *maps) {
    if (!d->touch) return UN_OK;
    UN_TRY(d->device->mem->queue_wait(d->queue));
    return d->touch(d->touch_context, map, d->queue, un_mat32(values, un_maps_rows(maps), channels),
                    maps->height, maps->width);
}

/* The first convolution and its pool, into work.wide[1]. */
static void stem_fwd(struct un_detector *d, struct un_maps *maps) {
    static const struct un_window pool = UN_DETECTOR_POOL_WINDOW;
    const struct un_conv *c = &d->weights.stem;
    const struct un_maps full = un_conv_maps(c, maps);
    struct un_piece piece = {0};
    while (un_piece_next(d, &piece, un_maps_rows(&full)))
        un_conv_fwd(d, d->work.wide[0] + piece.first * c->out, c, d->work.input, maps, &piece, UN_ACT_RELU);
    *maps = (struct un_maps){1, un_window_out_up(full.height, &pool), un_window_out_up(full.width, &pool)};
    d->device->ops->max_pool(d->queue, un_mat32(d->work.wide[1], un_maps_rows(maps), c->out),
                             un_mat32(d->work.wide[0], un_maps_rows(&full), c->out), &full, &pool);
}

static enum un_status backbone_fwd(struct un_detector *d, struct un_maps *maps) {
    float *x = d->work.wide[1];
    stem_fwd(d, maps);
    UN_TRY(touch(d, UN_DETECTOR_STEM, x, d->sizes.stem, maps));
    for (int k = 0; k < 3; ++k) {
        const struct un_detector_stage *stage = &d->weights.stage[k];
        x = un_detector_stage_fwd(d, stage, x, maps, k == 2 ? d->work.map : NULL);
        UN_TRY(touch(d, UN_DETECTOR_RES2 + k, x, stage->out, maps));
    }
    return UN_OK;
}

static void rpn_fwd(struct un_detector *d, const struct un_maps *maps) {
    const struct un_detector_weights *w = &d->weights;
    struct un_piece piece = {0};
    while (un_piece_next(d, &piece, un_maps_rows(maps))) {
        const struct un_piece own = {0, piece.rows, piece.filled};
        un_conv_fwd(d, d->work.inside, &w->rpn, d->work.map, maps, &piece, UN_ACT_RELU);
        un_conv_fwd(d, d->work.logits + piece.first * w->objectness.out, &w->objectness, d->work.inside, maps,
                    &own, UN_ACT_NONE);
        un_conv_fwd(d, d->work.deltas + piece.first * w->deltas.out, &w->deltas, d->work.inside, maps, &own,
                    UN_ACT_NONE);
    }
}

enum un_status un_detector_see(struct un_detector *d, const float *input, int64_t height, int64_t width,
                               struct un_detector_sight *sight) {
    const struct un_device_ops *mem = d->device->mem;
    struct un_maps maps = {1, height, width};
    UN_TRY(check_input(d, height, width));
    d->height = d->width = 0;
    mem->copy_in(d->queue, d->work.input, input, (size_t)(height * width * 3) * sizeof(float));
    UN_TRY(backbone_fwd(d, &maps));
    rpn_fwd(d, &maps);
    size_t logits = (size_t)(un_maps_rows(&maps) * d->sizes.anchors) * sizeof(float);
    mem->copy_out(d->queue, d->out.logits, d->work.logits, logits);
    mem->copy_out(d->queue, d->out.deltas, d->work.deltas, 4 * logits);
    UN_TRY(mem->queue_wait(d->queue));
    d->height = maps.height;
    d->width = maps.width;
    *sight = (struct un_detector_sight){
        .h = maps.height, .w = maps.width, .logits = d->out.logits, .deltas = d->out.deltas};
    return UN_OK;
}

enum un_status un_detector_set_map(struct un_detector *d, const float *map, int64_t h, int64_t w) {
    int64_t most = d->most[UN_DETECTOR_AT_RES4];
    if (h < 1 || w < 1 || h > most / w)
        return un_fail(UN_DATA, "a map of %lld x %lld cells: there is memory for %lld", (long long)w,
                       (long long)h, (long long)most);
    d->device->mem->copy_in(d->queue, d->work.map, map, (size_t)(h * w * 4 * d->sizes.width) * sizeof(float));
    d->height = h;
    d->width = w;
    return d->device->mem->queue_wait(d->queue);
}
