/* Sums of losses and hits of a pass, by objective and data set: plain doubles, so that the stats of all lanes
 * can be gathered as bytes and added in the order of the lanes, whatever the number of ranks. */
#ifndef UN_STATS_H
#define UN_STATS_H

#include "model/net/network.h"

struct un_tally {
    double loss, units, rows,
        hits; /* units: elements the loss is a mean over (mrfr rows*F, mrckl rows*C, else rows) */
};
struct un_stats {
    struct un_tally by[UN_OBJECTIVE_COUNT][UN_MAX_DATASETS];
    double ot_pos, ot_neg, pairs_pos, pairs_neg; /* sums of distances of true and false pairs */
    double align_words, align_hits; /* words with a known region; heaviest region of the plan is right */
    double align_chance;            /* the hits that a region drawn at random would give in the mean */
    double tokens, samples;
};

/* Host copies of what a pass left, sized from caps once. */
struct un_host_outputs {
    float *row_loss[UN_OBJECTIVE_COUNT], *hit[UN_OBJECTIVE_COUNT];
    float *distance, *plan; /* plan only when with_plan */
};
enum un_status un_host_outputs_open(struct un_host_outputs *h, struct un_device *d,
                                    const struct un_batch_caps *caps, bool with_plan);
void un_host_outputs_close(struct un_host_outputs *h, struct un_device *d);
/* Queues the copies of the used parts of `out`. batch: host pointers. */
void un_host_outputs_fetch(struct un_host_outputs *h, const struct un_outputs *out,
                           const struct un_batch *batch, struct un_device *d, struct un_queue *q);
/* stats += this pass, in row order, in double. batch: host pointers. dims for the units of a row. */
void un_stats_add(struct un_stats *stats, const struct un_batch *batch, const struct un_host_outputs *h,
                  const struct un_dims *dims);
void un_stats_merge(struct un_stats *into, const struct un_stats *from);
/* Over data sets. */
struct un_tally un_stats_total(const struct un_stats *stats, enum un_objective objective);
/* sum_t weight[t] * loss_t / units_t, plus weight[itm] * ot_lambda * (ot_pos - ot_neg) / pairs: the scalar
 * that is differentiated. Objectives without units add 0. */
double un_stats_loss(const struct un_stats *stats, const double weight[UN_OBJECTIVE_COUNT], double ot_lambda);

#endif
