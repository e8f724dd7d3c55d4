/* Fixed shapes: counts rounded up and fillers behind the real entries; and which bytes of a block a device
 * needs. Law: fillers are "no row" of ops.h everywhere, so a filled micro-batch has the losses and gradients
 * of the plain one. */
#include "model/batch.h"

#include <string.h>

enum {
    ROWS = 128,   /* granule of the rows of an objective */
    SAMPLES = 64, /* of the samples */
    TOKENS = 64,  /* of words and regions, for each 2048 tokens of the micro-batch */
    TOKENS_OF = 2048,
    TYPES = 4,   /* of the token types */
    LONGEST = 32 /* of the longest sample, text, image */
};

static int64_t rounded(int64_t n, int64_t granule, int64_t cap) {
    int64_t up = (n + granule - 1) / granule * granule;
    return up < cap ? up : cap;
}

static int64_t granule_of(const struct un_batch_caps *caps) {
    return TOKENS * (caps->tokens > TOKENS_OF ? caps->tokens / TOKENS_OF : 1);
}

int64_t un_batch_side_cap(const struct un_batch_caps *caps) {
    return caps->tokens + 2 * granule_of(caps);
}

/* list[begin..end) = value; NULL is no list. */
static void put(int32_t *list, int64_t begin, int64_t end, int32_t value) {
    for (int64_t i = begin; list && i < end; ++i) list[i] = value;
}

/* Empty segments of no row. */
static void fill_segments(struct un_segments *view, int32_t *id, int32_t *start, int64_t granule,
                          int64_t cap) {
    int64_t n = view->count, up = rounded(n, granule, cap);
    put(id, n, up, -1);
    put(start, n + 1, up + 1, start[n]);
    view->count = up;
}

static void fill_words(struct un_batch *p, const struct un_batch_caps *caps, int64_t granule) {
    int64_t n = p->words, up = rounded(n, granule, caps->words);
    put(p->word_id, n, up, -1);
    put(p->word_pos, n, up, -1);
    put(p->word_row, n, up, -1);
    p->words = up;
    fill_segments(&p->by_word, p->by_word_id, p->by_word_start, granule, caps->words);
    fill_segments(&p->by_position, p->by_position_id, p->by_position_start, TOKENS, caps->words);
    if (!p->word_type) return;
    put(p->word_type, n, up, -1);
    fill_segments(&p->by_word_type, p->by_word_type_id, p->by_word_type_start, TYPES, caps->words);
}

/* Filler regions are masked: their features are read from nowhere. */
static void fill_regions(struct un_batch *p, const struct un_batch_caps *caps, int64_t granule) {
    int64_t n = p->regions, up = rounded(n, granule, caps->regions);
    put(p->region_row, n, up, -1);
    put(p->feature_row, n, up, -1);
    memset(p->masked + n, 1, (size_t)(up - n));
    memset(p->box + n * UN_BOX_WIDTH, 0, (size_t)((up - n) * UN_BOX_WIDTH) * sizeof *p->box);
    p->regions = up;
    up = rounded(p->masked_count, ROWS, caps->regions);
    put(p->masked_region, p->masked_count, up, -1);
    p->masked_count = up;
    if (!p->region_type) return;
    put(p->region_type, n, p->regions, -1);
    fill_segments(&p->by_region_type, p->by_region_type_id, p->by_region_type_start, TYPES, caps->regions);
}

/* Filler rows of a task have no member that is there: as many of them as the others where all rows have equally
 * many, else none. */
static void fill_task(struct un_batch *p, const struct un_batch_caps *caps, enum un_objective t) {
    struct un_rows *rows = &p->rows[t];
    int64_t n = rows->n, members = rows->members, each = n > 0 ? members / n : 0;
    bool even = un_objectives[t].asks == UN_ASKS_GROUP;
    int64_t cap = un_batch_row_cap(caps, t), most = even && each > 1 ? cap / each : cap;
    int64_t up = rounded(n, ROWS, most);
    rows->members = even ? up * each : rounded(members, ROWS, un_batch_member_cap(caps, t));
    put(rows->row, members, rows->members, -1);
    for (int64_t i = n; i < up; ++i) rows->start[i + 1] = rows->start[i] + (int32_t)(even ? each : 0);
    put(rows->target, n, up, -1);
    put(rows->wrong, n, up, -1);
    if (rows->score)
        memset(rows->score + n * caps->num_labels, 0,
               (size_t)((up - n) * caps->num_labels) * sizeof *rows->score);
    rows->n = up;
}

/* Filler rows have empty sides. */
static void fill_sides(struct un_batch *p, const struct un_batch_caps *caps, int64_t n) {
    int64_t most = caps->tokens < UN_MAX_SAMPLE_TOKENS ? caps->tokens : UN_MAX_SAMPLE_TOKENS;
    for (int s = 0; s < 2; ++s) {
        struct un_side *side = &p->side[s];
        int64_t tokens = side->tokens;
        side->tokens = rounded(tokens, granule_of(caps), un_batch_side_cap(caps));
        put(side->row, tokens, side->tokens, -1);
        put(side->start, n + 1, p->rows[UN_NLVR2_ATTN].n + 1, (int32_t)tokens);
        side->longest = rounded(side->longest, LONGEST, most);
    }
}

