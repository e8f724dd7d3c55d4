/* Is a statement about two images true, by two sequences that look at each other (NLVR2, paired-attn): either side
 * attends to the other, is joined with what it saw, and pooled by attention; a linear map on both pooled vectors.
 * The left sequences of all rows stand together, and the right ones, so that every map is one product a side.
 * Source: downstream_torch.PairAttention. */
#include "model/net/task.h"

struct cross_at {
    int64_t weight, bias; /* query, key, value: [3H,H], [3H] */
    struct un_linear out;
};
struct biattention_at {
    struct cross_at look[2]; /* left to right, right to left */
    struct un_linear join;   /* [H,2H] */
    struct un_linear weigh;  /* [1,H] */
    struct un_linear label;  /* [2,2H] */
};

/* One buffer for both sides, the left one first. N tokens of both, n rows. */
enum {
    JOINT = UN_TASK_JOINT, /* [n,2H] pooled left | right */
    CAT,                   /* [N,2H] seen | x */
    QUERY,                 /* [N,H] */
    KEY_VALUE,             /* [N,2H] */
    CONTEXT,               /* [N,H] */
    LSE,                   /* [N,heads] f32 */
    JOINED,                /* [N,H] */
    WEIGHT,                /* [N] f32: scores, */
    SHARE,                 /* [N] f32: and their softmax */
    DCAT,
    DQUERY,
    DKEY_VALUE,
    DCONTEXT,
    DJOINED,
    DWEIGHT,
    DJOINT,
    BUFFERS
};
_Static_assert((int)BUFFERS <= (int)UN_HEAD_BUFFERS, "room for the buffers of this head");

static enum un_status add_cross(struct un_params *params, struct cross_at *at, const char *name, int64_t h) {
    char full[64];
    snprintf(full, sizeof full, "%s.in_proj_weight", name);
    UN_TRY(un_pass_add(params, full, 3 * h, h, UN_INIT_XAVIER, &at->weight));
    params->list[params->n - 1].low = true;
    snprintf(full, sizeof full, "%s.in_proj_bias", name);
    UN_TRY(un_pass_add(params, full, 3 * h, 0, UN_INIT_ZERO, &at->bias));
    params->list[params->n - 1].low = true;
    snprintf(full, sizeof full, "%s.out_proj", name);
    UN_TRY(un_linear_add(params, &at->out, full, h, h));
    un_linear_low(params, true);
    return UN_OK;
}

static enum un_status add(struct un_params *params, void *at, const struct un_inputs_at *inputs,
                          const struct un_dims *dims) {
    (void)inputs;
    struct biattention_at *places = at;
    int64_t h = dims->hidden_size;
    UN_TRY(add_cross(params, &places->look[0], "attn1", h));
    UN_TRY(add_cross(params, &places->look[1], "attn2", h));
    UN_TRY(un_linear_add(params, &places->join, "fc.0", h, 2 * h));
    un_linear_low(params, true);
    UN_TRY(un_linear_add(params, &places->weigh, "attn_pool.fc.0", 1, h));
    return un_linear_add(params, &places->label, "nlvr2_output", 2, 2 * h);
}

static void carve(void *buffer[UN_HEAD_BUFFERS], struct un_arena *arena, enum un_type act,
                  const struct un_dims *dims, const struct un_batch_caps *caps, enum un_objective t) {
    int64_t h = dims->hidden_size, n = un_batch_side_cap(caps), rows = un_batch_row_cap(caps, t);
    un_task_carve(buffer, arena, act, dims, caps, t);
    if (rows == 0) n = 0;
    const struct {
        int which;
        int64_t width;
    } wide[] = {{CAT, 2 * h},  {QUERY, h},  {KEY_VALUE, 2 * h},  {CONTEXT, h},  {JOINED, h},
                {DCAT, 2 * h}, {DQUERY, h}, {DKEY_VALUE, 2 * h}, {DCONTEXT, h}, {DJOINED, h}};
    for (size_t i = 0; i < sizeof wide / sizeof *wide; ++i)
        buffer[wide[i].which] = un_take(arena, act, n * wide[i].width);
    buffer[JOINT] = un_take(arena, act, rows * 2 * h);
    buffer[DJOINT] = un_take(arena, act, rows * 2 * h);
    buffer[LSE] = un_take_floats(arena, n * dims->num_attention_heads);
    buffer[WEIGHT] = un_take_floats(arena, n);
    buffer[SHARE] = un_take_floats(arena, n);
    buffer[DWEIGHT] = un_take_floats(arena, n);
}

/* One pass over one objective: what all steps below are given. */
struct work {
    const struct un_pass *p;
    const struct biattention_at *at;
    void *const *buffer;
    int64_t h, rows;
};

static const struct un_side *side_of(const struct work *w, int s) {
    return &w->p->batch->side[s];
}

