/* The parameters as one flat float buffer with a table of names.
 *
 * Tensors stand in the order of the forward, so gradients become final from the end towards the beginning; but words, whose
 * tables stand in front, are embedded after regions, and their gradients are final before those of regions.
 * Each tensor starts at a multiple of UN_PARAM_ALIGN elements, except "glued" ones, which follow their
 * predecessor without a gap (query, key, value weights form one [3H,H] matrix). Gaps are zero and stay zero. */
#ifndef UN_RUNTIME_PARAMS_H
#define UN_RUNTIME_PARAMS_H

#include "runtime/status.h"

/* Elements of a block of the flat buffer, the last one may be short: the unit of partial norms, of digests
 * and of what a rank owns (comm/shard.h), so that each of them can be put together from the parts of any
 * number of ranks. A multiple of UN_PARAM_ALIGN. */
enum { UN_PARAM_BLOCK = 4096 };

static inline int64_t un_param_blocks(int64_t total) {
    return total / UN_PARAM_BLOCK + (total % UN_PARAM_BLOCK != 0);
}

/* XAVIER: uniform in +-sqrt(6 / (rows + columns)), as PyTorch's stacked projection of three maps is drawn (rows are
 * those of all three). TORCH: uniform in +-1/sqrt(last side), as PyTorch draws weight and bias of a square map. */
enum un_init { UN_INIT_NORMAL, UN_INIT_ZERO, UN_INIT_ONE, UN_INIT_XAVIER, UN_INIT_TORCH };

struct un_param {
    char name[96]; /* as in the released checkpoints */
    int64_t offset, count;
    int64_t shape[2]; /* shape[1] = 0 for vectors */
    int ndim;
    bool decay;
    bool glued;
    bool zero_row0; /* row 0 starts at zero (mask_embedding) */
    bool fast;      /* trained at optim.lr * optim.lr_mul */
    bool left;      /* never touched by an update */
    bool low;       /* what computes in bf16 reads the bf16 copy of it and never the f32 values */
    enum un_init init;
};

struct un_params {
    struct un_param *list;
    int64_t n, capacity;
    int64_t total;   /* elements of the flat buffer, a multiple of UN_PARAM_ALIGN */
    int64_t trained; /* elements without gaps: what people call the number of parameters */
};

/* Appends a tensor; shape1 = 0 for a vector. decay is derived from the name by the authors' substring rule
 * ("bias", "LayerNorm.bias", "LayerNorm.weight" do not decay). Returns its index or -1 (error recorded). */
int64_t un_params_add(struct un_params *params, const char *name, int64_t shape0, int64_t shape1,
                      enum un_init init, bool glued);
void un_params_free(struct un_params *params);
/* Index by name, or -1 (no error recorded). */
int64_t un_params_find(const struct un_params *params, const char *name);
/* Initial values: normal(0, range) | 0 | 1 by each tensor's law, from Philox keyed by (seed, INIT) and
 * counted by (fnv1a64(name), element), so they do not depend on the order of the table. values [total], host
 * memory. */
void un_params_init(const struct un_params *params, float *values, uint64_t seed, float range);
/* One byte of flags (UN_DECAY_*, ops.h) per UN_PARAM_ALIGN elements: decay, fast and left of the tensor there. map
 * [total / UN_PARAM_ALIGN]. */
void un_params_decay_map(const struct un_params *params, uint8_t *map);

#endif
