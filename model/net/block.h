/* One encoder layer: packed self-attention and two feed-forward maps, each followed by dropout, residual and
 * LayerNorm (post-LN). Source: uniter_torch.Layer. Inside the room only. */
#ifndef UN_MODEL_NET_BLOCK_H
#define UN_MODEL_NET_BLOCK_H

#include "model/net/layers.h"

struct un_block_at {
    struct un_linear qkv; /* query, key and value glued: weight [3H,H], bias [3H] */
    struct un_linear dense, up, down;
    struct un_norm attention_norm, output_norm;
};

/* What the forward leaves for the backward: 16 H T elements of type act at I = 4 H. */
struct un_block_kept {
    void *qkv;      /* [T,3H] */
    float *lse;     /* [T,A] */
    void *attended; /* [T,H] */
    struct un_norm_kept attention_norm, output_norm;
    void *middle;   /* [T,H] after the attention half */
    void *z, *gelu; /* [T,I] before and after GELU */
    void *y; /* [T,H] the layer's output; may be its input's buffer when nothing is kept for a backward */
};

/* Scratch of the backward, one for all layers. */
struct un_block_work {
    void *dbranch;   /* [T,H] gradient of a branch behind its dropout */
    void *dattended; /* [T,H] */
    void *wide;      /* [T,max(3H,I)] */
};

enum un_status un_block_add(struct un_params *params, struct un_block_at *at, const struct un_dims *dims,
                            int64_t layer);
void un_block_carve(struct un_block_kept *kept, struct un_arena *arena, enum un_type act,
                    const struct un_dims *dims, int64_t tokens);
void un_block_carve_work(struct un_block_work *work, struct un_arena *arena, enum un_type act,
                         const struct un_dims *dims, int64_t tokens);
/* kept->y = layer(x), x [T,H]. */
void un_block_fwd(const struct un_pass *p, const struct un_block_kept *kept, const struct un_block_at *at,
                  struct un_mat x, int64_t layer);
/* Before a backward through all layers: zeros in the `total` gradients, but for those of the layers' weights, which
 * un_block_bwd overwrites. */
void un_block_zero_grads(const struct un_pass *p, const struct un_block_at *blocks, int64_t layers,
                         int64_t total);
/* Gradients of weights = , of all else += .
 * d [T,H]: gradient of the output on entry, of the input x on return. */
void un_block_bwd(const struct un_pass *p, struct un_mat d, const struct un_block_work *work,
                  const struct un_block_kept *kept, const struct un_block_at *at, struct un_mat x,
                  int64_t layer);

#endif
