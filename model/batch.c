/* Layout of a micro-batch in one block; see batch.h. */
#include "model/batch.h"

#include <stddef.h>
#include <string.h>

static int32_t *take32(struct un_arena *arena, int64_t count) {
    return un_arena_take(arena, (size_t)count, sizeof(int32_t));
}

static void carve_segments(struct un_arena *arena, int64_t rows, int32_t **id, int32_t **start,
                           int32_t **perm, struct un_segments *view) {
    *id = take32(arena, rows);
    *start = take32(arena, rows + 1);
    *perm = take32(arena, rows);
    *view = (struct un_segments){*id, *start, *perm, 0};
}

/* Lists that only tasks have. */
static void carve_task(struct un_batch *batch, const struct un_batch_caps *caps, struct un_arena *arena,
                       enum un_objective t) {
    struct un_rows *rows = &batch->rows[t];
    int64_t cap = un_batch_row_cap(caps, t);
    *rows = (struct un_rows){0};
    if (cap == 0) return;
    rows->row = take32(arena, un_batch_member_cap(caps, t));
    rows->start = take32(arena, cap + 1);
    if (un_objective_has_ids(t)) rows->target = take32(arena, cap);
    if (un_objectives[t].target == UN_TARGET_MEMBER) rows->wrong = take32(arena, cap);
    for (int s = 0; s < 2 && un_objectives[t].asks == UN_ASKS_TWO; ++s) {
        batch->side[s].row = take32(arena, un_batch_side_cap(caps));
        batch->side[s].start = take32(arena, cap + 1);
    }
}

static void carve_types(struct un_batch *batch, const struct un_batch_caps *caps, struct un_arena *arena) {
    batch->word_type = take32(arena, caps->words);
    batch->region_type = take32(arena, caps->regions);
    carve_segments(arena, caps->words, &batch->by_word_type_id, &batch->by_word_type_start,
                   &batch->by_word_type_perm, &batch->by_word_type);
    carve_segments(arena, caps->regions, &batch->by_region_type_id, &batch->by_region_type_start,
                   &batch->by_region_type_perm, &batch->by_region_type);
}

static void carve_rows(struct un_batch *batch, const struct un_batch_caps *caps, struct un_arena *arena) {
    for (int t = 0; t < UN_OBJECTIVE_COUNT; ++t) {
        struct un_rows *rows = &batch->rows[t];
        enum un_objective objective = (enum un_objective)t;
        int64_t cap = un_batch_row_cap(caps, objective);
        if (un_objectives[t].task) {
            carve_task(batch, caps, arena, objective);
            continue;
        }
        rows->n = 0;
        rows->row = take32(arena, cap);
        rows->target = un_objective_has_ids(objective) ? take32(arena, cap) : NULL;
        rows->region = un_objectives[t].asks == UN_ASKS_REGIONS ? take32(arena, cap) : NULL;
    }
}

static void carve_stored(struct un_batch *batch, const struct un_batch_caps *caps, struct un_arena *arena) {
    for (int t = 0; t < UN_OBJECTIVE_COUNT; ++t)
        if (un_objectives[t].target == UN_TARGET_FEATURES)
            batch->rows[t].stored = take32(arena, un_batch_row_cap(caps, (enum un_objective)t));
}

static void carve_soft(struct un_batch *batch, const struct un_batch_caps *caps, struct un_arena *arena) {
    size_t type_bytes = (size_t)un_type_bytes(batch->soft_type);
    for (int t = 0; t < UN_OBJECTIVE_COUNT; ++t) {
        int64_t rows = un_batch_row_cap(caps, (enum un_objective)t);
        if (un_objectives[t].target == UN_TARGET_SOFT)
            batch->rows[t].soft = un_arena_take(arena, (size_t)(rows * caps->img_label_dim), type_bytes);
    }
}

