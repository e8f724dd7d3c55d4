/* The table of heads, their parameters and scratch, and the trunk that three of them share; see heads.h. */
#include "model/net/heads.h"

static un_head *const table[UN_OBJECTIVE_COUNT] = {
#define UN_HEAD_ROW(upper, lower, head) [UN_##upper] = un_head_##head,
    UN_OBJECTIVES(UN_HEAD_ROW)
#undef UN_HEAD_ROW
};

static enum un_status add_trunk(struct un_params *params, struct un_trunk_at *at, const char *dense,
                                const char *norm, int64_t width) {
    UN_TRY(un_linear_add(params, &at->dense, dense, width, width));
    return un_norm_add(params, &at->norm, norm, width);
}

enum un_status un_heads_add(struct un_params *params, struct un_heads_at *at,
                            const struct un_inputs_at *inputs, const struct un_dims *dims) {
    int64_t h = dims->hidden_size, v = dims->vocab_size;
    UN_TRY(un_linear_add(params, &at->pooler, "uniter.pooler.dense", h, h));
    at->vocabulary = (struct un_linear){.weight = inputs->word, .out = v, .in = h};
    UN_TRY(un_pass_add(params, "cls.predictions.bias", v, 0, UN_INIT_ZERO, &at->vocabulary.bias));
    UN_TRY(add_trunk(params, &at->words, "cls.predictions.transform.dense",
                     "cls.predictions.transform.LayerNorm", h));
    at->image_weight = inputs->image.weight;
    UN_TRY(un_pass_add(params, "feat_regress.bias", dims->img_dim, 0, UN_INIT_ZERO, &at->regress_bias));
    UN_TRY(add_trunk(params, &at->regress, "feat_regress.net.0", "feat_regress.net.2", h));
    UN_TRY(add_trunk(params, &at->classify, "region_classifier.net.0", "region_classifier.net.2", h));
    UN_TRY(un_linear_add(params, &at->classes, "region_classifier.net.3", dims->img_label_dim, h));
    return un_linear_add(params, &at->pair, "itm_output", 2, h);
}

static int64_t larger(int64_t a, int64_t b) {
    return a > b ? a : b;
}

/* Elements from row to row of scores: where their gradient is bf16, rows begin at 16-byte addresses for the
 * products. */
static int64_t score_stride(enum un_type act, int64_t cols) {
    return act == UN_F32 ? cols : (cols + 63) / 64 * 64;
}

struct un_mat un_head_scores(const struct un_pass *p, const struct un_heads_work *work, int64_t rows,
                             int64_t cols) {
    struct un_mat m = un_mat32(work->scores, rows, cols);
    m.stride = score_stride(p->act, cols);
    return m;
}

struct un_mat un_head_dscores(const struct un_pass *p, const struct un_heads_work *work, int64_t rows,
                              int64_t cols) {
    struct un_mat m = un_pass_mat(p, p->grads ? work->dscores : NULL, rows, cols);
    m.stride = score_stride(p->act, cols);
    return m;
}

void un_heads_carve(struct un_heads_work *work, struct un_arena *arena, enum un_type act,
                    const struct un_dims *dims, const struct un_batch_caps *caps) {
    int64_t h = dims->hidden_size, rows = larger(caps->words, caps->regions);
    int64_t widest = larger(dims->vocab_size, larger(dims->img_dim, dims->img_label_dim));
    int64_t most = act == UN_F32 ? UN_HEAD_CHUNK : UN_HEAD_CHUNK_LOW;
    int64_t n = work->chunk = rows < most ? rows : most;
    work->x = un_take(arena, act, n * h);
    work->z = un_take(arena, act, n * h);
    work->y = un_take(arena, act, n * h);
    work->dy = un_take(arena, act, n * h);
    un_norm_carve(&work->norm, arena, act, n, h);
    work->scores = un_take_floats(arena, n * score_stride(act, widest));
    work->dscores = act == UN_F32 ? work->scores : un_take(arena, act, n * score_stride(act, widest));
    work->first = un_take(arena, act, caps->samples * h);
    work->pooled = un_take(arena, act, caps->samples * h);
    work->dpooled = un_take(arena, act, caps->samples * h);
    work->pair_scores = un_take_floats(arena, caps->samples * 2);
    work->cost = un_take_floats(arena, caps->plan);
}

void un_heads_run(const struct un_pass *p, struct un_mat dx, const struct un_outputs *out,
                  const struct un_heads *heads, struct un_mat x) {
    for (int t = 0; t < UN_OBJECTIVE_COUNT; ++t)
        if (p->batch->rows[t].n > 0) table[t](p, dx, out, heads, x, (enum un_objective)t);
}

struct un_mat un_trunk_fwd(const struct un_pass *p, const struct un_heads_work *work,
                           const struct un_trunk_at *at, struct un_mat x, const int32_t *index, int64_t n) {
    int64_t h = at->norm.width;
    struct un_mat rows = un_pass_mat(p, work->x, n, h), gelu = un_pass_mat(p, work->norm.r, n, h),
                  y = un_pass_mat(p, work->y, n, h);
    p->ops->gather_rows(p->q, rows, x, index);
    un_linear_fwd(p, gelu, &at->dense, rows, UN_ACT_GELU, un_pass_mat(p, work->z, n, h));
    un_norm_fwd(p, y, &work->norm, &at->norm, gelu, un_no_mat(), NULL);
    return y;
}

void un_trunk_bwd(const struct un_pass *p, struct un_mat dx, const struct un_heads_work *work,
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
