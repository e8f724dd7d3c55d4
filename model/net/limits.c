/* What a queue must hold for a network (network.h). */
#include "model/net/branches.h"
#include "model/net/network.h"

#include "runtime/larger.h"

void un_model_limits(const struct un_model_setup *setup, struct un_limits *limits) {
    const struct un_dims *d = &setup->dims;
    struct un_params params;
    *limits = (struct un_limits){.max_tokens = setup->caps.tokens,
                                 .max_samples = setup->caps.samples,
                                 .max_heads = d->num_attention_heads,
                                 .fp8 = setup->fp8};
    limits->max_width = un_larger(un_larger(3 * d->hidden_size, d->intermediate_size),
                                  un_larger(d->vocab_size, un_larger(d->img_dim, d->img_label_dim)));
    limits->max_width = un_larger(limits->max_width, un_larger(d->num_labels, 3 * d->hidden_size));
    if (un_model_params_build(&params, d) == UN_OK) {
        limits->max_params = params.total;
        un_params_free(&params);
    }
}

size_t un_model_scratch(const struct un_model_setup *setup, struct un_device *device) {
    struct un_limits limits;
    if (!un_branches_wanted(setup)) return 0;
    un_model_limits(setup, &limits);
    un_branches_limits(setup, limits.max_params, &limits);
    return (UN_BRANCH_COUNT - 1) * device->mem->scratch_bytes(device, &limits);
}
