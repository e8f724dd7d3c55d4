/* The four linear maps of a layer with factors in fp8: forward e4m3 x e4m3, gradient of the input e5m2 x e4m3; the gradient
 * of the weight stays a product of bf16. Activations and gradients stay in memory in bf16 and are rounded just before
 * their product, weights from their bf16 copy, for the backward transposed. Inside the wing only.
 *
 * Expected on a card whose products of fp8 run at twice the rate of bf16: of a step of base 9 %, of large 12 % less time; a
 * K of 768 gives little, and rounding in passes of their own costs some of it. Not measured. */
#ifndef UN_MODEL_NET_FP8_H
#define UN_MODEL_NET_FP8_H

#include "model/net/layers.h"
#include "model/scaling.h"

struct un_fp8 {
    bool active;         /* products in fp8; else in bf16, and only the amax are taken */
    int64_t tensors;     /* [tensors] device each: */
    float *scale, *unit; /* powers of two, unit = 1 / scale */
    uint32_t *amax;      /* of the passes since un_model_fp8_begin, bits of f32 */
    void *rows;          /* [T,max(3H,I)] bytes: one activation or gradient at a time */
    void *weight;        /* [max(3H,I),H] bytes: one weight at a time, either way */
};

void un_fp8_carve(struct un_fp8 *fp8, struct un_arena *arena, const struct un_dims *dims, int64_t tokens);

/* As un_linear_fwd and un_linear_bwd; without fp8 in the pass, these. */
void un_fp8_linear_fwd(const struct un_pass *p, struct un_mat y, const struct un_linear *at, struct un_mat x,
                       enum un_activation activation, struct un_mat pre, int64_t layer,
                       enum un_fp8_product product);
void un_fp8_linear_bwd(const struct un_pass *p, struct un_mat dx, const struct un_linear *at,
                       struct un_mat dy, float beta, int64_t layer, enum un_fp8_product product);

#endif
