/* Side queues of the heads, see branches.h. */
#include "model/net/branches.h"

#include "model/net/private.h"
#include "runtime/larger.h"

static const enum un_branch branch_of[UN_OBJECTIVE_COUNT] = {[UN_MRFR] = UN_BRANCH_REGIONS,
                                                             [UN_MRC] = UN_BRANCH_REGIONS,
                                                             [UN_MRCKL] = UN_BRANCH_REGIONS,
                                                             [UN_ITM] = UN_BRANCH_PAIRS};

bool un_branches_wanted(const struct un_model_setup *setup) {
    return setup->train && !setup->host && !(setup->dims.heads & ~un_objectives_pretraining());
}

/* No head of a side queue scores the vocabulary, and none multiplies in fp8. */
void un_branches_limits(const struct un_model_setup *setup, int64_t params, struct un_limits *limits) {
    const struct un_dims *d = &setup->dims;
    *limits = (struct un_limits){
        .max_tokens = setup->caps.tokens,
        .max_samples = setup->caps.samples,
        .max_width = un_larger(3 * d->hidden_size, un_larger(d->img_dim, d->img_label_dim)),
        .max_heads = d->num_attention_heads,
        .max_params = params,
        .beside = true,
    };
}

enum un_status un_branches_open(struct un_branches *b, struct un_device *d,
                                const struct un_model_setup *setup, int64_t params) {
    struct un_limits limits;
    if (!un_branches_wanted(setup)) return UN_OK;
    un_branches_limits(setup, params, &limits);
    for (int i = UN_BRANCH_MAIN + 1; i < UN_BRANCH_COUNT; ++i) {
        UN_TRY(d->mem->queue_open(d, &limits, &b->queue[i]));
        UN_TRY(d->mem->event_open(d, &b->forked[i]));
        UN_TRY(d->mem->event_open(d, &b->joined[i]));
    }
    return UN_OK;
}

void un_branches_close(struct un_branches *b, struct un_device *d) {
    for (int i = 0; i < UN_BRANCH_COUNT; ++i) {
        if (b->queue[i]) d->mem->queue_close(b->queue[i]);
        if (b->forked[i]) d->mem->event_close(b->forked[i]);
        if (b->joined[i]) d->mem->event_close(b->joined[i]);
    }
    *b = (struct un_branches){0};
}

struct un_queue *un_branches_queue(const struct un_branches *b, struct un_queue *q, enum un_objective t) {
    struct un_queue *side = b->queue[branch_of[t]];
    return side ? side : q;
}

void un_branches_fork(const struct un_branches *b, const struct un_device *d, struct un_queue *q) {
    for (int i = 0; i < UN_BRANCH_COUNT; ++i)
        if (b->queue[i]) d->mem->fork(b->queue[i], q, b->forked[i]);
}

void un_branches_join(const struct un_branches *b, const struct un_device *d, struct un_queue *q) {
    for (int i = 0; i < UN_BRANCH_COUNT; ++i)
        if (b->queue[i]) d->mem->join(q, b->queue[i], b->joined[i]);
}

enum un_status un_branches_status(const struct un_branches *b, const struct un_device *d) {
    for (int i = 0; i < UN_BRANCH_COUNT; ++i)
        if (b->queue[i]) UN_TRY(d->mem->queue_status(b->queue[i]));
    return UN_OK;
}

void un_model_trials(const struct un_model *model, struct un_trials *trials) {
    for (int i = 0; i < UN_BRANCH_COUNT; ++i) {
        struct un_trials own = {0};
        if (!model->branches.queue[i]) continue;
        model->device->mem->trials(model->branches.queue[i], &own);
        trials->count += own.count;
        trials->seconds += own.seconds;
    }
}
