/* The whole network, see network.h. Parameters stand in the order of the forward - embeddings, layers, heads - so the backward
 * finishes them from the end of the buffer. Activations are one block of device memory, measured with an arena, then carved. */
#include "model/net/network.h"

#include "model/net/encoder.h"
#include "model/net/private.h"
#include "model/net/reach.h"
#include "model/net/task.h"

static void places_free(struct un_places *at) {
    un_free(at->blocks);
    un_free(at->layer_begin);
}

static enum un_status places_alloc(struct un_places *at, int64_t layers) {
    at->blocks = un_alloc((size_t)layers, sizeof *at->blocks, "places of the layers");
    at->layer_begin = un_alloc((size_t)layers + 1, sizeof *at->layer_begin, "places of the layers");
    return at->blocks && at->layer_begin ? UN_OK : un_error_get()->status;
}

static enum un_status build(struct un_params *params, struct un_places *at, struct un_heads *heads,
                            const struct un_dims *dims) {
    UN_TRY(un_inputs_add(params, &at->inputs, dims));
    for (int64_t l = 0; l < dims->num_hidden_layers; ++l) {
        at->layer_begin[l] = params->total;
        UN_TRY(un_block_add(params, &at->blocks[l], dims, l));
    }
    at->layer_begin[dims->num_hidden_layers] = params->total;
    UN_TRY(un_heads_add(params, heads, &at->inputs, dims));
    un_reach_mark(params, dims);
    return UN_OK;
}

enum un_status un_model_params_build(struct un_params *params, const struct un_dims *dims) {
    struct un_places at = {0};
    struct un_heads heads = {0};
    *params = (struct un_params){0};
    enum un_status status;
    UN_TRY_GOTO(un_model_sizes(dims), done);
    UN_TRY_GOTO(places_alloc(&at, dims->num_hidden_layers), done);
    status = build(params, &at, &heads, dims);
done:
    un_heads_free(&heads);
    places_free(&at);
    if (status != UN_OK) un_params_free(params);
    return status;
}

const struct un_params *un_model_params(const struct un_model *model) {
    return &model->params;
}

void un_model_first(const struct un_model *m, int64_t *begin, int64_t *end) {
    *begin = m->at.inputs.type;
    *end = m->at.layer_begin[0];
}

/* ---- activations ---- */

static void carve_outputs(struct un_outputs *out, struct un_arena *arena, const struct un_batch_caps *caps) {
    for (int t = 0; t < UN_OBJECTIVE_COUNT; ++t) {
        int64_t rows = un_batch_row_cap(caps, (enum un_objective)t);
        out->row_loss[t] = un_take_floats(arena, rows);
        out->hit[t] = un_objectives[t].hits ? un_take_floats(arena, rows) : NULL;
    }
    out->distance = un_take_floats(arena, caps->samples);
    out->plan = un_take_floats(arena, caps->plan);
}

/* blocks[l].y is the input of layer l + 1. Without a backward all layers work in the same buffers: a layer
 * reads its input for the last time before it writes its output. */
static void carve(struct un_model *m, struct un_arena *arena) {
    const struct un_dims *dims = &m->setup.dims;
    const struct un_batch_caps *caps = &m->setup.caps;
    enum un_type act = m->setup.act;
    un_inputs_carve(&m->inputs, arena, act, dims, caps);
    for (int64_t l = 0; l < dims->num_hidden_layers; ++l) {
        if (l == 0 || m->setup.train)
            un_block_carve(&m->blocks[l], arena, act, dims, caps->tokens);
        else
            m->blocks[l] = m->blocks[0];
    }
    un_heads_carve(&m->heads, arena, act, dims, caps,
                   act == UN_F32 || m->setup.host ? UN_TRUNK_CHUNK : UN_TRUNK_CHUNK_LOW,
                   un_branches_wanted(&m->setup));
    carve_outputs(&m->out, arena, caps);
    if (!m->setup.train) return;
    un_block_carve_work(&m->block_work, arena, act, dims, caps->tokens);
    if (m->setup.fp8) un_fp8_carve(&m->fp8, arena, dims, caps->tokens);
    m->dx = un_take(arena, act, caps->tokens * dims->hidden_size);
}

enum un_status un_model_bytes(const struct un_model_setup *setup, size_t *bytes) {
    UN_TRY(un_model_sizes(&setup->dims));
    struct un_model measured = {.setup = *setup};
    struct un_arena arena = {.name = "activations"};
    measured.blocks = un_alloc((size_t)setup->dims.num_hidden_layers, sizeof *measured.blocks, "layers");
    if (!measured.blocks) return un_error_get()->status;
    carve(&measured, &arena);
    un_free(measured.blocks);
    *bytes = arena.used;
    return UN_OK;
}

