/* See draw.h. */
#include "tests/support/draw.h"

#include "runtime/rng.h"

#include <stdlib.h>

float draw_signed(uint64_t seed, uint32_t what, uint32_t index) {
    return 2 * un_rng_unit(un_rng(seed, UN_RNG_TEST, 0, 0, what, index).v[0]) - 1;
}

static uint32_t draw_below(uint64_t seed, uint32_t what, uint32_t index, uint32_t n) {
    return un_rng_below(un_rng(seed, UN_RNG_TEST, 1, 0, what, index).v[0], n);
}

/* Room of one sample. */
struct room {
    int32_t *id, *label;
    float *feature, *box, *soft;
    uint8_t *mask;
};

static void take_room(struct room *room, struct un_arena *arena, const struct un_dims *d,
                      const struct wish *w) {
    room->id = un_arena_take(arena, (size_t)w->words, sizeof(int32_t));
    room->label = un_arena_take(arena, (size_t)w->words, sizeof(int32_t));
    room->feature = un_arena_take(arena, (size_t)(w->regions * d->img_dim), sizeof(float));
    room->box = un_arena_take(arena, (size_t)(w->regions * UN_BOX_WIDTH), sizeof(float));
    room->soft = un_arena_take(arena, (size_t)(w->regions * d->img_label_dim), sizeof(float));
    room->mask = un_arena_take(arena, (size_t)w->regions, 1);
}

static void fill_words(struct room *room, const struct un_dims *d, const struct wish *w, uint64_t seed,
                       uint32_t s) {
    for (int32_t i = 0; i < w->words; ++i) {
        uint32_t at = (uint32_t)i * 4;
        room->id[i] = 1 + (int32_t)draw_below(seed, s, at, (uint32_t)d->vocab_size - 1);
        bool asked = w->objective == UN_MLM && i < w->asked;
        room->label[i] = asked ? 1 + (int32_t)draw_below(seed, s, at + 1, (uint32_t)d->vocab_size - 1) : -1;
    }
}

/* Soft labels are positive and add up to 1. */
static void fill_soft(float *soft, int64_t classes, uint64_t seed, uint32_t what, uint32_t first) {
    float sum = 0;
    for (int64_t c = 0; c < classes; ++c) {
        float x = draw_signed(seed, what, first + (uint32_t)c);
        sum += soft[c] = 0.01f + x * x;
    }
    for (int64_t c = 0; c < classes; ++c) soft[c] /= sum;
}

static void fill_regions(struct room *room, const struct un_dims *d, const struct wish *w, uint64_t seed,
                         uint32_t s) {
    for (int64_t i = 0; i < w->regions * d->img_dim; ++i)
        room->feature[i] = draw_signed(seed, s + 1000000, (uint32_t)i);
    for (int64_t i = 0; i < w->regions * UN_BOX_WIDTH; ++i)
        room->box[i] = 0.5f + 0.5f * draw_signed(seed, s + 2000000, (uint32_t)i);
    for (int32_t k = 0; k < w->regions; ++k) {
        fill_soft(room->soft + k * d->img_label_dim, d->img_label_dim, seed, s + 3000000,
                  (uint32_t)(k * d->img_label_dim));
        room->mask[k] = k < w->asked;
    }
}

static struct sample sample_of(const struct room *room, const struct wish *w, int64_t s) {
    bool masks = w->objective == UN_MRFR || w->objective == UN_MRC || w->objective == UN_MRCKL;
    return (struct sample){.objective = w->objective,
                           .words = w->words,
                           .regions = w->regions,
                           .id = room->id,
                           .label = room->label,
                           .feature = room->feature,
                           .box = room->box,
                           .mask = masks ? room->mask : NULL,
                           .soft = room->soft,
                           .target = (int)(s % 2),
                           .dataset = (uint8_t)(s % 3)};
}

void draw_samples(struct drawn *out, const struct un_dims *dims, const struct wish *wishes, int64_t n,
                  uint64_t seed) {
    struct un_arena arena = {.name = "drawn samples"};
    struct room room;
    for (int64_t s = 0; s < n; ++s) take_room(&room, &arena, dims, &wishes[s]);
    out->n = n;
    out->list = un_alloc((size_t)n, sizeof *out->list, "drawn samples");
    out->arrays = un_alloc(arena.used, 1, "drawn samples");
    if (!out->list || !out->arrays) abort();
    arena = (struct un_arena){.name = "drawn samples", .base = out->arrays, .size = arena.used};
    for (int64_t s = 0; s < n; ++s) {
        take_room(&room, &arena, dims, &wishes[s]);
        fill_words(&room, dims, &wishes[s], seed, (uint32_t)s);
        fill_regions(&room, dims, &wishes[s], seed, (uint32_t)s);
        out->list[s] = sample_of(&room, &wishes[s], s);
    }
}

void drawn_free(struct drawn *drawn) {
    un_free(drawn->list);
    un_free(drawn->arrays);
    *drawn = (struct drawn){0};
}

void draw_values(const struct un_params *table, float *values, uint64_t seed, float range) {
    un_params_init(table, values, seed, range);
    for (int64_t k = 0; k < table->n; ++k) {
        const struct un_param *p = &table->list[k];
        for (int64_t i = 0; p->ndim == 1 && i < p->count; ++i)
            values[p->offset + i] += 0.2f * draw_signed(seed, (uint32_t)(4000000 + k), (uint32_t)i);
    }
}
