/* One head of one sample, all of its attention in one thread; see attention.c. Inside this wing only. */
#ifndef UN_RUNTIME_CPU_ATTENTION_HEAD_H
#define UN_RUNTIME_CPU_ATTENTION_HEAD_H

#include "runtime/cpu/cpu.h"

enum { UN_ATTENDING_DRAWS = 16 }; /* rows whose dropout numbers are drawn side by side */

/* What one thread works in, for samples of up to `padded` (a multiple of UN_TILE_LANES) tokens. */
struct un_attending_work {
    float *score;   /* [padded, padded] scores, then what multiplies the values */
    float *slope;   /* [padded, padded] backward: gradient of the scores */
    float *panel;   /* [padded, UN_TILE_COLS] or its transpose */
    float *side;    /* [padded, UN_TILE_COLS] bf16: a left factor widened, a result not yet rounded */
    uint16_t *bits; /* [UN_ATTENDING_DRAWS, padded] */
};

/* What is attended to, from where: columns [H] of the packed batches. Self-attention: three views of qkv. */
struct un_attending_sides {
    struct un_mat query, key, value;
    bool rounds; /* probabilities and gradients of scores are rounded to bf16 */
};

/* One head of one sample. */
struct un_attending {
    int64_t first, queries;          /* rows of the packed batch of queries */
    int64_t key_first, keys, padded; /* of that of keys; keys rounded up */
    int64_t head, heads, width;      /* a, A, D */
    float scale;                     /* 1 / sqrt D */
    const struct un_dropout *drop;   /* NULL: none */
};

/* out and lse [T, A] of the head's queries. Queries without keys get zeros. */
void un_attending_fwd(struct un_mat out, float *lse, const struct un_attending_sides *in,
                      const struct un_attending *t, const struct un_attending_work *w);
/* The head's part of all three gradients. */
void un_attending_bwd(const struct un_attending_sides *grad, struct un_mat dout, const float *lse,
                      const struct un_attending_sides *in, const struct un_attending *t,
                      const struct un_attending_work *w);

#endif
