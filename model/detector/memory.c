/* The detector's memory: one block on the device for weights and work, one on the host for what is handed out. */
#include "model/detector/memory_private.h"

#include "runtime/larger.h"

/* Pieces on a card: whole ones of 8,192 rows, the last filled up to a multiple of 256, so that photos of all sizes
 * come with few shapes of products. Its library would look for an algorithm at each new one. */
enum { CARD_PIECE = 8192, CARD_ROUND = 256, CARD_REGIONS = 32 };
/* Pieces on the CPU: what a product reads next is still in the cache, and each has tiles for some threads. */
enum { CPU_PIECE = 2048, CPU_REGIONS = 32 };

struct un_detector_grain un_detector_grain_of(const struct un_device *device) {
    return device->any_shape ? (struct un_detector_grain){CPU_PIECE, 1, CPU_REGIONS}
                             : (struct un_detector_grain){CARD_PIECE, CARD_ROUND, CARD_REGIONS};
}

int64_t un_detector_regions_at_once(const struct un_detector *d, int64_t regions) {
    int64_t runs = (regions + d->grain.regions - 1) / d->grain.regions;
    return (regions + runs - 1) / runs;
}

/* Rows with those that fill a product up. */
static int64_t filled(const struct un_detector *d, int64_t rows) {
    return (rows + d->grain.round - 1) / d->grain.round * d->grain.round;
}
static float *take(const struct un_detector *d, struct un_arena *arena, int64_t rows, int64_t cols) {
    return un_arena_take(arena, (size_t)(filled(d, rows) * cols), sizeof(float));
}

/* Rows and floats of the largest maps: between blocks, and inside of one. */
struct widths {
    int64_t wide, narrow;              /* floats, filled rows */
    int64_t inner, inside, out, piece; /* of a piece */
    int64_t factor;                    /* widest left factor of a product, of a piece or of the regions */
};

static void widen(const struct un_detector *d, struct widths *w, int64_t rows, int64_t wide, int64_t narrow) {
    w->wide = un_larger(w->wide, filled(d, rows) * wide);
    w->narrow = un_larger(w->narrow, filled(d, rows) * narrow);
}

static enum un_status widest_inner(void *context, struct un_conv *c, const char *name) {
    struct widths *w = context;
    (void)name;
    bool patches = c->window.size > 1 || c->window.stride > 1;
    if (patches) w->inner = un_larger(w->inner, c->stride);
    if (c->type != UN_F32) w->factor = un_larger(w->factor, patches ? c->stride : c->in);
    return UN_OK;
}

static struct widths widths_of(struct un_detector *d) {
    const struct un_detector_sizes *s = &d->sizes;
    struct widths w = {.piece = d->grain.piece};
    int64_t regions = d->limits.regions < d->grain.regions ? d->limits.regions : d->grain.regions;
    const int64_t rows[UN_DETECTOR_STAGES] = {d->most[UN_DETECTOR_AT_RES2], d->most[UN_DETECTOR_AT_RES3],
                                              d->most[UN_DETECTOR_AT_RES4], regions * s->pool * s->pool};
    (void)un_detector_each(&d->weights, s, widest_inner, &w);
    widen(d, &w, d->most[UN_DETECTOR_AT_STEM], s->stem, 0);
    widen(d, &w, rows[0], s->stem, 0);
    widen(d, &w, rows[3], 4 * s->width, 0);
    for (int k = 0; k < UN_DETECTOR_STAGES; ++k) {
        widen(d, &w, rows[k], s->width << k, s->bottleneck << k);
        w.inside = un_larger(w.inside, s->bottleneck << k);
        w.out = un_larger(w.out, s->width << k);
    }
    w.inside = un_larger(w.inside, s->rpn);
    return w;
}