static void carve_scores(struct un_batch *batch, const struct un_batch_caps *caps, struct un_arena *arena) {
    for (int t = 0; t < UN_OBJECTIVE_COUNT; ++t) {
        int64_t rows = un_batch_row_cap(caps, (enum un_objective)t);
        if (un_objectives[t].target == UN_TARGET_ANSWERS && rows > 0)
            batch->rows[t].score = un_arena_take(arena, (size_t)(rows * caps->num_labels), sizeof(float));
    }
}

static void carve_device(struct un_batch *batch, const struct un_batch_caps *caps, struct un_arena *arena) {
    batch->start = take32(arena, caps->samples + 1);
    batch->at = un_arena_take(arena, 2, sizeof *batch->at);
    batch->word_id = take32(arena, caps->words);
    batch->word_pos = take32(arena, caps->words);
    batch->word_row = take32(arena, caps->words);
    batch->region_row = take32(arena, caps->regions);
    batch->box = un_arena_take(arena, (size_t)(caps->regions * UN_BOX_WIDTH), sizeof(float));
    batch->masked = un_arena_take(arena, (size_t)caps->regions, 1);
    batch->masked_region = take32(arena, caps->regions);
    carve_segments(arena, caps->words, &batch->by_word_id, &batch->by_word_start, &batch->by_word_perm,
                   &batch->by_word);
    carve_segments(arena, caps->words, &batch->by_position_id, &batch->by_position_start,
                   &batch->by_position_perm, &batch->by_position);
    if (caps->typed) carve_types(batch, caps, arena);
    carve_rows(batch, caps, arena);
    batch->pair_first = take32(arena, caps->samples);
    batch->pair_words = take32(arena, caps->samples);
    batch->pair_regions = take32(arena, caps->samples);
    batch->plan_start = take32(arena, caps->samples + 1);
    if (caps->store_rows > 0) {
        batch->feature_row = take32(arena, caps->regions);
        batch->fresh_row = take32(arena, caps->regions);
        carve_stored(batch, caps, arena);
    }
    batch->scale = un_arena_take(arena, UN_OBJECTIVE_COUNT, sizeof(float));
    batch->ot_coef = un_arena_take(arena, (size_t)caps->samples, sizeof(float));
    batch->feature = un_arena_take(arena, (size_t)(caps->regions * caps->img_dim),
                                   (size_t)un_type_bytes(caps->feature_type));
    if (caps->soft_labels) carve_soft(batch, caps, arena);
    carve_scores(batch, caps, arena);
}

static void carve_host(struct un_batch *batch, const struct un_batch_caps *caps, struct un_arena *arena) {
    for (int t = 0; t < UN_OBJECTIVE_COUNT; ++t)
        batch->rows[t].dataset =
            un_arena_take(arena, (size_t)un_batch_row_cap(caps, (enum un_objective)t), 1);
    batch->stored.n = 0;
    batch->stored.image = caps->store_rows > 0 ? take32(arena, caps->samples) : NULL;
    batch->alignment.n = 0;
    batch->alignment.pair = take32(arena, caps->words);
    batch->alignment.word = take32(arena, caps->words);
    batch->alignment.region = take32(arena, caps->words);
}

void un_batch_carve(struct un_batch *batch, const struct un_batch_caps *caps, struct un_arena *arena) {
    *batch =
        (struct un_batch){.feature_type = caps->feature_type, .soft_type = caps->soft_f32 ? UN_F32 : UN_F16};
    size_t begin = arena->used;
    carve_device(batch, caps, arena);
    batch->block = batch->start;
    batch->block_bytes = arena->used - begin;
    carve_host(batch, caps, arena);
}

void un_batch_number(struct un_batch *batch, uint32_t step, uint32_t lane) {
    batch->at[0] = batch->step = step;
    batch->at[1] = batch->lane = lane;
}

size_t un_batch_block_bytes(const struct un_batch_caps *caps) {
    struct un_batch batch;
    struct un_arena measure = {.name = "batch"};
    un_batch_carve(&batch, caps, &measure);
    return batch.block_bytes;
}

