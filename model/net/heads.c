/* The table of heads and the loops over it, see heads.h. */
#include "model/net/heads.h"

static const struct un_head *const table[UN_OBJECTIVE_COUNT] = {
#define UN_HEAD_ROW(upper, lower, head) [UN_##upper] = &un_head_##head,
    UN_OBJECTIVES(UN_HEAD_ROW)
#undef UN_HEAD_ROW
};

/* The first objective with the head of t: it owns what the head has. */
static int owner_of(int t) {
    int owner = 0;
    while (table[owner] != table[t]) ++owner;
    return owner;
}

enum un_status un_heads_add(struct un_params *params, struct un_heads *heads,
                            const struct un_inputs_at *inputs, const struct un_dims *dims) {
    UN_TRY(un_pooler_add(params, &heads->pooler, dims));
    for (int t = 0; t < UN_OBJECTIVE_COUNT; ++t) {
        int owner = owner_of(t);
        heads->at[t] = owner < t ? heads->at[owner] : un_alloc(1, table[t]->at_bytes, "places of a head");
        if (!heads->at[t]) return un_error_get()->status;
        if (owner == t) UN_TRY(table[t]->add(params, heads->at[t], inputs, dims));
    }
    return UN_OK;
}

void un_heads_free(struct un_heads *heads) {
    for (int t = 0; t < UN_OBJECTIVE_COUNT; ++t)
        if (owner_of(t) == t) un_free(heads->at[t]);
}

void un_heads_carve(struct un_heads *heads, struct un_arena *arena, enum un_type act,
                    const struct un_dims *dims, const struct un_batch_caps *caps) {
    un_trunk_carve(&heads->trunk, arena, act, dims, caps);
    un_pooler_carve(&heads->pooler, arena, act, dims, caps);
    for (int t = 0; t < UN_OBJECTIVE_COUNT; ++t) {
        int owner = owner_of(t);
        if (owner == t && table[t]->carve) table[t]->carve(heads->buffer[t], arena, act, dims, caps);
        for (int i = 0; i < UN_HEAD_BUFFERS; ++i) heads->buffer[t][i] = heads->buffer[owner][i];
    }
}

static void run_head(const struct un_pass *p, struct un_mat dx, const struct un_outputs *out,
                     const struct un_heads *heads, struct un_mat x, enum un_objective t) {
    int64_t n = p->batch->rows[t].n, most = table[t]->in_chunks ? heads->trunk.chunk : n;
    for (int64_t first = 0; first < n; first += most) {
        struct un_chunk at = {first, n - first < most ? n - first : most};
        table[t]->run(p, dx, out, heads, x, t, at);
    }
}

void un_heads_run(const struct un_pass *p, struct un_mat dx, const struct un_outputs *out,
                  const struct un_heads *heads, struct un_mat x) {
    for (int t = 0; t < UN_OBJECTIVE_COUNT; ++t) run_head(p, dx, out, heads, x, (enum un_objective)t);
}
