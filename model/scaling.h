/* Delayed scaling of fp8 (Micikevicius et al. 2022, "FP8 formats for deep learning"): a tensor is multiplied by a power of
 * two that its largest numbers of earlier updates call for, so that scaling is exact and no step waits for a maximum.
 *
 *   scale of the next update = 2^floor(log2(M / amax)),  amax = the largest of the history, M = 448 (e4m3), 57,344 (e5m2)
 *
 * in [2^-60, 2^60]; 1 where the history has seen zeros alone. A number that outgrows its scale saturates for one update.
 * The history holds the amax of the last `length` updates that were made, each the maximum over all lanes: it has no order, so
 * ranks cannot matter. The first `after` updates are multiplied in bf16 and fill it. */
#ifndef UN_MODEL_SCALING_H
#define UN_MODEL_SCALING_H

#include "runtime/status.h"
#include "runtime/tensor.h"

#include <stdbool.h>

/* The four products of a layer, and the three tensors of each: activations and weights in e4m3, gradients in e5m2. */
enum un_fp8_product { UN_FP8_QKV, UN_FP8_DENSE, UN_FP8_UP, UN_FP8_DOWN, UN_FP8_PRODUCTS };
enum un_fp8_role { UN_FP8_INPUT, UN_FP8_WEIGHT, UN_FP8_GRADIENT, UN_FP8_ROLES };
enum { UN_FP8_LAYER = UN_FP8_PRODUCTS * UN_FP8_ROLES /* tensors of a layer */ };
static inline int64_t un_fp8_tensor(int64_t layer, enum un_fp8_product product, enum un_fp8_role role) {
    return layer * UN_FP8_LAYER + (int64_t)role * UN_FP8_PRODUCTS + (int64_t)product;
}
static inline enum un_type un_fp8_type(int64_t tensor) {
    return tensor % UN_FP8_LAYER / UN_FP8_PRODUCTS == UN_FP8_GRADIENT ? UN_E5M2 : UN_E4M3;
}

struct un_scaling {
    int64_t tensors, length; /* tensors 0: nothing is in fp8 */
    int64_t after;           /* updates in bf16 */
    int64_t filled;          /* updates whose amax were taken; that of update i stands at i % length */
    uint32_t *amax;          /* [tensors, length] bits of f32; owned */
};

/* An empty history. */
enum un_status un_scaling_open(struct un_scaling *s, int64_t tensors, int64_t length, int64_t after);
void un_scaling_close(struct un_scaling *s);
/* Is the next update in fp8? */
bool un_scaling_ready(const struct un_scaling *s);
/* Of the next update. */
float un_scaling_scale(const struct un_scaling *s, int64_t tensor);
/* An update was made with these amax [tensors], as bits. One that is not finite is left out: its place gets the largest of
 * the history. */
void un_scaling_take(struct un_scaling *s, const uint32_t *amax);

#endif
