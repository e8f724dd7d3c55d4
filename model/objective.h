/* What the network is taught: one row of facts an objective. Whoever packs, counts, weighs or reports asks this
 * table; a head (model/net/head_*.c) computes. A new objective is a line of UN_OBJECTIVES, a row of the table and,
 * where no head fits, a head. */
#ifndef UN_MODEL_OBJECTIVE_H
#define UN_MODEL_OBJECTIVE_H

#include <stdbool.h>
#include <stdint.h>

/* Constant, name in configurations and metrics, head: un_head_<head> of model/net/head_<head>.c. The order is that
 * of the rows in a micro-batch, of the heads in a pass, of their parameters, and of the sums. */
#define UN_OBJECTIVES(X)                                                                                     \
    X(MLM, mlm, words)                                                                                       \
    X(MRFR, mrfr, regress)                                                                                   \
    X(MRC, mrc, classes)                                                                                     \
    X(MRCKL, mrckl, classes)                                                                                 \
    X(ITM, itm, pairs)                                                                                       \
    X(VQA, vqa, answers)                                                                                     \
    X(VE, ve, answers)                                                                                       \
    X(NLVR2_TRIPLET, nlvr2_triplet, statement)                                                               \
    X(NLVR2_PAIR, nlvr2_pair, statements)                                                                    \
    X(NLVR2_ATTN, nlvr2_attn, biattention)                                                                   \
    X(VCR, vcr, choices)                                                                                     \
    X(RE, re, places)                                                                                        \
    X(RE_RANK, re_rank, places)                                                                              \
    X(ITM_RANK, itm_rank, ranks)                                                                             \
    X(ITM_HARD, itm_hard, ranks)
enum un_objective {
#define UN_OBJECTIVE_ENUM(upper, lower, head) UN_##upper,
    UN_OBJECTIVES(UN_OBJECTIVE_ENUM)
#undef UN_OBJECTIVE_ENUM
        UN_OBJECTIVE_COUNT
};
/* "mlm", ..., NULL: also a choices list. */
extern const char *const un_objective_names[UN_OBJECTIVE_COUNT + 1];

/* The tokens asked about. Words and regions are those masked for it; a pair is asked at [CLS], nothing masked. The
 * others are tasks, nothing masked: a row is a group of sequences, asked at their [CLS] tokens (one or several), or at
 * all regions of its one sequence, or at all tokens of its two. */
enum un_asks {
    UN_ASKS_WORDS,
    UN_ASKS_REGIONS,
    UN_ASKS_PAIR,
    UN_ASKS_GROUP,  /* members: the [CLS] tokens of the sequences of the group */
    UN_ASKS_PLACES, /* members: the region tokens of its sequence */
    UN_ASKS_TWO     /* members: none; its two sequences stand in un_batch.side */
};
/* What the micro-batch says is right. */
enum un_target {
    UN_TARGET_WORD,     /* word id */
    UN_TARGET_CLASS,    /* most probable class */
    UN_TARGET_TRUE,     /* 1 true pair, 0 false pair */
    UN_TARGET_FEATURES, /* the features of the region */
    UN_TARGET_SOFT,     /* its distribution over the classes */
    UN_TARGET_ANSWERS,  /* a score for each answer (un_rows.score) */
    UN_TARGET_LABEL, /* un_rows.target: a class of the row (nlvr2), of the sequence (vcr: 1 the right choice) */
    UN_TARGET_MEMBER /* un_rows.target: which member of the row is right; un_rows.wrong: against which */
};
/* Elements the loss of a row is a sum over, and its mean is taken over. */
enum un_units { UN_UNITS_ONE, UN_UNITS_FEATURES, UN_UNITS_CLASSES, UN_UNITS_NEGATIVES };

struct un_objective_facts {
    enum un_asks asks;
    enum un_target target;
    enum un_units units;
    bool needs_soft_labels; /* of the data set */
    bool hits;              /* right or wrong can be said: an accuracy is reported */
    bool other_image;       /* some samples get an image of another text (itm_neg_prob) */
    bool aligns; /* its pairs get a transport plan; one objective at most, whose lists pair_* are */
    bool
        task; /* of fine-tuning: its head stands alone on the encoder, nothing is masked, measures are told */
    bool pools;       /* the pooler is on its way */
    bool summed;      /* the loss is the sum over the rows, not the mean, unless train.re_mean */
    const char *fast; /* parameters with this in their name train at optim.lr_mul; NULL: none */
};
extern const struct un_objective_facts un_objectives[UN_OBJECTIVE_COUNT];

/* Elements a row; of negatives, which a run decides, 1 (un_dims_units knows). */
int64_t un_objective_units(enum un_objective t, int64_t img_dim, int64_t img_label_dim);
/* Are its targets a list of numbers (un_rows.target)? */
bool un_objective_has_ids(enum un_objective t);
/* Objectives as a set. */
typedef uint32_t un_objective_set;
static inline un_objective_set un_objective_bit(enum un_objective t) {
    return (un_objective_set)1 << t;
}
un_objective_set un_objectives_pretraining(void);
/* Does a mix of objectives, shares of 0 left out, need soft labels? */
bool un_objective_mix_needs_soft_labels(const double mix[UN_OBJECTIVE_COUNT]);

#endif
