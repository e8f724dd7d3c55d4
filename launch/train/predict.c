/* Predictions from the scores of a pass, and their way to all ranks (predict.h). */
#include "launch/train/predict.h"

#include "runtime/memory.h"

#include <stdlib.h>
#include <string.h>

/* Where a micro-batch is being read: the next row of each objective. */
struct reader {
    const struct un_plan *plan;
    const struct un_batch *batch;
    const struct un_batch_caps *caps;
    const struct un_host_outputs *outputs;
    int64_t row[UN_OBJECTIVE_COUNT];
};

static const float *scores_of(const struct reader *r, enum un_objective t, int64_t row) {
    return r->outputs->score[t] + row * r->outputs->score_cols[t];
}

static void read_answer(const struct reader *r, const struct un_dataset *d, struct un_prediction *p) {
    enum un_objective t = (enum un_objective)p->objective;
    int64_t row = r->row[t], labels = r->caps->num_labels;
    const float *target = r->batch->rows[t].score + row * labels;
    p->said = un_score_highest(scores_of(r, t, row), labels);
    p->value[0] = target[p->said];
    p->right[1] = un_dataset_text_kind(d, p->text);
    if (un_dataset_text_answers(d, p->text) > 0) p->right[0] = un_score_highest(target, labels);
}

/* Logit 1 of each choice; rationales stand under their answer. */
static void read_choices(const struct reader *r, const struct un_dataset *d, const struct un_sample *s,
                         struct un_prediction *p) {
    bool all = un_plan_keys(r->plan)->evaluate;
    int n = all ? UN_VCR_SCORES : UN_VCR_CHOICES, first = 0;
    p->right[0] = un_dataset_text_label(d, p->text);
    p->right[1] = un_dataset_text_rationale(d, p->text);
    if (!all && s->variant == 1) first = UN_VCR_CHOICES * (1 + (p->right[0] < 0 ? 0 : p->right[0]));
    for (int i = 0; i < n; ++i) p->value[first + i] = scores_of(r, UN_VCR, r->row[UN_VCR] + i)[1];
}

