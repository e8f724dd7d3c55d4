/* The pooled [CLS] token, see pooler.h. Source: uniter_torch.Uniter.pool. */
#include "model/net/pooler.h"

enum un_status un_pooler_add(struct un_params *params, struct un_pooler *pooler, const struct un_dims *dims) {
    UN_TRY(
        un_linear_add(params, &pooler->dense, "uniter.pooler.dense", dims->hidden_size, dims->hidden_size));
    un_linear_low(params, true);
    return UN_OK;
}

void un_pooler_carve(struct un_pooler *pooler, struct un_arena *arena, enum un_type act,
                     const struct un_dims *dims, const struct un_batch_caps *caps) {
    int64_t count = caps->samples * dims->hidden_size;
    pooler->first = un_take(arena, act, count);
    pooler->pooled = un_take(arena, act, count);
    pooler->dpooled = un_take(arena, act, count);
}

struct un_mat un_pooler_fwd(const struct un_pass *p, const struct un_pooler *pooler, struct un_mat x,
                            const int32_t *index, int64_t n) {
    struct un_mat first = un_pass_mat(p, pooler->first, n, x.cols),
                  pooled = un_pass_mat(p, pooler->pooled, n, x.cols);
    p->ops->gather_rows(p->q, first, x, index);
    un_linear_fwd(p, pooled, &pooler->dense, first, UN_ACT_TANH, un_no_mat());
    return pooled;
}

void un_pooler_bwd(const struct un_pass *p, struct un_mat dx, const struct un_pooler *pooler,
                   const int32_t *index, int64_t n) {
    struct un_mat first = un_pass_mat(p, pooler->first, n, dx.cols),
                  d = un_pass_mat(p, pooler->dpooled, n, dx.cols);
    p->ops->tanh_bwd(p->q, d, d, un_pass_mat(p, pooler->pooled, n, dx.cols));
    un_linear_grad(p, &pooler->dense, d, first);
    un_linear_bwd(p, first, &pooler->dense, d, 0); /* the gathered rows are used up: their room is reused */
    p->ops->scatter_add_rows(p->q, dx, first, index);
}
