/* The contract between io, which fills micro-batches, and model, which computes on them.
 *
 * A micro-batch is packed: sample s is its words ([CLS] words [SEP]) and then its regions, tokens
 * [start[s], start[s+1]), no padding anywhere. One micro-batch may hold samples of all objectives; each
 * objective lists the rows it is asked about. io/pack fills it on the host; launch copies it to the device as
 * one block (`block`) and rebases the pointers with un_batch_rebase. */
#ifndef UN_MODEL_BATCH_H
#define UN_MODEL_BATCH_H

#include "model/objective.h"
#include "runtime/memory.h"
#include "runtime/ops.h"

enum { UN_BOX_WIDTH = 7 }; /* x1 y1 x2 y2 w h w*h */
enum { UN_MAX_DATASETS = 16 };

/* Upper bounds of one micro-batch, from which all of its arrays are sized. */
struct un_batch_caps {
    int64_t tokens;         /* train.tokens_per_lane */
    int64_t samples;        /* <= tokens / 4 + 1 */
    int64_t words, regions; /* <= tokens each */
    int64_t plan;           /* elements of all transport plans */
    int64_t vocab_size, img_dim, img_label_dim;
    enum un_type feature_type; /* UN_F16 or UN_F32 */
    bool soft_labels;          /* an objective with soft labels as targets is in the mix */
    bool soft_f32;             /* soft labels are f32 (references); else f16, as in the files */
    int64_t store_rows;        /* of the store of features on the device, guests included; 0: no store */
    un_objective_set tasks;    /* tasks that are asked: others get no lists */
    int64_t num_labels;        /* answers of vqa and ve */
    bool typed;                /* words and regions come with their token types; else 0 and 1 */
};

/* Rows asked about by one objective; arrays of n entries. NULL: not for this objective (model/objective.h). */
struct un_rows {
    int64_t n;
    int64_t members;  /* of all rows of a task; entries of `row` */
    int32_t *row;     /* packed token (words, regions) or the [CLS] token (pairs); of tasks [members] */
    int32_t *start;   /* [n+1] of tasks: row i has members [start[i], start[i+1]) */
    int32_t *target;  /* word id, class, 1 true pair, 0 false pair, label, or index of the right member */
    int32_t *wrong;   /* [n] of members: against which, an index; -1: all others, -2: the highest other one */
    float *score;     /* answers as targets: [n, num_labels] */
    int32_t *region;  /* of regions: index among the regions of the micro-batch */
    int32_t *stored;  /* features as targets, with a store: row of the store of `region` */
    void *soft;       /* soft labels as targets: [n,C] soft_type */
    uint8_t *dataset; /* index of the data set, for the log; read on the host only */
};

/* Does row i only fill a list of fixed length? Rows of a task with members have none that is there; those of
 * UN_ASKS_TWO have none at all, and always a target. */
static inline bool un_rows_is_filler(const struct un_rows *rows, int64_t i) {
    if (!rows->start) return rows->row[i] < 0;
    if (rows->start[i] < rows->start[i + 1]) return rows->row[rows->start[i]] < 0;
    return rows->members > 0 || rows->target[i] < 0;
}

/* The left, or right, sequences of the rows of UN_ASKS_TWO, one after another. */
struct un_side {
    int32_t *row;   /* [tokens] packed tokens */
    int32_t *start; /* [n+1] into row; row i of the objective has [start[i], start[i+1]) */
    int64_t tokens, longest;
};

/* Known word-region alignment of true pairs (micro-world only), host only. Entries of one pair stand
 * together; several entries of one word are alternatives. */
struct un_alignment {
    int64_t n;
    int32_t *pair, *word, *region; /* itm pair index; word index incl. [CLS]; region index in the image */
};

/* Images whose features a micro-batch brings into the store, as the store numbers them, host only. */
struct un_stored {
    int64_t n;
    int32_t *image; /* [samples] */
};

struct un_batch {
    uint32_t step, lane; /* of the random numbers; set by un_batch_number */
    uint32_t *at;        /* [2] the same two, for the device */
    int64_t tokens, samples, words, regions;
    int64_t longest; /* most tokens of one sample */

    int32_t *start;         /* [S+1] */
    int32_t *word_id;       /* [W] after masking */
    int32_t *word_pos;      /* [W] position inside its text, [CLS] = 0 */
    int32_t *word_row;      /* [W] packed token */
    int32_t *region_row;    /* [R] packed token */
    void *feature;          /* [R,F] f16 or f32, unmasked; with a store [fresh,F] */
    float *box;             /* [R,7] */
    uint8_t *masked;        /* [R] 1: feature replaced by the mask row */
    int32_t *masked_region; /* [masked_count] regions with masked = 1, ascending */
    int64_t masked_count;

    /* With a store of features on the device, which holds rows that earlier micro-batches brought: `feature`
     * has only what is new, and everybody reads the store. Without one these pointers are NULL. */
    int64_t fresh;        /* rows of `feature`; without a store R */
    int32_t *feature_row; /* [R] row of the store */
    int32_t *fresh_row;   /* [fresh] row of the store where each row of `feature` goes, each once */
    void *store;          /* [store_rows,F], device memory of its own; set by launch */
    int64_t store_rows;
    struct un_stored stored;

