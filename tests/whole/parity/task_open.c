/* A task of the file as a network and a micro-batch. */
#include "model/hard.h"
#include "runtime/memory.h"
#include "tests/whole/parity/tasks.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* The tasks that are known. `each`: sequences of a row; 0: the attribute `size`, or all of a hard task. */
static const struct known {
    const char *name;
    enum un_objective objective;
    int64_t each;
} known[] = {{"vqa", UN_VQA, 1},
             {"ve", UN_VE, 1},
             {"nlvr2_triplet", UN_NLVR2_TRIPLET, 1},
             {"nlvr2_pair", UN_NLVR2_PAIR, 2},
             {"nlvr2_attn", UN_NLVR2_ATTN, 2},
             {"vcr", UN_VCR, 1},
             {"vcr_mlm", UN_MLM, 1},
             {"vcr_mrfr", UN_MRFR, 1},
             {"vcr_mrckl", UN_MRCKL, 1},
             {"re", UN_RE, 1},
             {"re_mlp2", UN_RE, 1},
             {"re_rank", UN_RE_RANK, 1},
             {"itm_rank", UN_ITM_RANK, 0},
             {"itm_hard_image", UN_ITM_HARD, 0},
             {"itm_hard_text", UN_ITM_HARD, 0}};

/* An attribute of the task; *value stays where it has none. */
static enum un_status read_size(const struct task_run *r, const char *name, int64_t *value) {
    char group[96];
    bool has;
    snprintf(group, sizeof group, "tasks/%s", r->name);
    UN_TRY(un_h5_has_attr(r->ref->file, group, name, &has));
    return has ? un_h5_attr_i64(r->ref->file, group, name, value) : UN_OK;
}

static enum un_status read_margin(const struct task_run *r, double *margin) {
    char group[96];
    bool has;
    snprintf(group, sizeof group, "tasks/%s", r->name);
    UN_TRY(un_h5_has_attr(r->ref->file, group, "margin", &has));
    return has ? un_h5_attr_f64(r->ref->file, group, "margin", margin) : UN_OK;
}

/* An array of the samples, or NULL where the task has none. */
static enum un_status read_list(const struct task_run *r, const char *name, enum un_type type, void *list) {
    char path[128];
    struct un_h5_shape shape;
    void *data;
    snprintf(path, sizeof path, "tasks/%s/samples/%s", r->name, name);
    if (!un_h5_exists(r->ref->file, path)) return UN_OK;
    UN_TRY(un_h5_read_all(r->ref->file, path, type, &shape, &data));
    memcpy(list, &data, sizeof data);
    return UN_OK;
}

static enum un_status read_rows(struct task_run *r, int64_t each) {
    bool answers = un_objectives[r->objective].target == UN_TARGET_ANSWERS;
    if (!un_objectives[r->objective].task) return UN_OK;
    UN_TRY(answers ? read_list(r, "targets", UN_F32, &r->score)
                   : read_list(r, "targets", UN_I32, &r->target));
    if (r->objective == UN_RE_RANK) UN_TRY(read_list(r, "negatives", UN_I32, &r->wrong));
    r->rows = (struct task_rows){.objective = r->objective,
                                 .n = each > 0 ? r->samples.n / each : 0,
                                 .each = each,
                                 .target = r->target,
                                 .wrong = r->wrong,
                                 .score = r->score};
    if (each > 0 && r->rows.n * each == r->samples.n) return UN_OK;
    return un_fail(UN_DATA, "%s: tasks/%s: %lld sequences in rows of %lld", r->ref->name, r->name,
                   (long long)r->samples.n, (long long)each);
}

static enum un_status read_setup(struct task_run *r, struct un_model_setup *setup, int64_t *each) {
    struct un_dims *d = &setup->dims;
    *d = r->ref->dims;
    d->re_layers = 1;
    UN_TRY(read_size(r, "vocab_size", &d->vocab_size));
    UN_TRY(read_size(r, "type_vocab_size", &d->type_vocab_size));
    UN_TRY(read_size(r, "num_labels", &d->num_labels));
    UN_TRY(read_size(r, "layers", &d->re_layers));
    UN_TRY(read_size(r, "hard_size", &r->hard));
    if (*each == 0) UN_TRY(read_size(r, "size", each));
    UN_TRY(read_margin(r, &setup->margin));
    d->taught = un_objective_bit(r->objective);
    d->heads = un_objectives[r->objective].task ? d->taught : 0;
    d->negatives = r->hard > 0 ? r->hard : *each - 1;
    return UN_OK;
}

static void set_caps(struct task_run *r, struct un_model_setup *setup) {
    const struct un_dims *d = &setup->dims;
    samples_caps(&setup->caps, r->samples.list, r->samples.n, d->vocab_size, d->img_dim, d->img_label_dim);
    setup->caps.tasks = d->heads;
    setup->caps.num_labels = d->num_labels;
    setup->caps.typed = d->type_vocab_size > 2;
}

static enum un_status pack(struct task_run *r, struct packed *out, const struct sample *list, int64_t n) {
    return samples_pack_task(out, r->net.device, r->net.q, &r->net.setup.caps, list, n,
                             un_objectives[r->objective].task ? &r->rows : NULL, &r->factors);
}

