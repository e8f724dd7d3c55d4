/* The layers of a pass, one after another, and who is told of them on the way (un_pass_hooks). Inside the wing only. */
#ifndef UN_MODEL_NET_ENCODER_H
#define UN_MODEL_NET_ENCODER_H

#include "model/net/block.h"
#include "model/net/network.h"

/* Of one pass; all borrowed. */
struct un_encoder {
    const struct un_pass *p;
    const struct un_pass_hooks *hooks;
    int64_t layers;
    const int64_t *begin;             /* [layers+1] first parameter of each; then of what follows */
    const struct un_block_at *at;     /* [layers] */
    const struct un_block_kept *kept; /* [layers] */
    const struct un_block_work *work; /* of the backward */
    struct un_mat x;                  /* [T,H] input of the first */
    struct un_mat d;                  /* [T,H] gradient of their output on entry of the backward, then of x */
};

/* The forward, or `back`, the backward: the layers themselves or what hooks->layers puts in their place. */
enum un_status un_encoder_run(const struct un_encoder *e, bool back);

#endif
