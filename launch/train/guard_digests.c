/* Looking at what a rank holds (guard_private.h). */
#include "launch/train/guard_private.h"

#include <stdio.h>

enum { PIECE = 4 << 20 };

/* The first trouble is kept with its message; the thread's record is free again for the steps' own. */
void un_guard_keep(struct un_watch *g, enum un_status status) {
    if (status == UN_OK) return;
    if (g->trouble == UN_OK) {
        g->trouble = status;
        g->message = *un_error_get();
    }
    un_error_clear();
}

/* The same pieces on any device, so that ranks of different ones can compare. */
struct un_digest un_guard_digest(struct un_watch *g, const void *device, size_t bytes) {
    const struct un_device_ops *mem = g->job->device->mem;
    struct un_digest chain[2] = {0};
    if (!g->piece) un_guard_keep(g, mem->queue_wait(g->job->queue));
    for (size_t at = 0; at < bytes; at += PIECE) {
        size_t n = bytes - at < PIECE ? bytes - at : PIECE;
        const void *from = (const char *)device + at;
        if (g->piece) {
            mem->copy_out(g->job->queue, g->piece, from, n);
            un_guard_keep(g, mem->queue_wait(g->job->queue));
            from = g->piece;
        }
        chain[1] = un_digest_of(from, n);
        chain[0] = un_digest_of(chain, sizeof chain);
    }
    return chain[0];
}

void un_guard_look(struct un_watch *g, struct un_digest rest[UN_REST_COUNT]) {
    const struct un_job *job = g->job;
    size_t all = (size_t)job->table->total, own = (size_t)job->optim.owned;
    rest[UN_REST_PARAMS] = un_guard_digest(g, job->params, all * sizeof(float));
    rest[UN_REST_LOW] = un_guard_digest(g, job->low, job->low ? all * sizeof(uint16_t) : 0);
    rest[UN_REST_FIRST] = un_guard_digest(g, job->optim.m, own * sizeof(float));
    rest[UN_REST_SECOND] = un_guard_digest(g, job->optim.v, own * sizeof(float));
}

/* What a rank computes with of a bucket. In bf16 that is the copy and, of tensors that are read as f32, these values: of
 * the others only owners have them. */
static struct un_digest bucket(struct un_watch *g, struct un_span span) {
    const struct un_job *job = g->job;
    size_t count = (size_t)un_span_count(span);
    if (!job->low) return un_guard_digest(g, job->params + span.begin, count * sizeof(float));
    struct un_digest chain[2] = {
        un_guard_digest(g, (const uint16_t *)job->low + span.begin, count * sizeof(uint16_t))};
    for (int64_t i = 0; i < job->table->n; ++i) {
        const struct un_param *p = &job->table->list[i];
        int64_t begin = p->offset > span.begin ? p->offset : span.begin,
                end = p->offset + p->count < span.end ? p->offset + p->count : span.end;
        if (p->low || begin >= end) continue;
        chain[1] = un_guard_digest(g, job->params + begin, (size_t)(end - begin) * sizeof(float));
        chain[0] = un_digest_of(chain, sizeof chain);
    }
    return chain[0];
}

/* c = a a^T of the first parameters as a square matrix. */
static struct un_digest probe(struct un_watch *g) {
    const struct un_device *d = g->job->device;
    const struct un_job *job = g->job;
    const struct un_mat a =
        job->low ? un_mat(job->low, UN_BF16, g->side, g->side) : un_mat32(job->params, g->side, g->side);
    const struct un_mat c = un_mat32(g->product, g->side, g->side);
    d->ops->gemm(g->job->queue, c, a, false, a, true, 0, NULL);
    return un_guard_digest(g, g->product, (size_t)(g->side * g->side) * sizeof(float));
}

void un_guard_show(struct un_watch *g) {
    const struct un_shard *s = &g->job->exchange.shard;
    for (int64_t b = 0; b < s->buckets; ++b) g->mine[b] = bucket(g, un_shard_bucket(s, b));
    if (g->product) g->mine[s->buckets] = probe(g);
}

/* ---- who is it? ---- */

static const struct un_digest *shown(const struct un_watch *g, int rank, int64_t item) {
    return &g->all[rank * g->items + item];
}

static int supporters(const struct un_watch *g, int rank, int64_t item) {
    int n = 0;
    for (int r = 0; r < g->job->comm->size; ++r)
        n += un_digest_equal(shown(g, r, item), shown(g, rank, item));
    return n;
}

static void name_item(const struct un_watch *g, int64_t item, char text[96]) {
    const struct un_shard *s = &g->job->exchange.shard;
    if (item == s->buckets) {
        snprintf(text, 96, "another product of the same parameters");
        return;
    }
    struct un_span span = un_shard_bucket(s, item);
    snprintf(text, 96, "other parameters (elements %lld .. %lld)", (long long)span.begin,
             (long long)span.end - 1);
}

static enum un_status accuse(const struct un_watch *g, int64_t item, int best, int most) {
    static const char advice[] =
        "a bad card or memory? Nothing of this is saved; the checkpoints before are good";
    int size = g->job->comm->size, odd = 0;
    char what[96];
    name_item(g, item, what);
    while (un_digest_equal(shown(g, odd, item), shown(g, best, item))) ++odd;
    if (2 * most > size)
        return un_fail(UN_INTERNAL, "after update %lld rank %d on host %s has %s than %d of %d ranks: %s",
                       (long long)g->job->step, odd, g->hosts[odd], what, most, size, advice);
    return un_fail(
        UN_INTERNAL,
        "after update %lld rank %d on host %s and rank %d on host %s each have %s than the other; which of "
        "them is right cannot be told: %s",
        (long long)g->job->step, best, g->hosts[best], odd, g->hosts[odd], what, advice);
}

enum un_status un_guard_judge(const struct un_watch *g) {
    for (int64_t item = 0; item < g->items; ++item) {
        int best = 0, most = 0, size = g->job->comm->size;
        if (supporters(g, 0, item) == size) continue;
        for (int r = 0; r < size; ++r) {
            int n = supporters(g, r, item);
            if (n > most) best = r;
            if (n > most) most = n;
        }
        return accuse(g, item, best, most);
    }
    return UN_OK;
}
