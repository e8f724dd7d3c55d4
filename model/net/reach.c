/* See reach.h. */
#include "model/net/reach.h"

#include <string.h>

enum un_status un_model_sizes(const struct un_dims *d) {
    const struct {
        const char *name;
        int64_t value;
    } sizes[] = {{"vocab_size", d->vocab_size},
                 {"hidden_size", d->hidden_size},
                 {"num_hidden_layers", d->num_hidden_layers},
                 {"num_attention_heads", d->num_attention_heads},
                 {"intermediate_size", d->intermediate_size},
                 {"max_position_embeddings", d->max_position_embeddings},
                 {"type_vocab_size", d->type_vocab_size},
                 {"img_dim", d->img_dim},
                 {"img_label_dim", d->img_label_dim}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; ++i)
        if (sizes[i].value <= 0)
            return un_fail(UN_USAGE, "model.%s: %lld, must be known and positive here", sizes[i].name,
                           (long long)sizes[i].value);
    return UN_OK;
}

static void leave(struct un_params *params, const char *part) {
    for (int64_t i = 0; i < params->n; ++i)
        if (strstr(params->list[i].name, part)) params->list[i].left = true;
}

void un_reach_mark(struct un_params *params, const struct un_dims *dims) {
    bool masks = false, pools = false;
    for (int t = 0; t < UN_OBJECTIVE_COUNT; ++t) {
        if (!(dims->taught & un_objective_bit((enum un_objective)t))) continue;
        const struct un_objective_facts *facts = &un_objectives[t];
        masks = masks || facts->asks == UN_ASKS_REGIONS || (facts->asks == UN_ASKS_WORDS && dims->mask_both);
        pools = pools || facts->pools;
        for (int64_t i = 0; facts->fast && i < params->n; ++i)
            if (strstr(params->list[i].name, facts->fast)) params->list[i].fast = true;
    }
    if (dims->taught == 0) return;
    if (!masks) leave(params, "mask_embedding");
    if (!pools) leave(params, "pooler.dense");
}
