/* Gradients against the reference: l2 of every tensor, and its elements, all of them or the probes that are
 * stored. */
#include "tests/whole/parity/run.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Softmax does not see a constant added to all scores of a row, so the true gradient of key.bias is zero. */
static bool truly_zero(const struct un_param *p, double l2) {
    return l2 == 0 || strstr(p->name, "attention.self.key.bias") != NULL;
}

static void judge(struct run *r, const struct un_param *p, const char *what, double error, double size,
                  int64_t at, float got, float want) {
    char line[200];
    int64_t cols = p->ndim > 1 ? p->shape[1] : p->count;
    double relative = strcmp(r->card->task, "itm") == 0 ? r->tolerance->pairs : r->tolerance->gradient;
    if (size > 0 && strcmp(p->name, "itm_output.bias") == 0) size = fmax(size, r->tolerance->terms);
    snprintf(line, sizeof line, "grad %s %s", p->name, what);
    card_line(r->card, line, size > 0 ? error / size : error, size > 0 ? relative : r->tolerance->zero,
              "(%lld,%lld): %.8g, reference %.8g", (long long)(at / cols), (long long)(at % cols), got, want);
}

/* The whole gradient: l2 of the difference. */
static enum un_status compare_whole(struct run *r, enum un_objective t, const struct un_param *p, double l2) {
    const float *got = r->host + p->offset;
    float *want;
    int64_t count;
    double sum = 0;
    UN_TRY(
        reference_floats(&r->ref, &want, &count, "tasks/%s/grads/%s/value", un_objective_names[t], p->name));
    if (count != p->count) {
        un_free(want);
        return un_fail(UN_DATA, "%s: gradient of %s has %lld elements, not %lld", r->ref.name, p->name,
                       (long long)count, (long long)p->count);
    }
    for (int64_t i = 0; i < count; ++i) sum += ((double)got[i] - want[i]) * ((double)got[i] - want[i]);
    int64_t at = worst_at(got, want, count);
    bool zero = truly_zero(p, l2);
    judge(r, p, "value", zero ? fabs((double)got[at] - want[at]) : sqrt(sum), zero ? 0 : l2, at, got[at],
          want[at]);
    un_free(want);
    return UN_OK;
}

static void judge_probes(struct run *r, const struct un_param *p, double l2, const int64_t *index,
                         const float *want, int64_t n) {
    const float *got = r->host + p->offset;
    int64_t worst = 0;
    double sum = 0, most = -1;
    for (int64_t i = 0; i < n; ++i) {
        double error = fabs((double)got[index[i]] - want[i]);
        sum += error * error;
        if (!(error <= most)) {
            most = error;
            worst = i;
        }
    }
    /* The share of the whole l2 that as many elements have on average, should the probes hit smaller ones. */
    double size = fmax(l2_norm(want, n), l2 * sqrt((double)n / (double)p->count));
    bool zero = truly_zero(p, l2);
    judge(r, p, "probes", zero ? most : sqrt(sum), zero ? 0 : size, index[worst], got[index[worst]],
          want[worst]);
}

static enum un_status compare_probes(struct run *r, enum un_objective t, const struct un_param *p,
                                     double l2) {
    char path[200];
    struct un_h5_shape shape;
    void *index = NULL;
    float *want = NULL;
    int64_t n;
    enum un_status status;
    snprintf(path, sizeof path, "tasks/%s/grads/%s/probe_index", un_objective_names[t], p->name);
    UN_TRY_GOTO(un_h5_read_all(r->ref.file, path, UN_I64, &shape, &index), done);
    UN_TRY_GOTO(
        reference_floats(&r->ref, &want, &n, "tasks/%s/grads/%s/probe_value", un_objective_names[t], p->name),
        done);
    for (int64_t i = 0; i < n; ++i)
        if (shape.dims[0] != n || ((int64_t *)index)[i] < 0 || ((int64_t *)index)[i] >= p->count)
            UN_TRY_GOTO(un_fail(UN_DATA, "%s: %s leaves the gradient of %lld elements", r->ref.name, path,
                                (long long)p->count),
                        done);
    judge_probes(r, p, l2, index, want, n);
done:
    un_free(index);
    un_free(want);
    return status;
}

static enum un_status compare_gradient(struct run *r, enum un_objective t, const struct un_param *p) {
    char path[160];
    double l2, got = l2_norm(r->host + p->offset, p->count);
    snprintf(path, sizeof path, "tasks/%s/grads/%s", un_objective_names[t], p->name);
    UN_TRY(un_h5_attr_f64(r->ref.file, path, "l2", &l2));
    bool zero = truly_zero(p, l2);
    judge(r, p, "l2", fabs(got - l2), zero ? 0 : l2, 0, (float)got, (float)l2);
    char value[170];
    snprintf(value, sizeof value, "%s/value", path);
    return un_h5_exists(r->ref.file, value) ? compare_whole(r, t, p, l2) : compare_probes(r, t, p, l2);
}

enum un_status compare_gradients(struct run *r, enum un_objective t) {
    const struct un_params *table = r->net.table;
    UN_TRY(net_fetch(&r->net, r->host, r->net.grads, table->total));
    for (int64_t k = 0; k < table->n; ++k) UN_TRY(compare_gradient(r, t, &table->list[k]));
    return UN_OK;
}