/* What the file takes. */
static enum un_status read_index(struct task_run *r) {
    char path[128];
    struct un_h5_shape shape;
    void *index;
    snprintf(path, sizeof path, "tasks/%s/out/hard_index", r->name);
    UN_TRY(un_h5_read_all(r->ref->file, path, UN_I32, &shape, &index));
    r->index = index;
    r->indices = shape.dims[0];
    for (int64_t i = 0; i < r->indices; ++i)
        if (r->index[i] < 1 || r->index[i] >= r->samples.n)
            return un_fail(UN_DATA, "%s: %s: %d is no candidate", r->ref->name, path, r->index[i]);
    return UN_OK;
}

/* Room for the choice among the candidates, who are one row at first. */
static enum un_status open_hard(struct task_run *r) {
    int64_t n = r->samples.n;
    if (r->hard >= n)
        return un_fail(UN_DATA, "%s: tasks/%s: %lld of %lld candidates", r->ref->name, r->name,
                       (long long)r->hard, (long long)n - 1);
    UN_TRY(read_index(r));
    UN_TRY(pack(r, &r->all, r->samples.list, n));
    r->taken = un_alloc((size_t)r->hard + 1, sizeof *r->taken, "hard samples");
    r->pick = un_alloc((size_t)r->hard, sizeof *r->pick, "hard samples");
    r->candidates = un_alloc((size_t)n, sizeof *r->candidates, "scores of candidates");
    if (!r->taken || !r->pick || !r->candidates) return un_error_get()->status;
    r->rows.each = r->hard + 1;
    return UN_OK;
}

static enum un_status open_values(struct task_run *r) {
    size_t total = (size_t)r->net.table->total;
    r->start = un_alloc(total, sizeof *r->start, "parameters");
    r->host = un_alloc(total, sizeof *r->host, "values of the parameters");
    if (!r->start || !r->host) return un_error_get()->status;
    reference_values(r->ref, r->net.table, r->start);
    net_set(&r->net, r->start);
    return r->net.device->mem->queue_wait(r->net.q);
}

static const struct known *find(const char *name) {
    for (size_t i = 0; i < sizeof known / sizeof *known; ++i)
        if (strcmp(known[i].name, name) == 0) return &known[i];
    return NULL;
}

enum un_status task_open(struct task_run *r, const char *device, int threads, bool bf16) {
    struct un_model_setup setup = {.train = true, .act = bf16 ? UN_BF16 : UN_F32};
    const struct known *task = find(r->name);
    if (!task) return un_fail(UN_DATA, "%s: tasks/%s is not known", r->ref->name, r->name);
    int64_t each = task->each;
    r->objective = task->objective;
    r->factors.weight[task->objective] = 1;
    UN_TRY(reference_samples_read(r->ref, &r->samples, r->name, task->objective));
    UN_TRY(read_setup(r, &setup, &each));
    UN_TRY(read_rows(r, r->hard > 0 ? r->samples.n : each));
    set_caps(r, &setup);
    UN_TRY(net_open(&r->net, device, threads, &setup));
    UN_TRY(un_model_debug(r->net.model));
    UN_TRY(r->hard > 0 ? open_hard(r) : pack(r, &r->batch, r->samples.list, r->samples.n));
    return open_values(r);
}

void task_close(struct task_run *r) {
    packed_close(&r->batch);
    packed_close(&r->all);
    reference_samples_free(&r->samples);
    net_close(&r->net);
    void *const owned[] = {r->target, r->wrong,      r->index, r->score, r->taken,
                           r->pick,   r->candidates, r->start, r->host};
    for (size_t i = 0; i < sizeof owned / sizeof *owned; ++i) un_free(owned[i]);
}

/* Does the file's choice differ from ours only among candidates that are as near to each other as scores may be off? One
 * of the file's is at most that far from its score there, and the i-th highest there from the i-th highest here. */
static bool as_good(const struct task_run *r) {
    double largest = 0;
    for (int64_t i = 0; i < r->samples.n; ++i) largest = fmax(largest, fabsf(r->candidates[i]));
    if (r->indices != r->hard) return false;
    for (int64_t i = 0; i < r->hard; ++i) {
        double apart = fabsf(r->candidates[r->index[i]] - r->candidates[r->pick[i]]);
        if (!(apart <= 2 * r->tolerance->score * largest)) return false;
    }
    return true;
}

static enum un_status choose(struct task_run *r) {
    UN_TRY(net_run(&r->net, &r->all, false, false));
    UN_TRY(net_fetch_mat(&r->net, r->candidates, r->net.out.score[r->objective]));
    un_hard_pick(r->pick, r->hard, r->candidates, r->samples.n);
    if (!r->updated && as_good(r)) memcpy(r->pick, r->index, (size_t)r->hard * sizeof *r->pick);
    r->taken[0] = r->samples.list[0];
    for (int64_t i = 0; i < r->hard; ++i) r->taken[i + 1] = r->samples.list[r->pick[i]];
    packed_close(&r->batch);
    return pack(r, &r->batch, r->taken, r->hard + 1);
}

enum un_status task_pass(struct task_run *r) {
    if (r->hard > 0) UN_TRY(choose(r));
    return net_run(&r->net, &r->batch, true, false);
}
