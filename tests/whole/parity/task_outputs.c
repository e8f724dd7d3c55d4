/* What a pass of a task leaves, against the file. */
#include "runtime/memory.h"
#include "tests/whole/parity/tasks.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum un_status task_floats(struct task_run *r, const char *name, float **want, int64_t *count) {
    return reference_floats(r->ref, want, count, "tasks/%s/%s", r->name, name);
}

static bool has_output(const struct task_run *r, const char *name) {
    char path[128];
    snprintf(path, sizeof path, "tasks/%s/out/%s", r->name, name);
    return un_h5_exists(r->ref->file, path);
}

static enum un_status listed(struct task_run *r, const char *list, int64_t *n, int64_t *stride,
                             char **cells) {
    char path[128];
    snprintf(path, sizeof path, "tasks/%s/%s", r->name, list);
    return un_h5_read_texts(r->ref->file, path, n, stride, cells);
}

static enum un_status compare_left(struct task_run *r) {
    const struct un_params *table = r->net.table;
    int64_t n, stride, wrong = 0, left = 0;
    char *cells;
    const char *first = "none";
    UN_TRY(listed(r, "unused", &n, &stride, &cells));
    for (int64_t i = 0; i < n; ++i) {
        int64_t at = un_params_find(table, cells + i * stride);
        if ((at < 0 || !table->list[at].left) && wrong++ == 0) first = cells + i * stride;
    }
    for (int64_t k = 0; k < table->n; ++k) left += table->list[k].left;
    card_line(r->card, "parameters left alone", (double)(wrong + llabs((long long)(n - left))), 0,
              "first not: %.80s; %lld, reference %lld", first, (long long)left, (long long)n);
    un_free(cells);
    return UN_OK;
}

enum un_status compare_task_names(struct task_run *r) {
    int64_t n, stride, unknown = 0;
    char *cells;
    const char *first = "none";
    UN_TRY(listed(r, "param_names", &n, &stride, &cells));
    for (int64_t i = 0; i < n; ++i)
        if (un_params_find(r->net.table, cells + i * stride) < 0 && unknown++ == 0)
            first = cells + i * stride;
    card_line(r->card, "parameter names", (double)(unknown + llabs((long long)(n - r->net.table->n))), 0,
              "first unknown: %.80s; %lld names, reference %lld", first, (long long)r->net.table->n,
              (long long)n);
    un_free(cells);
    return compare_left(r);
}

/* |got - want| of the largest |want|; the elements are as many. */
static enum un_status compare_values(struct task_run *r, const char *name, const float *got, int64_t count,
                                     int64_t cols, double tolerance) {
    char path[96];
    float *want;
    int64_t wanted;
    snprintf(path, sizeof path, "out/%s", name);
    UN_TRY(task_floats(r, path, &want, &wanted));
    if (wanted == count)
        compare_largest(r->card, name, got, want, count, cols, tolerance);
    else
        card_missing(r->card, name, "another number of elements than the reference");
    un_free(want);
    return UN_OK;
}

static enum un_status compare_mat(struct task_run *r, const char *name, struct un_mat device,
                                  double tolerance) {
    if (!has_output(r, name)) return UN_OK;
    float *got = un_alloc((size_t)(device.rows * device.cols) + 1, sizeof *got, name);
    if (!got) return un_error_get()->status;
    enum un_status status = net_fetch_mat(&r->net, got, device);
    if (status == UN_OK)
        status = compare_values(r, name, got, device.rows * device.cols, device.cols, tolerance);
    un_free(got);
    return status;
}

/* Of the reference's [N, most regions] what stands for a region, as ours has it: one row after another. */
static int64_t squeeze(const struct task_run *r, float *scores, int64_t count) {
    int64_t most = count / r->samples.n, n = 0;
    for (int64_t s = 0; s < r->samples.n; ++s)
        for (int64_t k = 0; k < r->samples.list[s].regions && k < most; ++k)
            scores[n++] = scores[s * most + k];
    return n;
}

static enum un_status compare_places(struct task_run *r) {
    struct un_mat scores = r->net.out.score[r->objective];
    float *want, *got = un_alloc((size_t)scores.rows + 1, sizeof *got, "scores");
    int64_t wanted;
    enum un_status status;
    if (!got) return un_error_get()->status;
    UN_TRY_GOTO(net_fetch_mat(&r->net, got, scores), done);
    UN_TRY_GOTO(task_floats(r, "out/scores", &want, &wanted), done);
    if (squeeze(r, want, wanted) == scores.rows)
        compare_largest(r->card, "scores", got, want, scores.rows, 1, r->tolerance->score);
    else
        card_missing(r->card, "scores", "another number of regions than the reference");
    un_free(want);
done:
    un_free(got);
    return status;
}