static void fill_rows(struct un_batch *p, const struct un_batch_caps *caps, enum un_objective t) {
    struct un_rows *rows = &p->rows[t];
    if (un_objectives[t].task) {
        if (rows->n > 0) fill_task(p, caps, t);
        return;
    }
    int64_t n = rows->n, up = rounded(n, ROWS, un_batch_row_cap(caps, t));
    put(rows->row, n, up, -1);
    put(rows->target, n, up, -1);
    put(rows->region, n, up, -1);
    put(rows->stored, n, up, -1);
    if (rows->soft && up > n) {
        size_t row_bytes = (size_t)(caps->img_label_dim * un_type_bytes(p->soft_type));
        memset((unsigned char *)rows->soft + (size_t)n * row_bytes, 0, (size_t)(up - n) * row_bytes);
    }
    rows->n = up;
}

/* Filler pairs have no words and no regions, and no part of the plans. n: real pairs. */
static void fill_pairs(struct un_batch *p, const struct un_batch_caps *caps, int64_t n) {
    int64_t up = p->rows[UN_ITM].n;
    int64_t most = caps->tokens < UN_MAX_SAMPLE_TOKENS ? caps->tokens : UN_MAX_SAMPLE_TOKENS;
    put(p->pair_first, n, up, -1);
    put(p->pair_words, n, up, 0);
    put(p->pair_regions, n, up, 0);
    put(p->plan_start, n + 1, up + 1, p->plan_start[n]);
    for (int64_t b = n; b < up; ++b) p->ot_coef[b] = 0;
    p->longest_words = rounded(p->longest_words, LONGEST, most);
    p->longest_regions = rounded(p->longest_regions, LONGEST, most);
}

void un_batch_fill(struct un_batch *padded, const struct un_batch *host, const struct un_batch_caps *caps) {
    struct un_batch *p = padded;
    int64_t granule = granule_of(caps);
    int64_t most = caps->tokens < UN_MAX_SAMPLE_TOKENS ? caps->tokens : UN_MAX_SAMPLE_TOKENS;
    *p = *host;
    p->tokens = caps->tokens;
    p->samples = rounded(host->samples, SAMPLES, caps->samples);
    put(p->start, host->samples + 1, p->samples + 1, (int32_t)host->tokens);
    p->longest = rounded(host->longest, LONGEST, most);
    fill_words(p, caps, granule);
    fill_regions(p, caps, granule);
    for (int t = 0; t < UN_OBJECTIVE_COUNT; ++t) fill_rows(p, caps, (enum un_objective)t);
    fill_pairs(p, caps, host->rows[UN_ITM].n);
    if (host->rows[UN_NLVR2_ATTN].n > 0) fill_sides(p, caps, host->rows[UN_NLVR2_ATTN].n);
}

/* All soft labels and scores: from the first list to the end of what the last one uses. */
static void label_span(const char **begin, const char **end, const struct un_batch *padded,
                       const struct un_batch *host, const struct un_batch_caps *caps) {
    bool any = false;
    for (int t = 0; t < 2 * UN_OBJECTIVE_COUNT;
         ++t) { /* in the order of the block: soft labels, then scores */
        bool scores = t >= UN_OBJECTIVE_COUNT;
        const struct un_rows *rows = &host->rows[scores ? t - UN_OBJECTIVE_COUNT : t];
        const char *soft = scores ? (const char *)rows->score : (const char *)rows->soft;
        int64_t row_bytes = scores ? caps->num_labels * (int64_t)sizeof(float)
                                   : caps->img_label_dim * un_type_bytes(host->soft_type);
        if (!soft) continue;
        if (!any) *begin = *end = soft;
        any = true;
        int64_t n = padded->rows[scores ? t - UN_OBJECTIVE_COUNT : t].n;
        if (n > 0) *end = soft + n * row_bytes;
    }
}

struct un_batch_span un_batch_span(enum un_batch_part part, const struct un_batch *padded,
                                   const struct un_batch *host, const struct un_batch_caps *caps) {
    const char *base = host->block, *begin = base, *end = base;
    if (part == UN_SPAN_LISTS) {
        end = (const char *)host->scale;
    } else if (part == UN_SPAN_FACTORS) {
        begin = (const char *)host->scale;
        end = (const char *)(host->ot_coef + padded->rows[UN_ITM].n);
    } else if (part == UN_SPAN_FEATURES) {
        int64_t rows = host->feature_row ? host->fresh : host->regions;
        begin = host->feature;
        end = begin + rows * caps->img_dim * un_type_bytes(host->feature_type);
    } else {
        label_span(&begin, &end, padded, host, caps);
    }
    return (struct un_batch_span){(size_t)(begin - base), (size_t)(end - begin)};
}
