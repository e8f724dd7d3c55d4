/* What network.c and fp8.c know of a network. */
#ifndef UN_MODEL_NET_PRIVATE_H
#define UN_MODEL_NET_PRIVATE_H

#include "model/net/block.h"
#include "model/net/branches.h"
#include "model/net/fp8.h"
#include "model/net/heads.h"
#include "model/net/network.h"

/* Where the parameters of inputs and layers stand; heads know theirs. layer_begin[l]: first element of layer l;
 * [layers]: of the heads. */
struct un_places {
    struct un_inputs_at inputs;
    struct un_block_at *blocks; /* [layers] */
    int64_t *layer_begin;       /* [layers+1] */
};

struct un_model {
    struct un_device *device;
    struct un_model_setup setup;
    struct un_params params;
    struct un_places at;
    struct un_inputs_kept inputs;
    struct un_block_kept *blocks; /* [layers]; all the same when not training */
    struct un_block_work block_work;
    struct un_heads heads;
    struct un_branches branches;
    struct un_fp8 fp8; /* of setup.fp8 */
    float *fp8_host;   /* [2 * tensors] host: scales and units on their way */
    void *dx;          /* [T,H] gradient of the hidden states */
    struct un_outputs out;
    void *memory, *debug_memory, *kept_memory;
};

#endif
