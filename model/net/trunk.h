/* LayerNorm(GELU(dense(x))): the first part of the heads over words or regions, each with its own parameters, and
 * the chunks of rows in which such a head works: the widest scores are [chunk, V], f32 in every precision.
 * Inside the wing only. */
#ifndef UN_MODEL_NET_TRUNK_H
#define UN_MODEL_NET_TRUNK_H

#include "model/net/layers.h"

enum { UN_TRUNK_CHUNK = 256, UN_TRUNK_CHUNK_LOW = 2048 /* bf16 on a card, which wants large products */ };

struct un_trunk_at {
    struct un_linear dense;
    struct un_norm norm;
};

/* Scratch for one chunk, N = min(chunk, most rows), H = width, scores of at most `widest` columns. */
struct un_trunk_work {
    void *x, *z, *y, *dy;     /* [N,H] */
    struct un_norm_kept norm; /* r holds the GELU output */
    float *scores;            /* [N,widest] */
    void *dscores;            /* their gradient, of type act, for the products: over scores when f32 */
    int64_t chunk;
};

enum un_status un_trunk_add(struct un_params *params, struct un_trunk_at *at, const char *dense,
                            const char *norm, int64_t width);
void un_trunk_carve(struct un_trunk_work *work, struct un_arena *arena, enum un_type act, int64_t width,
                    int64_t rows, int64_t chunk, int64_t widest);

/* One chunk of the rows of an objective. */
struct un_chunk {
    int64_t first, n;
};

/* Elements from row to row of scores with so many columns. */
int64_t un_trunk_stride(enum un_type act, int64_t cols);
/* Scores of one chunk: in their place among those that are kept, where `kept` has data. */
struct un_mat un_trunk_scores_kept(const struct un_pass *p, const struct un_trunk_work *work,
                                   struct un_mat kept, struct un_chunk at, int64_t cols);
/* Scores of one chunk, and where their gradient goes (nowhere in a forward only). */
struct un_mat un_trunk_scores(const struct un_pass *p, const struct un_trunk_work *work, int64_t rows,
                              int64_t cols);
struct un_mat un_trunk_dscores(const struct un_pass *p, const struct un_trunk_work *work, int64_t rows,
                               int64_t cols);

/* work->y = trunk(x[index[0..n),:]). */
struct un_mat un_trunk_fwd(const struct un_pass *p, const struct un_trunk_work *work,
                           const struct un_trunk_at *at, struct un_mat x, const int32_t *index, int64_t n);
/* dx[index,:] += , parameters' gradients += , from work->dy. */
void un_trunk_bwd(const struct un_pass *p, struct un_mat dx, const struct un_trunk_work *work,
                  const struct un_trunk_at *at, const int32_t *index, int64_t n);

#endif