/* Ours are summed over the columns of a row (answers, negatives), so the reference's are, too. */
static int64_t sum_rows(float *want, int64_t count, int64_t rows) {
    int64_t cols = rows > 0 ? count / rows : 0;
    for (int64_t i = 0; i < rows; ++i) {
        double sum = 0;
        for (int64_t c = 0; c < cols; ++c) sum += want[i * cols + c];
        want[i] = (float)sum;
    }
    return cols * rows == count ? rows : -1;
}

static double largest(const float *x, int64_t n) {
    double most = 0;
    for (int64_t i = 0; i < n; ++i) most = fmax(most, fabs(x[i]));
    return most;
}

static enum un_status compare_units(struct task_run *r) {
    bool task = un_objectives[r->objective].task;
    int64_t rows = r->batch.host.rows[r->objective].n, wanted;
    int64_t width = task ? 1 : un_dims_units(&r->net.setup.dims, r->objective);
    float *want, *got = un_alloc((size_t)(rows * width) + 1, sizeof *got, "unit losses");
    enum un_status status;
    if (!got) return un_error_get()->status;
    UN_TRY_GOTO(net_fetch(&r->net, got, r->net.out.unit[r->objective], rows * width), done);
    UN_TRY_GOTO(task_floats(r, "out/unit_loss", &want, &wanted), done);
    if ((task ? sum_rows(want, wanted, rows) : wanted) == rows * width) {
        double most = largest(want, rows * width);
        double floor = most > 0 ? r->tolerance->unit_zero / most : r->tolerance->unit_zero;
        compare_largest(r->card, "unit_loss", got, want, rows * width, width,
                        fmax(r->tolerance->unit, floor));
    } else {
        card_missing(r->card, "unit_loss", "another number of elements than the reference");
    }
    un_free(want);
done:
    un_free(got);
    return status;
}

static enum un_status compare_loss(struct task_run *r) {
    float *want;
    int64_t count;
    UN_TRY(task_floats(r, "out/loss", &want, &count));
    double got = net_loss(&r->net, &r->batch, &r->factors);
    compare_between(r->card, "loss", &got, &got, want, 1, r->tolerance->loss);
    un_free(want);
    return UN_OK;
}

/* The scores of all candidates, and who was taken. */
static enum un_status compare_choice(struct task_run *r) {
    int64_t wrong = 0;
    UN_TRY(compare_values(r, "all_scores", r->candidates, r->samples.n, 1, r->tolerance->score));
    for (int64_t i = 0; i < r->hard && i < r->indices; ++i) wrong += r->index[i] != r->pick[i];
    card_line(r->card, "hard_index", (double)(wrong + llabs((long long)(r->indices - r->hard))), 0,
              "%lld taken, reference %lld", (long long)r->hard, (long long)r->indices);
    return UN_OK;
}

enum un_status compare_task_outputs(struct task_run *r) {
    const struct un_outputs *out = &r->net.out;
    UN_TRY(compare_mat(r, "sequence_output", out->hidden, r->tolerance->hidden));
    UN_TRY(compare_mat(r, "pooled", out->pooled, r->tolerance->pooled));
    bool places = un_objectives[r->objective].asks == UN_ASKS_PLACES;
    UN_TRY(places ? compare_places(r)
                  : compare_mat(r, "scores", out->score[r->objective], r->tolerance->score));
    UN_TRY(compare_units(r));
    UN_TRY(compare_loss(r));
    return r->hard > 0 ? compare_choice(r) : UN_OK;
}

static bool copy_row(struct task_run *r, float *values, const char *to, const char *from) {
    const struct un_params *table = r->net.table;
    int64_t a = un_params_find(table, to), b = un_params_find(table, from);
    if (a < 0 || b < 0 || table->list[b].count != 2 * table->list[a].count) return false;
    int64_t n = table->list[a].count;
    memcpy(values + table->list[a].offset, values + table->list[b].offset + n, (size_t)n * sizeof *values);
    return true;
}

/* rank_output as row 1 of itm_output. */
enum un_status compare_zero_shot(struct task_run *r) {
    if (!has_output(r, "zero_shot")) return UN_OK;
    memcpy(r->host, r->start, (size_t)r->net.table->total * sizeof *r->host);
    if (!copy_row(r, r->host, "rank_output.weight", "itm_output.weight") ||
        !copy_row(r, r->host, "rank_output.bias", "itm_output.bias")) {
        card_missing(r->card, "zero_shot", "no rank_output or itm_output");
        return UN_OK;
    }
    net_set(&r->net, r->host);
    UN_TRY(net_run(&r->net, &r->batch, false, false));
    UN_TRY(compare_mat(r, "zero_shot", r->net.out.score[r->objective], r->tolerance->score));
    net_set(&r->net, r->start);
    return r->net.device->mem->queue_wait(r->net.q);
}
