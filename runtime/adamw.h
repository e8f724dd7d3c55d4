/* What an update by AdamW takes besides its buffers (ops.h). */
#ifndef UN_RUNTIME_ADAMW_H
#define UN_RUNTIME_ADAMW_H

struct un_adamw {
    float lr, beta1, beta2, eps, weight_decay;
    float step_size;               /* lr * sqrt(1 - beta2^t) / (1 - beta1^t) */
    float lr_fast, step_size_fast; /* the same two for UN_DECAY_FAST */
};

enum { UN_PARAM_ALIGN = 64 }; /* elements: start of every parameter tensor, granularity of the decay map */

/* Flags of a block of the decay map. */
enum {
    UN_DECAY_DECAYS = 1, /* weight decay is taken off */
    UN_DECAY_FAST = 2,   /* the fast rate is its rate */
    UN_DECAY_LEFT = 4    /* left alone: no step, no decay, moments as they are */
};

#endif
