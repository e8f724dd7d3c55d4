/* A network with its device, queue, parameters and gradients: what the tests of the model and the parity
 * program run passes with. */
#ifndef UN_TESTS_SUPPORT_NET_H
#define UN_TESTS_SUPPORT_NET_H

#include "model/net/network.h"
#include "model/stats.h"
#include "tests/support/samples.h"

struct net {
    struct un_device *device;
    struct un_queue *q;
    struct un_model *model;
    struct un_model_setup setup;
    const struct un_params *table;
    float *params, *grads;       /* [P] device */
    void *low;                   /* [P] device: bf16 copy of params; NULL when setup.act is f32 */
    struct un_outputs out;       /* of the last run, device */
    struct un_host_outputs host; /* of the last run */
};

/* Opens `name`: net_device.c takes what un_device_open takes; programs on the emulated card link another. */
enum un_status net_device_open(const char *name, int threads, struct un_device **device);
enum un_status net_open(struct net *net, const char *device, int threads, const struct un_model_setup *setup);
void net_close(struct net *net);
/* Parameters from host values [P]. */
void net_set(struct net *net, const float *values);
/* net->low from net->params, after somebody changed them. */
void net_lower(struct net *net);
/* One pass; gradients when `grad`. Waits, and brings losses, hits, distances and plans to the
 * host. */
enum un_status net_run(struct net *net, const struct packed *batch, bool grad, bool dropout);
/* count floats of device memory -> host; waits. */
enum un_status net_fetch(struct net *net, float *host, const float *device, int64_t count);
/* The elements of a matrix of device memory as floats, rows packed; waits. */
enum un_status net_fetch_mat(struct net *net, float *host, struct un_mat device);
/* The scalar that is differentiated, of the last run. */
double net_loss(const struct net *net, const struct packed *batch, const struct factors *factors);

#endif
