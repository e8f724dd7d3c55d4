/* Two sets of tensors held against each other, block by block. */
#include "io/run/progress.h"
#include "io/weights/tools.h"
#include "runtime/memory.h"
#include <inttypes.h>
#include <math.h>
#include <string.h>

enum { BLOCK = 16384, LINES_MAX = 40 };

struct diff {
    const struct un_weights_view *a, *b;
    double tolerance;
    FILE *out;
    float *x, *y; /* [BLOCK] each */
    int64_t lines, only_a, only_b, shapes, differing, same, counters;
    double worst;
    const char *worst_name;
    struct un_progress progress; /* elements of both */
};

/* Of one pair of tensors. */
struct distance {
    double absolute, relative;
    int64_t at, at_relative, differing; /* elements beyond the tolerance */
};

/* Before something is said. */
static bool line_free(struct diff *d) {
    un_progress_clear(&d->progress);
    return d->lines++ < LINES_MAX;
}

static void measure(struct distance *m, double tolerance, const float *x, const float *y, int64_t first,
                    int64_t n) {
    for (int64_t k = 0; k < n; ++k) {
        if (x[k] == y[k] || (isnan(x[k]) && isnan(y[k]))) continue;
        double gap = fabs((double)x[k] - y[k]);
        double relative = gap / fmax(fabs((double)x[k]), fabs((double)y[k]));
        if (!isfinite(gap)) gap = relative = INFINITY; /* one of them is not finite */
        m->differing += gap > tolerance;
        if (gap > m->absolute) {
            m->absolute = gap;
            m->at = first + k;
        }
        if (relative > m->relative) {
            m->relative = relative;
            m->at_relative = first + k;
        }
    }
}

static bool same_shape(const struct un_st_tensor *s, const struct un_st_tensor *t) {
    return s->rank == t->rank && memcmp(s->shape, t->shape, (size_t)s->rank * sizeof *s->shape) == 0;
}

static void tell_shapes(struct diff *d, const struct un_st_tensor *s, const struct un_st_tensor *t) {
    ++d->shapes;
    if (!line_free(d)) return;
    fprintf(d->out, "%s: shapes differ: ", s->name);
    for (int k = 0; k < s->rank; ++k) fprintf(d->out, "%s%" PRId64, k ? " x " : "", s->shape[k]);
    fputs(" and ", d->out);
    for (int k = 0; k < t->rank; ++k) fprintf(d->out, "%s%" PRId64, k ? " x " : "", t->shape[k]);
    fputs("\n", d->out);
}

/* Row and column, or place, of element `at`. */
static void tell_place(FILE *out, const struct un_st_tensor *t, int64_t at) {
    if (t->rank == 2 && t->shape[1] > 0)
        fprintf(out, "[%" PRId64 ",%" PRId64 "]", at / t->shape[1], at % t->shape[1]);
    else
        fprintf(out, "[%" PRId64 "]", at);
}

static void tell_distance(struct diff *d, const struct un_st_tensor *t, const struct distance *m) {
    ++d->differing;
    if (!line_free(d)) return;
    fprintf(d->out, "%s: %" PRId64 " of %" PRId64 " values differ, most by %.6g at ", t->name, m->differing,
            t->count, m->absolute);
    tell_place(d->out, t, m->at);
    fprintf(d->out, ", relative %.3g at ", m->relative);
    tell_place(d->out, t, m->at_relative);
    fputs("\n", d->out);
}

static enum un_status compare(struct diff *d, int64_t i, int64_t k) {
    const struct un_st_tensor *s = &d->a->list[i], *t = &d->b->list[k];
    struct distance m = {0};
    if (!same_shape(s, t)) {
        tell_shapes(d, s, t);
        return UN_OK;
    }
    for (int64_t at = 0; at < s->count; at += BLOCK) {
        int64_t n = s->count - at < BLOCK ? s->count - at : BLOCK;
        UN_TRY(un_weights_view_read(d->a, i, at, n, d->x));
        UN_TRY(un_weights_view_read(d->b, k, at, n, d->y));
        measure(&m, d->tolerance, d->x, d->y, at, n);
        un_progress_add(&d->progress, 2 * n);
    }
    if (m.absolute > d->worst) {
        d->worst = m.absolute;
        d->worst_name = s->name;
    }
    if (m.differing)
        tell_distance(d, s, &m);
    else
        ++d->same;
    return UN_OK;
}

/* Tensor i of one side is not on the other; is it a copy of something that is? */
static enum un_status alone(struct diff *d, int64_t i, bool in_a) {
    const struct un_weights_view *one = in_a ? d->a : d->b, *other = in_a ? d->b : d->a;
    const char *partner = un_weights_partner(one->list[i].name);
    int64_t k = partner ? un_weights_view_find(other, partner) : -1;
    if (k >= 0) return in_a ? compare(d, i, k) : compare(d, k, i);
    ++*(in_a ? &d->only_a : &d->only_b);
    if (line_free(d)) fprintf(d->out, "%s: only in %s\n", one->list[i].name, one->path);
    return UN_OK;
}

static enum un_status walk(struct diff *d) {
    int64_t i = 0, k = 0;
    while (i < d->a->n || k < d->b->n) {
        bool a_counts = i < d->a->n && un_weights_is_counter(d->a->list[i].name);
        bool b_counts = k < d->b->n && un_weights_is_counter(d->b->list[k].name);
        i += a_counts;
        k += b_counts;
        d->counters += a_counts + b_counts;
        if (a_counts || b_counts) continue;
        int order = i == d->a->n ? 1 : k == d->b->n ? -1 : strcmp(d->a->list[i].name, d->b->list[k].name);
        if (order == 0)
            UN_TRY(compare(d, i++, k++));
        else if (order < 0)
            UN_TRY(alone(d, i++, true));
        else
            UN_TRY(alone(d, k++, false));
    }
    return UN_OK;
}

static int64_t elements_of(const struct un_weights_view *view) {
    int64_t all = 0;
    for (int64_t i = 0; i < view->n; ++i) all += view->list[i].count;
    return all;
}

enum un_status un_weights_diff(const struct un_weights_view *a, const struct un_weights_view *b,
                               double tolerance, FILE *out, bool *equal) {
    struct diff d = {.a = a, .b = b, .tolerance = tolerance, .out = out};
    d.x = un_alloc(BLOCK, sizeof *d.x, "values of a tensor");
    d.y = un_alloc(BLOCK, sizeof *d.y, "values of a tensor");
    un_progress_open_work(&d.progress, elements_of(a) + elements_of(b), 1000000, "M", true);
    enum un_status status = d.x && d.y ? walk(&d) : UN_MEMORY;
    un_progress_clear(&d.progress);
    un_free(d.x);
    un_free(d.y);
    if (status != UN_OK) return status;
    if (d.lines > LINES_MAX) fprintf(out, "and %" PRId64 " lines more\n", d.lines - LINES_MAX);
    if (d.counters)
        fprintf(out, "%" PRId64 " counts of batches (num_batches_tracked) are passed over\n", d.counters);
    fprintf(out,
            "%" PRId64 " tensors equal within %g, %" PRId64 " differ, %" PRId64 " in shape, %" PRId64
            " only in the first, %" PRId64 " only in the second; largest difference %.6g%s%s\n",
            d.same, tolerance, d.differing, d.shapes, d.only_a, d.only_b, d.worst, d.worst_name ? " in " : "",
            d.worst_name ? d.worst_name : "");
    *equal = d.differing + d.shapes + d.only_a + d.only_b == 0;
    return UN_OK;
}
