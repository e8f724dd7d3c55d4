/* One encoder layer, forward and backward, see block.h. The residual adds of the backward are done by matrix
 * products with beta = 1, so the gradient of the residual stream stays in one buffer. */
#include "model/net/block.h"
#include "model/net/fp8.h"

#include <stdio.h>

/* query, key and value as one matrix: the weights follow each other without a gap, so do the biases. */
static enum un_status add_qkv(struct un_params *params, struct un_linear *at, int64_t width, int64_t layer) {
    static const char *const names[3] = {"query", "key", "value"};
    *at = (struct un_linear){.out = 3 * width, .in = width};
    for (int part = 0; part < 6; ++part) {
        bool bias = part >= 3;
        char name[96];
        snprintf(name, sizeof name, "uniter.encoder.layer.%lld.attention.self.%s.%s", (long long)layer,
                 names[part % 3], bias ? "bias" : "weight");
        int64_t index = un_params_add(params, name, width, bias ? 0 : width,
                                      bias ? UN_INIT_ZERO : UN_INIT_NORMAL, part % 3 > 0);
        if (index < 0) return un_error_get()->status;
        params->list[index].low = true;
        if (part == 0) at->weight = params->list[index].offset;
        if (part == 3) at->bias = params->list[index].offset;
    }
    return UN_OK;
}

static const char *part_name(char *name, size_t size, int64_t layer, const char *part) {
    snprintf(name, size, "uniter.encoder.layer.%lld.%s", (long long)layer, part);
    return name;
}

enum un_status un_block_add(struct un_params *params, struct un_block_at *at, const struct un_dims *dims,
                            int64_t layer) {
    int64_t h = dims->hidden_size, i = dims->intermediate_size;
    char name[80];
    UN_TRY(add_qkv(params, &at->qkv, h, layer));
    UN_TRY(un_linear_add(params, &at->dense, part_name(name, sizeof name, layer, "attention.output.dense"), h,
                         h));
    un_linear_low(params, true);
    UN_TRY(un_norm_add(params, &at->attention_norm,
                       part_name(name, sizeof name, layer, "attention.output.LayerNorm"), h));
    UN_TRY(un_linear_add(params, &at->up, part_name(name, sizeof name, layer, "intermediate.dense"), i, h));
    un_linear_low(params, true);
    UN_TRY(un_linear_add(params, &at->down, part_name(name, sizeof name, layer, "output.dense"), h, i));
    un_linear_low(params, true);
    return un_norm_add(params, &at->output_norm, part_name(name, sizeof name, layer, "output.LayerNorm"), h);
}

void un_block_carve(struct un_block_kept *kept, struct un_arena *arena, enum un_type act,
                    const struct un_dims *dims, int64_t tokens) {
    int64_t h = dims->hidden_size, i = dims->intermediate_size;
    kept->qkv = un_take(arena, act, tokens * 3 * h);
    kept->lse = un_take_floats(arena, tokens * dims->num_attention_heads);
    kept->attended = un_take(arena, act, tokens * h);
    un_norm_carve(&kept->attention_norm, arena, act, tokens, h);
    kept->middle = un_take(arena, act, tokens * h);
    kept->z = un_take(arena, act, tokens * i);
    kept->gelu = un_take(arena, act, tokens * i);
    un_norm_carve(&kept->output_norm, arena, act, tokens, h);
    kept->y = un_take(arena, act, tokens * h);
}

void un_block_carve_work(struct un_block_work *work, struct un_arena *arena, enum un_type act,
                         const struct un_dims *dims, int64_t tokens) {
    int64_t h = dims->hidden_size, i = dims->intermediate_size;
    work->dbranch = un_take(arena, act, tokens * h);
    work->dattended = un_take(arena, act, tokens * h);
    work->wide = un_take(arena, act, tokens * (3 * h > i ? 3 * h : i));
}

/* The dense maps write straight into r of the LayerNorm behind them, which adds the residual there in place. */
void un_block_fwd(const struct un_pass *p, const struct un_block_kept *kept, const struct un_block_at *at,
                  struct un_mat x, int64_t layer) {
    int64_t t = x.rows, h = at->dense.out, i = at->up.out;
    struct un_layout layout = un_batch_layout(p->batch);
    struct un_dropout drop_p = un_pass_dropout(p, un_pass_site(layer, UN_SITE_PROBABILITIES));
    struct un_dropout drop_a = un_pass_dropout(p, un_pass_site(layer, UN_SITE_ATTENTION));
    struct un_dropout drop_o = un_pass_dropout(p, un_pass_site(layer, UN_SITE_OUTPUT));
    struct un_mat qkv = un_pass_mat(p, kept->qkv, t, 3 * h), attended = un_pass_mat(p, kept->attended, t, h);
    struct un_mat r1 = un_pass_mat(p, kept->attention_norm.r, t, h),
                  r2 = un_pass_mat(p, kept->output_norm.r, t, h);
    struct un_mat middle = un_pass_mat(p, kept->middle, t, h), gelu = un_pass_mat(p, kept->gelu, t, i);

    un_fp8_linear_fwd(p, qkv, &at->qkv, x, UN_ACT_NONE, un_no_mat(), layer, UN_FP8_QKV);
    un_fp8_attention_fwd(p, attended, kept->lse, qkv, &layout, &drop_p, layer);
    un_fp8_linear_fwd(p, r1, &at->dense, attended, UN_ACT_NONE, un_no_mat(), layer, UN_FP8_DENSE);
    un_fp8_norm_fwd(p, middle, &kept->attention_norm, &at->attention_norm, r1, x, &drop_a, layer, UN_FP8_UP);
    un_fp8_linear_fwd(p, gelu, &at->up, middle, UN_ACT_GELU, un_pass_mat(p, kept->z, t, i), layer, UN_FP8_UP);
    un_fp8_linear_fwd(p, r2, &at->down, gelu, UN_ACT_NONE, un_no_mat(), layer, UN_FP8_DOWN);
    un_fp8_norm_fwd(p, un_pass_mat(p, kept->y, t, h), &kept->output_norm, &at->output_norm, r2, middle,
                    &drop_o, layer + 1, UN_FP8_QKV);
}

