/* Passes and their layers replayed as graphs (replay.h). */
#include "model/net/replay.h"

#include "runtime/device.h"

#include <string.h>

/* What is needed for a pass that is queued. */
struct pass {
    struct un_replay *replay;
    struct un_model *model;
    struct un_device *device;
    struct un_queue *q;
    const struct un_batch *batch;
    const float *params;
    const void *low;
    float *grads;
    struct un_replay_entry *layers; /* of its layers */
};

static struct un_replay_shape shape_of_layers(const struct un_model *model, const struct un_batch *b,
                                              const float *grads) {
    struct un_replay_shape s;
    memset(&s, 0, sizeof s); /* compared as bytes */
    s.block = b->block;
    s.grads = grads;
    s.fp8 = un_model_fp8_active(model);
    s.tokens = b->tokens;
    s.samples = b->samples;
    s.longest = b->longest;
    return s;
}

static struct un_replay_shape shape_of(const struct un_model *model, const struct un_batch *b,
                                       const float *grads) {
    struct un_replay_shape s = shape_of_layers(model, b, grads);
    s.words = b->words;
    s.regions = b->regions;
    s.masked = b->masked_count;
    s.by_word = b->by_word.count;
    s.by_position = b->by_position.count;
    s.longest_words = b->longest_words;
    s.longest_regions = b->longest_regions;
    for (int t = 0; t < UN_OBJECTIVE_COUNT; ++t) s.rows[t] = b->rows[t].n;
    return s;
}

static void close_graphs(struct un_replay_entry *e, struct un_device *d) {
    for (int i = 0; i < 2; ++i)
        if (e->graph[i]) d->mem->graph_close(e->graph[i]);
}

/* The entry of a shape, or of a new one in the place of that unused for longest: plain, then. */
static struct un_replay_entry *entry_of(struct un_replay_table *table, struct un_device *d,
                                        const struct un_replay_shape *shape, uint64_t now) {
    struct un_replay_entry *e = NULL, *oldest = &table->entries[0];
    for (int i = 0; i < table->n && !e; ++i) {
        struct un_replay_entry *one = &table->entries[i];
        if (memcmp(&one->shape, shape, sizeof *shape) == 0) e = one;
        if (one->used < oldest->used) oldest = one;
    }
    if (!e) {
        e = table->n < UN_REPLAY_SHAPES ? &table->entries[table->n++] : oldest;
        close_graphs(e, d);
        *e = (struct un_replay_entry){.plain = true};
        memcpy(&e->shape, shape, sizeof *shape);
    }
    e->used = now;
    return e;
}

static enum un_status queue_pass(const struct pass *p, const struct un_pass_hooks *hooks,
                                 struct un_outputs *out) {
    return un_model_pass(p->model, p->q, p->batch, p->params, p->low, p->grads, true, out, hooks);
}

/* Hook of a pass that is no graph itself (network.h). */
static enum un_status replay_layers(void *context, bool back, void (*work)(const void *arg),
                                    const void *arg) {
    const struct pass *p = context;
    struct un_graph **graph = &p->layers->graph[back];
    if (p->layers->plain) {
        work(arg);
        return UN_OK;
    }
    if (!*graph) {
        p->device->mem->graph_begin(p->q);
        work(arg);
        UN_TRY(p->device->mem->graph_end(p->q, graph));
    } else
        ++p->replay->layered;
    p->device->mem->graph_launch(p->q, *graph);
    return UN_OK;
}

/* A pass that is new: its layers may be known. */
static enum un_status pass_by_layers(struct pass *p, struct un_outputs *out) {
    const struct un_replay_shape shape = shape_of_layers(p->model, p->batch, p->grads);
    const struct un_pass_hooks hooks = {.layers = replay_layers, .context = p};
    p->layers = entry_of(&p->replay->layers, p->device, &shape, p->replay->passes);
    UN_TRY(queue_pass(p, &hooks, out));
    p->layers->plain = false;
    return UN_OK;
}

enum un_status un_replay_pass(struct un_replay *r, struct un_model *model, struct un_device *d,
                              struct un_queue *q, const struct un_batch *batch, const float *params,
                              const void *low, float *grads, struct un_outputs *out) {
    const struct un_replay_shape shape = shape_of(model, batch, grads);
    struct pass p = {r, model, d, q, batch, params, low, grads, NULL};
    struct un_replay_entry *e = entry_of(&r->whole, d, &shape, ++r->passes);
    if (e->plain) {
        UN_TRY(pass_by_layers(&p, out));
        e->plain = false;
        return UN_OK;
    }
    if (!e->graph[0]) {
        d->mem->graph_begin(q);
        enum un_status status = queue_pass(&p, NULL, &e->out);
        enum un_status ended = d->mem->graph_end(q, &e->graph[0]);
        UN_TRY(status);
        UN_TRY(ended);
    } else
        ++r->replayed;
    *out = e->out;
    d->mem->graph_launch(q, e->graph[0]);
    return UN_OK;
}

static void close_table(struct un_replay_table *table, struct un_device *d) {
    for (int i = 0; i < table->n; ++i) close_graphs(&table->entries[i], d);
}

void un_replay_close(struct un_replay *r, struct un_device *d) {
    close_table(&r->whole, d);
    close_table(&r->layers, d);
    *r = (struct un_replay){0};
}
