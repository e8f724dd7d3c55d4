/* Linear maps in fp8 (fp8.h). */
#include "model/net/private.h"

void un_fp8_carve(struct un_fp8 *fp8, struct un_arena *arena, const struct un_dims *dims, int64_t tokens) {
    const int64_t h = dims->hidden_size, i = dims->intermediate_size, wide = 3 * h > i ? 3 * h : i;
    fp8->tensors = dims->num_hidden_layers * UN_FP8_LAYER;
    fp8->scale = un_take_floats(arena, 2 * fp8->tensors); /* filled by one copy */
    fp8->unit = fp8->scale ? fp8->scale + fp8->tensors : NULL;
    fp8->amax = un_arena_take(arena, (size_t)fp8->tensors, sizeof *fp8->amax);
    fp8->narrow = un_take(arena, UN_E4M3, tokens * h);
    fp8->wide = un_take(arena, UN_E4M3, tokens * wide);
    fp8->weight = un_take(arena, UN_E4M3, wide * h);
}

/* ---- codes ---- */

/* Does the op that makes the factor write its codes? All but the embeddings, which are scattered. */
static bool made_with_codes(int64_t layer, enum un_fp8_product product, enum un_fp8_role role) {
    return role == UN_FP8_GRADIENT || (role == UN_FP8_INPUT && (product != UN_FP8_QKV || layer > 0));
}

/* Where the codes of a factor stand; data NULL: only its amax is taken. An op that reads codes and writes the next ones
 * finds them in the other buffer. */
static struct un_mat place(const struct un_fp8 *f, struct un_mat factor, int64_t tensor, bool wide) {
    void *to = !f->active ? NULL : wide ? f->wide : f->narrow;
    return un_mat(to, un_fp8_type(tensor), factor.rows, factor.cols);
}
static bool is_wide(enum un_fp8_product product, enum un_fp8_role role) {
    return role == UN_FP8_INPUT ? product == UN_FP8_DOWN : product == UN_FP8_UP || product == UN_FP8_QKV;
}

static struct un_codes codes_of(const struct un_fp8 *f, struct un_mat factor, int64_t layer,
                                enum un_fp8_product product, enum un_fp8_role role) {
    const int64_t tensor = un_fp8_tensor(layer, product, role);
    return (struct un_codes){place(f, factor, tensor, is_wide(product, role)), f->amax + tensor,
                             f->scale + tensor};
}

const struct un_codes *un_fp8_codes(const struct un_pass *p, struct un_codes *room, struct un_mat factor,
                                    int64_t layer, enum un_fp8_product product, enum un_fp8_role role) {
    if (!p->fp8 || layer >= p->dims->num_hidden_layers || !made_with_codes(layer, product, role)) return NULL;
    *room = codes_of(p->fp8, factor, layer, product, role);
    return room;
}

/* The codes of an activation or gradient, made here unless they were made with it. */
static struct un_mat coded(const struct un_pass *p, struct un_mat factor, int64_t layer,
                           enum un_fp8_product product, enum un_fp8_role role) {
    const struct un_codes c = codes_of(p->fp8, factor, layer, product, role);
    if (!made_with_codes(layer, product, role))
        p->ops->quantize(p->q, c.to, un_no_mat(), c.amax, factor, c.scale);
    return c.to;
}

/* ---- ops of a layer ---- */

void un_fp8_linear_fwd(const struct un_pass *p, struct un_mat y, const struct un_linear *at, struct un_mat x,
                       enum un_activation activation, struct un_mat pre, int64_t layer,
                       enum un_fp8_product product) {
    const struct un_fp8 *f = p->fp8;
    if (!f) {
        un_linear_fwd(p, y, at, x, activation, pre);
        return;
    }
    struct un_codes room;
    const int64_t input = un_fp8_tensor(layer, product, UN_FP8_INPUT),
                  weight = un_fp8_tensor(layer, product, UN_FP8_WEIGHT);
    const struct un_mat w = un_pass_weight(p, at->weight, at->out, at->in, x.type),
                        a = coded(p, x, layer, product, UN_FP8_INPUT),
                        b = un_mat(f->active ? f->weight : NULL, UN_E4M3, at->out, at->in);
    p->ops->quantize(p->q, b, un_no_mat(), f->amax + weight, w, f->scale + weight);
    const struct un_epilogue after = {
        .bias = un_pass_weight(p, at->bias, 1, at->out, y.type).data,
        .bias_type = y.type,
        .activation = activation,
        .pre = pre,
        .codes = product == UN_FP8_UP ? un_fp8_codes(p, &room, y, layer, UN_FP8_DOWN, UN_FP8_INPUT) : NULL};
    if (f->active)
        p->ops->gemm_fp8(p->q, y, a, f->unit + input, b, f->unit + weight, 0, &after);
    else
        p->ops->gemm(p->q, y, x, false, w, true, 0, &after);
}

