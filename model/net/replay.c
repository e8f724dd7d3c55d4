/* Passes replayed as graphs (replay.h). */
#include "model/net/replay.h"

#include "runtime/device.h"

#include <string.h>

static struct un_replay_shape shape_of(const struct un_batch *b, const float *grads) {
    struct un_replay_shape s;
    memset(&s, 0, sizeof s); /* compared as bytes */
    s.block = b->block;
    s.grads = grads;
    s.tokens = b->tokens;
    s.samples = b->samples;
    s.words = b->words;
    s.regions = b->regions;
    s.longest = b->longest;
    s.masked = b->masked_count;
    s.by_word = b->by_word.count;
    s.by_position = b->by_position.count;
    s.longest_words = b->longest_words;
    s.longest_regions = b->longest_regions;
    for (int t = 0; t < UN_OBJECTIVE_COUNT; ++t) s.rows[t] = b->rows[t].n;
    return s;
}

/* The entry of a shape, or of a new one in the place of that unused for longest; *seen: it was there. */
static int entry_of(struct un_replay *r, struct un_device *d, const struct un_replay_shape *shape,
                    bool *seen) {
    int oldest = 0;
    *seen = true;
    for (int i = 0; i < r->n; ++i) {
        if (memcmp(&r->entries[i].shape, shape, sizeof *shape) == 0) return i;
        if (r->entries[i].used < r->entries[oldest].used) oldest = i;
    }
    int at = r->n < UN_REPLAY_SHAPES ? r->n++ : oldest;
    if (r->entries[at].graph) d->mem->graph_close(r->entries[at].graph);
    r->entries[at].graph = NULL;
    r->entries[at].shape = *shape;
    *seen = false;
    return at;
}

static enum un_status plain(struct un_model *model, struct un_device *d, struct un_queue *q,
                            const struct un_batch *batch, const float *params, const void *low, float *grads,
                            struct un_outputs *out) {
    d->ops->zero(q, grads, (size_t)un_model_params(model)->total * sizeof *grads);
    return un_model_pass(model, q, batch, params, low, grads, true, out, NULL);
}

enum un_status un_replay_pass(struct un_replay *r, struct un_model *model, struct un_device *d,
                              struct un_queue *q, const struct un_batch *batch, const float *params,
                              const void *low, float *grads, struct un_outputs *out) {
    const struct un_replay_shape shape = shape_of(batch, grads);
    bool seen;
    int at = entry_of(r, d, &shape, &seen);
    r->entries[at].used = ++r->passes;
    if (!seen) return plain(model, d, q, batch, params, low, grads, out);
    if (!r->entries[at].graph) {
        d->mem->graph_begin(q);
        enum un_status status = plain(model, d, q, batch, params, low, grads, &r->entries[at].out);
        enum un_status ended = d->mem->graph_end(q, &r->entries[at].graph);
        UN_TRY(status);
        UN_TRY(ended);
    } else
        ++r->replayed;
    *out = r->entries[at].out;
    d->mem->graph_launch(q, r->entries[at].graph);
    return UN_OK;
}

void un_replay_close(struct un_replay *r, struct un_device *d) {
    for (int i = 0; i < r->n; ++i)
        if (r->entries[i].graph) d->mem->graph_close(r->entries[i].graph);
    *r = (struct un_replay){0};
}
