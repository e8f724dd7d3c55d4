/* Prototypes, features and soft labels; see the header for the formulas. */
#include "io/synth/render.h"
#include "runtime/half.h"
#include "runtime/memory.h"

enum { PLACE_DIRECTIONS = 4 };
/* Rows of the prototype table; KIND rows only serve to build the classes. */
enum {
    ROW_CLASS = 0,
    ROW_COLOUR = ROW_CLASS + UN_SYNTH_CLASSES,
    ROW_SIZE = ROW_COLOUR + UN_SYNTH_COLOURS,
    ROW_STATE = ROW_SIZE + UN_SYNTH_SIZES,
    ROW_PLACE = ROW_STATE + UN_SYNTH_STATES,
    ROW_KIND = ROW_PLACE + PLACE_DIRECTIONS,
    ROWS = ROW_KIND + UN_SYNTH_KINDS
};
/* Prototypes are shared by all files: a step that no file uses. */
enum { PROTOTYPE_STEP = 0x50524F54 };
enum { MAX_TERMS = 2 + 3 + PLACE_DIRECTIONS };

static const float bias = 0.3f, colour_weight = 0.8f, size_weight = 0.6f, state_weight = 0.7f,
                   place_weight = 0.35f;
static const float kind_weight = 0.6f, own_weight = 0.8f;

struct un_synth_renderer {
    int64_t f, f4, c; /* f4: f rounded up to whole random blocks */
    float noise;
    float *prototype; /* [ROWS, f4] */
    float *sum;       /* [f4] */
    float *label;     /* [c] */
};

static int64_t padded(int64_t f) {
    return (f + 3) / 4 * 4;
}

/* Four bytes of a word, summed and standardised: mean 510, variance 4 (256^2 - 1) / 12. */
static inline float bell(uint32_t word) {
    uint32_t pairs = (word & 0x00FF00FFu) + (word >> 8 & 0x00FF00FFu);
    int32_t sum = (int32_t)((pairs + (pairs >> 16)) & 0xFFFFu) - 510;
    return (float)sum * 6.76598e-3f; /* 1 / sqrt(21845) */
}

void un_synth_add_bell(float *restrict row, float weight, int64_t f4, uint64_t seed, uint32_t step,
                       uint32_t lane, uint32_t sample) {
    for (int64_t i = 0; i < f4 / 4; ++i) {
        struct un_rng4 r = un_rng(seed, UN_RNG_SYNTH, step, lane, sample, (uint32_t)i);
        for (int j = 0; j < 4; ++j) row[4 * i + j] += weight * bell(r.v[j]);
    }
}

static void make_prototypes(struct un_synth_renderer *r, uint64_t seed) {
    for (uint32_t row = 0; row < ROWS; ++row)
        un_synth_add_bell(r->prototype + row * r->f4, row < ROW_COLOUR ? own_weight : 1.0f, r->f4, seed,
                          PROTOTYPE_STEP, UN_SYNTH_PROTOTYPE, row);
    for (int c = 1; c < UN_SYNTH_CLASSES; ++c) {
        const float *kind = r->prototype + (ROW_KIND + un_synth_classes[c].kind) * r->f4;
        float *own = r->prototype + (ROW_CLASS + c) * r->f4;
        for (int64_t i = 0; i < r->f4; ++i) own[i] += kind_weight * kind[i];
    }
}

enum un_status un_synth_renderer_open(struct un_synth_renderer **renderer, uint64_t seed, int64_t img_dim,
                                      int64_t img_label_dim, double noise) {
    struct un_synth_renderer *r = *renderer = un_alloc(1, sizeof *r, "micro-world renderer");
    if (r == NULL) return UN_MEMORY;
    r->f = img_dim;
    r->f4 = padded(img_dim);
    r->c = img_label_dim;
    r->noise = (float)noise;
    r->prototype = un_alloc((size_t)(ROWS * r->f4), sizeof(float), "micro-world prototypes");
    r->sum = un_alloc((size_t)r->f4, sizeof(float), "micro-world feature");
    r->label = un_alloc((size_t)r->c, sizeof(float), "micro-world soft label");
    if (r->prototype == NULL || r->sum == NULL || r->label == NULL) {
        un_synth_renderer_close(r);
        *renderer = NULL;
        return UN_MEMORY;
    }
    make_prototypes(r, seed);
    return UN_OK;
}

