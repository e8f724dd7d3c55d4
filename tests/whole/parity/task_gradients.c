/* Gradients of a task against the file: a difference is a share of what the tensor's own l2 and the norm of the whole
 * gradient allow, the second for tensors whose true gradient is zero or cancels. */
#include "tests/whole/parity/tasks.h"

#include <math.h>
#include <stdio.h>

static void judge(struct task_run *r, const struct un_param *p, const char *what, double error, double l2,
                  int64_t at, double got, double want) {
    char line[200];
    int64_t cols = p->ndim > 1 ? p->shape[1] : p->count;
    double share = task_switching(r, r->tolerance->gradient);
    double allowed = share * l2 + r->tolerance->cancels * r->first_norm;
    bool left = l2 == 0 && p->left; /* exactly nothing */
    snprintf(line, sizeof line, "grad %s %s (share)", p->name, what);
    card_line(r->card, line, left ? error : error / allowed, left ? 0 : 1,
              "(%lld,%lld): %.8g, reference %.8g, l2 %.3g", (long long)(at / cols), (long long)(at % cols),
              got, want, l2);
}

/* index NULL: all elements. */
static void judge_elements(struct task_run *r, const struct un_param *p, double l2, const int64_t *index,
                           const float *want, int64_t n) {
    const float *got = r->host + p->offset;
    int64_t worst = 0;
    double sum = 0, most = -1;
    for (int64_t i = 0; i < n; ++i) {
        double error = fabs((double)got[index ? index[i] : i] - want[i]);
        sum += error * error;
        if (!(error <= most)) {
            most = error;
            worst = i;
        }
    }
    int64_t at = index ? index[worst] : worst;
    judge(r, p, index ? "probes" : "value", sqrt(sum), l2, at, got[at], want[worst]);
}

static enum un_status check_index(const struct task_run *r, const struct un_param *p, const int64_t *index,
                                  int64_t indices, int64_t n) {
    bool good = index ? indices == n : n == p->count;
    for (int64_t i = 0; index && good && i < n; ++i) good = index[i] >= 0 && index[i] < p->count;
    if (good) return UN_OK;
    return un_fail(UN_DATA, "%s: tasks/%s/grads/%s does not fit its %lld elements", r->ref->name, r->name,
                   p->name, (long long)p->count);
}

static enum un_status compare_gradient(struct task_run *r, const struct un_param *p) {
    char path[240];
    struct un_h5_shape shape = {0};
    void *index = NULL;
    float *want = NULL;
    double l2, got = l2_norm(r->host + p->offset, p->count);
    int64_t n;
    enum un_status status;
    snprintf(path, sizeof path, "tasks/%s/grads/%s", r->name, p->name);
    UN_TRY(un_h5_attr_f64(r->ref->file, path, "l2", &l2));
    judge(r, p, "l2", fabs(got - l2), l2, 0, got, l2);
    snprintf(path, sizeof path, "tasks/%s/grads/%s/probe_index", r->name, p->name);
    bool probes = un_h5_exists(r->ref->file, path);
    if (probes) UN_TRY(un_h5_read_all(r->ref->file, path, UN_I64, &shape, &index));
    UN_TRY_GOTO(reference_floats(r->ref, &want, &n, "tasks/%s/grads/%s/%s", r->name, p->name,
                                 probes ? "probe_value" : "value"),
                done);
    UN_TRY_GOTO(check_index(r, p, index, shape.dims[0], n), done);
    judge_elements(r, p, l2, index, want, n);
done:
    un_free(index);
    un_free(want);
    return status;
}

enum un_status compare_task_gradients(struct task_run *r) {
    const struct un_params *table = r->net.table;
    float *norm;
    int64_t steps;
    UN_TRY(task_floats(r, "train/grad_norm", &norm, &steps));
    r->first_norm = steps > 0 ? norm[0] : 0;
    un_free(norm);
    UN_TRY(net_fetch(&r->net, r->host, r->net.grads, table->total));
    for (int64_t k = 0; k < table->n; ++k) UN_TRY(compare_gradient(r, &table->list[k]));
    return UN_OK;
}
