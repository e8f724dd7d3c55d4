/* Text and region embeddings, forward and backward: what enters the first encoder layer.
 * Source: uniter_torch.TextEmbeddings and ImageEmbeddings. Inside the room only. */
#ifndef UN_MODEL_NET_INPUTS_H
#define UN_MODEL_NET_INPUTS_H

#include "model/net/layers.h"

struct un_inputs_at {
    int64_t word, position, type; /* offsets: [V,H], [positions,H], [types,H]; regions read from type on */
    int64_t mask;                 /* [2,F]; row 1 stands for a masked feature, row 0 is never used */
    struct un_norm text_norm, image_norm, box_norm, region_norm;
    struct un_linear image, box; /* [H,F], [H,7] */
};

/* Kept for the backward, and scratch that both directions use. */
struct un_inputs_kept {
    struct un_norm_kept text_norm, image_norm, box_norm, region_norm;
    void *feature;        /* [R,F] features with the masked ones replaced */
    void *first, *second; /* scratch [max(W,R),H] */
    float *masked_sum;    /* scratch [H] */
    float *saved_row;     /* scratch [H] */
    int32_t *row_zero;    /* [1], never written: the index 0 */
    void *x;              /* [T,H] the embeddings in packed order; rows of no sample are zero */
};

enum un_status un_inputs_add(struct un_params *params, struct un_inputs_at *at, const struct un_dims *dims);
void un_inputs_carve(struct un_inputs_kept *kept, struct un_arena *arena, enum un_type act,
                     const struct un_dims *dims, const struct un_batch_caps *caps);
/* kept->x = embeddings of all tokens: regions first, then words. What regions read begins at at->type. */
void un_inputs_fwd_regions(const struct un_pass *p, const struct un_inputs_kept *kept,
                           const struct un_inputs_at *at);
void un_inputs_fwd_words(const struct un_pass *p, const struct un_inputs_kept *kept,
                         const struct un_inputs_at *at);
/* Gradients of the embedding parameters += , from d [T,H], the gradient of kept->x: words first, after which those in front
 * of at->type are final, then regions. */
void un_inputs_bwd_words(const struct un_pass *p, const struct un_inputs_kept *kept,
                         const struct un_inputs_at *at, struct un_mat d);
void un_inputs_bwd_regions(const struct un_pass *p, const struct un_inputs_kept *kept,
                           const struct un_inputs_at *at, struct un_mat d);

#endif
