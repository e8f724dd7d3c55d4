/* Attention on bf16 operands in double, each element with its own tolerance: what the magnitudes of its terms
 * allow an op to be off that rounds
 *  - its results, and in the way of the matrix instructions also probabilities and gradients of scores, once
 *    to bf16 (relative 2^-8);
 *  - scores in f32, whose error is relative to the magnitudes in them;
 *  - delta = dout . out from an out that was rounded. */
#ifndef UN_TESTS_UNIT_RUNTIME_OPS_ATTENTION_ORACLE_H
#define UN_TESTS_UNIT_RUNTIME_OPS_ATTENTION_ORACLE_H

#include "tests/unit/runtime/ops/harness.h"

enum { MOST_SAMPLES = 12 };

struct shape {
    int64_t lengths[MOST_SAMPLES];
    int64_t samples, heads, width, tail; /* tail: tokens behind the last sample */
    double dropout;
    float range; /* of queries and keys */
    double most; /* root mean square error of dqkv, of its own; 0: 0.0027 */
};

/* A value and how far off it may be. */
struct bound {
    double value, slack;
};

struct problem {
    const struct shape *shape;
    struct un_layout layout;
    struct un_dropout drop;
    struct un_mat qkv, dout, out, dqkv;
    float *lse, *dbias, *before; /* before: dbias before the op */
    bool matrix;                 /* the way of the matrix instructions */
};

struct oracle {
    struct bound *out, *lse, *dqkv;
};

/* Element of a bf16 matrix. */
float un_bf16_at(struct un_mat m, int64_t row, int64_t col);
void un_bf16_put(struct un_mat m, int64_t row, int64_t col, float f);

struct oracle un_oracle_attention(struct un_harness *h, const struct problem *p);
/* Each element within its bound, the root mean square of all errors within `most` of that of the values. */
void un_oracle_compare(const char *what, struct un_mat got, const struct bound *want, double most);
/* dbias against the sums of the stored gradients in double. */
void un_oracle_sums(const struct problem *p);

#endif