/* Index among the regions of the micro-batch of the one at a packed token. */
static int64_t region_at(const struct un_batch *batch, int32_t token) {
    int64_t low = 0, high = batch->regions;
    while (low < high) {
        int64_t middle = (low + high) / 2;
        if (batch->region_row[middle] < token)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void read_place(const struct reader *r, const struct un_dataset *d, struct un_prediction *p) {
    enum un_objective t = (enum un_objective)p->objective;
    const struct un_rows *rows = &r->batch->rows[t];
    int32_t begin = rows->start[r->row[t]], end = rows->start[r->row[t] + 1];
    p->said = un_score_highest(scores_of(r, t, begin), end - begin);
    p->right[0] = rows->target[r->row[t]];
    const float *box = r->batch->box + region_at(r->batch, rows->row[begin + p->said]) * UN_BOX_WIDTH;
    const float *size = un_dataset_text_size(d, p->text), *target = un_dataset_text_box(d, p->text);
    const float found[] = {box[0] * size[0], box[1] * size[1], box[4] * size[0], box[5] * size[1]};
    memcpy(p->value, found, sizeof found);
    memcpy(p->value + 4, target, 4 * sizeof *target);
}

static void read_group(const struct reader *r, struct un_prediction *p) {
    enum un_objective t = (enum un_objective)p->objective;
    const int32_t *start = r->batch->rows[t].start + r->row[t];
    p->said = un_score_highest(scores_of(r, t, start[0]), start[1] - start[0]) == 0;
    p->right[0] = 1;
}

/* Reads the rows of one sample and goes on behind them. */
static void read_sample(struct reader *r, const struct un_sample *s, struct un_prediction *p) {
    const struct un_dataset *d = un_plan_dataset(r->plan, s->dataset);
    *p = (struct un_prediction){
        .text = s->text, .dataset = s->dataset, .objective = (int32_t)s->objective, .right = {-1, -1}};
    switch (s->objective) {
    case UN_VQA:
    case UN_VE: read_answer(r, d, p); break;
    case UN_VCR:
        p->variant = s->variant;
        read_choices(r, d, s, p);
        r->row[UN_VCR] += un_plan_keys(r->plan)->evaluate ? UN_VCR_SCORES : UN_VCR_CHOICES;
        return;
    case UN_RE:
    case UN_RE_RANK: read_place(r, d, p); break;
    case UN_ITM_RANK:
    case UN_ITM_HARD: read_group(r, p); break;
    default:
        p->said = un_score_highest(scores_of(r, s->objective, r->row[s->objective]), 2);
        p->right[0] = un_dataset_text_label(d, s->text);
    }
    ++r->row[s->objective];
}

enum un_status un_predictions_add(struct un_predictions *p, const struct un_plan *plan,
                                  const struct un_batch_caps *caps, const struct un_loaded *loaded,
                                  const struct un_host_outputs *outputs) {
    struct reader reader = {.plan = plan, .batch = loaded->batch, .caps = caps, .outputs = outputs};
    if (p->n + loaded->n_samples > p->room) {
        int64_t room = 2 * p->room + loaded->n_samples;
        void *list = p->list;
        UN_TRY(un_grow(&list, (size_t)p->room, (size_t)room, sizeof *p->list, "predictions"));
        p->list = list;
        p->room = room;
    }
    for (int64_t i = 0; i < loaded->n_samples; ++i)
        if (un_objectives[loaded->samples[i].objective].task)
            read_sample(&reader, &loaded->samples[i], &p->list[p->n++]);
    return UN_OK;
}

/* ---- all ranks ---- */

static int compare(const void *left, const void *right) {
    const struct un_prediction *a = left, *b = right;
    if (a->objective != b->objective) return a->objective < b->objective ? -1 : 1;
    if (a->dataset != b->dataset) return a->dataset < b->dataset ? -1 : 1;
    if (a->text != b->text) return a->text < b->text ? -1 : 1;
    return (a->variant > b->variant) - (a->variant < b->variant);
}

/* The two questions of a text of vcr become one prediction. */
static void merge(struct un_predictions *p) {
    int64_t kept = 0;
    for (int64_t i = 0; i < p->n; ++i) {
        struct un_prediction *last = &p->list[kept > 0 ? kept - 1 : 0], one = p->list[i];
        bool second = kept > 0 && one.variant > 0 && last->text == one.text && last->dataset == one.dataset &&
                      last->objective == one.objective;
        if (!second) p->list[kept++] = one;
        for (int k = UN_VCR_CHOICES; second && k < UN_VCR_SCORES; ++k) last->value[k] += one.value[k];
    }
    p->n = kept;
}

static enum un_status gather(struct un_predictions *p, struct un_comm *comm, int64_t most,
                             struct un_prediction *all) {
    struct un_prediction *mine =
        all + (int64_t)comm->size * most; /* one more block, filled up with nothing */
    if (p->n > 0) memcpy(mine, p->list, (size_t)p->n * sizeof *mine);
    for (int64_t i = p->n; i < most; ++i) mine[i].text = -1;
    UN_TRY(comm->ops->all_gather(comm, all, mine, (size_t)most * sizeof *mine));
    un_free(p->list);
    *p = (struct un_predictions){.list = all, .room = (comm->size + 1) * most};
    for (int64_t i = 0; i < comm->size * most; ++i)
        if (all[i].text >= 0) all[p->n++] = all[i];
    qsort(all, (size_t)p->n, sizeof *all, compare);
    merge(p);
    return UN_OK;
}

enum un_status un_predictions_gather(struct un_predictions *p, struct un_comm *comm) {
    int64_t most = p->n;
    UN_TRY(comm->ops->max_i64(comm, &most, 1));
    if (most == 0) return UN_OK;
    struct un_prediction *all = un_alloc((size_t)((comm->size + 1) * most), sizeof *all, "all predictions");
    enum un_status status = un_comm_agree(comm, all ? UN_OK : UN_MEMORY);
    if (status == UN_OK) status = gather(p, comm, most, all);
    if (status != UN_OK && p->list != all) un_free(all);
    return status;
}

void un_predictions_free(struct un_predictions *p) {
    un_free(p->list);
    *p = (struct un_predictions){0};
}
