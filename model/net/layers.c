/* The linear map and the LayerNorm with their parameters, see layers.h. Gradients of parameters accumulate,
 * activations and their gradients are overwritten. */
#include "model/net/layers.h"

static enum un_status add_part(struct un_params *params, const char *name, const char *part, int64_t shape0,
                               int64_t shape1, enum un_init init, int64_t *offset) {
    char *full = un_format("%s.%s", name, part);
    if (!full) return un_error_get()->status;
    enum un_status status = un_pass_add(params, full, shape0, shape1, init, offset);
    un_free(full);
    return status;
}

enum un_status un_linear_add(struct un_params *params, struct un_linear *at, const char *name, int64_t out,
                             int64_t in) {
    at->out = out;
    at->in = in;
    UN_TRY(add_part(params, name, "weight", out, in, UN_INIT_NORMAL, &at->weight));
    return add_part(params, name, "bias", out, 0, UN_INIT_ZERO, &at->bias);
}

void un_linear_low(struct un_params *params, bool both) {
    params->list[params->n - 2].low = true;
    params->list[params->n - 1].low = both;
}

void un_linear_fwd(const struct un_pass *p, struct un_mat y, const struct un_linear *at, struct un_mat x,
                   enum un_activation activation, struct un_mat pre) {
    struct un_mat bias = un_pass_weight(p, at->bias, 1, at->out, y.type);
    struct un_epilogue after = {.bias = bias.data, .bias_type = y.type, .activation = activation, .pre = pre};
    p->ops->gemm(p->q, y, x, false, un_pass_weight(p, at->weight, at->out, at->in, x.type), true, 0, &after);
}

void un_linear_grad(const struct un_pass *p, const struct un_linear *at, struct un_mat dy, struct un_mat x) {
    p->ops->linear_grad(p->q, un_pass_grad(p, at->weight, at->out, at->in), p->grads + at->bias, dy, x);
}

void un_linear_grad_weight(const struct un_pass *p, const struct un_linear *at, struct un_mat dy,
                           struct un_mat x) {
    p->ops->linear_grad(p->q, un_pass_grad(p, at->weight, at->out, at->in), NULL, dy, x);
}

/* As linear_grad with zeros in dw: the same sums of the same terms, but a sum whose every term is -0 or too small for f32
 * may be -0 where zeros plus it were +0. */
void un_linear_put_grad_weight(const struct un_pass *p, const struct un_linear *at, struct un_mat dy,
                               struct un_mat x) {
    p->ops->gemm(p->q, un_pass_grad(p, at->weight, at->out, at->in), dy, true, x, false, 0, NULL);
}

void un_linear_bwd(const struct un_pass *p, struct un_mat dx, const struct un_linear *at, struct un_mat dy,
                   float beta) {
    p->ops->gemm(p->q, dx, dy, false, un_pass_weight(p, at->weight, at->out, at->in, dy.type), false, beta,
                 NULL);
}

enum un_status un_norm_add(struct un_params *params, struct un_norm *at, const char *name, int64_t width) {
    at->width = width;
    UN_TRY(add_part(params, name, "weight", width, 0, UN_INIT_ONE, &at->gamma));
    return add_part(params, name, "bias", width, 0, UN_INIT_ZERO, &at->beta);
}

void un_norm_carve(struct un_norm_kept *kept, struct un_arena *arena, enum un_type act, int64_t rows,
                   int64_t width) {
    kept->r = un_take(arena, act, rows * width);
    kept->mean = un_take_floats(arena, rows);
    kept->rstd = un_take_floats(arena, rows);
}

void un_norm_fwd(const struct un_pass *p, struct un_mat y, const struct un_norm_kept *kept,
                 const struct un_norm *at, struct un_mat x, struct un_mat residual,
                 const struct un_dropout *drop) {
    p->ops->norm_fwd(p->q, y, un_pass_mat(p, kept->r, x.rows, at->width), kept->mean, kept->rstd, x, residual,
                     p->params + at->gamma, p->params + at->beta, drop);
}

void un_norm_bwd(const struct un_pass *p, struct un_mat dr, struct un_mat dx, const struct un_norm *at,
                 struct un_mat dy, const struct un_norm_kept *kept, const struct un_dropout *drop,
                 float *dbias) {
    p->ops->norm_bwd(p->q, dr, dx, p->grads + at->gamma, p->grads + at->beta, dbias, dy,
                     un_pass_mat(p, kept->r, dy.rows, at->width), kept->mean, kept->rstd,
                     p->params + at->gamma, drop);
}
