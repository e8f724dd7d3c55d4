/* The whole network: parameter table, activation plan, forward and backward of one packed micro-batch.
 * Arithmetic and names: shared reference uniter_torch.py (post-LN, LayerNorm eps 1e-12, GELU by erf).
 * Knows no ranks, files or CUDA. */
#ifndef UN_MODEL_NET_NETWORK_H
#define UN_MODEL_NET_NETWORK_H

#include "model/batch.h"
#include "model/dims.h"
#include "model/outputs.h"
#include "runtime/params.h"

struct un_model;

struct un_model_setup {
    struct un_dims dims;
    struct un_batch_caps caps;
    struct un_transport wra;
    double margin;    /* between right and wrong scores (re_rank, itm_rank, itm_hard) */
    uint64_t seed;    /* of the dropout */
    bool train;       /* keep activations, room for the backward */
    enum un_type act; /* UN_F32 (0), or UN_BF16: activations, their gradients and factors of products */
    bool fp8; /* training in bf16 alone: the maps of the layers multiply in fp8 (un_model_fp8_begin) */
    bool
        host; /* for a device whose memory the host reads (un_model_open knows): wide scores stand in fewer rows */
};

/* Called on the way through a pass, with elements [begin, end) of the flat buffer; each NULL: not called.
 * Work that is queued at the call has the values as they are then. */
struct un_pass_hooks {
    /* These parameters are read from here on: what regions read (un_model_first), then words, then layer by layer to the end. */
    void (*need)(void *context, int64_t begin, int64_t end);
    /* These gradients are final: from the end layer by layer to the embeddings, then words, then what regions read. */
    void (*ready)(void *context, int64_t begin, int64_t end);
    /* The forward has been through the attention of a layer: qkv [T,3H] of type act and lse [T,A] (ops.h), device memory that
     * the next layer may overwrite. */
    void (*attended)(void *context, int64_t layer, struct un_mat qkv, const float *lse);
    /* In place of the layers of the forward, or `back` of the backward: work(arg) queues them. What is queued must come to
     * the same; it depends on buffers, tokens, samples and longest of the batch alone. Who takes this is not told of layers
     * by the hooks above but through work. */
    enum un_status (*layers)(void *context, bool back, void (*work)(const void *arg), const void *arg);
    void *context;
};

/* Builds the parameter table and takes all device memory the passes need (arena measured, then carved). */
enum un_status un_model_open(struct un_model **model, struct un_device *device,
                             const struct un_model_setup *setup);
void un_model_close(struct un_model *model);
/* The table alone, for tools and plans. */
enum un_status un_model_params_build(struct un_params *params, const struct un_dims *dims);
const struct un_params *un_model_params(const struct un_model *model);
/* Elements [begin, end) of the flat buffer that a forward reads first and whose gradients a backward finishes last. */
void un_model_first(const struct un_model *model, int64_t *begin, int64_t *end);
/* Bytes of activations un_model_open would take, without taking them. */
enum un_status un_model_bytes(const struct un_model_setup *setup, size_t *bytes);
void un_model_limits(const struct un_model_setup *setup, struct un_limits *limits);
/* Bytes of scratch that un_model_open takes on the device for side queues of its own. */
size_t un_model_scratch(const struct un_model_setup *setup, struct un_device *device);
/* Adds those of its own queues. */
void un_model_trials(const struct un_model *model, struct un_trials *trials);

/* One pass. batch: device pointers; params [P]: flat device buffer.
 * low: bf16 copy of params when setup.act is bf16, else not read.
 * grads [P] = , gaps between tensors too; NULL: forward only, losses and hits.
 * out is filled with pointers. hooks NULL: none. */
enum un_status un_model_pass(struct un_model *model, struct un_queue *q, const struct un_batch *batch,
                             const float *params, const void *low, float *grads, bool dropout,
                             struct un_outputs *out, const struct un_pass_hooks *hooks);
/* For setup.fp8; tensors as in model/scaling.h. Passes with a backward that are queued from here on multiply the maps of the
 * layers in fp8 by these scales [tensors], powers of two; NULL: in bf16. Their amax are taken anew. Until the queue was
 * waited for, no second begin. */
void un_model_fp8_begin(struct un_model *model, struct un_queue *q, const float *scale);
/* The amax of the passes since, bits of f32 [tensors], on their way to host memory. */
void un_model_fp8_fetch(const struct un_model *model, struct un_queue *q, uint32_t *amax);
int64_t un_model_fp8_tensors(const struct un_dims *dims);
/* Are passes in fp8 now? */
bool un_model_fp8_active(const struct un_model *model);
/* Columns from row to row of the scores that a pass leaves for each task; 0: none. */
void un_model_score_cols(const struct un_model *model, int64_t cols[UN_OBJECTIVE_COUNT]);
/* Unit losses, pooled and scores are kept from now on (allocates): for tests, and for who wants the vectors. */
enum un_status un_model_debug(struct un_model *model);
/* The scores of masked words and of classes of regions, at most `rows` of each a pass, and the costs of transport are kept
 * from now on (allocates): for who looks at a trained network. Losses do not change by it. Once. */
enum un_status un_model_keep(struct un_model *model, int64_t rows);

#endif
