/* What a task asks of a group of sequences: rows, their members, targets. Law: the lists of a micro-batch
 * follow the order of its samples. */
#include "io/feed/item.h"
#include "runtime/rng.h"

#include <string.h>

/* Closes the row whose members have been listed. */
static void close_row(struct un_rows *rows, int dataset) {
    rows->dataset[rows->n++] = (uint8_t)dataset;
    rows->start[rows->n] = (int32_t)rows->members;
}

void un_group_put_row(struct un_batch *b, enum un_objective t, int dataset, int64_t first, int64_t n) {
    struct un_rows *rows = &b->rows[t];
    for (int64_t i = first; i < first + n; ++i) rows->row[rows->members++] = b->start[i];
    close_row(rows, dataset);
}

/* ---- one row a group, asked at [CLS] ---- */

/* A score for each answer, zero of those that nobody gave. */
static enum un_status put_answers(struct un_packer *packer, float *row, const struct un_group *g) {
    int64_t n;
    memset(row, 0, (size_t)packer->caps.num_labels * sizeof *row);
    UN_TRY(un_dataset_read_answers(g->d, g->sample->text, packer->caps.num_labels, packer->answer,
                                   packer->score, &n));
    for (int64_t i = 0; i < n; ++i) row[packer->answer[i]] = packer->score[i];
    return UN_OK;
}

static enum un_status ask_once(struct un_packer *packer, struct un_batch *b, const struct un_group *g) {
    enum un_objective t = g->sample->objective;
    struct un_rows *rows = &b->rows[t];
    int64_t i = rows->n;
    if (rows->score) UN_TRY(put_answers(packer, rows->score + i * packer->caps.num_labels, g));
    if (un_objectives[t].target == UN_TARGET_LABEL)
        rows->target[i] = un_dataset_text_label(g->d, g->sample->text);
    if (un_objectives[t].target == UN_TARGET_MEMBER) { /* the true pair against all others */
        rows->target[i] = 0;
        rows->wrong[i] = -1;
    }
    un_group_put_row(b, t, g->sample->dataset, g->first, g->n);
    return UN_OK;
}

/* Every choice by itself. */
static void ask_choices(struct un_packer *packer, struct un_batch *b, const struct un_group *g) {
    enum un_objective t = g->sample->objective;
    struct un_rows *rows = &b->rows[t];
    for (int64_t i = 0; i < g->n; ++i) {
        rows->target[rows->n] = un_plan_choice(packer->plan, g->sample, (int)i);
        un_group_put_row(b, t, g->sample->dataset, g->first + i, 1);
    }
}

/* ---- all regions of one sequence ---- */

/* The region that the right one of n is set against. */
static int32_t wrong_region(const struct un_packer *packer, const struct un_group *g, int32_t right,
                            int64_t n) {
    const struct un_mask_rng *at = &g->rng;
    if (g->sample->objective != UN_RE_RANK || right < 0 || n < 2) return -1;
    struct un_rng4 r = un_rng(at->seed, at->purpose, at->step, at->lane, at->sample, UN_MASK_WRONG);
    if (un_rng_unit(r.v[0]) < un_plan_keys(packer->plan)->hard_ratio) return -2;
    int32_t wrong = (int32_t)un_rng_below(r.v[1], (uint32_t)(n - 1));
    return wrong + (wrong >= right);
}

static void ask_places(struct un_packer *packer, struct un_batch *b, const struct un_group *g) {
    struct un_rows *rows = &b->rows[g->sample->objective];
    int64_t n = un_dataset_image_regions(g->d, g->sample->image), end = b->start[g->first + 1];
    rows->target[rows->n] = un_dataset_text_label(g->d, g->sample->text);
    rows->wrong[rows->n] = wrong_region(packer, g, rows->target[rows->n], n);
    for (int64_t token = end - n; token < end; ++token) rows->row[rows->members++] = (int32_t)token;
    close_row(rows, g->sample->dataset);
}

/* ---- all tokens of two sequences ---- */

static void ask_two(struct un_batch *b, const struct un_group *g) {
    struct un_rows *rows = &b->rows[g->sample->objective];
    rows->target[rows->n] = un_dataset_text_label(g->d, g->sample->text);
    close_row(rows, g->sample->dataset);
    for (int s = 0; s < 2; ++s) {
        struct un_side *side = &b->side[s];
        int32_t begin = b->start[g->first + s], end = b->start[g->first + s + 1];
        for (int32_t token = begin; token < end; ++token) side->row[side->tokens++] = token;
        side->start[rows->n] = (int32_t)side->tokens;
        if (end - begin > side->longest) side->longest = end - begin;
    }
}

enum un_status un_group_ask(struct un_packer *packer, struct un_batch *b, const struct un_group *group) {
    enum un_objective t = group->sample->objective;
    switch (un_objectives[t].asks) {
    case UN_ASKS_PLACES: ask_places(packer, b, group); break;
    case UN_ASKS_TWO: ask_two(b, group); break;
    default:
        if (t != UN_VCR) return ask_once(packer, b, group);
        ask_choices(packer, b, group);
    }
    return UN_OK;
}
