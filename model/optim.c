/* The optimizer's law, see optim.h. Scalars are computed in double as uniter_torch does and rounded once. */
#include "model/optim.h"

#include "runtime/config/keys.h"
#include "runtime/memory.h"

#include <math.h>

static const struct un_key keys[] = {
    UN_KEY_FLOAT(un_optim_keys, lr, "5.0e-5", 0, 1, "", "learning rate after the warm-up"),
    UN_KEY_FLOATS(un_optim_keys, betas, 2, "[0.9, 0.98]", 0, 0.999999, "decay of the two moments of Adam"),
    UN_KEY_FLOAT(un_optim_keys, lr_mul, "1", 0, 1e4, "",
                 "factor of the rate for the head of vqa, vcr, re and re_rank"),
    UN_KEY_FLOAT(un_optim_keys, eps, "1.0e-6", 1e-12, 1, "", "added to the root of the second moment"),
    UN_KEY_FLOAT(un_optim_keys, weight_decay, "0.01", 0, 1, "",
                 "share of a weight taken off, times lr; biases and parameters named LayerNorm are spared"),
    UN_KEY_INT_AUTO(un_optim_keys, warmup_steps, 0, 1e12, "steps",
                    "steps in which lr rises from 0; auto: a tenth of train.steps, 10,000 at most"),
    UN_KEY_FLOAT(un_optim_keys, grad_norm, "5.0", 0, 1e9, "",
                 "the gradient is scaled down to this norm; 0: never"),
};
const struct un_key_table un_optim_key_table = UN_KEY_TABLE("optim", un_optim_keys, keys);

static const double lowest_lr = 1e-8; /* the authors never let it reach 0 */

double un_optim_lr(const struct un_optim_keys *k, int64_t step, int64_t total_steps) {
    double factor = 0;
    if (step < k->warmup_steps)
        factor = (double)step / (double)k->warmup_steps;
    else if (step < total_steps)
        factor = (double)(total_steps - step) / (double)(total_steps - k->warmup_steps);
    return k->lr * factor > lowest_lr ? k->lr * factor : lowest_lr;
}

struct un_adamw un_optim_step(const struct un_optim_keys *k, int64_t step, int64_t total_steps) {
    double lr = un_optim_lr(k, step, total_steps), t = (double)step;
    double fast = lr * k->lr_mul, root = sqrt(1 - pow(k->betas[1], t)), first = 1 - pow(k->betas[0], t);
    return (struct un_adamw){.lr = (float)lr,
                             .beta1 = (float)k->betas[0],
                             .beta2 = (float)k->betas[1],
                             .eps = (float)k->eps,
                             .weight_decay = (float)k->weight_decay,
                             .step_size = (float)(lr * root / first),
                             .lr_fast = (float)fast,
                             .step_size_fast = (float)(fast * root / first)};
}

size_t un_optim_bytes(const struct un_params *params, int64_t owned, int shares) {
    int64_t blocks = un_param_blocks(params->total), sums = shares > 1 ? blocks + shares : 0;
    return 2 * (size_t)owned * sizeof(float) + (size_t)params->total / UN_PARAM_ALIGN +
           (size_t)(blocks + 1 + sums + 1) * sizeof(double) + 3 * sizeof(float);
}

int64_t un_optim_sums_count(const struct un_optim *o) {
    return un_param_blocks(o->count) + o->shares;
}

static enum un_status send_decay(struct un_optim *o, struct un_device *d, struct un_queue *q,
                                 const struct un_params *params) {
    size_t bytes = (size_t)(params->total / UN_PARAM_ALIGN);
    uint8_t *map = un_alloc(bytes, 1, "decay map");
    if (!map) return un_error_get()->status;
    un_params_decay_map(params, map);
    d->mem->copy_in(q, o->decay, map, bytes);
    enum un_status status = d->mem->queue_wait(q);
    un_free(map);
    return status;
}

enum un_status un_optim_open(struct un_optim *o, struct un_device *d, struct un_queue *q,
                             const struct un_params *params, int64_t owned, int shares) {
    size_t own = owned > 0 ? (size_t)owned : 1, blocks = (size_t)un_param_blocks(params->total);
    *o = (struct un_optim){.count = params->total, .owned = owned, .shares = shares};
    enum un_status status;
    o->m = d->mem->alloc(d, own * sizeof(float), "first moments");
    o->v = d->mem->alloc(d, own * sizeof(float), "second moments");
    o->decay = d->mem->alloc(d, (size_t)params->total / UN_PARAM_ALIGN, "decay map");
    /* As long as that of the process that owns the most, so that lists of one length can be gathered. */
    o->partial = d->mem->alloc(d, (blocks + 1) * sizeof(double), "partial norms");
    o->sums = shares > 1
                  ? d->mem->alloc(d, (size_t)un_optim_sums_count(o) * sizeof(double), "partial norms of all")
                  : o->partial;
    o->clip = d->mem->alloc(d, 3 * sizeof(float), "norm and clip factor");
    if (!o->m || !o->v || !o->decay || !o->partial || !o->sums || !o->clip) {
        status = un_error_get()->status;
        goto failed;
    }
    UN_TRY_GOTO(send_decay(o, d, q, params), failed);
    return UN_OK;
failed:
    un_optim_close(o, d);
    return status;
}

