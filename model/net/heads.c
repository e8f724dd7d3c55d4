/* The table of heads and the loops over it, see heads.h. */
#include "model/net/heads.h"

#include "runtime/larger.h"

static const struct un_head *const table[UN_OBJECTIVE_COUNT] = {
#define UN_HEAD_ROW(upper, lower, head) [UN_##upper] = &un_head_##head,
    UN_OBJECTIVES(UN_HEAD_ROW)
#undef UN_HEAD_ROW
};

static bool has(un_objective_set set, int t) {
    return set & un_objective_bit((enum un_objective)t);
}

/* The first objective of the set with the head of t: it owns what the head has. t itself when it is in the set. */
static int owner_of(un_objective_set set, int t) {
    int owner = 0;
    while (owner < t && (table[owner] != table[t] || !has(set, owner))) ++owner;
    return owner;
}

/* What no taught objective reaches is left alone: a head by its parameters [first, end of the table). */
static void leave_head(struct un_params *params, int64_t first, un_objective_set taught, int t) {
    if (taught == 0) return;
    for (int other = 0; other < UN_OBJECTIVE_COUNT; ++other)
        if (table[other] == table[t] && has(taught, other)) return;
    for (int64_t i = first; i < params->n; ++i) params->list[i].left = true;
}

static enum un_status add_head(struct un_params *params, struct un_heads *heads,
                               const struct un_inputs_at *inputs, const struct un_dims *dims, int t) {
    int owner = owner_of(heads->set, t);
    if (owner < t) {
        heads->at[t] = heads->at[owner];
        return UN_OK;
    }
    int64_t first = params->n;
    heads->at[t] = un_alloc(1, table[t]->at_bytes, "places of a head");
    if (!heads->at[t]) return un_error_get()->status;
    UN_TRY(table[t]->add(params, heads->at[t], inputs, dims));
    leave_head(params, first, dims->taught, t);
    return UN_OK;
}

enum un_status un_heads_add(struct un_params *params, struct un_heads *heads,
                            const struct un_inputs_at *inputs, const struct un_dims *dims) {
    heads->set = dims->heads ? dims->heads : un_objectives_pretraining();
    UN_TRY(un_pooler_add(params, &heads->pooler, dims));
    for (int t = 0; t < UN_OBJECTIVE_COUNT; ++t)
        if (has(heads->set, t)) UN_TRY(add_head(params, heads, inputs, dims, t));
    return UN_OK;
}

void un_heads_free(struct un_heads *heads) {
    for (int t = 0; t < UN_OBJECTIVE_COUNT; ++t)
        if (has(heads->set, t) && owner_of(heads->set, t) == t) un_free(heads->at[t]);
}

/* One block for the largest mlp. */
static void carve_mlp(struct un_heads *heads, struct un_arena *arena, enum un_type act,
                      const struct un_dims *dims, const struct un_batch_caps *caps) {
    int64_t rows = 0, mid = 0;
    for (int t = 0; t < UN_OBJECTIVE_COUNT; ++t)
        if (has(heads->set, t) && table[t]->mlp) table[t]->mlp(&rows, &mid, dims, caps, (enum un_objective)t);
    if (rows > 0) un_mlp_carve(&heads->mlp, arena, act, rows, mid);
}

/* A head meets chunks of the same rows with one trunk and with two. */
static void carve_trunks(struct un_heads *heads, struct un_arena *arena, enum un_type act,
                         const struct un_dims *dims, const struct un_batch_caps *caps, int64_t chunk,
                         bool apart) {
    const int64_t regions = un_larger(dims->img_dim, dims->img_label_dim), words = dims->vocab_size;
    const int64_t rows = un_larger(caps->words, caps->regions);
    un_trunk_carve(&heads->trunk, arena, act, dims->hidden_size, apart ? caps->words : rows, chunk,
                   apart ? words : un_larger(words, regions));
    heads->region_trunk = heads->trunk;
    if (apart)
        un_trunk_carve(&heads->region_trunk, arena, act, dims->hidden_size, caps->regions, chunk, regions);
}

void un_heads_carve(struct un_heads *heads, struct un_arena *arena, enum un_type act,
                    const struct un_dims *dims, const struct un_batch_caps *caps, int64_t chunk, bool apart) {
    heads->set = dims->heads ? dims->heads : un_objectives_pretraining();
    if (heads->set & un_objectives_pretraining()) carve_trunks(heads, arena, act, dims, caps, chunk, apart);
    un_pooler_carve(&heads->pooler, arena, act, dims, caps);
    carve_mlp(heads, arena, act, dims, caps);
    for (int t = 0; t < UN_OBJECTIVE_COUNT; ++t) {
        if (!has(heads->set, t)) continue;
        int owner = owner_of(heads->set, t);
        if (owner == t && table[t]->carve)
            table[t]->carve(heads->buffer[t], arena, act, dims, caps, (enum un_objective)t);
        for (int i = 0; i < UN_HEAD_BUFFERS; ++i) heads->buffer[t][i] = heads->buffer[owner][i];
    }
}

static void run_head(const struct un_pass *p, struct un_mat dx, const struct un_outputs *out,
                     const struct un_heads *heads, struct un_mat x, enum un_objective t) {
    const int64_t chunk =
        (un_objectives[t].asks == UN_ASKS_REGIONS ? &heads->region_trunk : &heads->trunk)->chunk;
    int64_t n = p->batch->rows[t].n, most = table[t]->in_chunks ? chunk : n;
    for (int64_t first = 0; first < n; first += most) {
        struct un_chunk at = {first, n - first < most ? n - first : most};
        table[t]->run(p, dx, out, heads, x, t, at);
    }
}

void un_heads_run(const struct un_pass *p, struct un_mat dx, const struct un_outputs *out,
                  const struct un_heads *heads, const struct un_branches *branches, struct un_mat x) {
    for (int t = 0; t < UN_OBJECTIVE_COUNT; ++t) {
        struct un_pass own = *p;
        own.q = un_branches_queue(branches, p->q, (enum un_objective)t);
        run_head(&own, dx, out, heads, x, (enum un_objective)t);
    }
}
