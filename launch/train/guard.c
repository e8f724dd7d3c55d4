/* When to look for changed bits (guard.h). */
#include "launch/train/guard.h"

#include "launch/job/machine.h"
#include "launch/train/guard_private.h"
#include "runtime/memory.h"

#include <math.h>
#include <string.h>

enum { PIECE_BYTES = 4 << 20, SIDE_MOST = 256 };

/* Other kernels have other last digits, so the products of ranks are only compared where those are one. */
static enum un_status take_probe(struct un_watch *g) {
    const struct un_job *job = g->job;
    const struct un_run_config *c = &job->config;
    bool same = c->train.exact && !c->run.mixed_machines;
    if (!same || job->device->kind != UN_DEVICE_CPU || job->comm->size == 1) return UN_OK;
    g->side = (int64_t)sqrt((double)job->table->total);
    if (g->side > SIDE_MOST) g->side = SIDE_MOST;
    size_t bytes = (size_t)(g->side * g->side) * sizeof(float);
    g->product = job->device->mem->alloc(job->device, bytes, "probe of run.check_every");
    return g->product ? UN_OK : UN_MEMORY;
}

static enum un_status take(struct un_watch *g) {
    struct un_job *job = g->job;
    size_t ranks = (size_t)job->comm->size;
    UN_TRY(take_probe(g));
    g->items = job->exchange.shard.buckets + (g->product != NULL);
    g->mine = un_alloc((size_t)g->items, sizeof *g->mine, "digests of run.check_every");
    g->all = un_alloc((size_t)g->items * ranks, sizeof *g->all, "digests of run.check_every");
    g->hosts = un_alloc(ranks, sizeof *g->hosts, "names of hosts");
    if (!job->device->host_readable) {
        g->piece = job->device->mem->host_alloc(job->device, PIECE_BYTES, "buffer of run.check_every");
        if (!g->piece) return UN_MEMORY;
    }
    return g->mine && g->all && g->hosts ? UN_OK : UN_MEMORY;
}

enum un_status un_guard_open(struct un_watch **guard, struct un_job *job) {
    char host[72] = "";
    *guard = NULL;
    if (job->config.run.check_every == 0) return UN_OK;
    struct un_watch *g = un_alloc(1, sizeof *g, "run.check_every");
    UN_TRY(un_comm_agree(job->comm, g ? UN_OK : UN_MEMORY));
    *g = (struct un_watch){.job = job, .every = job->config.run.check_every, .compared = -1};
    *guard = g;
    UN_TRY(un_comm_agree(job->comm, take(g)));
    un_machine_host(host);
    return job->comm->ops->all_gather(job->comm, g->hosts, host, sizeof host);
}

void un_guard_close(struct un_watch *g) {
    if (!g) return;
    const struct un_device *d = g->job->device;
    if (g->piece) d->mem->host_free(g->job->device, g->piece);
    if (g->product) d->mem->free(g->job->device, g->product);
    un_free(g->mine);
    un_free(g->all);
    un_free(g->hosts);
    un_free(g);
}

static bool due(const struct un_watch *g, int64_t step) {
    return step % g->every == 0;
}

bool un_guard_repeats(const struct un_watch *g, int64_t i) {
    return g && i == 0 && due(g, g->job->step + 1);
}

static void accuse_self(struct un_watch *g, const char *what) {
    char host[65];
    un_machine_host(host);
    un_guard_keep(g, un_fail(UN_INTERNAL,
                             "host %s: in step %lld %s: a bad card or memory? Nothing of this is saved; the "
                             "checkpoints before are good",
                             host, (long long)g->job->step + 1, what));
}

void un_guard_pass(struct un_watch *g, const float *grads, bool again) {
    struct un_digest now = un_guard_digest(g, grads, (size_t)g->job->table->total * sizeof *grads);
    if (again && !un_digest_equal(&now, &g->pass))
        accuse_self(g, "the gradients of a micro-batch that was computed twice are not the same");
    g->pass = now;
}

void un_guard_rest(struct un_watch *g) {
    static const char *const what[UN_REST_COUNT] = {
        "parameters have changed that nobody wrote to",
        "the bf16 copy of the parameters has changed that nobody wrote to",
        "first moments have changed that nobody wrote to",
        "second moments have changed that nobody wrote to"};
    struct un_digest now[UN_REST_COUNT];
    if (!g || !g->armed) return;
    un_guard_look(g, now);
    for (int i = 0; i < UN_REST_COUNT; ++i)
        if (!un_digest_equal(&now[i], &g->rest[i])) accuse_self(g, what[i]);
}

/* What ranks have found by themselves comes to all. */
static enum un_status tell(struct un_watch *g) {
    if (g->trouble != UN_OK) un_error_adopt(&g->message);
    return un_comm_agree(g->job->comm, g->trouble);
}

/* Compared already, and armed: only that nothing has changed since. */
static enum un_status rest_again(struct un_watch *g) {
    un_guard_rest(g);
    return tell(g);
}

enum un_status un_guard_compare(struct un_watch *g) {
    if (!g) return UN_OK;
    if (g->compared == g->job->step) return rest_again(g);
    struct un_comm *comm = g->job->comm;
    UN_TRY(un_exchange_settle(&g->job->exchange));
    un_guard_look(g, g->rest); /* at once: what changes later is seen */
    g->armed = true;
    un_guard_show(g);
    UN_TRY(tell(g));
    UN_TRY(comm->ops->all_gather(comm, g->all, g->mine, (size_t)g->items * sizeof *g->mine));
    UN_TRY(un_comm_alike(comm, un_guard_judge(g)));
    g->compared = g->job->step;
    return UN_OK;
}

enum un_status un_guard_step(struct un_watch *g) {
    if (!g) return UN_OK;
    bool looked = g->armed;
    g->armed = false;
    if (due(g, g->job->step)) return un_guard_compare(g);
    return looked ? tell(g) : UN_OK;
}
