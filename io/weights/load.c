/* Bringing planned tensors into the flat buffer. */
#include "io/run/progress.h"
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

/* Elements in which tensors i and k of the view differ, of their first `count`; block [2][BLOCK]. */
static enum un_status count_differing(const struct un_weights_view *view, int64_t i, int64_t k, int64_t count,
                                      float *block, int64_t *differ) {
    *differ = 0;
    for (int64_t at = 0; at < count; at += BLOCK) {
        int64_t n = count - at < BLOCK ? count - at : BLOCK;
        UN_TRY(un_weights_view_read(view, i, at, n, block));
        UN_TRY(un_weights_view_read(view, k, at, n, block + BLOCK));
        for (int64_t e = 0; e < n; ++e) *differ += memcmp(&block[e], &block[BLOCK + e], sizeof *block) != 0;
    }
    return UN_OK;
}

static enum un_status compare_copy(const struct un_weights_plan *plan, int64_t i, float *block) {
    const struct un_weights_view *view = plan->view;
    int64_t partner = plan->from[plan->items[i].param], differ;
    const struct un_st_tensor *copy = &view->list[i], *taken = &view->list[partner];
    int64_t count =
        copy->count < taken->count ? copy->count : taken->count; /* one may have words of padding */
    UN_TRY(count_differing(view, i, partner, count, block, &differ));
    if (differ)
        un_log(UN_LOG_WARN,
               "%s: %s is tied to %s but differs from it in %" PRId64 " of %" PRId64
               " elements; the latter is taken",
               view->path, copy->name, taken->name, differ, count);
    return UN_OK;
}

enum un_status un_weights_compare_copies(const struct un_weights_plan *plan) {
    float *block = un_alloc(2 * BLOCK, sizeof *block, "comparing tied tensors");
    enum un_status status = block ? UN_OK : UN_MEMORY;
    for (int64_t i = 0; i < plan->view->n && status == UN_OK; ++i)
        if (plan->items[i].kind == UN_WEIGHTS_COPY && plan->way[plan->items[i].param] != UN_WAY_ANEW)
            status = compare_copy(plan, i, block);
    un_free(block);
    return status;
}

enum un_status un_weights_load(const struct un_weights_plan *plan, float *values) {
    enum un_status status = UN_OK;
    struct un_progress progress;
    un_progress_open_work(&progress, plan->table->total, 1000000, "M", plan->tells);
    for (int64_t i = 0; i < plan->table->n && status == UN_OK; ++i) {
        if (plan->way[i] != UN_WAY_DRAWN && plan->way[i] != UN_WAY_ANEW) status = load_param(plan, i, values);
        un_progress_add(&progress, plan->table->list[i].count);
    }
    un_progress_clear(&progress);
    return status == UN_OK ? un_weights_compare_copies(plan) : status;
}
