/* Which tensor of a file goes into which parameter, and how. */
#include "io/weights/private.h"
#include "runtime/memory.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { PADDING = 8 };

void un_weights_plan_close(struct un_weights_plan *plan) {
    un_free(plan->from);
    un_free(plan->way);
    un_free(plan->items);
    *plan = (struct un_weights_plan){0};
}

const int64_t *un_weights_type_rows(int64_t rows) {
    static const int64_t nlvr2[UN_TYPES_NLVR2] = {0, 1, 1}; /* text, left image, right image */
    static const int64_t vcr[UN_TYPES_VCR] = {0, 1, 0, 0};  /* question, region, answer, rationale */
    return rows == UN_TYPES_NLVR2 ? nlvr2 : rows == UN_TYPES_VCR ? vcr : NULL;
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

static int64_t padded(int64_t words) {
    return (words + PADDING - 1) / PADDING * PADDING;
}

/* Words behind those of the vocabulary of pretraining: the file may end at those or at their padding. */
static int64_t words_given(int64_t file, int64_t model) {
    int64_t first = model - UN_PERSONS;
    return file < model && first > 0 && file == padded(first) ? first : file < model ? file : model;
}

int64_t un_weights_plan_words(const struct un_weights_plan *plan, int64_t at) {
    return words_given(plan->view->list[plan->from[at]].shape[0], plan->table->list[at].shape[0]);
}

static enum un_status check_words(struct un_weights_plan *plan, const struct un_st_tensor *t,
                                  const struct un_param *p, enum un_weights_way *way) {
    int64_t file = t->shape[0], model = p->shape[0];
    if (file == padded(model)) {
        plan->surplus = file - model;
        return UN_OK;
    }
    if (plan->fit == UN_FIT_START && plan->model.type_vocab_size == UN_TYPES_VCR && file < model &&
        file > 0) {
        plan->surplus = file - words_given(file, model);
        *way = UN_WAY_WORDS;
        return UN_OK;
    }
    return un_fail(UN_USAGE,
                   "%s: %s: a vocabulary of %" PRId64 " words, the model's (model.vocab_size) is %" PRId64
                   "; only padding to a multiple of %d is dropped",
                   plan->view->path, t->name, file, model, PADDING);
}

/* way: WHOLE at first. */
static enum un_status check_shape(struct un_weights_plan *plan, const struct un_st_tensor *t,
                                  const struct un_param *p, enum un_weights_way *way) {
    bool same = t->rank == p->ndim && (p->ndim < 2 || t->shape[1] == p->shape[1]);
    if (same && t->shape[0] == p->shape[0]) return UN_OK;
    if (same && rows_are_words(p->name)) return check_words(plan, t, p, way);
    if (same && plan->fit == UN_FIT_START && strcmp(p->name, UN_WEIGHTS_TYPES) == 0 &&
        t->shape[0] == UN_TYPES_PRETRAINED && un_weights_type_rows(p->shape[0])) {
        *way = UN_WAY_TYPES;
        return UN_OK;
    }
    char theirs[200], ours[64];
    shape_text(theirs, sizeof theirs, t->shape, t->rank);
    shape_text(ours, sizeof ours, p->shape, p->ndim);
    return un_fail(UN_USAGE, "%s: tensor %s: shape %s, in the model %s %s", plan->view->path, t->name, theirs,
                   p->name, ours);
}

/* Of another task than the model's, whatever its names. */
static bool of_another(const struct un_weights_plan *plan, enum un_weights_head head) {
    un_objective_set set = un_weights_head_tasks(head);
    return plan->fit == UN_FIT_START && (plan->file.tasks & set) != (plan->model.tasks & set);
}

/* The second stage does not go on with the first one's head of masked words. */
static bool is_anew(const struct un_weights_plan *plan, const char *name) {
    return plan->fit == UN_FIT_START && plan->model.type_vocab_size == UN_TYPES_VCR &&
           plan->file.type_vocab_size != UN_TYPES_VCR && strncmp(name, "cls.predictions.", 16) == 0;
}

static enum un_status place_at(struct un_weights_plan *plan, int64_t i, int64_t at) {
    const struct un_st_tensor *t = &plan->view->list[i];
    struct un_weights_item *item = &plan->items[i];
    enum un_weights_way way = is_anew(plan, plan->table->list[at].name) ? UN_WAY_ANEW : UN_WAY_WHOLE;
    if (way == UN_WAY_WHOLE) UN_TRY(check_shape(plan, t, &plan->table->list[at], &way));
    if (plan->from[at] < 0) { /* a copy, too, when its partner is missing */
        plan->from[at] = i;
        plan->way[at] = way;
        item->kind = UN_WEIGHTS_TAKEN;
    } else if (item->kind == UN_WEIGHTS_TAKEN) {
        return un_fail(UN_DATA, "%s: both %s and %s are %s", plan->view->path,
                       plan->view->list[plan->from[at]].name, t->name, plan->table->list[at].name);
    }
    return UN_OK;
}

static enum un_status place_one(struct un_weights_plan *plan, int64_t i, bool copies) {
    char name[UN_WEIGHTS_NAME];
    enum un_weights_kind kind = un_weights_name(plan->names, plan->view->list[i].name, name);
    if ((kind == UN_WEIGHTS_COPY) != copies) return UN_OK;
    enum un_weights_head head = un_weights_head_of(name);
    int64_t at = of_another(plan, head) ? -1 : un_params_find(plan->table, name);
    if (at < 0 && kind != UN_WEIGHTS_IGNORED)
        kind = head == UN_HEAD_NONE ? UN_WEIGHTS_UNEXPECTED : UN_WEIGHTS_IGNORED;
    plan->items[i] = (struct un_weights_item){kind, at, head};
    return at < 0 ? UN_OK : place_at(plan, i, at);
}

/* Before its own training, the score of a pair is the logit of `match`. */
static void rank_by_match(struct un_weights_plan *plan) {
    static const char *const pairs[][2] = {{"rank_output.weight", "itm_output.weight"},
                                           {"rank_output.bias", "itm_output.bias"}};
    int64_t rank[2], match[2];
    for (int k = 0; k < 2; ++k) {
        rank[k] = un_params_find(plan->table, pairs[k][0]);
        match[k] = un_params_find(plan->table, pairs[k][1]);
        if (rank[k] < 0 || match[k] < 0 || plan->from[rank[k]] >= 0 || plan->from[match[k]] < 0) return;
    }
    for (int k = 0; k < 2; ++k) {
        plan->from[rank[k]] = plan->from[match[k]];
        plan->way[rank[k]] = UN_WAY_MATCH;
    }
}

static void count(struct un_weights_plan *plan) {
    int64_t *const counts[] = {&plan->taken, &plan->copies, &plan->ignored, &plan->unexpected};
    int64_t taken = 0;
    for (int64_t i = 0; i < plan->view->n; ++i) ++*counts[plan->items[i].kind];
    for (int64_t i = 0; i < plan->table->n; ++i) {
        enum un_weights_way way = plan->way[i];
        taken += way != UN_WAY_DRAWN && way != UN_WAY_ANEW;
        plan->anew += way == UN_WAY_ANEW;
        plan->grown += way == UN_WAY_WORDS || way == UN_WAY_TYPES || way == UN_WAY_MATCH;
    }
    plan->taken = taken;
    plan->missing = plan->table->n - taken - plan->anew;
}

static enum un_status plan_alloc(struct un_weights_plan *plan) {
    int64_t params = plan->table->n, tensors = plan->view->n;
    plan->from = un_alloc((size_t)params, sizeof *plan->from, "plan of weights");
    plan->way = un_alloc((size_t)params, sizeof *plan->way, "plan of weights");
    plan->items = un_alloc((size_t)tensors, sizeof *plan->items, "plan of weights");
    if (!plan->from || !plan->way || !plan->items) return UN_MEMORY;
    for (int64_t i = 0; i < params; ++i) {
        plan->from[i] = -1;
        plan->way[i] = UN_WAY_DRAWN;
    }
    return UN_OK;
}

enum un_status un_weights_plan_open(struct un_weights_plan *plan, const struct un_weights_view *view,
                                    const struct un_params *table, enum un_weights_fit fit) {
    *plan = (struct un_weights_plan){
        .view = view, .table = table, .fit = fit, .names = un_weights_names_of(view)};
    if (plan->names == UN_NAMES_DETECTOR)
        return un_fail(UN_DATA, "%s: the region detector's weights, not those of a network of UNITER",
                       view->path);
    UN_TRY(un_weights_refuse_foreign(view, plan->names));
    if (plan->names == UN_NAMES_NONE)
        return un_fail(UN_DATA, "%s: no tensor has a name of UNITER or BERT; the first of %" PRId64 " is %s",
                       view->path, view->n, view->n ? view->list[0].name : "(none)");
    un_weights_sizes_of(&plan->file, view);
    un_weights_sizes_of_table(&plan->model, table);
    UN_TRY(plan_alloc(plan));
    for (int copies = 0; copies < 2; ++copies)
        for (int64_t i = 0; i < view->n; ++i) UN_TRY(place_one(plan, i, copies == 1));
    if (fit == UN_FIT_START) rank_by_match(plan);
    count(plan);
    if (plan->taken) return un_weights_check_whole(plan);
    return un_fail(UN_DATA, "%s: none of its %" PRId64 " tensors is a parameter of the model", view->path,
                   view->n);
}
