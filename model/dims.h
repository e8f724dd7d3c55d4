/* Sizes of the network and their keys (section `model`). The authors' names are kept. */
#ifndef UN_MODEL_DIMS_H
#define UN_MODEL_DIMS_H

#include "model/objective.h"
#include "runtime/config/config.h"
#include "runtime/ops.h"

struct un_dims {
    int64_t vocab_size, hidden_size, num_hidden_layers, num_attention_heads, intermediate_size;
    int64_t max_position_embeddings, type_vocab_size, img_dim, img_label_dim;
    double dropout; /* after embeddings, attention probabilities and both halves of a layer */
    double initializer_range;
    int64_t num_labels; /* answers of vqa and ve; 0: none of them */
    int64_t re_layers;  /* of the head of re: 1 a linear map, 2 an MLP; 0: 1 */
    /* Set by what is taught, not keys: */
    int64_t negatives;       /* of itm_rank and itm_hard, a row */
    un_objective_set heads;  /* objectives whose parameters there are; 0: those of pretraining */
    un_objective_set taught; /* what none of them reaches is never touched; 0: every parameter is */
    bool mask_both;          /* regions are masked of samples whose words are asked, too */
};

/* Section `model` as bound: sizes that are UN_AUTO come from the preset, vocab_size, img_dim and img_label_dim that
 * are 0 from the data. */
struct un_model_keys {
    int preset; /* 0 tiny, 1 base, 2 large */
    struct un_dims dims;
    char init[256]; /* "" or a file of initial weights (safetensors) */
};
extern const struct un_key_table un_model_key_table;

/* The names of the sizes that are 0, which no network has; returns how many. Of keys as bound. */
enum { UN_DIMS_SIZES = 6 };
int un_dims_zeros(const struct un_dims *dims, const char *names[UN_DIMS_SIZES]);
/* Applies the preset to the sizes that were not given (UN_AUTO, or 0 in a run of earlier versions) and checks them (heads divide width, ...); the
 * three data sizes may still be 0. tiny 128x2 (2 heads, 512), base 768x12 (12, 3072), large 1024x24 (16,
 * 4096). */
enum un_status un_dims_resolve(struct un_dims *dims, int preset);
/* Elements the loss of a row of objective t is a sum over. */
int64_t un_dims_units(const struct un_dims *dims, enum un_objective t);
/* Parameter matrix products of forward and backward for a packed micro-batch, in FLOP: 2 per multiply-add,
 * backward twice the forward; the network's products only, by their shapes. sum_sq: sum over samples of
 * tokens^2. */
struct un_work {
    int64_t tokens, words, regions, sum_sq;
    int64_t mlm;                      /* masked words */
    int64_t mrfr;                     /* masked regions regressed */
    int64_t mrc;                      /* and classified, by class or distribution */
    int64_t pairs;                    /* pairs matched and aligned */
    int64_t looking;                  /* tokens of pairs that look at each other (nlvr2_attn) */
    int64_t task[UN_OBJECTIVE_COUNT]; /* rows of a task, or their members */
};
double un_dims_flop(const struct un_dims *dims, const struct un_work *work);

#endif