static enum un_status take_memory(struct un_model *m) {
    size_t bytes;
    m->blocks = un_alloc((size_t)m->setup.dims.num_hidden_layers, sizeof *m->blocks, "layers");
    if (!m->blocks) return un_error_get()->status;
    UN_TRY(un_model_bytes(&m->setup, &bytes));
    m->memory = m->device->mem->alloc(m->device, bytes, "activations of the network");
    if (!m->memory) return un_error_get()->status;
    struct un_arena arena = {.name = "activations", .base = m->memory, .size = bytes};
    carve(m, &arena);
    if (m->setup.fp8)
        m->fp8_host = m->device->mem->host_alloc(m->device, 2 * sizeof(float) * (size_t)m->fp8.tensors,
                                                 "scales of fp8");
    return m->fp8_host || !m->setup.fp8 ? UN_OK : un_error_get()->status;
}

static enum un_status check_setup(const struct un_model_setup *s) {
    UN_TRY(un_model_sizes(&s->dims));
    if (s->act != UN_F32 && s->act != UN_BF16)
        return un_fail(UN_INTERNAL, "model: activations of type %d, want f32 or bf16", (int)s->act);
    if (s->fp8 && (!s->train || s->act != UN_BF16))
        return un_fail(UN_INTERNAL, "model: fp8 is for a training whose activations are bf16");
    if (s->caps.img_dim != s->dims.img_dim || s->caps.img_label_dim != s->dims.img_label_dim)
        return un_fail(UN_INTERNAL,
                       "model: micro-batches of img_dim %lld, img_label_dim %lld for a network of %lld, %lld",
                       (long long)s->caps.img_dim, (long long)s->caps.img_label_dim,
                       (long long)s->dims.img_dim, (long long)s->dims.img_label_dim);
    return UN_OK;
}

enum un_status un_model_open(struct un_model **model, struct un_device *device,
                             const struct un_model_setup *setup) {
    *model = NULL;
    UN_TRY(check_setup(setup));
    struct un_model *m = un_alloc(1, sizeof *m, "model");
    if (!m) return un_error_get()->status;
    m->device = device;
    m->setup = *setup;
    m->setup.host = device->host_readable;
    enum un_status status;
    UN_TRY_GOTO(places_alloc(&m->at, setup->dims.num_hidden_layers), failed);
    UN_TRY_GOTO(build(&m->params, &m->at, &m->heads, &setup->dims), failed);
    UN_TRY_GOTO(take_memory(m), failed);
    UN_TRY_GOTO(un_branches_open(&m->branches, device, &m->setup, m->params.total), failed);
    m->heads.wra = setup->wra;
    m->heads.margin = (float)setup->margin;
    *model = m;
    return UN_OK;
failed:
    un_model_close(m);
    return status;
}

void un_model_close(struct un_model *m) {
    if (!m) return;
    un_branches_close(&m->branches, m->device);
    if (m->memory) m->device->mem->free(m->device, m->memory);
    if (m->debug_memory) m->device->mem->free(m->device, m->debug_memory);
    if (m->kept_memory) m->device->mem->free(m->device, m->kept_memory);
    if (m->fp8_host) m->device->mem->host_free(m->device, m->fp8_host);
    un_free(m->blocks);
    un_heads_free(&m->heads);
    places_free(&m->at);
    un_params_free(&m->params);
    un_free(m);
}

static void carve_debug(struct un_outputs *out, struct un_arena *arena, const struct un_model_setup *s) {
    for (int t = 0; t < UN_OBJECTIVE_COUNT; ++t) {
        enum un_objective objective = (enum un_objective)t;
        int64_t units = un_dims_units(&s->dims, objective);
        out->unit[t] = units <= 1 || un_objectives[t].task
                           ? out->row_loss[t]
                           : un_take_floats(arena, un_batch_row_cap(&s->caps, objective) * units);
    }
    out->scores.data = un_take_floats(arena, s->caps.samples * 2);
}

enum un_status un_model_debug(struct un_model *m) {
    if (m->debug_memory) return UN_OK;
    struct un_arena arena = {.name = "unit losses"};
    struct un_outputs measured = m->out;
    carve_debug(&measured, &arena, &m->setup);
    m->debug_memory = m->device->mem->alloc(m->device, arena.used, "unit losses");
    if (!m->debug_memory) return un_error_get()->status;
    arena = (struct un_arena){.name = "unit losses", .base = m->debug_memory, .size = arena.used};
    carve_debug(&m->out, &arena, &m->setup);
    return UN_OK;
}