static void move(void *pointer_field, ptrdiff_t by) {
    unsigned char *value;
    memcpy(&value, pointer_field, sizeof value);
    if (value) value += by;
    memcpy(pointer_field, &value, sizeof value);
}

#define AT(member) offsetof(struct un_batch, member)
/* Pointers into the block, beside those of the rows. */
static const size_t device_lists[] = {AT(start),
                                      AT(at),
                                      AT(word_id),
                                      AT(word_pos),
                                      AT(word_row),
                                      AT(region_row),
                                      AT(box),
                                      AT(masked),
                                      AT(masked_region),
                                      AT(feature_row),
                                      AT(fresh_row),
                                      AT(by_word_id),
                                      AT(by_word_start),
                                      AT(by_word_perm),
                                      AT(by_position_id),
                                      AT(by_position_start),
                                      AT(by_position_perm),
                                      AT(word_type),
                                      AT(region_type),
                                      AT(by_word_type_id),
                                      AT(by_word_type_start),
                                      AT(by_word_type_perm),
                                      AT(by_region_type_id),
                                      AT(by_region_type_start),
                                      AT(by_region_type_perm),
                                      AT(side[0].row),
                                      AT(side[0].start),
                                      AT(side[1].row),
                                      AT(side[1].start),
                                      AT(pair_first),
                                      AT(pair_words),
                                      AT(pair_regions),
                                      AT(plan_start),
                                      AT(scale),
                                      AT(ot_coef),
                                      AT(feature)};
#undef AT

void un_batch_rebase(struct un_batch *out, const struct un_batch *batch, void *block) {
    *out = *batch;
    ptrdiff_t by = (unsigned char *)block - (unsigned char *)batch->block;
    for (size_t i = 0; i < sizeof device_lists / sizeof *device_lists; ++i)
        move((unsigned char *)out + device_lists[i], by);
    for (int t = 0; t < UN_OBJECTIVE_COUNT; ++t) {
        move(&out->rows[t].row, by);
        move(&out->rows[t].start, by);
        move(&out->rows[t].target, by);
        move(&out->rows[t].wrong, by);
        move(&out->rows[t].score, by);
        move(&out->rows[t].region, by);
        move(&out->rows[t].stored, by);
        move(&out->rows[t].soft, by);
    }
    out->by_word =
        (struct un_segments){out->by_word_id, out->by_word_start, out->by_word_perm, batch->by_word.count};
    out->by_position = (struct un_segments){out->by_position_id, out->by_position_start,
                                            out->by_position_perm, batch->by_position.count};
    out->by_word_type = (struct un_segments){out->by_word_type_id, out->by_word_type_start,
                                             out->by_word_type_perm, batch->by_word_type.count};
    out->by_region_type = (struct un_segments){out->by_region_type_id, out->by_region_type_start,
                                               out->by_region_type_perm, batch->by_region_type.count};
    out->block = block;
}

struct un_layout un_batch_layout(const struct un_batch *batch) {
    return (struct un_layout){batch->start, batch->samples, batch->tokens, batch->longest};
}

struct un_pairs un_batch_pairs(const struct un_batch *batch) {
    return (struct un_pairs){batch->pair_first,     batch->pair_words,     batch->pair_regions,
                             batch->plan_start,     batch->rows[UN_ITM].n, batch->longest_words,
                             batch->longest_regions};
}

struct un_mat un_batch_features(const struct un_batch *batch, int64_t img_dim) {
    return batch->feature_row ? un_mat(batch->store, batch->feature_type, batch->store_rows, img_dim)
                              : un_mat(batch->feature, batch->feature_type, batch->regions, img_dim);
}

const int32_t *un_batch_feature_targets(const struct un_batch *batch, enum un_objective t) {
    return batch->feature_row ? batch->rows[t].stored : batch->rows[t].region;
}