/* The rows of side s in a buffer of `width`. */
static struct un_mat part(const struct work *w, int which, int s, int64_t width) {
    int64_t first = s == 0 ? 0 : side_of(w, 0)->tokens, bytes = width * un_type_bytes(w->p->act);
    return un_pass_mat(w->p, (char *)w->buffer[which] + first * bytes, side_of(w, s)->tokens, width);
}

static float *floats(const struct work *w, int which, int s, int64_t width) {
    return (float *)w->buffer[which] + (s == 0 ? 0 : side_of(w, 0)->tokens) * width;
}

static struct un_mat columns(struct un_mat m, int64_t first, int64_t count) {
    m.data = (char *)m.data + first * un_type_bytes(m.type);
    m.cols = count;
    return m;
}

static struct un_layout layout(const struct work *w, int s) {
    const struct un_side *side = side_of(w, s);
    return (struct un_layout){side->start, w->rows, side->tokens, side->longest};
}

/* Query (first 0) or key and value (first H) of a side's own maps: those of the look of the other side read it. */
static struct un_linear in_map(const struct work *w, int look, int64_t first, int64_t count) {
    const struct cross_at *at = &w->at->look[look];
    return (struct un_linear){at->weight + first * w->h, at->bias + first, count, w->h};
}

/* Dropout of this head: sites behind those of all layers. */
enum site { SITE_LOOK, SITE_JOIN = SITE_LOOK + 2, SITE_POOL = SITE_JOIN + 2, SITES = SITE_POOL + 2 };
static struct un_dropout dropout(const struct work *w, enum site site, int s) {
    uint32_t first = un_pass_site(w->p->dims->num_hidden_layers, 0);
    return un_pass_dropout(w->p, first + (uint32_t)site + (uint32_t)s);
}

static void look_fwd(const struct work *w, int s) {
    const struct un_pass *p = w->p;
    struct un_mat cat = part(w, CAT, s, 2 * w->h), context = part(w, CONTEXT, s, w->h);
    struct un_layout own = layout(w, s), other = layout(w, 1 - s);
    struct un_dropout drop = dropout(w, SITE_LOOK, s);
    p->ops->cross_attention_fwd(p->q, context, floats(w, LSE, s, p->dims->num_attention_heads),
                                part(w, QUERY, s, w->h), part(w, KEY_VALUE, 1 - s, 2 * w->h), &own, &other,
                                p->dims->num_attention_heads, &drop);
    un_linear_fwd(p, columns(cat, 0, w->h), &w->at->look[s].out, context, UN_ACT_NONE, un_no_mat());
}

static void project_fwd(const struct work *w, struct un_mat x, int s) {
    const struct un_pass *p = w->p;
    struct un_mat own = columns(part(w, CAT, s, 2 * w->h), w->h, w->h);
    struct un_linear query = in_map(w, s, 0, w->h), key_value = in_map(w, 1 - s, w->h, 2 * w->h);
    p->ops->gather_rows(p->q, own, x, side_of(w, s)->row);
    un_linear_fwd(p, part(w, QUERY, s, w->h), &query, own, UN_ACT_NONE, un_no_mat());
    un_linear_fwd(p, part(w, KEY_VALUE, s, 2 * w->h), &key_value, own, UN_ACT_NONE, un_no_mat());
}

static void pool_fwd(const struct work *w, int s) {
    const struct un_pass *p = w->p;
    struct un_mat joined = part(w, JOINED, s, w->h);
    struct un_mat weight = un_mat32(floats(w, WEIGHT, s, 1), joined.rows, 1);
    struct un_mat pooled = columns(un_pass_mat(p, w->buffer[JOINT], w->rows, 2 * w->h), s * w->h, w->h);
    struct un_dropout join = dropout(w, SITE_JOIN, s), pool = dropout(w, SITE_POOL, s);
    struct un_layout own = layout(w, s);
    un_linear_fwd(p, joined, &w->at->join, part(w, CAT, s, 2 * w->h), UN_ACT_RELU, un_no_mat());
    if (join.threshold) p->ops->dropout(p->q, joined, joined, &join);
    un_linear_fwd(p, weight, &w->at->weigh, joined, UN_ACT_RELU, un_no_mat());
    p->ops->attention_pool_fwd(p->q, pooled, floats(w, SHARE, s, 1), joined, weight.data, &own, &pool);
}

