/* See net.h. */
#include "tests/support/net.h"

#include "runtime/bfloat.h"
#include "runtime/device.h"

static enum un_status open_parts(struct net *net, const char *device, int threads) {
    struct un_limits limits;
    UN_TRY(net_device_open(device, threads, &net->device));
    un_model_limits(&net->setup, &limits);
    UN_TRY(net->device->mem->queue_open(net->device, &limits, &net->q));
    UN_TRY(un_model_open(&net->model, net->device, &net->setup));
    net->table = un_model_params(net->model);
    size_t bytes = (size_t)net->table->total * sizeof(float);
    net->params = net->device->mem->alloc(net->device, bytes, "parameters");
    net->grads = net->device->mem->alloc(net->device, bytes, "gradients");
    if (net->setup.act == UN_BF16)
        net->low = net->device->mem->alloc(net->device, bytes / 2, "bf16 copy of the parameters");
    if (!net->params || !net->grads || (net->setup.act == UN_BF16 && !net->low))
        return un_error_get()->status;
    return un_host_outputs_open(&net->host, net->device, &net->setup.caps, true);
}

enum un_status net_open(struct net *net, const char *device, int threads,
                        const struct un_model_setup *setup) {
    *net = (struct net){.setup = *setup};
    enum un_status status = open_parts(net, device, threads);
    if (status != UN_OK) net_close(net);
    return status;
}

void net_close(struct net *net) {
    if (net->device) {
        un_host_outputs_close(&net->host, net->device);
        un_model_close(net->model);
        if (net->params) net->device->mem->free(net->device, net->params);
        if (net->grads) net->device->mem->free(net->device, net->grads);
        if (net->low) net->device->mem->free(net->device, net->low);
        if (net->q) net->device->mem->queue_close(net->q);
        un_device_close(net->device);
    }
    *net = (struct net){0};
}

void net_set(struct net *net, const float *values) {
    net->device->mem->copy_in(net->q, net->params, values, (size_t)net->table->total * sizeof(float));
    net_lower(net);
}

void net_lower(struct net *net) {
    if (net->low) net->device->ops->cast(net->q, net->low, UN_BF16, net->params, UN_F32, net->table->total);
}

enum un_status net_run(struct net *net, const struct packed *batch, bool grad, bool dropout) {
    UN_TRY(un_model_pass(net->model, net->q, &batch->device, net->params, net->low, grad ? net->grads : NULL,
                         dropout, &net->out, NULL));
    un_host_outputs_fetch(&net->host, &net->out, &batch->host, net->device, net->q);
    return net->device->mem->queue_wait(net->q);
}

enum un_status net_fetch(struct net *net, float *host, const float *device, int64_t count) {
    net->device->mem->copy_out(net->q, host, device, (size_t)count * sizeof(float));
    return net->device->mem->queue_wait(net->q);
}

enum un_status net_fetch_mat(struct net *net, float *host, struct un_mat m) {
    const struct un_device_ops *mem = net->device->mem;
    size_t row = (size_t)m.cols * (size_t)un_type_bytes(m.type);
    unsigned char *raw = un_alloc((size_t)m.rows, row ? row : 1, "matrix of the device");
    if (!raw) return un_error_get()->status;
    for (int64_t i = 0; i < m.rows; ++i)
        mem->copy_out(net->q, raw + (size_t)i * row,
                      (const unsigned char *)m.data + (size_t)(i * m.stride * un_type_bytes(m.type)), row);
    enum un_status status = mem->queue_wait(net->q);
    for (int64_t i = 0; i < m.rows * m.cols; ++i)
        host[i] = m.type == UN_BF16 ? un_bfloat_to(((uint16_t *)raw)[i]) : ((float *)raw)[i];
    un_free(raw);
    return status;
}

double net_loss(const struct net *net, const struct packed *batch, const struct factors *factors) {
    struct un_stats *stats = un_alloc(1, sizeof *stats, "sums");
    if (!stats) return 0.0 / 0.0;
    un_stats_add(stats, &batch->host, &net->host, &net->setup.dims);
    un_objective_set summed = 0;
    for (int t = 0; t < UN_OBJECTIVE_COUNT; ++t)
        if (un_objectives[t].summed) summed |= un_objective_bit((enum un_objective)t);
    double loss = un_stats_loss(stats, factors->weight, summed, factors->ot_lambda);
    un_free(stats);
    return loss;
}
