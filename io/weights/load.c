/* Bringing planned tensors into the flat buffer. */
#include "io/weights/private.h"
#include "runtime/memory.h"
#include <inttypes.h>
#include <math.h>
#include <string.h>

enum { BLOCK = 16384 };

/* Elements of parameter `at` that the file gives: its first ones. */
static int64_t given(const struct un_weights_plan *plan, int64_t at) {
    const struct un_param *p = &plan->table->list[at];
    return plan->way[at] == UN_WAY_WORDS ? un_weights_plan_words(plan, at) * (p->count / p->shape[0])
                                         : p->count;
}

static enum un_status read_types(const struct un_weights_plan *plan, int64_t at, float *to) {
    const struct un_param *p = &plan->table->list[at];
    const int64_t *rows = un_weights_type_rows(p->shape[0]), width = p->shape[1];
    for (int64_t r = 0; r < p->shape[0]; ++r)
        UN_TRY(un_weights_view_read(plan->view, plan->from[at], rows[r] * width, width, to + r * width));
    return UN_OK;
}

static enum un_status load_param(const struct un_weights_plan *plan, int64_t at, float *values) {
    const struct un_param *p = &plan->table->list[at];
    float *to = values + p->offset;
    int64_t n = given(plan, at), first = plan->way[at] == UN_WAY_MATCH ? p->count : 0;
    if (plan->way[at] == UN_WAY_TYPES)
        UN_TRY(read_types(plan, at, to));
    else
        UN_TRY(un_weights_view_read(plan->view, plan->from[at], first, n, to));
    for (int64_t i = 0; i < n; ++i)
        if (!isfinite(to[i]))
            return un_fail(UN_DATA, "%s: tensor %s: element %" PRId64 " is %g", plan->view->path,
                           plan->view->list[plan->from[at]].name, first + i, (double)to[i]);
    if (p->zero_row0) memset(to, 0, (size_t)(p->count / p->shape[0]) * sizeof *to);
    return UN_OK;
}

/* A tied copy that is not the same as what it repeats is told; the partner counts. */
static enum un_status compare_copy(const struct un_weights_plan *plan, int64_t i, const float *values) {
    int64_t param = plan->items[i].param, count = given(plan, param);
    if (plan->view->list[i].count < count) count = plan->view->list[i].count; /* of fewer words */
    const float *ours = values + plan->table->list[param].offset;
    float *theirs = un_alloc(BLOCK, sizeof *theirs, "comparing a tied tensor");
    if (!theirs) return UN_MEMORY;
    int64_t differ = 0;
    enum un_status status = UN_OK;
    for (int64_t at = 0; at < count && status == UN_OK; at += BLOCK) {
        int64_t n = count - at < BLOCK ? count - at : BLOCK;
        status = un_weights_view_read(plan->view, i, at, n, theirs);
        for (int64_t k = 0; k < n && status == UN_OK; ++k)
            differ += memcmp(&theirs[k], &ours[at + k], sizeof *ours) != 0;
    }
    un_free(theirs);
    if (status == UN_OK && differ)
        un_log(UN_LOG_WARN,
               "%s: %s is tied to %s but differs from it in %" PRId64 " of %" PRId64
               " elements; the latter is taken",
               plan->view->path, plan->view->list[i].name, plan->view->list[plan->from[param]].name, differ,
               count);
    return status;
}

enum un_status un_weights_load(const struct un_weights_plan *plan, float *values) {
    for (int64_t i = 0; i < plan->table->n; ++i)
        if (plan->way[i] != UN_WAY_DRAWN && plan->way[i] != UN_WAY_ANEW) UN_TRY(load_param(plan, i, values));
    for (int64_t i = 0; i < plan->view->n; ++i)
        if (plan->items[i].kind == UN_WEIGHTS_COPY && plan->way[plan->items[i].param] != UN_WAY_ANEW)
            UN_TRY(compare_copy(plan, i, values));
    return UN_OK;
}
