/* Which tensor of a file goes into which parameter, and bringing the values there. */
#include "io/weights/weights.h"
#include "runtime/memory.h"
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { BLOCK = 16384, PADDING = 8 };

void un_weights_plan_close(struct un_weights_plan *plan) {
    un_free(plan->from);
    un_free(plan->items);
    *plan = (struct un_weights_plan){0};
}

/* The parameters whose rows are words. */
static bool rows_are_words(const char *name) {
    return strcmp(name, "uniter.embeddings.word_embeddings.weight") == 0 ||
           strcmp(name, "cls.predictions.bias") == 0;
}

static void shape_text(char *text, size_t size, const int64_t *shape, int rank) {
    size_t used = (size_t)snprintf(text, size, "[");
    for (int d = 0; d < rank && used < size; ++d)
        used += (size_t)snprintf(text + used, size - used, "%s%" PRId64, d ? "," : "", shape[d]);
    if (used < size) snprintf(text + used, size - used, "]");
}

static enum un_status check_shape(struct un_weights_plan *plan, const struct un_st_tensor *t,
                                  const struct un_param *p) {
    const char *path = plan->view->path;
    bool same = t->rank == p->ndim && (p->ndim < 2 || t->shape[1] == p->shape[1]);
    int64_t padded = (p->shape[0] + PADDING - 1) / PADDING * PADDING;
    if (same && t->shape[0] == p->shape[0]) return UN_OK;
    if (same && rows_are_words(p->name)) {
        if (t->shape[0] == padded) {
            plan->surplus = padded - p->shape[0];
            return UN_OK;
        }
        return un_fail(UN_USAGE,
                       "%s: %s: a vocabulary of %" PRId64 " words, the model's (model.vocab_size) is %" PRId64
                       "; only padding to a multiple of %d is dropped",
                       path, t->name, t->shape[0], p->shape[0], PADDING);
    }
    char theirs[200], ours[64];
    shape_text(theirs, sizeof theirs, t->shape, t->rank);
    shape_text(ours, sizeof ours, p->shape, p->ndim);
    return un_fail(UN_USAGE, "%s: tensor %s: shape %s, in the model %s %s", path, t->name, theirs, p->name,
                   ours);
}

static enum un_status place_one(struct un_weights_plan *plan, int64_t i, bool copies) {
    char name[UN_WEIGHTS_NAME];
    const struct un_st_tensor *t = &plan->view->list[i];
    struct un_weights_item *item = &plan->items[i];
    enum un_weights_kind kind = un_weights_name(plan->names, t->name, name);
    if ((kind == UN_WEIGHTS_COPY) != copies) return UN_OK;
    int64_t at = un_params_find(plan->table, name);
    if (at < 0 && kind != UN_WEIGHTS_IGNORED) kind = UN_WEIGHTS_UNEXPECTED;
    *item = (struct un_weights_item){kind, at};
    if (at < 0) return UN_OK;
    UN_TRY(check_shape(plan, t, &plan->table->list[at]));
    if (plan->from[at] < 0) { /* a copy, too, when its partner is missing */
        plan->from[at] = i;
        item->kind = UN_WEIGHTS_TAKEN;
    } else if (kind == UN_WEIGHTS_TAKEN) {
        return un_fail(UN_DATA, "%s: both %s and %s are %s", plan->view->path,
                       plan->view->list[plan->from[at]].name, t->name, plan->table->list[at].name);
    }
    return UN_OK;
}

static void count(struct un_weights_plan *plan) {
    int64_t *const counts[] = {&plan->taken, &plan->copies, &plan->ignored, &plan->unexpected};
    for (int64_t i = 0; i < plan->view->n; ++i) ++*counts[plan->items[i].kind];
    plan->missing = plan->table->n - plan->taken;
}

enum un_status un_weights_plan_open(struct un_weights_plan *plan, const struct un_weights_view *view,
                                    const struct un_params *table) {
    *plan = (struct un_weights_plan){.view = view, .table = table, .names = un_weights_names_of(view)};
    if (plan->names == UN_NAMES_NONE)
        return un_fail(UN_DATA, "%s: no tensor has a name of UNITER or BERT; the first of %" PRId64 " is %s",
                       view->path, view->n, view->n ? view->list[0].name : "(none)");
    plan->from = un_alloc((size_t)table->n, sizeof *plan->from, "plan of weights");
    plan->items = un_alloc((size_t)view->n, sizeof *plan->items, "plan of weights");
    if (!plan->from || !plan->items) return UN_MEMORY;
    for (int64_t i = 0; i < table->n; ++i) plan->from[i] = -1;
    for (int copies = 0; copies < 2; ++copies)
        for (int64_t i = 0; i < view->n; ++i) UN_TRY(place_one(plan, i, copies == 1));
    count(plan);
    if (plan->taken) return UN_OK;
    return un_fail(UN_DATA, "%s: none of its %" PRId64 " tensors is a parameter of the model", view->path,
                   view->n);
}

/* ---- telling ---- */

enum { FULL_NAMES = 3, LINES_MAX = 16 };

struct teller {
    void (*line)(void *context, const char *text);
    void *context;
    int lines;
    int64_t untold;
};

/* Length of a name's group: "uniter.encoder.", "feat_regress.". */
static size_t group_length(const char *name) {
    size_t first = strcspn(name, ".");
    bool deeper = strncmp(name, "uniter.", 7) == 0 || strncmp(name, "bert.", 5) == 0;
    if (!name[first]) return first;
    return deeper ? first + 1 + strcspn(name + first + 1, ".") : first;
}

static void tell(struct teller *t, int64_t tensors, const char *text) {
    if (t->lines++ < LINES_MAX)
        t->line(t->context, text);
    else
        t->untold += tensors;
}