    struct un_segments by_word;                         /* word rows grouped by word_id */
    struct un_segments by_position;                     /* word rows grouped by word_pos */
    int32_t *by_word_id, *by_word_start, *by_word_perm; /* the same arrays, writable */
    int32_t *by_position_id, *by_position_start, *by_position_perm;

    /* With caps.typed: */
    int32_t *word_type, *region_type;                /* [W], [R] rows of the type table */
    struct un_segments by_word_type, by_region_type; /* words, regions grouped by them */
    int32_t *by_word_type_id, *by_word_type_start, *by_word_type_perm;
    int32_t *by_region_type_id, *by_region_type_start, *by_region_type_perm;

    struct un_rows rows[UN_OBJECTIVE_COUNT];
    struct un_side side[2];                          /* left and right, of nlvr2_attn */
    int32_t *pair_first, *pair_words, *pair_regions; /* [n of itm] */
    int32_t *plan_start;                             /* [n of itm + 1] */
    int64_t longest_words, longest_regions;          /* among the pairs */
    /* Factors of the gradient, set by launch when the counts of all lanes are known:
     * scale[t] = w_t / units of objective t over all lanes (un_objective_units a row);
     * ot_coef[b] = +-w_itm * ot_lambda / pairs over all lanes (+ true pair, - false pair). */
    float *scale;   /* [UN_OBJECTIVE_COUNT] */
    float *ot_coef; /* [n of itm] */

    struct un_alignment alignment; /* host only */
    enum un_type feature_type, soft_type;
    /* One allocation that holds all arrays above except `host only` ones: the lists, then scale and ot_coef,
     * then the features, then the soft labels. */
    void *block;
    size_t block_bytes;
};

/* Most rows objective t can ask about: every word, every region, or every sample; of a task that is not asked 0. */
int64_t un_batch_row_cap(const struct un_batch_caps *caps, enum un_objective t);
/* Most members that the rows of a task can have. */
int64_t un_batch_member_cap(const struct un_batch_caps *caps, enum un_objective t);
/* Most tokens on both sides of nlvr2_attn, each side rounded up as un_batch_fill does. */
int64_t un_batch_side_cap(const struct un_batch_caps *caps);
/* Lays out all arrays of a micro-batch in `arena` in a fixed order (measure with base NULL first). The device
 * part comes first: batch->block, batch->block_bytes; host-only arrays (dataset, alignment) follow. */
void un_batch_carve(struct un_batch *batch, const struct un_batch_caps *caps, struct un_arena *arena);
void un_batch_number(struct un_batch *batch, uint32_t step, uint32_t lane);
/* out = batch with every device pointer moved from batch->block to `block`; host-only pointers kept. */
void un_batch_rebase(struct un_batch *out, const struct un_batch *batch, void *block);
/* *padded = *host with counts of few different values, as fixed shapes on a device need them: tokens are all
 * of caps (an empty tail), the other counts are rounded up, and the entries behind the real ones, in host's
 * own block, become fillers: -1, no row (ops.h). Counts of 0 stay. host keeps its counts. Lists of a store:
 * `fresh` stays. */
void un_batch_fill(struct un_batch *padded, const struct un_batch *host, const struct un_batch_caps *caps);
/* The bytes of the block that a device needs, as parts of it: UN_SPAN_LISTS, _FEATURES and _LABELS are final
 * when the micro-batch is packed, UN_SPAN_FACTORS when scale and ot_coef are set. padded, host: as in
 * un_batch_fill, or the same. */
enum un_batch_part { UN_SPAN_LISTS, UN_SPAN_FEATURES, UN_SPAN_LABELS, UN_SPAN_FACTORS, UN_SPAN_COUNT };
struct un_batch_span {
    size_t begin, bytes;
};
struct un_batch_span un_batch_span(enum un_batch_part part, const struct un_batch *padded,
                                   const struct un_batch *host, const struct un_batch_caps *caps);
/* The law that heads beside each other stand on (net/branches.h): the lists of pretraining follow the samples, and a
 * sample is in those of one objective. host: without fillers. UN_INTERNAL: it is broken, and where. */
enum un_status un_batch_check(const struct un_batch *host);
/* Bytes of the device part for these caps. */
size_t un_batch_block_bytes(const struct un_batch_caps *caps);
/* The views the ops take. */
struct un_layout un_batch_layout(const struct un_batch *batch);
struct un_pairs un_batch_pairs(const struct un_batch *batch);
/* The features that batch->feature_row (NULL: the region itself) and un_batch_feature_targets index. */
struct un_mat un_batch_features(const struct un_batch *batch, int64_t img_dim);
/* [n of t] rows of un_batch_features that are the targets of objective t. */
const int32_t *un_batch_feature_targets(const struct un_batch *batch, enum un_objective t);

#endif
