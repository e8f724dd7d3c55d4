/* The four linear maps of a layer with factors in fp8: forward e4m3 x e4m3, gradient of the input e5m2 x e4m3; the gradient
 * of the weight stays a product of bf16. Activations and gradients stay in memory in bf16 as well. Where an op of this wing
 * writes a factor it writes its codes beside it, which saves a pass that reads 2 bytes an element; else they are rounded
 * just before the product, as weights are from their bf16 copy, for the backward transposed. Inside the wing only.
 *
 * Expected on a card whose products of fp8 run at twice the rate of bf16: of a step of base 9 %, of large 12 % less time
 * with every factor rounded in a pass of its own; a K of 768 gives little. Such passes move 48 H bytes a token and layer, of
 * which codes beside leave 16 H, the writing: at 4.8 TB/s 61 ns of base's 1,111 a token, 164 of large's 3,448. Passes of
 * their own stay for the input of the first layer and the weights: 72 H^2 bytes a layer, once a micro-batch. Not measured. */
#ifndef UN_MODEL_NET_FP8_H
#define UN_MODEL_NET_FP8_H

#include "model/net/layers.h"
#include "model/scaling.h"

struct un_fp8 {
    bool active;         /* products in fp8; else in bf16, and only the amax are taken */
    int64_t tensors;     /* [tensors] device each: */
    float *scale, *unit; /* powers of two, unit = 1 / scale */
    uint32_t *amax;      /* of the passes since un_model_fp8_begin, bits of f32 */
    void *narrow, *wide; /* [T,H], [T,max(3H,I)] bytes: one activation or gradient each at a time */
    void *weight;        /* [max(3H,I),H] bytes: one weight at a time, either way */
};

void un_fp8_carve(struct un_fp8 *fp8, struct un_arena *arena, const struct un_dims *dims, int64_t tokens);

/* Where the op that makes a factor [rows,cols] of a product writes its codes: *room, filled, or NULL where it does not, or where
 * there is no such layer. */
const struct un_codes *un_fp8_codes(const struct un_pass *p, struct un_codes *room, struct un_mat factor,
                                    int64_t layer, enum un_fp8_product product, enum un_fp8_role role);
/* un_norm_fwd of a LayerNorm whose y is the input of a product, un_norm_bwd of one whose dx is the gradient of one. */
void un_fp8_norm_fwd(const struct un_pass *p, struct un_mat y, const struct un_norm_kept *kept,
                     const struct un_norm *at, struct un_mat x, struct un_mat residual,
                     const struct un_dropout *drop, int64_t layer, enum un_fp8_product product);
void un_fp8_norm_bwd(const struct un_pass *p, struct un_mat dr, struct un_mat dx, const struct un_norm *at,
                     struct un_mat dy, const struct un_norm_kept *kept, const struct un_dropout *drop,
                     float *dbias, int64_t layer, enum un_fp8_product product);
/* attention_fwd and attention_bwd of a layer. */
void un_fp8_attention_fwd(const struct un_pass *p, struct un_mat out, float *lse, struct un_mat qkv,
                          const struct un_layout *layout, const struct un_dropout *drop, int64_t layer);
void un_fp8_attention_bwd(const struct un_pass *p, struct un_mat dqkv, float *dbias, struct un_mat dout,
                          struct un_mat out, const float *lse, struct un_mat qkv,
                          const struct un_layout *layout, const struct un_dropout *drop, int64_t layer);
/* gelu_bwd of a layer, in place over dz. */
void un_fp8_gelu_bwd(const struct un_pass *p, struct un_mat dz, float *dbias, struct un_mat z, int64_t layer);

/* As un_linear_fwd and un_linear_bwd; without fp8 in the pass, these. */
void un_fp8_linear_fwd(const struct un_pass *p, struct un_mat y, const struct un_linear *at, struct un_mat x,
                       enum un_activation activation, struct un_mat pre, int64_t layer,
                       enum un_fp8_product product);
void un_fp8_linear_bwd(const struct un_pass *p, struct un_mat dx, const struct un_linear *at,
                       struct un_mat dy, float beta, int64_t layer, enum un_fp8_product product);

#endif
