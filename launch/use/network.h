/* A network with the heads of some objectives, open for forward passes on a device. */
#ifndef UN_LAUNCH_USE_NETWORK_H
#define UN_LAUNCH_USE_NETWORK_H

#include "launch/use/keys.h"
#include "launch/use/weights.h"
#include "model/net/network.h"

struct un_use_network_setup {
    struct un_device *device;
    const struct un_use_weights *weights;
    un_objective_set heads;
    struct un_batch_caps caps; /* of the micro-batches that will come */
    int precision;             /* enum un_use_precision */
    bool without_head;         /* only the body is needed */
    bool look;                 /* plans too, costs and scores of masked units (model/net/network.h) */
    bool vectors;              /* hidden states and pooled vectors are fetched too (objective itm) */
};
struct un_use_network {
    struct un_use_network_setup setup;
    struct un_dims dims;
    struct un_queue *queue;
    struct un_model *model;
    float *params;                     /* device */
    void *low;                         /* device: bf16 copy; NULL: fp32 */
    void *block;                       /* device: the micro-batch, where the host's memory is not read */
    float *plain;                      /* device: vectors as f32, where they are bf16 */
    struct un_outputs out;             /* device: of the last pass */
    const struct un_pass_hooks *hooks; /* of the next pass; NULL: none */
    struct un_host_outputs outputs;
    float *hidden, *pooled; /* host, [tokens,H] and [samples,H], with vectors */
};

enum un_status un_use_network_open(struct un_use_network *net, const struct un_use_network_setup *setup);
void un_use_network_close(struct un_use_network *net);
/* Forward of a packed micro-batch; afterwards net->outputs (and the vectors) are on the host. */
enum un_status un_use_network_pass(struct un_use_network *net, const struct un_batch *host);

#endif
