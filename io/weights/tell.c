/* A plan in words: at most a screen. */
#include "io/weights/private.h"
#include "runtime/memory.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

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

/* Tensors of the view that are left out because of the head they are of (NONE: for another reason). */
static int64_t names_of_kind(const struct un_weights_plan *plan, enum un_weights_kind kind,
                             enum un_weights_head head, const char **names) {
    int64_t n = 0;
    for (int64_t i = 0; i < plan->view->n; ++i)
        if (plan->items[i].kind == kind && plan->items[i].head == head) names[n++] = plan->view->list[i].name;
    return n;
}

static int64_t names_of_way(const struct un_weights_plan *plan, enum un_weights_way way, const char **names) {
    int64_t n = 0;
    for (int64_t i = 0; i < plan->table->n; ++i)
        if (plan->way[i] == way) names[n++] = plan->table->list[i].name;
    return n;
}

static void tell_ignored(struct teller *t, const struct un_weights_plan *plan, const char **names) {
    tell_names(t, "ignored", names, names_of_kind(plan, UN_WEIGHTS_IGNORED, UN_HEAD_NONE, names));
    for (int head = UN_HEAD_NONE + 1; head < UN_WEIGHTS_HEADS; ++head) {
        un_objective_set set = un_weights_head_tasks((enum un_weights_head)head);
        const char *task = un_weights_task_name(set & plan->file.tasks ? set & plan->file.tasks : set);
        char what[64];
        snprintf(what, sizeof what, "ignored (heads of %s)", task ? task : "pretraining");
        tell_names(t, what, names,
                   names_of_kind(plan, UN_WEIGHTS_IGNORED, (enum un_weights_head)head, names));
    }
}

/* How parameter `at` grows out of the file's. */
static void tell_growth(struct teller *t, const struct un_weights_plan *plan, int64_t at) {
    const struct un_param *p = &plan->table->list[at];
    const struct un_st_tensor *from = &plan->view->list[plan->from[at]];
    char text[UN_ST_NAME_MAX * 2 + 200];
    size_t used = (size_t)snprintf(text, sizeof text, "  grown: %s: ", p->name);
    if (plan->way[at] == UN_WAY_WORDS) {
        int64_t words = un_weights_plan_words(plan, at);
        snprintf(text + used, sizeof text - used, "%" PRId64 " rows of the file's, %" PRId64 " new ones",
                 words, p->shape[0] - words);
    } else if (plan->way[at] == UN_WAY_MATCH) {
        snprintf(text + used, sizeof text - used, "row 1 of %s", from->name);
    } else {
        const int64_t *rows = un_weights_type_rows(p->shape[0]);
        used += (size_t)snprintf(text + used, sizeof text - used, "rows");
        for (int64_t r = 0; r < p->shape[0]; ++r)
            used += (size_t)snprintf(text + used, sizeof text - used, "%s%" PRId64, r ? ", " : " ", rows[r]);
        snprintf(text + used, sizeof text - used, " of the file's");
    }
    t->line(t->context, text);
}

static void tell_summary(struct teller *t, const struct un_weights_plan *plan) {
    char text[UN_PATH_MAX + 320];
    size_t used = (size_t)snprintf(
        text, sizeof text,
        "%s: %s names; of the model's %" PRId64 " tensors %" PRId64 " are there and %" PRId64
        " are missing; %" PRId64 " tied copies, %" PRId64 " ignored, %" PRId64 " unexpected",
        plan->view->path, plan->names == UN_NAMES_BERT ? "BERT's" : "UNITER's", plan->table->n, plan->taken,
        plan->missing, plan->copies, plan->ignored, plan->unexpected);
    if ((plan->grown || plan->anew) && used < sizeof text)
        snprintf(text + used, sizeof text - used, "; %" PRId64 " grown, %" PRId64 " made anew", plan->grown,
                 plan->anew);
    t->line(t->context, text);
    if (!plan->surplus) return;
    snprintf(text, sizeof text, "  %" PRId64 " words of padding are dropped from its vocabulary",
             plan->surplus);
    t->line(t->context, text);
}

void un_weights_plan_tell(const struct un_weights_plan *plan, void (*line)(void *context, const char *text),
                          void *context) {
    struct teller t = {.line = line, .context = context};
    int64_t most = plan->view->n > plan->table->n ? plan->view->n : plan->table->n;
    const char **names = un_alloc((size_t)most, sizeof *names, "names of tensors");
    tell_summary(&t, plan);
    if (!names) {
        un_error_clear();
        return;
    }
    for (int64_t i = 0; i < plan->table->n; ++i)
        if (plan->way[i] == UN_WAY_WORDS || plan->way[i] == UN_WAY_TYPES || plan->way[i] == UN_WAY_MATCH)
            tell_growth(&t, plan, i);
    tell_names(&t, "made anew", names, names_of_way(plan, UN_WAY_ANEW, names));
    tell_names(&t, "missing", names, names_of_way(plan, UN_WAY_DRAWN, names));
    tell_names(&t, "unexpected", names,
               names_of_kind(plan, UN_WEIGHTS_UNEXPECTED, UN_HEAD_NONE, names)); /* heads are ignored */
    tell_ignored(&t, plan, names);
    un_free(names);
}
