/* Passes of a card replayed as graphs: a forward and backward whose shape has been seen before is launched as
 * a whole, which spares a launch for every kernel. Of other passes the layers are replayed: they depend on little of the
 * shape, so nearly every micro-batch meets theirs again, where large mixes of objectives seldom repeat a whole one.
 *
 * What differs from pass to pass of one shape stands in device memory (the micro-batch with its step, lane
 * and factors), so a replay computes what the launches would, bit for bit. Few shapes occur because counts
 * are rounded up before a micro-batch goes to a card (un_batch_fill). A shape runs plainly the first time
 * (the products look for their algorithms then), is captured the second time, and replayed from there on. */
#ifndef UN_MODEL_NET_REPLAY_H
#define UN_MODEL_NET_REPLAY_H

#include "model/net/network.h"

enum { UN_REPLAY_SHAPES = 32 /* kept of each kind; the one unused for longest goes */ };

/* All that decides which kernels a pass launches and with which numbers; of the layers alone the first five, the rest 0. */
struct un_replay_shape {
    const void *block;  /* the micro-batch on the device */
    const float *grads; /* [P] */
    int64_t fp8;        /* un_model_fp8_active */
    int64_t tokens, samples, longest;
    int64_t words, regions, masked, by_word, by_position, longest_words, longest_regions;
    int64_t rows[UN_OBJECTIVE_COUNT];
};

struct un_graph;
struct un_replay_table {
    struct un_replay_entry {
        struct un_replay_shape shape;
        struct un_graph
            *graph[2]; /* NULL: not captured yet. Of a pass the first; of layers forward and backward */
        struct un_outputs out; /* of a pass */
        uint64_t used;         /* when, in passes */
        bool plain;            /* it has been seen once, or not yet to its end */
    } entries[UN_REPLAY_SHAPES];
    int n;
};
struct un_replay {
    struct un_replay_table whole, layers;
    uint64_t passes, replayed; /* all passes; those that were one launch */
    uint64_t layered;          /* forwards and backwards of layers that were one launch */
};

/* Zeroes grads and runs the pass (un_model_pass, dropout on, no hooks) on the queue. */
enum un_status un_replay_pass(struct un_replay *replay, struct un_model *model, struct un_device *device,
                              struct un_queue *q, const struct un_batch *batch, const float *params,
                              const void *low, float *grads, struct un_outputs *out);
void un_replay_close(struct un_replay *replay, struct un_device *device);

#endif
