/* The optimizer's law: learning rate, clipping by global norm, AdamW over parts of the flat buffer (section
 * `optim`). Source: uniter_torch.AdamW and lr_at (the authors' AdamW, decay after the step, eps outside the
 * bias correction). */
#ifndef UN_MODEL_OPTIM_H
#define UN_MODEL_OPTIM_H

#include "runtime/config/config.h"
#include "runtime/ops.h"
#include "runtime/params.h"

struct un_optim_keys {
    double lr, lr_mul, betas[2], eps, weight_decay, grad_norm;
    int64_t warmup_steps;
};
extern const struct un_key_table un_optim_key_table;

/* Learning rate of update `step` (1, 2, ...) in float-exact agreement with lr_at(step, base, warmup, total). */
double un_optim_lr(const struct un_optim_keys *keys, int64_t step, int64_t total_steps);
/* The scalars of update `step`. */
struct un_adamw un_optim_step(const struct un_optim_keys *keys, int64_t step, int64_t total_steps);

/* The elements [begin, begin + count) of the flat buffer, whose moments stand at [local, local + count): a
 * rank keeps only those of what it updates. begin and local are multiples of UN_PARAM_BLOCK, and so is count
 * unless the part ends the buffer. */
struct un_optim_part {
    int64_t begin, count, local;
};

struct un_optim {
    float *m, *v;    /* [owned] device */
    uint8_t *decay;  /* [P / UN_PARAM_ALIGN] device */
    double *partial; /* [blocks of P + 1] device: square sums of the own blocks, then the own word */
    double *sums;    /* [blocks of P + shares] device: those of all blocks in the order of the buffer, then
                        the words of all; partial itself where one process owns everything */
    float *clip;     /* [3] device: norm, factor, finite */
    int64_t count, owned;
    int shares;
};
/* owned: elements this process updates, params->total or fewer. shares: processes that update together. */
enum un_status un_optim_open(struct un_optim *optim, struct un_device *device, struct un_queue *q,
                             const struct un_params *params, int64_t owned, int shares);
void un_optim_close(struct un_optim *optim, struct un_device *device);
size_t un_optim_bytes(const struct un_params *params, int64_t owned, int shares);
/* Entries of `sums`. */
int64_t un_optim_sums_count(const struct un_optim *optim);

/* An update is: the square sums of all parts and the word, then (after optim->sums is filled) the clip
 * factor, then the update of all parts. The sum of the blocks does not depend on who owns which, and words
 * add 0 or NaN. */
/* This process's word on the step: 0 at first; a loss among losses[0..count) (device) that is not finite
 * spoils it, and with it the norm of all processes, so that none of them updates anything. */
void un_optim_word_begin(struct un_optim *optim, struct un_device *device, struct un_queue *q);
void un_optim_word_add(struct un_optim *optim, struct un_device *device, struct un_queue *q,
                       const float *losses, int64_t count);
void un_optim_sums(struct un_optim *optim, struct un_device *device, struct un_queue *q, const float *grads,
                   const struct un_optim_part *part);
/* Leaves optim->clip, for the parts and for the log. */
void un_optim_clip(struct un_optim *optim, struct un_device *device, struct un_queue *q,
                   const struct un_optim_keys *keys);
/* low: bf16 copy of params, written beside them; NULL: none. */
void un_optim_apply(struct un_optim *optim, struct un_device *device, struct un_queue *q, float *params,
                    void *low, const float *grads, const struct un_optim_keys *keys, int64_t step,
                    int64_t total_steps, const struct un_optim_part *part);
/* What an update leaves for the host, in memory from which copies are asynchronous. */
struct un_optim_told {
    float *clip;   /* [3] as optim->clip */
    double *words; /* [shares] */
    int shares;
};
enum un_status un_optim_told_open(struct un_optim_told *told, struct un_device *device, int shares);
void un_optim_told_close(struct un_optim_told *told, struct un_device *device);
/* Queues the copies, once the clip factor is there. */
void un_optim_tell(const struct un_optim *optim, struct un_device *device, struct un_queue *q,
                   struct un_optim_told *told);
/* Why an update changed nothing. */
enum un_optim_skip { UN_OPTIM_DONE, UN_OPTIM_BAD_GRADIENT, UN_OPTIM_BAD_LOSS };
/* After the copies: the norm before clipping, NaN when the update was skipped, and why. */
void un_optim_outcome(const struct un_optim_told *told, double *norm, enum un_optim_skip *skip);
/* All three over the whole buffer, all of it owned; without a bf16 copy. */
void un_optim_update(struct un_optim *optim, struct un_device *device, struct un_queue *q, float *params,
                     const float *grads, const struct un_optim_keys *keys, int64_t step, int64_t total_steps);

#endif