static void pool_bwd(const struct work *w, int s) {
    const struct un_pass *p = w->p;
    struct un_mat joined = part(w, JOINED, s, w->h), d = part(w, DJOINED, s, w->h);
    struct un_mat weight = un_mat32(floats(w, WEIGHT, s, 1), joined.rows, 1);
    struct un_mat dweight = un_mat32(floats(w, DWEIGHT, s, 1), joined.rows, 1);
    struct un_mat dpooled = columns(un_pass_mat(p, w->buffer[DJOINT], w->rows, 2 * w->h), s * w->h, w->h);
    struct un_dropout join = dropout(w, SITE_JOIN, s), pool = dropout(w, SITE_POOL, s);
    struct un_layout own = layout(w, s);
    p->ops->attention_pool_bwd(p->q, d, dweight.data, dpooled, joined, floats(w, SHARE, s, 1), &own, &pool);
    p->ops->relu_bwd(p->q, dweight, NULL, dweight, weight);
    un_linear_grad(p, &w->at->weigh, dweight, joined);
    un_linear_bwd(p, d, &w->at->weigh, dweight, 1);
    if (join.threshold) p->ops->dropout(p->q, d, d, &join);
    p->ops->relu_bwd(p->q, d, p->grads + w->at->join.bias, d, joined);
    un_linear_grad_weight(p, &w->at->join, d, part(w, CAT, s, 2 * w->h));
    un_linear_bwd(p, part(w, DCAT, s, 2 * w->h), &w->at->join, d, 0);
}

static void look_bwd(const struct work *w, int s) {
    const struct un_pass *p = w->p;
    struct un_mat dseen = columns(part(w, DCAT, s, 2 * w->h), 0, w->h);
    struct un_mat context = part(w, CONTEXT, s, w->h), dcontext = part(w, DCONTEXT, s, w->h);
    struct un_layout own = layout(w, s), other = layout(w, 1 - s);
    struct un_dropout drop = dropout(w, SITE_LOOK, s);
    un_linear_grad(p, &w->at->look[s].out, dseen, context);
    un_linear_bwd(p, dcontext, &w->at->look[s].out, dseen, 0);
    p->ops->cross_attention_bwd(p->q, part(w, DQUERY, s, w->h), part(w, DKEY_VALUE, 1 - s, 2 * w->h),
                                dcontext, context, floats(w, LSE, s, p->dims->num_attention_heads),
                                part(w, QUERY, s, w->h), part(w, KEY_VALUE, 1 - s, 2 * w->h), &own, &other,
                                p->dims->num_attention_heads, &drop);
}

static void project_bwd(const struct work *w, struct un_mat dx, int s) {
    const struct un_pass *p = w->p;
    struct un_mat own = columns(part(w, CAT, s, 2 * w->h), w->h, w->h);
    struct un_mat down = columns(part(w, DCAT, s, 2 * w->h), w->h, w->h);
    struct un_mat dquery = part(w, DQUERY, s, w->h), dkey_value = part(w, DKEY_VALUE, s, 2 * w->h);
    struct un_linear query = in_map(w, s, 0, w->h), key_value = in_map(w, 1 - s, w->h, 2 * w->h);
    un_linear_grad(p, &query, dquery, own);
    un_linear_grad(p, &key_value, dkey_value, own);
    un_linear_bwd(p, down, &query, dquery, 1);
    un_linear_bwd(p, down, &key_value, dkey_value, 1);
    p->ops->scatter_add_rows(p->q, dx, down, side_of(w, s)->row);
}

static void backward(const struct work *w, struct un_mat dx, struct un_mat dscores) {
    const struct un_pass *p = w->p;
    struct un_mat joint = un_pass_mat(p, w->buffer[JOINT], w->rows, 2 * w->h);
    un_linear_grad(p, &w->at->label, dscores, joint);
    un_linear_bwd(p, un_pass_mat(p, w->buffer[DJOINT], w->rows, 2 * w->h), &w->at->label, dscores, 0);
    for (int s = 0; s < 2; ++s) pool_bwd(w, s);
    for (int s = 0; s < 2; ++s) look_bwd(w, s);
    for (int s = 0; s < 2; ++s) project_bwd(w, dx, s);
}

static void run(const struct un_pass *p, struct un_mat dx, const struct un_outputs *out,
                const struct un_heads *heads, struct un_mat x, enum un_objective t, struct un_chunk chunk) {
    (void)chunk; /* all rows */
    const struct un_rows *rows = &p->batch->rows[t];
    const struct work w = {
        .p = p, .at = heads->at[t], .buffer = heads->buffer[t], .h = p->dims->hidden_size, .rows = rows->n};
    struct un_mat scores = un_task_scores(p->batch, p->dims, p->act, heads, t);
    struct un_mat dscores = un_task_dscores(p, heads, t, UN_F32);
    for (int s = 0; s < 2; ++s) project_fwd(&w, x, s);
    for (int s = 0; s < 2; ++s) look_fwd(&w, s);
    for (int s = 0; s < 2; ++s) pool_fwd(&w, s);
    un_linear_fwd(p, scores, &w.at->label, un_pass_mat(p, w.buffer[JOINT], rows->n, 2 * w.h), UN_ACT_NONE,
                  un_no_mat());
    p->ops->cross_entropy(p->q, out->row_loss[t], out->hit[t], dscores, scores, rows->target,
                          p->batch->scale + t);
    if (p->grads) backward(&w, dx, dscores);
}

const struct un_head un_head_biattention = {
    .at_bytes = sizeof(struct biattention_at), .add = add, .carve = carve, .run = run};
