/* Dropout sites and places of parameters, see pass.h. */
#include "model/net/pass.h"

#include <math.h>

struct un_dropout un_pass_dropout(const struct un_pass *p, uint32_t site) {
    uint32_t threshold = (uint32_t)lround(p->drop_prob * 65536);
    return (struct un_dropout){.seed = p->seed,
                               .at = p->batch->at,
                               .site = site,
                               .threshold = threshold,
                               .scale = 65536.0f / (float)(65536 - threshold)};
}

enum un_status un_pass_add(struct un_params *params, const char *name, int64_t shape0, int64_t shape1,
                           enum un_init init, int64_t *offset) {
    int64_t index = un_params_add(params, name, shape0, shape1, init, false);
    if (index < 0) return un_error_get()->status;
    *offset = params->list[index].offset;
    return UN_OK;
}
