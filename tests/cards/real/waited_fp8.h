/* The ops of fp8 for the table of harness.c, which defines WAITED and includes this once. */
#ifndef UN_TESTS_CARDS_REAL_WAITED_FP8_H
#define UN_TESTS_CARDS_REAL_WAITED_FP8_H

#include "runtime/ops.h"

WAITED(quantize,
       (struct un_queue * q, struct un_mat y, struct un_mat yt, uint32_t *amax, struct un_mat x,
        const float *scale),
       (q, y, yt, amax, x, scale))
WAITED(gemm_fp8,
       (struct un_queue * q, struct un_mat c, struct un_mat a, const float *a_unit, struct un_mat b,
        const float *b_unit, float beta, const struct un_epilogue *epilogue),
       (q, c, a, a_unit, b, b_unit, beta, epilogue))
WAITED(gelu_bwd_fp8,
       (struct un_queue * q, struct un_mat dz, const struct un_codes *codes, float *dbias, struct un_mat dy,
        struct un_mat z),
       (q, dz, codes, dbias, dy, z))
WAITED(norm_fwd_fp8,
       (struct un_queue * q, struct un_mat y, const struct un_codes *codes, struct un_mat r, float *mean,
        float *rstd, struct un_mat x, struct un_mat residual, const float *gamma, const float *beta,
        const struct un_dropout *drop),
       (q, y, codes, r, mean, rstd, x, residual, gamma, beta, drop))
WAITED(norm_bwd_fp8,
       (struct un_queue * q, struct un_mat dr, struct un_mat dx, const struct un_codes *codes, float *dgamma,
        float *dbeta, float *dbias, struct un_mat dy, struct un_mat r, const float *mean, const float *rstd,
        const float *gamma, const struct un_dropout *drop),
       (q, dr, dx, codes, dgamma, dbeta, dbias, dy, r, mean, rstd, gamma, drop))
WAITED(attention_fwd_fp8,
       (struct un_queue * q, struct un_mat out, const struct un_codes *codes, float *lse, struct un_mat qkv,
        const struct un_layout *layout, int64_t heads, const struct un_dropout *drop),
       (q, out, codes, lse, qkv, layout, heads, drop))
WAITED(attention_bwd_fp8,
       (struct un_queue * q, struct un_mat dqkv, const struct un_codes *codes, float *dbias,
        struct un_mat dout, struct un_mat out, const float *lse, struct un_mat qkv,
        const struct un_layout *layout, int64_t heads, const struct un_dropout *drop),
       (q, dqkv, codes, dbias, dout, out, lse, qkv, layout, heads, drop))

#endif
