/* The plan: which samples make up the micro-batch of (step, lane). A pure function of seed, configuration,
 * data sizes and the lane's stream states; it knows no ranks.
 *
 * A stream is a (data set, objective) pair with mix > 0. In a lane a stream walks over the texts of the
 * lane's images in the order of a keyed permutation (Feistel network with cycle walking, keyed by seed,
 * stream, lane, epoch); every sample of a stream is seen exactly once an epoch. A sample is a text with its
 * image; of vcr a text and which of its two questions; of itm_hard a text and what it is set against. */
#ifndef UN_IO_FEED_PLAN_H
#define UN_IO_FEED_PLAN_H

#include "io/data/dataset.h"

enum un_mixing { UN_MIXING_SAMPLE, UN_MIXING_BATCH };
/* Of a sample of mlm, mrfr, mrc or mrckl: what is asked; or words and regions, of which one side is asked. */
enum un_masking { UN_MASK_ONE, UN_MASK_BOTH };

enum { UN_MAX_NEGATIVES = 4 };

/* What of section `train` the plan and the masks need. */
struct un_plan_keys {
    int64_t lanes, tokens_per_lane;
    int mixing;
    double itm_neg_prob, mlm_prob, mrm_prob;
    int mask;
    uint64_t seed;
    int64_t samples_per_lane; /* most samples of a micro-batch; 0: as many as its tokens allow */
    int64_t negatives;        /* of itm_rank: so many other images, and so many other texts */
    double hard_ratio;        /* of re_rank: probability that the wrong region is the highest one */
    bool typed;               /* the network has token types beyond that of words and that of regions */
    bool
        evaluate; /* of a valid plan: a sample of vcr is all that a question is judged by (io/feed/sequence.h) */
};

struct un_stream {
    int dataset;
    enum un_objective objective;
    double mix;
};

struct un_stream_state {
    int64_t epoch, position;
};
enum { UN_MAX_STREAMS = UN_MAX_DATASETS * UN_OBJECTIVE_COUNT };
/* State of one lane before a step; part of a checkpoint. `pending` is a stream that was drawn but whose
 * sample did not fit any more: it comes first in the next micro-batch (-1: none), so long samples are not
 * disfavoured. */
struct un_lane_state {
    int64_t pending;
    struct un_stream_state stream[UN_MAX_STREAMS];
};

/* Of tasks a sample is a group of sequences, never split over micro-batches: io/feed/sequence.h. */
struct un_sample {
    int dataset, stream;
    enum un_objective objective;
    int variant;         /* vcr: 0 which answer, 1 which rationale; itm_hard: 0 other texts, 1 other images */
    int64_t text, image; /* image differs from the text's own for a false pair */
    bool false_pair;
    int64_t other[2 * UN_MAX_NEGATIVES]; /* itm_rank: other images, then other texts */
    int64_t lane;
    uint64_t key; /* itm_rank, itm_hard: of the order in which others are drawn */
};

struct un_plan;

/* Borrows the data sets. valid: one pass over everything in order, instead of drawn streams. UN_USAGE: no
 * stream with mix > 0; a sample that can never fit into tokens_per_lane or UN_MAX_SAMPLE_TOKENS. */
enum un_status un_plan_open(struct un_plan **plan, struct un_dataset *const *datasets,
                            const struct un_dataset_keys *keys, int64_t n_datasets,
                            const struct un_plan_keys *how, bool valid);
void un_plan_close(struct un_plan *plan);
/* From here on only lanes [begin, end) will be asked for: each data set keeps their part of its index, unless
 * one of these lanes has a single image, whose false pairs are drawn from all. */
enum un_status un_plan_keep(struct un_plan *plan, int64_t begin, int64_t end);
const struct un_stream *un_plan_streams(const struct un_plan *plan, int64_t *n);
/* Samples of an epoch of a stream, all lanes together. */
int64_t un_plan_epoch_samples(const struct un_plan *plan, int64_t stream);
const struct un_plan_keys *un_plan_keys(const struct un_plan *plan);
struct un_dataset *un_plan_dataset(const struct un_plan *plan, int dataset);
int64_t un_plan_dataset_count(const struct un_plan *plan);
bool un_plan_is_valid(const struct un_plan *plan);
/* Extremes over the sequences of the data sets that have a stream; words include [CLS] and [SEP]. They bound
 * every micro-batch. */
struct un_plan_extent {
    int64_t least_words, most_words, least_regions, most_regions;
    int64_t most_sample; /* tokens that belong together: a micro-batch has room for so many */
};
struct un_plan_extent un_plan_extent(const struct un_plan *plan);
/* Rows of the table of token types that its sequences name: 2, for nlvr2 3, for vcr 4. */
int un_plan_types(const struct un_plan *plan);
/* Labels that answers as targets are of; 0: none are asked. */
int64_t un_plan_labels(const struct un_plan *plan);
/* Words and regions of all sequences of the sample; of itm_hard, whose sequences are chosen later, 0. */
int64_t un_plan_sample_tokens(const struct un_plan *plan, const struct un_sample *sample);
/* Most samples a micro-batch can hold. */
int64_t un_plan_max_samples(const struct un_plan *plan);
void un_plan_start(const struct un_plan *plan, int64_t lane, struct un_lane_state *state);
/* Samples of the micro-batch of (step, lane) from *state, which advances; samples [un_plan_max_samples].
 * Filled in drawn order until the next sample does not fit; of itm_hard, in training, one sample of each
 * variant. In valid mode *n = 0 says that the lane's pass is over (every stream's epoch is 1). UN_DATA: a
 * state that this plan cannot have written. */
enum un_status un_plan_next(const struct un_plan *plan, uint32_t step, int64_t lane,
                            struct un_lane_state *state, struct un_sample *samples, int64_t *n);
/* `count` different others for a sample of itm_hard, uniform among those of its lane's part: texts that are no
 * captions of its image, or images that are not its own. Of all the data set where the lane has too few;
 * UN_USAGE where that has too few. The same whenever asked; the first ones do not depend on `count`. */
enum un_status un_plan_candidates(const struct un_plan *plan, const struct un_sample *sample, int64_t count,
                                  int64_t *out);
/* w_t of DESIGN section 4: the share of each objective in the mix (sums to 1) under mixing: sample; 1 for
 * every objective of the mix under batch; 0 for objectives that are not in it. */
void un_plan_weights(const struct un_plan *plan, double weight[UN_OBJECTIVE_COUNT]);
/* What decides the samples of every step, but the seed: streams, lanes, tokens, probabilities, and the texts
 * and images themselves by their sizes and names. */
uint64_t un_plan_digest(const struct un_plan *plan);
/* Index at `position` of the keyed permutation of [0, n). */
int64_t un_plan_permute(uint64_t seed, uint32_t stream, uint32_t lane, uint32_t epoch, int64_t n,
                        int64_t position);

#endif
