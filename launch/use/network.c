/* Opening a network for use, and its passes (network.h). The micro-batch is sent as the training sends it: a
 * device that does not read the host's memory gets the used parts of the block, filled up to fixed counts. */
#include "launch/use/network.h"

static enum un_type activations(const struct un_use_network_setup *s) {
    bool card = s->device->kind != UN_DEVICE_CPU;
    return s->precision == UN_USE_BF16 || (card && s->precision == UN_USE_AUTO) ? UN_BF16 : UN_F32;
}

static enum un_status fill_params(struct un_use_network *net) {
    struct un_device *d = net->setup.device;
    const struct un_params *table = un_model_params(net->model);
    size_t bytes = (size_t)table->total * sizeof(float);
    float *values = d->host_readable ? net->params : un_alloc(bytes, 1, "parameters of a network");
    if (!values) return un_error_get()->status;
    enum un_status status = un_use_weights_load(net->setup.weights, table, net->setup.without_head, values);
    if (status == UN_OK && !d->host_readable) {
        d->mem->copy_in(net->queue, net->params, values, bytes);
        status = d->mem->queue_wait(net->queue);
    }
    if (!d->host_readable) un_free(values);
    if (status == UN_OK && net->low)
        d->ops->cast(net->queue, net->low, UN_BF16, net->params, UN_F32, table->total);
    return status;
}

static enum un_status open_vectors(struct un_use_network *net, enum un_type act) {
    struct un_device *d = net->setup.device;
    int64_t hidden = net->setup.caps.tokens * net->dims.hidden_size;
    int64_t pooled = net->setup.caps.samples * net->dims.hidden_size;
    UN_TRY(un_model_debug(net->model));
    net->hidden = d->mem->host_alloc(d, (size_t)hidden * sizeof(float), "vectors of tokens");
    net->pooled = d->mem->host_alloc(d, (size_t)pooled * sizeof(float), "vectors of pairs");
    if (act != UN_F32)
        net->plain = d->mem->alloc(d, (size_t)(hidden + pooled) * sizeof(float), "vectors in fp32");
    return net->hidden && net->pooled && (act == UN_F32 || net->plain) ? UN_OK : un_error_get()->status;
}

/* A device of fixed shapes fills lists up, so one row may be as many as there can be. */
static int64_t most_rows(const struct un_batch_caps *caps) {
    int64_t words = un_batch_row_cap(caps, UN_MLM), regions = un_batch_row_cap(caps, UN_MRC);
    return words > regions ? words : regions;
}

static enum un_status open_memory(struct un_use_network *net, enum un_type act) {
    struct un_device *d = net->setup.device;
    size_t total = (size_t)un_model_params(net->model)->total;
    net->params = d->mem->alloc(d, total * sizeof(float), "parameters");
    if (!net->params) return un_error_get()->status;
    if (act == UN_BF16 && !(net->low = d->mem->alloc(d, total * 2, "parameters in bf16")))
        return un_error_get()->status;
    if (!d->host_readable &&
        !(net->block = d->mem->alloc(d, un_batch_block_bytes(&net->setup.caps), "micro-batch")))
        return un_error_get()->status;
    int64_t cols[UN_OBJECTIVE_COUNT];
    un_model_score_cols(net->model, cols);
    if (net->setup.look) UN_TRY(un_model_keep(net->model, most_rows(&net->setup.caps)));
    UN_TRY(un_host_outputs_open(&net->outputs, d, &net->setup.caps, net->setup.look));
    UN_TRY(un_host_outputs_keep_scores(&net->outputs, d, &net->setup.caps, cols));
    return net->setup.vectors ? open_vectors(net, act) : UN_OK;
}

enum un_status un_use_network_open(struct un_use_network *net, const struct un_use_network_setup *setup) {
    struct un_limits limits;
    *net = (struct un_use_network){.setup = *setup, .dims = setup->weights->dims};
    net->dims.heads = setup->heads;
    enum un_type act = activations(setup);
    struct un_model_setup model = {.dims = net->dims,
                                   .caps = setup->caps,
                                   .wra = un_wra_transport(&setup->weights->run.wra),
                                   .act = act};
    un_model_limits(&model, &limits);
    UN_TRY(setup->device->mem->queue_open(setup->device, &limits, &net->queue));
    UN_TRY(un_model_open(&net->model, setup->device, &model));
    UN_TRY(open_memory(net, act));
    return fill_params(net);
}

void un_use_network_close(struct un_use_network *net) {
    struct un_device *d = net->setup.device;
    if (!d) return;
    un_host_outputs_close(&net->outputs, d);
    if (net->hidden) d->mem->host_free(d, net->hidden);
    if (net->pooled) d->mem->host_free(d, net->pooled);
    d->mem->free(d, net->plain);
    d->mem->free(d, net->block);
    d->mem->free(d, net->low);
    d->mem->free(d, net->params);
    un_model_close(net->model);
    if (net->queue) d->mem->queue_close(net->queue);
    *net = (struct un_use_network){0};
}

/* out: the micro-batch on the device. */
static void send(struct un_use_network *net, const struct un_batch *host, struct un_batch *out) {
    struct un_device *d = net->setup.device;
    const struct un_batch_caps *caps = &net->setup.caps;
    struct un_batch padded = *host;
    *out = *host;
    if (d->host_readable) return;
    if (!d->any_shape) un_batch_fill(&padded, host, caps);
    for (int part = 0; part < UN_SPAN_COUNT; ++part) {
        struct un_batch_span span = un_batch_span((enum un_batch_part)part, &padded, host, caps);
        if (span.bytes > 0)
            d->mem->copy_in(net->queue, (char *)net->block + span.begin,
                            (const char *)host->block + span.begin, span.bytes);
    }
    un_batch_rebase(out, &padded, net->block);
}

/* The first `rows` rows as f32 on the host; plain: room on the device for them. */
static void fetch_rows(struct un_use_network *net, float *host, struct un_mat from, int64_t rows,
                       float *plain) {
    struct un_device *d = net->setup.device;
    int64_t count = rows * from.cols;
    const void *data = from.data;
    if (from.type != UN_F32) {
        d->ops->cast(net->queue, plain, UN_F32, from.data, from.type, count);
        data = plain;
    }
    d->mem->copy_out(net->queue, host, data, (size_t)count * sizeof(float));
}

enum un_status un_use_network_pass(struct un_use_network *net, const struct un_batch *host) {
    struct un_device *d = net->setup.device;
    struct un_batch batch;
    struct un_outputs *out = &net->out;
    send(net, host, &batch);
    UN_TRY(
        un_model_pass(net->model, net->queue, &batch, net->params, net->low, NULL, false, out, net->hooks));
    un_host_outputs_fetch(&net->outputs, out, host, d, net->queue);
    if (net->setup.vectors) {
        int64_t hidden = net->setup.caps.tokens * net->dims.hidden_size;
        fetch_rows(net, net->hidden, out->hidden, host->tokens, net->plain);
        fetch_rows(net, net->pooled, out->pooled, host->samples, net->plain ? net->plain + hidden : NULL);
    }
    return d->mem->queue_wait(net->queue);
}
