/* Sums of losses and hits of a pass, by objective and data set: plain doubles, so that the stats of all lanes
 * can be gathered as bytes and added in the order of the lanes, whatever the number of ranks. */
#ifndef UN_MODEL_STATS_H
#define UN_MODEL_STATS_H

#include "model/dims.h"
#include "model/outputs.h"

/* units: elements the loss is a mean over, un_objective_units a row. */
struct un_tally {
    double loss, units, rows, hits;
};
struct un_stats {
    struct un_tally by[UN_OBJECTIVE_COUNT][UN_MAX_DATASETS];
    double ot_pos, ot_neg, pairs_pos, pairs_neg; /* sums of distances of true and false pairs */
    double align_words, align_hits; /* words with a known region; heaviest region of the plan is right */
    double align_chance;            /* the hits that a region drawn at random would give in the mean */
    double tokens, sequences;
    double samples; /* groups of sequences of a task; counted by who knows them, the others by un_stats_add */
};

/* stats += this pass, in row order, in double. batch: host pointers. dims for the units of a row. */
void un_stats_add(struct un_stats *stats, const struct un_batch *batch, const struct un_host_outputs *h,
                  const struct un_dims *dims);
void un_stats_merge(struct un_stats *into, const struct un_stats *from);
/* Over data sets. */
struct un_tally un_stats_total(const struct un_stats *stats, enum un_objective objective);
/* sum_t weight[t] * loss_t / units_t, plus weight[itm] * ot_lambda * (ot_pos - ot_neg) / pairs: the scalar
 * that is differentiated. Those of `summed` are not divided by their units. Objectives without units add 0. */
double un_stats_loss(const struct un_stats *stats, const double weight[UN_OBJECTIVE_COUNT],
                     un_objective_set summed, double ot_lambda);

#endif