/* d: gradient of y -> gradient of middle. */
static void feed_forward_bwd(const struct un_pass *p, struct un_mat d, const struct un_block_work *work,
                             const struct un_block_kept *kept, const struct un_block_at *at, int64_t layer) {
    int64_t t = d.rows, h = at->down.out, i = at->up.out;
    struct un_dropout drop = un_pass_dropout(p, un_pass_site(layer, UN_SITE_OUTPUT));
    struct un_mat dbranch = un_pass_mat(p, work->dbranch, t, h), dz = un_pass_mat(p, work->wide, t, i);
    un_fp8_norm_bwd(p, d, dbranch, &at->output_norm, d, &kept->output_norm, &drop, p->grads + at->down.bias,
                    layer, UN_FP8_DOWN);
    un_linear_put_grad_weight(p, &at->down, dbranch, un_pass_mat(p, kept->gelu, t, i));
    un_fp8_linear_bwd(p, dz, &at->down, dbranch, 0, layer, UN_FP8_DOWN);
    un_fp8_gelu_bwd(p, dz, p->grads + at->up.bias, un_pass_mat(p, kept->z, t, i), layer);
    un_linear_put_grad_weight(p, &at->up, dz, un_pass_mat(p, kept->middle, t, h));
    un_fp8_linear_bwd(p, d, &at->up, dz, 1, layer, UN_FP8_UP);
}

/* d: gradient of middle -> gradient of x. */
static void attention_bwd(const struct un_pass *p, struct un_mat d, const struct un_block_work *work,
                          const struct un_block_kept *kept, const struct un_block_at *at, struct un_mat x,
                          int64_t layer) {
    int64_t t = d.rows, h = at->dense.out;
    struct un_layout layout = un_batch_layout(p->batch);
    struct un_dropout drop_p = un_pass_dropout(p, un_pass_site(layer, UN_SITE_PROBABILITIES));
    struct un_dropout drop_a = un_pass_dropout(p, un_pass_site(layer, UN_SITE_ATTENTION));
    struct un_mat dbranch = un_pass_mat(p, work->dbranch, t, h),
                  dattended = un_pass_mat(p, work->dattended, t, h);
    struct un_mat attended = un_pass_mat(p, kept->attended, t, h),
                  dqkv = un_pass_mat(p, work->wide, t, 3 * h);
    un_fp8_norm_bwd(p, d, dbranch, &at->attention_norm, d, &kept->attention_norm, &drop_a,
                    p->grads + at->dense.bias, layer, UN_FP8_DENSE);
    un_linear_put_grad_weight(p, &at->dense, dbranch, attended);
    un_fp8_linear_bwd(p, dattended, &at->dense, dbranch, 0, layer, UN_FP8_DENSE);
    un_fp8_attention_bwd(p, dqkv, p->grads + at->qkv.bias, dattended, attended, kept->lse,
                         un_pass_mat(p, kept->qkv, t, 3 * h), &layout, &drop_p, layer);
    un_linear_put_grad_weight(p, &at->qkv, dqkv, x);
    un_fp8_linear_bwd(p, d, &at->qkv, dqkv, 1, layer, UN_FP8_QKV);
}

void un_block_bwd(const struct un_pass *p, struct un_mat d, const struct un_block_work *work,
                  const struct un_block_kept *kept, const struct un_block_at *at, struct un_mat x,
                  int64_t layer) {
    feed_forward_bwd(p, d, work, kept, at, layer);
    attention_bwd(p, d, work, kept, at, x, layer);
}

void un_block_zero_grads(const struct un_pass *p, const struct un_block_at *blocks, int64_t layers,
                         int64_t total) {
    int64_t from = 0;
    for (int64_t i = 0; i <= 4 * layers; ++i) {
        const struct un_block_at *at = &blocks[i / 4 < layers ? i / 4 : 0];
        const struct un_linear *const put[4] = {&at->qkv, &at->dense, &at->up, &at->down}, *next = put[i % 4];
        const int64_t to = i < 4 * layers ? next->weight : total;
        if (to > from) p->ops->zero(p->q, p->grads + from, (size_t)(to - from) * sizeof(float));
        from = next->weight + next->out * next->in;
    }
}
