/* The optimizer's law: learning rate, clipping by global norm, AdamW over spans of the flat buffer (section
 * `optim`). Source: uniter_torch.AdamW and lr_at (the authors' AdamW, decay after the step, eps outside the
 * bias correction). */
#ifndef UN_OPTIM_H
#define UN_OPTIM_H

#include "runtime/config.h"
#include "runtime/ops.h"
#include "runtime/params.h"

struct un_optim_keys {
    double lr, betas[2], eps, weight_decay, grad_norm;
    int64_t warmup_steps;
};
extern const struct un_key_table un_optim_key_table;

/* Learning rate of update `step` (1, 2, ...) in float-exact agreement with lr_at(step, base, warmup, total).
 */
double un_optim_lr(const struct un_optim_keys *keys, int64_t step, int64_t total_steps);
/* The scalars of update `step`. */
struct un_adamw un_optim_step(const struct un_optim_keys *keys, int64_t step, int64_t total_steps);

struct un_optim {
    float *m, *v;    /* [P] device */
    uint8_t *decay;  /* [P / UN_PARAM_ALIGN] device */
    double *partial; /* [chunks] device */
    float *clip;     /* [3] device: norm, factor, finite */
    int64_t count, chunks;
};
enum un_status un_optim_open(struct un_optim *optim, struct un_device *device, struct un_queue *q,
                             const struct un_params *params);
void un_optim_close(struct un_optim *optim, struct un_device *device);
size_t un_optim_bytes(const struct un_params *params);
/* norm and clip factor of grads, then the update of params. Leaves optim->clip for the log. */
void un_optim_update(struct un_optim *optim, struct un_device *device, struct un_queue *q, float *params,
                     const float *grads, const struct un_optim_keys *keys, int64_t step, int64_t total_steps);

#endif