void un_optim_close(struct un_optim *o, struct un_device *d) {
    void *const owned[] = {o->m, o->v, o->decay, o->partial, o->sums == o->partial ? NULL : o->sums, o->clip};
    for (size_t i = 0; i < sizeof owned / sizeof *owned; ++i)
        if (owned[i]) d->mem->free(d, owned[i]);
    *o = (struct un_optim){0};
}

static double *word_of(const struct un_optim *o) {
    return o->partial + un_param_blocks(o->owned);
}

void un_optim_word_begin(struct un_optim *o, struct un_device *d, struct un_queue *q) {
    d->ops->zero(q, word_of(o), sizeof(double));
}

void un_optim_word_add(struct un_optim *o, struct un_device *d, struct un_queue *q, const float *losses,
                       int64_t count) {
    d->ops->check_finite(q, word_of(o), losses, count);
}

void un_optim_sums(struct un_optim *o, struct un_device *d, struct un_queue *q, const float *grads,
                   const struct un_optim_part *part) {
    d->ops->square_sums(q, o->partial + part->local / UN_PARAM_BLOCK, grads + part->begin, part->count);
}

void un_optim_clip(struct un_optim *o, struct un_device *d, struct un_queue *q,
                   const struct un_optim_keys *k) {
    d->ops->clip_factor(q, o->clip, o->sums, un_optim_sums_count(o), (float)k->grad_norm);
}

void un_optim_apply(struct un_optim *o, struct un_device *d, struct un_queue *q, float *params, void *low,
                    const float *grads, const struct un_optim_keys *k, int64_t step, int64_t total_steps,
                    const struct un_optim_part *part) {
    struct un_adamw how = un_optim_step(k, step, total_steps);
    uint16_t *low_part = low ? (uint16_t *)low + part->begin : NULL;
    d->ops->adamw(q, params + part->begin, low_part, o->m + part->local, o->v + part->local,
                  grads + part->begin, o->decay + part->begin / UN_PARAM_ALIGN, part->count, &how,
                  o->clip + 1, o->clip + 2);
}

enum un_status un_optim_told_open(struct un_optim_told *told, struct un_device *d, int shares) {
    *told = (struct un_optim_told){.shares = shares};
    told->clip = d->mem->host_alloc(d, 3 * sizeof(float), "norm and clip factor");
    told->words = d->mem->host_alloc(d, (size_t)shares * sizeof(double), "words on a step");
    if (told->clip && told->words) return UN_OK;
    un_optim_told_close(told, d);
    return un_error_get()->status;
}

void un_optim_told_close(struct un_optim_told *told, struct un_device *d) {
    if (told->clip) d->mem->host_free(d, told->clip);
    if (told->words) d->mem->host_free(d, told->words);
    *told = (struct un_optim_told){0};
}

void un_optim_tell(const struct un_optim *o, struct un_device *d, struct un_queue *q,
                   struct un_optim_told *told) {
    d->mem->copy_out(q, told->clip, o->clip, 3 * sizeof(float));
    d->mem->copy_out(q, told->words, o->sums + un_param_blocks(o->count),
                     (size_t)told->shares * sizeof(double));
}

void un_optim_outcome(const struct un_optim_told *told, double *norm, enum un_optim_skip *skip) {
    const bool taken = told->clip[2] != 0;
    *norm = taken ? (double)told->clip[0] : (double)NAN;
    *skip = taken ? UN_OPTIM_DONE : UN_OPTIM_BAD_GRADIENT;
    for (int i = 0; !taken && i < told->shares; ++i)
        if (told->words[i] != 0) *skip = UN_OPTIM_BAD_LOSS; /* a NaN differs from 0 */
}

void un_optim_update(struct un_optim *o, struct un_device *d, struct un_queue *q, float *params,
                     const float *grads, const struct un_optim_keys *k, int64_t step, int64_t total_steps) {
    const struct un_optim_part all = {.count = o->count};
    un_optim_sums(o, d, q, grads, &all);
    un_optim_clip(o, d, q, k);
    un_optim_apply(o, d, q, params, NULL, grads, k, step, total_steps, &all);
}
