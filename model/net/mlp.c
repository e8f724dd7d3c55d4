/* Two linear maps with an activation and a LayerNorm between, see mlp.h. */
#include "model/net/mlp.h"

static enum un_status add_linear(struct un_params *params, struct un_linear *at, const char *name, int part,
                                 int64_t out, int64_t in) {
    char *full = un_format("%s.%d", name, part);
    if (!full) return un_error_get()->status;
    enum un_status status = un_linear_add(params, at, full, out, in);
    un_free(full);
    return status;
}

enum un_status un_mlp_add(struct un_params *params, struct un_mlp_at *at, const char *name, int64_t in,
                          int64_t mid, int64_t out, enum un_activation activation) {
    at->activation = activation;
    UN_TRY(add_linear(params, &at->first, name, 0, mid, in));
    un_linear_low(params, true);
    char *norm = un_format("%s.2", name);
    if (!norm) return un_error_get()->status;
    enum un_status status = un_norm_add(params, &at->norm, norm, mid);
    un_free(norm);
    return status == UN_OK ? add_linear(params, &at->last, name, 3, out, mid) : status;
}

void un_mlp_carve(struct un_mlp_work *work, struct un_arena *arena, enum un_type act, int64_t rows,
                  int64_t mid) {
    work->z = un_take(arena, act, rows * mid);
    work->y = un_take(arena, act, rows * mid);
    work->d = un_take(arena, act, rows * mid);
    un_norm_carve(&work->norm, arena, act, rows, mid);
}

void un_mlp_fwd(const struct un_pass *p, struct un_mat scores, const struct un_mlp_work *work,
                const struct un_mlp_at *at, struct un_mat x) {
    int64_t n = x.rows, mid = at->norm.width;
    struct un_mat active = un_pass_mat(p, work->norm.r, n, mid), y = un_pass_mat(p, work->y, n, mid);
    struct un_mat before = at->activation == UN_ACT_GELU ? un_pass_mat(p, work->z, n, mid) : un_no_mat();
    un_linear_fwd(p, active, &at->first, x, at->activation, before);
    un_norm_fwd(p, y, &work->norm, &at->norm, active, un_no_mat(), NULL);
    un_linear_fwd(p, scores, &at->last, y, UN_ACT_NONE, un_no_mat());
}

void un_mlp_bwd(const struct un_pass *p, struct un_mat dx, const struct un_mlp_work *work,
                const struct un_mlp_at *at, struct un_mat dscores, struct un_mat x) {
    int64_t n = x.rows, mid = at->norm.width;
    struct un_mat d = un_pass_mat(p, work->d, n, mid);
    float *dbias = p->grads + at->first.bias;
    un_linear_grad(p, &at->last, dscores, un_pass_mat(p, work->y, n, mid));
    un_linear_bwd(p, d, &at->last, dscores, 0);
    un_norm_bwd(p, d, un_no_mat(), &at->norm, d, &work->norm, NULL, NULL);
    if (at->activation == UN_ACT_GELU)
        p->ops->gelu_bwd(p->q, d, dbias, d, un_pass_mat(p, work->z, n, mid));
    else
        p->ops->relu_bwd(p->q, d, dbias, d, un_pass_mat(p, work->norm.r, n, mid));
    un_linear_grad_weight(p, &at->first, d, x);
    un_linear_bwd(p, dx, &at->first, d, 0);
}
