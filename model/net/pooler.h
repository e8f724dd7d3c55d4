/* tanh(dense(x[CLS])): the first part of the heads over whole samples, with one set of parameters for all of them.
 * Inside the wing only. */
#ifndef UN_MODEL_NET_POOLER_H
#define UN_MODEL_NET_POOLER_H

#include "model/net/layers.h"

struct un_pooler {
    struct un_linear dense;         /* [H,H] */
    void *first, *pooled, *dpooled; /* scratch [B,H] */
};

enum un_status un_pooler_add(struct un_params *params, struct un_pooler *pooler, const struct un_dims *dims);
void un_pooler_carve(struct un_pooler *pooler, struct un_arena *arena, enum un_type act,
                     const struct un_dims *dims, const struct un_batch_caps *caps);
/* pooler->pooled = tanh(dense(x[index[0..n),:])). */
struct un_mat un_pooler_fwd(const struct un_pass *p, const struct un_pooler *pooler, struct un_mat x,
                            const int32_t *index, int64_t n);
/* dx[index,:] += , parameters' gradients += , from pooler->dpooled. */
void un_pooler_bwd(const struct un_pass *p, struct un_mat dx, const struct un_pooler *pooler,
                   const int32_t *index, int64_t n);

#endif
