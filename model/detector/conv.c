/* Convolutions as products of rows, and the bottleneck blocks made of them. */
#include "model/detector/private.h"

static int64_t ceil_div(int64_t a, int64_t b) {
    return (a + b - 1) / b;
}

/* On a card every piece but the last is whole, so that it meets few shapes. The CPU cuts into about equal ones. */
static int64_t piece_rows(const struct un_detector *d, int64_t total) {
    enum { ALIGN = 16 };
    int64_t most = d->grain.piece;
    if (d->grain.round > 1) return most;
    return ceil_div(ceil_div(total, ceil_div(total, most)), ALIGN) * ALIGN;
}

bool un_piece_next(const struct un_detector *d, struct un_piece *piece, int64_t total) {
    piece->first += piece->rows;
    if (piece->first >= total) return false;
    int64_t most = piece_rows(d, total), left = total - piece->first;
    piece->rows = left < most ? left : most;
    piece->filled = ceil_div(piece->rows, d->grain.round) * d->grain.round;
    return true;
}

struct un_maps un_conv_maps(const struct un_conv *c, const struct un_maps *maps) {
    return (struct un_maps){maps->n, un_window_out(maps->height, &c->window),
                            un_window_out(maps->width, &c->window)};
}

/* The left factor as the weights' type. What fills its rows up goes along, so it is one run; nobody reads it. */
static struct un_mat as_factor(struct un_detector *d, const struct un_conv *c, struct un_mat rows,
                               int64_t used) {
    if (c->type == UN_F32) return rows;
    struct un_mat low = rows;
    low.type = c->type;
    low.data = d->work.low;
    d->device->ops->cast(d->queue, low.data, low.type, rows.data, rows.type, used * rows.stride);
    return low;
}

void un_conv_fwd(struct un_detector *d, float *y, const struct un_conv *c, const float *x,
                 const struct un_maps *maps, const struct un_piece *piece, enum un_activation activation) {
    const struct un_ops *ops = d->device->ops;
    struct un_mat rows = un_mat32(x + piece->first * c->in, piece->filled, c->in);
    struct un_mat weight = un_mat(c->weight, c->type, c->out, c->inner);
    const struct un_epilogue after = {.bias = c->bias, .bias_type = UN_F32, .activation = activation};
    weight.stride = c->stride;
    if (c->window.size > 1 || c->window.stride > 1) {
        rows = un_mat32(d->work.patches, piece->rows, c->inner);
        rows.stride = c->stride;
        ops->patches(d->queue, rows, un_mat32(x, un_maps_rows(maps), c->in), maps, &c->window, piece->first);
        rows.rows = piece->filled;
    }
    rows = as_factor(d, c, rows, piece->rows);
    ops->gemm(d->queue, un_mat32(y, piece->filled, c->out), rows, false, weight, true, 0, &after);
}

/* What follows the first convolution, row by row: 3x3, 1x1, plus the input or its shortcut. */
static void finish_block(struct un_detector *d, const struct un_bottleneck *k, float *y, const float *x,
                         const struct un_maps *in, const struct un_maps *out) {
    struct un_piece piece = {0};
    while (un_piece_next(d, &piece, un_maps_rows(out))) {
        const struct un_piece own = {0, piece.rows, piece.filled};
        float *to = y + piece.first * k->conv3.out;
        const float *add = x + piece.first * k->conv3.out;
        un_conv_fwd(d, d->work.inside, &k->conv2, d->work.narrow, out, &piece, UN_ACT_RELU);
        un_conv_fwd(d, to, &k->conv3, d->work.inside, out, &own, UN_ACT_NONE);
        if (k->shortcut.out > 0) {
            un_conv_fwd(d, d->work.shortcut, &k->shortcut, x, in, &piece, UN_ACT_NONE);
            add = d->work.shortcut;
        }
        struct un_mat sum = un_mat32(to, piece.rows, k->conv3.out);
        d->device->ops->add_relu(d->queue, sum, sum, un_mat32(add, piece.rows, k->conv3.out));
    }
}

static void block_fwd(struct un_detector *d, const struct un_bottleneck *k, float *y, const float *x,
                      struct un_maps *maps) {
    const struct un_maps in = *maps;
    struct un_piece piece = {0};
    *maps = un_conv_maps(&k->conv1, &in);
    while (un_piece_next(d, &piece, un_maps_rows(maps)))
        un_conv_fwd(d, d->work.narrow + piece.first * k->conv1.out, &k->conv1, x, &in, &piece, UN_ACT_RELU);
    finish_block(d, k, y, x, &in, maps);
}

float *un_detector_stage_fwd(struct un_detector *d, const struct un_detector_stage *stage, const float *x,
                             struct un_maps *maps, float *to) {
    float *y = NULL;
    for (int64_t b = 0; b < stage->n; ++b) {
        y = b == stage->n - 1 && to ? to : x == d->work.wide[0] ? d->work.wide[1] : d->work.wide[0];
        block_fwd(d, &stage->block[b], y, x, maps);
        x = y;
    }
    return y;
}
