/* The table of heads, their parameters and scratch; see heads.h. */
#include "model/net/heads.h"

static un_head *const table[UN_OBJECTIVE_COUNT] = {
#define UN_HEAD_ROW(upper, lower, head) [UN_##upper] = un_head_##head,
    UN_OBJECTIVES(UN_HEAD_ROW)
#undef UN_HEAD_ROW
};

enum un_status un_heads_add(struct un_params *params, struct un_heads_at *at,
                            const struct un_inputs_at *inputs, const struct un_dims *dims) {
    int64_t h = dims->hidden_size, v = dims->vocab_size;
    UN_TRY(un_linear_add(params, &at->pooler, "uniter.pooler.dense", h, h));
    at->vocabulary = (struct un_linear){.weight = inputs->word, .out = v, .in = h};
    UN_TRY(un_pass_add(params, "cls.predictions.bias", v, 0, UN_INIT_ZERO, &at->vocabulary.bias));
    UN_TRY(un_trunk_add(params, &at->words, "cls.predictions.transform.dense",
                        "cls.predictions.transform.LayerNorm", h));
    at->image_weight = inputs->image.weight;
    UN_TRY(un_pass_add(params, "feat_regress.bias", dims->img_dim, 0, UN_INIT_ZERO, &at->regress_bias));
    UN_TRY(un_trunk_add(params, &at->regress, "feat_regress.net.0", "feat_regress.net.2", h));
    UN_TRY(un_trunk_add(params, &at->classify, "region_classifier.net.0", "region_classifier.net.2", h));
    UN_TRY(un_linear_add(params, &at->classes, "region_classifier.net.3", dims->img_label_dim, h));
    return un_linear_add(params, &at->pair, "itm_output", 2, h);
}

void un_heads_carve(struct un_heads_work *work, struct un_arena *arena, enum un_type act,
                    const struct un_dims *dims, const struct un_batch_caps *caps) {
    int64_t h = dims->hidden_size;
    un_trunk_carve(&work->trunk, arena, act, dims, caps);
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