/* names[n] of one group: a pattern, or each where they are few. */
static void tell_group(struct teller *t, const char *what, const char *const *names, int64_t n) {
    char text[UN_ST_NAME_MAX + 100];
    for (int64_t i = 0; i < n && n <= FULL_NAMES; ++i) {
        snprintf(text, sizeof text, "  %s: %s", what, names[i]);
        tell(t, 1, text);
    }
    if (n <= FULL_NAMES) return;
    snprintf(text, sizeof text, "  %s: %.*s.* (%" PRId64 " tensors)", what, (int)group_length(names[0]),
             names[0], n);
    tell(t, n, text);
}

static void tell_names(struct teller *t, const char *what, const char *const *names, int64_t n) {
    t->lines = 0;
    t->untold = 0;
    for (int64_t begin = 0, end; begin < n; begin = end) {
        size_t length = group_length(names[begin]);
        for (end = begin + 1; end < n; ++end)
            if (group_length(names[end]) != length || memcmp(names[begin], names[end], length) != 0) break;
        tell_group(t, what, names + begin, end - begin);
    }
    char text[100];
    snprintf(text, sizeof text, "  %s: and %" PRId64 " tensors more", what, t->untold);
    if (t->untold) t->line(t->context, text);
}

static int64_t names_of_kind(const struct un_weights_plan *plan, enum un_weights_kind kind,
                             const char **names) {
    int64_t n = 0;
    for (int64_t i = 0; i < plan->view->n; ++i)
        if (plan->items[i].kind == kind) names[n++] = plan->view->list[i].name;
    return n;
}

void un_weights_plan_tell(const struct un_weights_plan *plan, void (*line)(void *context, const char *text),
                          void *context) {
    struct teller t = {.line = line, .context = context};
    char text[UN_PATH_MAX + 256];
    snprintf(text, sizeof text,
             "%s: %s names; of the model's %" PRId64 " tensors %" PRId64 " are there and %" PRId64
             " are missing; %" PRId64 " tied copies, %" PRId64 " ignored, %" PRId64 " unexpected",
             plan->view->path, plan->names == UN_NAMES_BERT ? "BERT's" : "UNITER's", plan->table->n,
             plan->taken, plan->missing, plan->copies, plan->ignored, plan->unexpected);
    line(context, text);
    if (plan->surplus) {
        snprintf(text, sizeof text, "  %" PRId64 " words of padding are dropped from its vocabulary",
                 plan->surplus);
        line(context, text);
    }
    int64_t most = plan->view->n > plan->table->n ? plan->view->n : plan->table->n, n = 0;
    const char **names = un_alloc((size_t)most, sizeof *names, "names of tensors");
    if (!names) {
        un_error_clear();
        return;
    }
    for (int64_t i = 0; i < plan->table->n; ++i)
        if (plan->from[i] < 0) names[n++] = plan->table->list[i].name;
    tell_names(&t, "missing", names, n);
    tell_names(&t, "unexpected", names, names_of_kind(plan, UN_WEIGHTS_UNEXPECTED, names));
    tell_names(&t, "ignored", names, names_of_kind(plan, UN_WEIGHTS_IGNORED, names));
    un_free(names);
}

/* ---- loading ---- */

static enum un_status load_param(const struct un_weights_plan *plan, int64_t at, float *values) {
    const struct un_param *p = &plan->table->list[at];
    float *to = values + p->offset;
    UN_TRY(un_weights_view_read(plan->view, plan->from[at], 0, p->count, to));
    for (int64_t i = 0; i < p->count; ++i)
        if (!isfinite(to[i]))
            return un_fail(UN_DATA, "%s: tensor %s: element %" PRId64 " is %g", plan->view->path,
                           plan->view->list[plan->from[at]].name, i, (double)to[i]);
    if (p->zero_row0) memset(to, 0, (size_t)(p->count / p->shape[0]) * sizeof *to);
    return UN_OK;
}

/* A tied copy that is not the same as what it repeats is told; the partner counts. */
static enum un_status compare_copy(const struct un_weights_plan *plan, int64_t i, const float *values) {
    const struct un_param *p = &plan->table->list[plan->items[i].param];
    const float *ours = values + p->offset;
    float *theirs = un_alloc(BLOCK, sizeof *theirs, "comparing a tied tensor");
    if (!theirs) return UN_MEMORY;
    int64_t differ = 0;
    enum un_status status = UN_OK;
    for (int64_t at = 0; at < p->count && status == UN_OK; at += BLOCK) {
        int64_t n = p->count - at < BLOCK ? p->count - at : BLOCK;
        status = un_weights_view_read(plan->view, i, at, n, theirs);
        for (int64_t k = 0; k < n && status == UN_OK; ++k)
            differ += memcmp(&theirs[k], &ours[at + k], sizeof *ours) != 0;
    }
    un_free(theirs);
    if (status == UN_OK && differ)
        un_log(UN_LOG_WARN,
               "%s: %s is tied to %s but differs from it in %" PRId64 " of %" PRId64
               " elements; the latter is taken",
               plan->view->path, plan->view->list[i].name,
               plan->view->list[plan->from[plan->items[i].param]].name, differ, p->count);
    return status;
}

enum un_status un_weights_load(const struct un_weights_plan *plan, float *values) {
    for (int64_t i = 0; i < plan->table->n; ++i)
        if (plan->from[i] >= 0) UN_TRY(load_param(plan, i, values));
    for (int64_t i = 0; i < plan->view->n; ++i)
        if (plan->items[i].kind == UN_WEIGHTS_COPY) UN_TRY(compare_copy(plan, i, values));
    return UN_OK;
}
