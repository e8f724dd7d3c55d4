/* Micro-batches on their way to the device (send.h). Law: block s is written by the copy queue after used[s],
 * except for the factors, and read by the job's queue after copied[s]. The store belongs to the job's queue
 * alone, so an image may be called resident as soon as the work that puts it there is queued. */
#include "launch/traffic/send.h"

#include "launch/job/job.h"

size_t un_send_bytes(const struct un_batch_caps *caps) {
    return UN_SEND_BLOCKS * un_batch_block_bytes(caps);
}

enum un_status un_send_open(struct un_job *job) {
    struct un_sender *s = &job->sender;
    struct un_device *d = job->device;
    struct un_limits limits = {0}; /* it only copies */
    if (d->host_readable) return UN_OK;
    UN_TRY(d->mem->queue_open(d, &limits, &s->queue));
    for (int i = 0; i < UN_SEND_BLOCKS; ++i) {
        UN_TRY(d->mem->event_open(d, &s->copied[i]));
        UN_TRY(d->mem->event_open(d, &s->used[i]));
        s->block[i] = d->mem->alloc(d, un_batch_block_bytes(&job->caps), "micro-batch");
        if (!s->block[i]) return un_error_get()->status;
    }
    return UN_OK;
}

static size_t store_bytes(const struct un_job *job) {
    return (size_t)(job->caps.store_rows * job->caps.img_dim) * (size_t)un_type_bytes(job->caps.feature_type);
}

enum un_status un_send_open_store(struct un_job *job) {
    struct un_sender *s = &job->sender;
    if (job->caps.store_rows == 0) return UN_OK;
    s->store = job->device->mem->alloc(job->device, store_bytes(job), "features kept on the device");
    if (!s->store && job->config.data.cache == UN_CACHE_AUTO) {
        un_log(UN_LOG_WARN, "data.cache: auto goes on without features on the card: %s",
               un_error_get()->text);
        un_error_clear();
        job->caps.store_rows = 0;
        return UN_OK;
    }
    if (!s->store) return un_error_get()->status;
    return un_resident_open(&s->resident, job->train.sets, job->train.n, job->lane_begin, job->lane_end,
                            job->cache.rows);
}

enum un_status un_send_settle(struct un_job *job) {
    return job->sender.queue ? job->device->mem->queue_wait(job->sender.queue) : UN_OK;
}

void un_send_close(struct un_job *job) {
    struct un_sender *s = &job->sender;
    const struct un_device_ops *mem = job->device->mem;
    for (int i = 0; i < UN_SEND_BLOCKS; ++i) {
        if (s->copied[i]) mem->event_close(s->copied[i]);
        if (s->used[i]) mem->event_close(s->used[i]);
        mem->free(job->device, s->block[i]);
    }
    if (s->queue) mem->queue_close(s->queue);
    mem->free(job->device, s->store);
    un_resident_close(s->resident);
    *s = (struct un_sender){0};
}

static void copy(struct un_job *job, struct un_queue *q, int slot, const struct un_batch *host,
                 enum un_batch_part part) {
    const struct un_sender *s = &job->sender;
    struct un_batch_span span = un_batch_span(part, &s->padded[slot], host, &job->caps);
    if (span.bytes > 0)
        job->device->mem->copy_in(q, (char *)s->block[slot] + span.begin,
                                  (const char *)host->block + span.begin, span.bytes);
}

static void start(struct un_job *job, int slot, const struct un_batch *host) {
    struct un_sender *s = &job->sender;
    const struct un_device_ops *mem = job->device->mem;
    if (job->device->any_shape)
        s->padded[slot] = *host;
    else
        un_batch_fill(&s->padded[slot], host, &job->caps);
    mem->queue_wait_event(s->queue, s->used[slot]);
    copy(job, s->queue, slot, host, UN_SPAN_LISTS);
    copy(job, s->queue, slot, host, UN_SPAN_FEATURES);
    copy(job, s->queue, slot, host, UN_SPAN_LABELS);
    mem->event_record(s->copied[slot], s->queue);
}

void un_send_ahead(struct un_job *job, const struct un_batch *host) {
    struct un_sender *s = &job->sender;
    if (!s->queue) return;
    UN_ASSERT(!s->ahead);
    s->ahead = host;
    s->slot ^= 1;
    start(job, s->slot, host);
}

/* Sends `host` now, into the block that is not waiting to be taken. */
static int start_now(struct un_job *job, const struct un_batch *host) {
    struct un_sender *s = &job->sender;
    int slot = s->slot ^ 1;
    if (!s->ahead) s->slot = slot;
    start(job, slot, host);
    return slot;
}

/* Rows of features as they are moved: in words of 4 bytes where that goes. */
static struct un_mat words(void *data, const struct un_job *job, int64_t rows) {
    int64_t f = job->caps.img_dim;
    if (job->caps.feature_type == UN_F32) return un_mat(data, UN_F32, rows, f);
    return f % 2 == 0 ? un_mat(data, UN_F32, rows, f / 2) : un_mat(data, UN_BF16, rows, f);
}

/* What is new goes to its place in the store; from then on later micro-batches do without. */
static void put_fresh(struct un_job *job, const struct un_batch *host, struct un_batch *out) {
    struct un_sender *s = &job->sender;
    if (!host->feature_row) return;
    out->store = s->store;
    out->store_rows = job->caps.store_rows;
    if (host->fresh > 0)
        job->device->ops->scatter_rows(job->queue, words(s->store, job, out->store_rows),
                                       words(out->feature, job, host->fresh), out->fresh_row);
    for (int64_t i = 0; i < host->stored.n; ++i) un_resident_add(s->resident, host->stored.image[i]);
}

void un_send_take(struct un_job *job, const struct un_batch *host, struct un_batch *out) {
    struct un_sender *s = &job->sender;
    *out = *host;
    if (!s->queue) return;
    int slot = s->slot;
    if (s->ahead == host)
        s->ahead = NULL;
    else
        slot = start_now(job, host);
    job->device->mem->queue_wait_event(job->queue, s->copied[slot]);
    copy(job, job->queue, slot, host, UN_SPAN_FACTORS);
    un_batch_rebase(out, &s->padded[slot], s->block[slot]);
    put_fresh(job, host, out);
}

void un_send_used(struct un_job *job, const struct un_batch *taken) {
    struct un_sender *s = &job->sender;
    for (int i = 0; s->queue && i < UN_SEND_BLOCKS; ++i)
        if (taken->block == s->block[i]) job->device->mem->event_record(s->used[i], job->queue);
}