void un_fp8_linear_bwd(const struct un_pass *p, struct un_mat dx, const struct un_linear *at,
                       struct un_mat dy, float beta, int64_t layer, enum un_fp8_product product) {
    const struct un_fp8 *f = p->fp8;
    const int64_t gradient = un_fp8_tensor(layer, product, UN_FP8_GRADIENT),
                  weight = un_fp8_tensor(layer, product, UN_FP8_WEIGHT);
    struct un_mat d = un_no_mat();
    if (f) d = coded(p, dy, layer, product, UN_FP8_GRADIENT);
    if (!f || !f->active) {
        un_linear_bwd(p, dx, at, dy, beta);
        return;
    }
    const struct un_mat turned = un_mat(f->weight, UN_E4M3, at->in, at->out);
    p->ops->quantize(p->q, un_no_mat(), turned, NULL, un_pass_weight(p, at->weight, at->out, at->in, dy.type),
                     f->scale + weight);
    p->ops->gemm_fp8(p->q, dx, d, f->unit + gradient, turned, f->unit + weight, beta, NULL);
}

void un_fp8_norm_fwd(const struct un_pass *p, struct un_mat y, const struct un_norm_kept *kept,
                     const struct un_norm *at, struct un_mat x, struct un_mat residual,
                     const struct un_dropout *drop, int64_t layer, enum un_fp8_product product) {
    struct un_codes room;
    const struct un_codes *codes = un_fp8_codes(p, &room, y, layer, product, UN_FP8_INPUT);
    if (codes)
        p->ops->norm_fwd_fp8(p->q, y, codes, un_pass_mat(p, kept->r, x.rows, at->width), kept->mean,
                             kept->rstd, x, residual, p->params + at->gamma, p->params + at->beta, drop);
    else
        un_norm_fwd(p, y, kept, at, x, residual, drop);
}

void un_fp8_norm_bwd(const struct un_pass *p, struct un_mat dr, struct un_mat dx, const struct un_norm *at,
                     struct un_mat dy, const struct un_norm_kept *kept, const struct un_dropout *drop,
                     float *dbias, int64_t layer, enum un_fp8_product product) {
    struct un_codes room;
    const struct un_codes *codes = un_fp8_codes(p, &room, dx, layer, product, UN_FP8_GRADIENT);
    if (codes)
        p->ops->norm_bwd_fp8(p->q, dr, dx, codes, p->grads + at->gamma, p->grads + at->beta, dbias, dy,
                             un_pass_mat(p, kept->r, dy.rows, at->width), kept->mean, kept->rstd,
                             p->params + at->gamma, drop);
    else
        un_norm_bwd(p, dr, dx, at, dy, kept, drop, dbias);
}

void un_fp8_attention_fwd(const struct un_pass *p, struct un_mat out, float *lse, struct un_mat qkv,
                          const struct un_layout *layout, const struct un_dropout *drop, int64_t layer) {
    struct un_codes room;
    const int64_t heads = p->dims->num_attention_heads;
    const struct un_codes *codes = un_fp8_codes(p, &room, out, layer, UN_FP8_DENSE, UN_FP8_INPUT);
    if (codes)
        p->ops->attention_fwd_fp8(p->q, out, codes, lse, qkv, layout, heads, drop);
    else
        p->ops->attention_fwd(p->q, out, lse, qkv, layout, heads, drop);
}

void un_fp8_attention_bwd(const struct un_pass *p, struct un_mat dqkv, float *dbias, struct un_mat dout,
                          struct un_mat out, const float *lse, struct un_mat qkv,
                          const struct un_layout *layout, const struct un_dropout *drop, int64_t layer) {
    struct un_codes room;
    const int64_t heads = p->dims->num_attention_heads;
    const struct un_codes *codes = un_fp8_codes(p, &room, dqkv, layer, UN_FP8_QKV, UN_FP8_GRADIENT);
    if (codes)
        p->ops->attention_bwd_fp8(p->q, dqkv, codes, dbias, dout, out, lse, qkv, layout, heads, drop);
    else
        p->ops->attention_bwd(p->q, dqkv, dbias, dout, out, lse, qkv, layout, heads, drop);
}

void un_fp8_gelu_bwd(const struct un_pass *p, struct un_mat dz, float *dbias, struct un_mat z,
                     int64_t layer) {
    struct un_codes room;
    const struct un_codes *codes = un_fp8_codes(p, &room, dz, layer, UN_FP8_UP, UN_FP8_GRADIENT);
    if (codes)
        p->ops->gelu_bwd_fp8(p->q, dz, codes, dbias, dz, z);
    else
        p->ops->gelu_bwd(p->q, dz, dbias, dz, z);
}

/* ---- of a network (network.h) ---- */

int64_t un_model_fp8_tensors(const struct un_dims *dims) {
    return dims->num_hidden_layers * UN_FP8_LAYER;
}

bool un_model_fp8_active(const struct un_model *m) {
    return m->fp8.active;
}

void un_model_fp8_begin(struct un_model *m, struct un_queue *q, const float *scale) {
    const int64_t n = m->fp8.tensors;
    UN_ASSERT(m->setup.fp8);
    m->device->ops->zero(q, m->fp8.amax, (size_t)n * sizeof *m->fp8.amax);
    m->fp8.active = scale != NULL;
    for (int64_t t = 0; t < n && scale; ++t) m->fp8_host[t] = scale[t], m->fp8_host[n + t] = 1.0f / scale[t];
    if (scale) m->device->mem->copy_in(q, m->fp8.scale, m->fp8_host, 2 * (size_t)n * sizeof(float));
}

void un_model_fp8_fetch(const struct un_model *m, struct un_queue *q, uint32_t *amax) {
    m->device->mem->copy_out(q, amax, m->fp8.amax, (size_t)m->fp8.tensors * sizeof *amax);
}
