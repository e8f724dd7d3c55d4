/* Sums of losses, hits, distances and right alignments, see stats.h. Added in double in the order of the
 * rows, so equal passes give equal bits. */
#include "model/stats.h"

static void add_rows(struct un_stats *stats, const struct un_batch *batch, const struct un_host_outputs *h,
                     const struct un_dims *dims, int t) {
    const struct un_rows *rows = &batch->rows[t];
    int64_t units = un_dims_units(dims, (enum un_objective)t);
    for (int64_t i = 0; i < rows->n; ++i) {
        if (un_rows_is_filler(rows, i)) continue;
        if (un_objectives[t].units == UN_UNITS_NEGATIVES) units = rows->start[i + 1] - rows->start[i] - 1;
        struct un_tally *tally = &stats->by[t][rows->dataset[i]];
        tally->loss += h->row_loss[t][i];
        tally->hits += h->hit[t] ? h->hit[t][i] : 0;
        tally->units += (double)units;
        tally->rows += 1;
    }
}

static void add_distances(struct un_stats *stats, const struct un_batch *batch,
                          const struct un_host_outputs *h) {
    const struct un_rows *rows = &batch->rows[UN_ITM];
    for (int64_t i = 0; i < rows->n; ++i) {
        if (rows->row[i] < 0) continue;
        bool same = rows->target[i] == 1;
        *(same ? &stats->ot_pos : &stats->ot_neg) += h->distance[i];
        *(same ? &stats->pairs_pos : &stats->pairs_neg) += 1;
    }
}

/* The first region with most of the plan's mass of this word. */
static int32_t heaviest_region(const struct un_batch *batch, const float *plan, int32_t pair, int32_t word) {
    int32_t regions = batch->pair_regions[pair], best = 0;
    const float *mass = plan + batch->plan_start[pair] + (int64_t)word * regions;
    for (int32_t j = 1; j < regions; ++j)
        if (mass[j] > mass[best]) best = j;
    return best;
}

/* Looks through the entries of one pair, [begin, end): each word counts once, with all its right regions. */
static void add_aligned_pair(struct un_stats *stats, const struct un_batch *batch, const float *plan,
                             int64_t begin, int64_t end) {
    const struct un_alignment *a = &batch->alignment;
    for (int64_t i = begin; i < end; ++i) {
        bool seen = false, hit = false;
        int right = 0;
        for (int64_t j = begin; j < i; ++j) seen = seen || a->word[j] == a->word[i];
        if (seen) continue;
        int32_t best = heaviest_region(batch, plan, a->pair[i], a->word[i]);
        for (int64_t j = i; j < end; ++j) {
            if (a->word[j] != a->word[i]) continue;
            ++right;
            hit = hit || a->region[j] == best;
        }
        stats->align_words += 1;
        stats->align_hits += hit;
        stats->align_chance += (double)right / batch->pair_regions[a->pair[i]];
    }
}

static void add_alignment(struct un_stats *stats, const struct un_batch *batch, const float *plan) {
    const struct un_alignment *a = &batch->alignment;
    for (int64_t begin = 0, end; begin < a->n; begin = end) {
        for (end = begin; end < a->n && a->pair[end] == a->pair[begin];) ++end;
        add_aligned_pair(stats, batch, plan, begin, end);
    }
}

void un_stats_add(struct un_stats *stats, const struct un_batch *batch, const struct un_host_outputs *h,
                  const struct un_dims *dims) {
    for (int t = 0; t < UN_OBJECTIVE_COUNT; ++t) add_rows(stats, batch, h, dims, t);
    add_distances(stats, batch, h);
    if (h->plan) add_alignment(stats, batch, h->plan);
    stats->tokens += (double)batch->tokens;
    stats->sequences += (double)batch->samples;
}

static void merge_tally(struct un_tally *into, const struct un_tally *from) {
    into->loss += from->loss;
    into->units += from->units;
    into->rows += from->rows;
    into->hits += from->hits;
}

void un_stats_merge(struct un_stats *into, const struct un_stats *from) {
    for (int t = 0; t < UN_OBJECTIVE_COUNT; ++t)
        for (int d = 0; d < UN_MAX_DATASETS; ++d) merge_tally(&into->by[t][d], &from->by[t][d]);
    into->ot_pos += from->ot_pos;
    into->ot_neg += from->ot_neg;
    into->pairs_pos += from->pairs_pos;
    into->pairs_neg += from->pairs_neg;
    into->align_words += from->align_words;
    into->align_hits += from->align_hits;
    into->align_chance += from->align_chance;
    into->tokens += from->tokens;
    into->sequences += from->sequences;
    into->samples += from->samples;
}

struct un_tally un_stats_total(const struct un_stats *stats, enum un_objective objective) {
    struct un_tally total = {0};
    for (int d = 0; d < UN_MAX_DATASETS; ++d) merge_tally(&total, &stats->by[objective][d]);
    return total;
}

double un_stats_loss(const struct un_stats *stats, const double weight[UN_OBJECTIVE_COUNT],
                     un_objective_set summed, double ot_lambda) {
    double loss = 0, pairs = stats->pairs_pos + stats->pairs_neg;
    for (int t = 0; t < UN_OBJECTIVE_COUNT; ++t) {
        struct un_tally total = un_stats_total(stats, (enum un_objective)t);
        double units = summed & un_objective_bit((enum un_objective)t) ? 1 : total.units;
        if (total.units > 0) loss += weight[t] * total.loss / units;
    }
    if (pairs > 0) loss += weight[UN_ITM] * ot_lambda * (stats->ot_pos - stats->ot_neg) / pairs;
    return loss;
}