static void carve_head(struct un_detector *d, struct un_arena *arena) {
    const struct un_detector_sizes *s = &d->sizes;
    struct un_detector_work *w = &d->work;
    int64_t n = d->limits.regions, features = un_detector_features(s);
    w->box = take(d, arena, n, 4);
    w->feature = take(d, arena, n, features);
    w->joined = take(d, arena, n, features + s->embedding);
    w->hidden = take(d, arena, n, s->attribute_hidden);
    w->classes = take(d, arena, n, s->classes + 1);
    w->box_delta = take(d, arena, n, 4 * s->classes);
    w->attributes = take(d, arena, n, s->attributes + 1);
    w->index = un_arena_take(arena, (size_t)(2 * n), sizeof *w->index);
}

void un_detector_carve(struct un_detector *d, struct un_arena *arena) {
    const struct un_detector_sizes *s = &d->sizes;
    struct un_detector_work *w = &d->work;
    struct widths most = widths_of(d);
    int64_t coarse = d->most[UN_DETECTOR_AT_RES4];
    un_detector_weights_carve(&d->weights, s, arena);
    w->input = take(d, arena, d->limits.pixels, 3);
    for (int i = 0; i < 2; ++i) w->wide[i] = un_arena_take(arena, (size_t)most.wide, sizeof(float));
    w->narrow = un_arena_take(arena, (size_t)most.narrow, sizeof(float));
    w->map = take(d, arena, coarse, 4 * s->width);
    w->patches = take(d, arena, most.piece, most.inner);
    if (most.factor > 0)
        w->low =
            un_arena_take(arena, (size_t)(filled(d, un_larger(most.piece, d->limits.regions)) * most.factor),
                          sizeof *w->low);
    w->inside = take(d, arena, most.piece, most.inside);
    w->shortcut = take(d, arena, most.piece, most.out);
    w->logits = take(d, arena, coarse, s->anchors);
    w->deltas = take(d, arena, coarse, 4 * s->anchors);
    carve_head(d, arena);
}

void un_detector_carve_host(struct un_detector *d, struct un_arena *arena) {
    const struct un_detector_sizes *s = &d->sizes;
    size_t n = (size_t)d->limits.regions, coarse = (size_t)d->most[UN_DETECTOR_AT_RES4];
    struct un_detector_out *o = &d->out;
    o->logits = un_arena_take(arena, coarse * (size_t)s->anchors, sizeof(float));
    o->deltas = un_arena_take(arena, coarse * (size_t)(4 * s->anchors), sizeof(float));
    o->feature = un_arena_take(arena, n * (size_t)un_detector_features(s), sizeof(float));
    o->classes = un_arena_take(arena, n * (size_t)(s->classes + 1), sizeof(float));
    o->box_delta = un_arena_take(arena, n * (size_t)(4 * s->classes), sizeof(float));
    o->attributes = un_arena_take(arena, n * (size_t)(s->attributes + 1), sizeof(float));
    o->index = un_arena_take(arena, 2 * n, sizeof *o->index);
}

/* What a queue keeps for products. The CPU's of f32 need nothing, those of bf16 a chunk of the widest factor. */
struct un_limits un_detector_queue_limits(struct un_detector *d) {
    if (d->device->any_shape) return (struct un_limits){.max_width = widths_of(d).factor};
    return (struct un_limits){
        .max_tokens = d->grain.piece, .max_samples = 1, .max_width = 8 * d->sizes.width};
}

void un_detector_setup(struct un_detector *d, struct un_device *device, const struct un_detector_sizes *sizes,
                       const struct un_detector_limits *limits) {
    d->device = device;
    d->sizes = *sizes;
    d->limits = *limits;
    d->grain = un_detector_grain_of(device);
    un_detector_cells_most(d->most, limits->pixels);
    un_detector_layout(&d->weights, sizes, limits->factor);
}

size_t un_detector_bytes(const struct un_detector_sizes *sizes, const struct un_detector_limits *limits,
                         struct un_device *device) {
    struct un_detector d = {0};
    struct un_arena arena = {.name = "detector"};
    un_detector_setup(&d, device, sizes, limits);
    un_detector_carve(&d, &arena);
    struct un_limits queue = un_detector_queue_limits(&d);
    return arena.used + device->mem->scratch_bytes(device, &queue);
}