static void carve_kept(struct un_outputs *out, struct un_arena *arena, const struct un_model_setup *s,
                       int64_t rows) {
    const int64_t words = un_trunk_stride(s->act, s->dims.vocab_size);
    const int64_t classes = un_trunk_stride(s->act, s->dims.img_label_dim);
    out->score[UN_MLM] =
        (struct un_mat){un_take_floats(arena, rows * words), UN_F32, rows, s->dims.vocab_size, words};
    out->score[UN_MRC] =
        (struct un_mat){un_take_floats(arena, rows * classes), UN_F32, rows, s->dims.img_label_dim, classes};
    out->cost = un_take_floats(arena, s->caps.plan);
}

enum un_status un_model_keep(struct un_model *m, int64_t rows) {
    struct un_arena arena = {.name = "scores that are kept"};
    struct un_outputs measured = m->out;
    UN_ASSERT(!m->kept_memory && rows > 0);
    carve_kept(&measured, &arena, &m->setup, rows);
    m->kept_memory = m->device->mem->alloc(m->device, arena.used, "scores that are kept");
    if (!m->kept_memory) return un_error_get()->status;
    arena = (struct un_arena){.name = "scores that are kept", .base = m->kept_memory, .size = arena.used};
    carve_kept(&m->out, &arena, &m->setup, rows);
    return UN_OK;
}

/* ---- a pass ---- */

static enum un_status check_count(const char *what, int64_t count, int64_t cap) {
    if (count >= 0 && count <= cap) return UN_OK;
    return un_fail(UN_INTERNAL, "model: micro-batch of %lld %s, sized for %lld", (long long)count, what,
                   (long long)cap);
}

static enum un_status check_rows(const struct un_model *m, const struct un_batch *b, enum un_objective t) {
    const struct un_batch_caps *caps = &m->setup.caps;
    UN_TRY(check_count(un_objective_names[t], b->rows[t].n, un_batch_row_cap(caps, t)));
    if (b->rows[t].n > 0 && !(m->heads.set & un_objective_bit(t)))
        return un_fail(UN_INTERNAL, "model: a micro-batch with rows of %s, whose head the network lacks",
                       un_objective_names[t]);
    if (m->out.score[t].data) UN_TRY(check_count("rows to be kept", b->rows[t].n, m->out.score[t].rows));
    return un_objectives[t].task ? check_count("members", b->rows[t].members, un_batch_member_cap(caps, t))
                                 : UN_OK;
}

static enum un_status check_batch(const struct un_model *m, const struct un_batch *b, bool backward) {
    const struct un_batch_caps *caps = &m->setup.caps;
    UN_TRY(check_count("tokens", b->tokens, caps->tokens));
    UN_TRY(check_count("samples", b->samples, caps->samples));
    UN_TRY(check_count("words", b->words, caps->words));
    UN_TRY(check_count("regions", b->regions, caps->regions));
    UN_TRY(check_count("tokens in one sample", b->longest, UN_MAX_SAMPLE_TOKENS));
    for (int t = 0; t < UN_OBJECTIVE_COUNT; ++t) UN_TRY(check_rows(m, b, (enum un_objective)t));
    if (backward && !m->setup.train)
        return un_fail(UN_INTERNAL, "model: a backward, but the model was opened for the forward only");
    return UN_OK;
}

static struct un_mat hidden(const struct un_model *m, int64_t layer, int64_t tokens) {
    return un_mat(layer < 0 ? m->inputs.x : m->blocks[layer].y, m->setup.act, tokens,
                  m->setup.dims.hidden_size);
}

/* Up to the last hidden states; the heads, which follow, are asked for as well. */
static enum un_status forward(const struct un_model *m, const struct un_encoder *e) {
    const struct un_pass_hooks *hooks = e->hooks;
    if (hooks->need) hooks->need(hooks->context, m->at.inputs.type, e->begin[0]);
    un_inputs_fwd_regions(e->p, &m->inputs, &m->at.inputs);
    if (hooks->need) hooks->need(hooks->context, 0, m->at.inputs.type);
    un_inputs_fwd_words(e->p, &m->inputs, &m->at.inputs);
    UN_TRY(un_encoder_run(e, false));
    if (hooks->need) hooks->need(hooks->context, e->begin[e->layers], m->params.total);
    return UN_OK;
}