void un_synth_renderer_close(struct un_synth_renderer *r) {
    if (r == NULL) return;
    un_free(r->prototype);
    un_free(r->sum);
    un_free(r->label);
    un_free(r);
}

struct term {
    int row;
    float weight;
};

static int list_terms(struct term *term, const struct un_synth_scene *s,
                      const struct un_synth_region *region) {
    const struct un_synth_box *b = &region->box;
    int n = 0;
    term[n++] = (struct term){ROW_CLASS + region->class_, 1 - region->blend};
    term[n++] = (struct term){ROW_CLASS + region->lookalike, region->blend};
    term[n++] = (struct term){ROW_PLACE + 0, place_weight * (b->x1 + b->x2 - 1)};
    term[n++] = (struct term){ROW_PLACE + 1, place_weight * (b->y1 + b->y2 - 1)};
    term[n++] = (struct term){ROW_PLACE + 2, place_weight * (b->x2 - b->x1)};
    term[n++] = (struct term){ROW_PLACE + 3, place_weight * (b->y2 - b->y1)};
    if (region->object < UN_SYNTH_FIRST_THING) return n; /* clutter, ground and backdrop have no attributes */
    const struct un_synth_object *o = &s->object[region->object];
    if (o->colour >= 0) term[n++] = (struct term){ROW_COLOUR + o->colour, colour_weight};
    if (o->state >= 0) term[n++] = (struct term){ROW_STATE + o->state, state_weight};
    term[n++] = (struct term){ROW_SIZE + o->size, size_weight};
    return n;
}

void un_synth_feature(struct un_synth_renderer *r, const struct un_synth_scene *s, int region,
                      uint16_t *feature) {
    const struct un_synth_region *shown = &s->region[region];
    struct term term[MAX_TERMS];
    int terms = list_terms(term, s, shown);
    float *restrict sum = r->sum;
    for (int64_t i = 0; i < r->f4; ++i) sum[i] = bias;
    for (int t = 0; t < terms; ++t) {
        const float *restrict p = r->prototype + term[t].row * r->f4;
        float weight = term[t].weight;
        for (int64_t i = 0; i < r->f4; ++i) sum[i] += weight * p[i];
    }
    un_synth_add_bell(sum, r->noise, r->f4, s->place.seed, un_synth_step(&s->place),
                      UN_SYNTH_NOISE | (uint32_t)shown->id << 8, s->place.image);
    for (int64_t i = 0; i < r->f; ++i) feature[i] = un_half_from(sum[i] > 0 ? sum[i] : 0);
}

/* Shares `mass` among the other classes of the kind; the background region shares it among all. */
static void share_with_kin(float *label, const struct un_synth_region *region, float mass) {
    bool clutter = region->object < 0;
    int kin = 0;
    for (int c = 1; c < UN_SYNTH_CLASSES; ++c)
        kin += clutter || un_synth_classes[c].kind == un_synth_classes[region->class_].kind;
    for (int c = 1; c < UN_SYNTH_CLASSES; ++c)
        if (clutter || un_synth_classes[c].kind == un_synth_classes[region->class_].kind)
            label[c] += mass / (float)kin;
}

void un_synth_soft_label(struct un_synth_renderer *r, const struct un_synth_scene *s, int region,
                         uint16_t *soft_label) {
    const struct un_synth_region *shown = &s->region[region];
    struct un_synth_draw d = un_synth_draw(&s->place, UN_SYNTH_DETECT, (uint32_t)shown->id + 1);
    float mass = un_synth_range(&d, 0.7f, 0.9f), rest = 1 - mass;
    float *label = r->label;
    for (int64_t c = 0; c < r->c; ++c) label[c] = 0.2f * rest / (float)r->c;
    label[shown->class_] += mass * (1 - shown->blend);
    label[shown->lookalike] += mass * shown->blend;
    label[0] += 0.2f * rest;
    share_with_kin(label, shown, 0.6f * rest);
    float others = 0;
    for (int64_t c = 0; c < r->c; ++c) {
        soft_label[c] = un_half_from(label[c]);
        if (c != shown->class_) others += un_half_to(soft_label[c]);
    }
    soft_label[shown->class_] = un_half_from(1 - others); /* what rounding took from the rest */
}
