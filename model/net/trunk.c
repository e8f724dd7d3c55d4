/* Rows gathered, dense, GELU, LayerNorm and back; scratch of a chunk; see trunk.h. */
#include "model/net/trunk.h"

enum un_status un_trunk_add(struct un_params *params, struct un_trunk_at *at, const char *dense,
                            const char *norm, int64_t width) {
    UN_TRY(un_linear_add(params, &at->dense, dense, width, width));
    un_linear_low(params, true);
    return un_norm_add(params, &at->norm, norm, width);
}

/* Elements from row to row of scores: where their gradient is bf16, rows begin at 16-byte addresses for the
 * products. */
int64_t un_trunk_stride(enum un_type act, int64_t cols) {
    return act == UN_F32 ? cols : (cols + 63) / 64 * 64;
}

void un_trunk_carve(struct un_trunk_work *work, struct un_arena *arena, enum un_type act, int64_t width,
                    int64_t rows, int64_t chunk, int64_t widest) {
    int64_t h = width;
    int64_t n = work->chunk = rows < chunk ? rows : chunk;
    work->x = un_take(arena, act, n * h);
    work->z = un_take(arena, act, n * h);
    work->y = un_take(arena, act, n * h);
    work->dy = un_take(arena, act, n * h);
    un_norm_carve(&work->norm, arena, act, n, h);
    work->scores = un_take_floats(arena, n * un_trunk_stride(act, widest));
    work->dscores = act == UN_F32 ? work->scores : un_take(arena, act, n * un_trunk_stride(act, widest));
}

struct un_mat un_trunk_scores(const struct un_pass *p, const struct un_trunk_work *work, int64_t rows,
                              int64_t cols) {
    struct un_mat m = un_mat32(work->scores, rows, cols);
    m.stride = un_trunk_stride(p->act, cols);
    return m;
}

struct un_mat un_trunk_scores_kept(const struct un_pass *p, const struct un_trunk_work *work,
                                   struct un_mat kept, struct un_chunk at, int64_t cols) {
    if (!kept.data) return un_trunk_scores(p, work, at.n, cols);
    struct un_mat m = un_mat32((float *)kept.data + at.first * kept.stride, at.n, cols);
    m.stride = kept.stride;
    return m;
}

struct un_mat un_trunk_dscores(const struct un_pass *p, const struct un_trunk_work *work, int64_t rows,
                               int64_t cols) {
    struct un_mat m = un_pass_mat(p, p->grads ? work->dscores : NULL, rows, cols);
    m.stride = un_trunk_stride(p->act, cols);
    return m;
}

struct un_mat un_trunk_fwd(const struct un_pass *p, const struct un_trunk_work *work,
                           const struct un_trunk_at *at, struct un_mat x, const int32_t *index, int64_t n) {
    int64_t h = at->norm.width;
    struct un_mat rows = un_pass_mat(p, work->x, n, h), gelu = un_pass_mat(p, work->norm.r, n, h),
                  y = un_pass_mat(p, work->y, n, h);
    p->ops->gather_rows(p->q, rows, x, index);
    un_linear_fwd(p, gelu, &at->dense, rows, UN_ACT_GELU, un_pass_mat(p, work->z, n, h));
    un_norm_fwd(p, y, &work->norm, &at->norm, gelu, un_no_mat(), NULL);
    return y;
}

void un_trunk_bwd(const struct un_pass *p, struct un_mat dx, const struct un_trunk_work *work,
                  const struct un_trunk_at *at, const int32_t *index, int64_t n) {
    int64_t h = at->norm.width;
    struct un_mat d = un_pass_mat(p, work->dy, n, h),
                  drows = un_pass_mat(p, work->y, n, h); /* y is used up: its room is reused */
    un_norm_bwd(p, d, un_no_mat(), &at->norm, d, &work->norm, NULL, NULL);
    p->ops->gelu_bwd(p->q, d, p->grads + at->dense.bias, d, un_pass_mat(p, work->z, n, h));
    un_linear_grad_weight(p, &at->dense, d, un_pass_mat(p, work->x, n, h));
    un_linear_bwd(p, drows, &at->dense, d, 0);
    p->ops->scatter_add_rows(p->q, dx, drows, index);
}