/* From the gradient of the last hidden states down to the embeddings. */
static enum un_status backward(const struct un_model *m, const struct un_encoder *e) {
    const struct un_pass_hooks *hooks = e->hooks;
    if (hooks->ready) hooks->ready(hooks->context, e->begin[e->layers], m->params.total);
    UN_TRY(un_encoder_run(e, true));
    un_inputs_bwd_words(e->p, &m->inputs, &m->at.inputs, e->d);
    if (hooks->ready) hooks->ready(hooks->context, 0, m->at.inputs.type);
    un_inputs_bwd_regions(e->p, &m->inputs, &m->at.inputs, e->d);
    if (hooks->ready) hooks->ready(hooks->context, m->at.inputs.type, e->begin[0]);
    return UN_OK;
}

static struct un_encoder encoder_of(const struct un_model *m, const struct un_pass *p,
                                    const struct un_pass_hooks *hooks) {
    const struct un_mat x = hidden(m, -1, p->batch->tokens);
    return (struct un_encoder){.p = p,
                               .hooks = hooks,
                               .layers = m->setup.dims.num_hidden_layers,
                               .begin = m->at.layer_begin,
                               .at = m->at.blocks,
                               .kept = m->blocks,
                               .work = &m->block_work,
                               .x = x,
                               .d = un_mat(m->dx, x.type, x.rows, x.cols)};
}

void un_model_score_cols(const struct un_model *m, int64_t cols[UN_OBJECTIVE_COUNT]) {
    static const struct un_batch none = {0};
    for (int t = 0; t < UN_OBJECTIVE_COUNT; ++t) {
        enum un_objective task = (enum un_objective)t;
        bool scored = un_objectives[t].task && (m->heads.set & un_objective_bit(task));
        cols[t] = scored ? un_task_scores(&none, &m->setup.dims, m->setup.act, &m->heads, task).stride : 0;
    }
}

static void give_outputs(const struct un_model *m, struct un_outputs *out, const struct un_batch *batch) {
    *out = m->out;
    out->hidden = hidden(m, m->setup.dims.num_hidden_layers - 1, batch->tokens);
    out->pooled = un_task_pooled(batch, &m->setup.dims, m->setup.act, &m->heads);
    if (!m->debug_memory) out->pooled.data = NULL;
    out->scores = un_mat32(m->out.scores.data, batch->rows[UN_ITM].n, 2);
    for (int t = 0; t < UN_OBJECTIVE_COUNT; ++t)
        if (un_objectives[t].task && batch->rows[t].n > 0)
            out->score[t] =
                un_task_scores(batch, &m->setup.dims, m->setup.act, &m->heads, (enum un_objective)t);
}

enum un_status un_model_pass(struct un_model *m, struct un_queue *q, const struct un_batch *batch,
                             const float *params, const void *low, float *grads, bool dropout,
                             struct un_outputs *out, const struct un_pass_hooks *hooks) {
    static const struct un_pass_hooks none = {0};
    if (!hooks) hooks = &none;
    UN_TRY(check_batch(m, batch, grads != NULL));
    struct un_pass p = {.ops = m->device->ops,
                        .q = q,
                        .dims = &m->setup.dims,
                        .batch = batch,
                        .params = params,
                        .low = low,
                        .act = m->setup.act,
                        .fp8 = grads && m->setup.fp8 ? &m->fp8 : NULL,
                        .grads = grads,
                        .seed = m->setup.seed,
                        .drop_prob = dropout ? m->setup.dims.dropout : 0};
    const struct un_encoder e = encoder_of(m, &p, hooks);
    give_outputs(m, out, batch);
    const struct un_device_ops *mem = m->device->mem;
    if (grads) un_block_zero_grads(&p, m->at.blocks, m->setup.dims.num_hidden_layers, m->params.total);
    mem->range_push("forward");
    enum un_status status = forward(m, &e);
    mem->range_pop();
    UN_TRY(status);
    mem->range_push("heads");
    if (grads) p.ops->zero(q, e.d.data, (size_t)(e.d.rows * e.d.cols * un_type_bytes(e.d.type)));
    un_branches_fork(&m->branches, m->device, q);
    un_heads_run(&p, e.d, out, &m->heads, &m->branches, out->hidden);
    un_branches_join(&m->branches, m->device, q);
    mem->range_pop();
    UN_TRY(un_branches_status(&m->branches, m->device));
    if (!grads) return UN_OK;
    mem->range_push("backward");
    status = backward(m, &e);
    mem->range_pop();
    return status;
}
