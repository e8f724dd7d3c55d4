/* The short training run of a task, on its one micro-batch: losses, gradient norms, learning rates, and how far every
 * parameter is and went. */
#include "model/optim.h"
#include "runtime/memory.h"
#include "tests/whole/parity/tasks.h"

#include <math.h>
#include <stdio.h>

enum { STEPS = 3 };

struct updates {
    struct un_optim optim;
    struct un_optim_keys keys;
    int64_t total;
    double loss[STEPS], norm[STEPS], rate[STEPS];
    double lowest[STEPS],
        highest[STEPS]; /* of the loss, for parameters that are off by the tolerance's drift */
    char group[96];     /* tasks/NAME/train */
};

static enum un_status read_optim(struct task_run *r, struct updates *u) {
    struct un_optim_keys *k = &u->keys;
    const struct {
        const char *name;
        double *value;
    } list[] = {{"lr", &k->lr},
                {"lr_mul", &k->lr_mul},
                {"weight_decay", &k->weight_decay},
                {"grad_norm", &k->grad_norm},
                {"beta1", k->betas},
                {"beta2", k->betas + 1},
                {"eps", &k->eps}};
    snprintf(u->group, sizeof u->group, "tasks/%s/train", r->name);
    for (size_t i = 0; i < sizeof list / sizeof *list; ++i)
        UN_TRY(un_h5_attr_f64(r->ref->file, u->group, list[i].name, list[i].value));
    UN_TRY(un_h5_attr_i64(r->ref->file, u->group, "warmup_steps", &k->warmup_steps));
    return un_h5_attr_i64(r->ref->file, u->group, "num_train_steps", &u->total);
}

static enum un_status update(struct task_run *r, struct updates *u, int64_t step) {
    float clip[3];
    UN_TRY(task_pass(r));
    un_optim_update(&u->optim, r->net.device, r->net.q, r->net.params, r->net.grads, &u->keys, step,
                    u->total);
    net_lower(&r->net);
    r->updated = true;
    UN_TRY(net_fetch(&r->net, clip, u->optim.clip, 3));
    u->loss[step - 1] = net_loss(&r->net, &r->batch, &r->factors);
    u->norm[step - 1] = clip[0];
    u->lowest[step - 1] = u->loss[step - 1] - r->tolerance->drift * u->norm[step - 1];
    u->highest[step - 1] = u->loss[step - 1] + r->tolerance->drift * u->norm[step - 1];
    u->rate[step - 1] = un_optim_lr(&u->keys, step, u->total);
    return UN_OK;
}

static enum un_status compare_history(struct task_run *r, const struct updates *u) {
    bool hinged = r->net.setup.margin > 0;
    double norm = task_switching(r, hinged ? r->tolerance->hinged : r->tolerance->training);
    const struct {
        const char *name;
        const double *got, *or_got;
        double tolerance;
    } list[] = {{"train/loss", u->lowest, u->highest, r->tolerance->training},
                {"train/grad_norm", u->norm, u->norm, norm},
                {"train/lr", u->rate, u->rate, r->tolerance->rate}};
    for (size_t i = 0; i < sizeof list / sizeof *list; ++i) {
        float *want;
        int64_t n;
        UN_TRY(task_floats(r, list[i].name, &want, &n));
        if (n == STEPS)
            compare_between(r->card, list[i].name, list[i].got, list[i].or_got, want, n, list[i].tolerance);
        else
            card_missing(r->card, list[i].name, "another number of steps than three");
        un_free(want);
    }
    return UN_OK;
}

static double way(const float *a, const float *b, int64_t n) {
    double sum = 0;
    for (int64_t i = 0; i < n; ++i) sum += ((double)a[i] - b[i]) * ((double)a[i] - b[i]);
    return sqrt(sum);
}

/* Where the gradient is rounding, AdamW makes full steps of it: not compared. What an update leaves alone must be what
 * it was. */
static enum un_status compare_end(struct task_run *r, const struct updates *u, const struct un_param *p) {
    char path[240], what[140];
    double gradient, l2, change, got = l2_norm(r->host + p->offset, p->count);
    double went = way(r->host + p->offset, r->start + p->offset, p->count);
    snprintf(path, sizeof path, "tasks/%s/grads/%s", r->name, p->name);
    UN_TRY(un_h5_attr_f64(r->ref->file, path, "l2", &gradient));
    snprintf(path, sizeof path, "%s/param_l2", u->group);
    UN_TRY(un_h5_attr_f64(r->ref->file, path, p->name, &l2));
    snprintf(path, sizeof path, "%s/change_l2", u->group);
    UN_TRY(un_h5_attr_f64(r->ref->file, path, p->name, &change));
    if (change != 0 && gradient <= r->tolerance->cancels * r->first_norm) return UN_OK;
    snprintf(what, sizeof what, "param_l2 %s", p->name);
    card_line(r->card, what, l2 > 0 ? fabs(got - l2) / l2 : got, r->tolerance->norm,
              "l2: %.9g, reference %.9g", got, l2);
    snprintf(what, sizeof what, "change_l2 %s", p->name);
    card_line(r->card, what, change > 0 ? fabs(went - change) / change : went,
              change > 0 ? r->tolerance->change : 0, "l2: %.9g, reference %.9g", went, change);
    return UN_OK;
}

static enum un_status run(struct task_run *r, struct updates *u) {
    const struct un_params *table = r->net.table;
    for (int64_t step = 1; step <= STEPS; ++step) UN_TRY(update(r, u, step));
    UN_TRY(compare_history(r, u));
    UN_TRY(net_fetch(&r->net, r->host, r->net.params, table->total));
    for (int64_t k = 0; k < table->n; ++k) UN_TRY(compare_end(r, u, &table->list[k]));
    return UN_OK;
}

enum un_status compare_task_training(struct task_run *r) {
    struct updates u = {0};
    UN_TRY(read_optim(r, &u));
    UN_TRY(un_optim_open(&u.optim, r->net.device, r->net.q, r->net.table, r->net.table->total, 1));
    enum un_status status = run(r, &u);
    un_optim_close(&u.optim, r->net.device);
    return status;
}
