/* Micro-batches on their way to the device (send.h). Law: block s is written by the copy queue after
 * used[s], except for the factors, and read by the computation's queue after copied[s]. The store belongs
 * to the computation's queue alone, so an image may be called resident as soon as the work that puts it
 * there is queued. */
#include "launch/traffic/send.h"

size_t un_send_bytes(const struct un_batch_caps *caps) {
    return UN_SEND_BLOCKS * un_batch_block_bytes(caps);
}

enum un_status un_send_open(struct un_sender *s, const struct un_send_setup *setup) {
    struct un_device *d = setup->device;
    struct un_limits limits = {0}; /* it only copies */
    *s = (struct un_sender){.device = d, .queue = setup->queue, .caps = setup->caps};
    if (d->host_readable) return UN_OK;
    UN_TRY(d->mem->queue_open(d, &limits, &s->copies));
    for (int i = 0; i < UN_SEND_BLOCKS; ++i) {
        UN_TRY(d->mem->event_open(d, &s->copied[i]));
        UN_TRY(d->mem->event_open(d, &s->used[i]));
        s->block[i] = d->mem->alloc(d, un_batch_block_bytes(s->caps), "micro-batch");
        if (!s->block[i]) return un_error_get()->status;
    }
    return UN_OK;
}

static size_t store_bytes(const struct un_batch_caps *caps) {
    return (size_t)(caps->store_rows * caps->img_dim) * (size_t)un_type_bytes(caps->feature_type);
}

enum un_status un_send_open_store(struct un_sender *s, const struct un_send_store *store) {
    if (s->caps->store_rows == 0) return UN_OK;
    s->store = s->device->mem->alloc(s->device, store_bytes(s->caps), "features kept on the device");
    if (!s->store && store->optional) {
        un_log(UN_LOG_WARN, "data.cache: auto goes on without features on the card: %s",
               un_error_get()->text);
        un_error_clear();
        return UN_OK;
    }
    if (!s->store) return un_error_get()->status;
    return un_resident_open(&s->resident, store->sets, store->n, store->lane_begin, store->lane_end,
                            store->rows);
}

enum un_status un_send_settle(struct un_sender *s) {
    return s->copies ? s->device->mem->queue_wait(s->copies) : UN_OK;
}

void un_send_close(struct un_sender *s) {
    if (!s->device) return;
    const struct un_device_ops *mem = s->device->mem;
    for (int i = 0; i < UN_SEND_BLOCKS; ++i) {
        if (s->copied[i]) mem->event_close(s->copied[i]);
        if (s->used[i]) mem->event_close(s->used[i]);
        mem->free(s->device, s->block[i]);
    }
    if (s->copies) mem->queue_close(s->copies);
    mem->free(s->device, s->store);
    un_resident_close(s->resident);
    *s = (struct un_sender){0};
}

static void copy(struct un_sender *s, struct un_queue *q, int slot, const struct un_batch *host,
                 enum un_batch_part part) {
    struct un_batch_span span = un_batch_span(part, &s->padded[slot], host, s->caps);
    if (span.bytes > 0)
        s->device->mem->copy_in(q, (char *)s->block[slot] + span.begin,
                                (const char *)host->block + span.begin, span.bytes);
}

static void start(struct un_sender *s, int slot, const struct un_batch *host) {
    const struct un_device_ops *mem = s->device->mem;
    if (s->device->any_shape)
        s->padded[slot] = *host;
    else
        un_batch_fill(&s->padded[slot], host, s->caps);
    mem->queue_wait_event(s->copies, s->used[slot]);
    copy(s, s->copies, slot, host, UN_SPAN_LISTS);
    copy(s, s->copies, slot, host, UN_SPAN_FEATURES);
    copy(s, s->copies, slot, host, UN_SPAN_LABELS);
    mem->event_record(s->copied[slot], s->copies);
}

void un_send_ahead(struct un_sender *s, const struct un_batch *host) {
    if (!s->copies) return;
    UN_ASSERT(!s->ahead);
    s->ahead = host;
    s->slot ^= 1;
    start(s, s->slot, host);
}

/* Sends `host` now, into the block that is not waiting to be taken. */
static int start_now(struct un_sender *s, const struct un_batch *host) {
    int slot = s->slot ^ 1;
    if (!s->ahead) s->slot = slot;
    start(s, slot, host);
    return slot;
}

/* Rows of features as they are moved: in words of 4 bytes where that goes. */
static struct un_mat words(void *data, const struct un_sender *s, int64_t rows) {
    int64_t f = s->caps->img_dim;
    if (s->caps->feature_type == UN_F32) return un_mat(data, UN_F32, rows, f);
    return f % 2 == 0 ? un_mat(data, UN_F32, rows, f / 2) : un_mat(data, UN_BF16, rows, f);
}

/* What is new goes to its place in the store; from then on later micro-batches do without. */
static void put_fresh(struct un_sender *s, const struct un_batch *host, struct un_batch *out) {
    if (!host->feature_row) return;
    out->store = s->store;
    out->store_rows = s->caps->store_rows;
    if (host->fresh > 0)
        s->device->ops->scatter_rows(s->queue, words(s->store, s, out->store_rows),
                                     words(out->feature, s, host->fresh), out->fresh_row);
    for (int64_t i = 0; i < host->stored.n; ++i) un_resident_add(s->resident, host->stored.image[i]);
}

void un_send_take(struct un_sender *s, const struct un_batch *host, struct un_batch *out) {
    *out = *host;
    if (!s->copies) return;
    int slot = s->slot;
    if (s->ahead == host)
        s->ahead = NULL;
    else
        slot = start_now(s, host);
    s->device->mem->queue_wait_event(s->queue, s->copied[slot]);
    copy(s, s->queue, slot, host, UN_SPAN_FACTORS);
    un_batch_rebase(out, &s->padded[slot], s->block[slot]);
    put_fresh(s, host, out);
}

void un_send_used(struct un_sender *s, const struct un_batch *taken) {
    for (int i = 0; s->copies && i < UN_SEND_BLOCKS; ++i)
        if (taken->block == s->block[i]) s->device->mem->event_record(s->used[i], s->queue);
}
