/* A new safetensors file from planned tensors. */
#include "io/run/progress.h"
#include "io/weights/private.h"
#include "io/weights/tools.h"
#include "runtime/memory.h"
#include <inttypes.h>
#include <math.h>
#include <string.h>

/* What is written, and who is told. */
struct writing {
    const struct un_weights_plan *plan;
    struct un_progress progress;
};

static enum un_status fill(void *context, int64_t source, int64_t first, int64_t count, float *out) {
    struct writing *w = context;
    const struct un_weights_plan *plan = w->plan;
    un_progress_add(&w->progress, count);
    UN_TRY(un_weights_view_read(plan->view, plan->from[source], first, count, out));
    if (un_weights_view_is_checkpoint(plan->view)) return UN_OK; /* given out as it is */
    for (int64_t i = 0; i < count; ++i)
        if (!isfinite(out[i]))
            return un_fail(UN_DATA, "%s: tensor %s: element %" PRId64 " is %g", plan->view->path,
                           plan->view->list[plan->from[source]].name, first + i, (double)out[i]);
    return UN_OK;
}

static void add(struct un_st_content *c, const struct un_weights_plan *plan, const char *name, int64_t at) {
    const struct un_param *p = &plan->table->list[at];
    c->list[c->n++] =
        (struct un_st_new){.name = name, .rank = p->ndim, .shape = {p->shape[0], p->shape[1]}, .source = at};
}

/* A copy belongs to a head, which networks of other tasks do not have: "feat_regress.weight", "feat_regress.". */
static bool has_head(const struct un_params *table, const char *copy) {
    size_t front = strcspn(copy, ".") + 1;
    for (int64_t i = 0; i < table->n; ++i)
        if (strncmp(table->list[i].name, copy, front) == 0) return true;
    return false;
}

static int64_t elements_of(const struct un_st_content *c) {
    int64_t all = 0;
    for (int64_t i = 0; i < c->n; ++i) {
        int64_t count = 1;
        for (int k = 0; k < c->list[i].rank; ++k) count *= c->list[i].shape[k];
        all += count;
    }
    return all;
}

enum un_status un_weights_write(const struct un_weights_plan *plan, const char *path, enum un_st_type type,
                                bool tied, const struct un_st_pair *metadata, int64_t n_metadata) {
    struct writing w = {.plan = plan};
    struct un_st_content c = {
        .metadata = metadata, .n_metadata = n_metadata, .type = type, .fill = fill, .context = &w};
    const struct un_params *table = plan->table;
    UN_TRY(un_weights_compare_copies(plan));
    c.list = un_alloc((size_t)table->n + 2, sizeof *c.list, "tensors of a safetensors file");
    if (!c.list) return UN_MEMORY;
    for (int64_t i = 0; i < table->n; ++i)
        if (plan->way[i] == UN_WAY_WHOLE) add(&c, plan, table->list[i].name, i);
    for (const char *const *copy = un_weights_copies; tied && *copy; ++copy) {
        int64_t at = un_params_find(table, un_weights_partner(*copy));
        if (at >= 0 && plan->way[at] == UN_WAY_WHOLE && has_head(table, *copy)) add(&c, plan, *copy, at);
    }
    un_progress_open_work(&w.progress, elements_of(&c), 1000000, "M", true);
    enum un_status status = un_safetensors_write(path, &c);
    un_progress_clear(&w.progress);
    un_free(c.list);
    return status;
}
