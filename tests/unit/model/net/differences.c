/* See differences.h. */
#include "tests/unit/model/net/differences.h"

#include "runtime/memory.h"
#include "tests/support/check.h"
#include "tests/support/draw.h"

#include <stdio.h>
#include <string.h>

/* Five-point differences along directions of length 1. Row losses of size 3 carry a rounding of 3e-7, the
 * mean of a few and the distances 1e-6: divided by the step, 5e-5 is allowed for it. Steep directions bend
 * more and feel rounding less, so they get the shorter step. */
static const double step_flat = 1.0 / 32, step_steep = 1.0 / 128, steep = 0.3;
static const double tolerance_absolute = 5e-5, tolerance_relative = 1e-3;
/* Across a kink: shorter steps, at which rounding counts for more. */
static const double shorter = 0.25, rounding = 1.6e-6, well = 0.5; /* well: no need to look further */
enum { SHORTER_STEPS = 3 };

/* Loss with elements [offset, offset + count) moved by `by` along the direction. */
static double loss_along(struct differences *d, const float *direction, int64_t offset, int64_t count,
                         double by) {
    for (int64_t i = 0; i < count; ++i)
        d->moved[offset + i] = (float)(d->base[offset + i] + by * direction[i]);
    double loss = d->loss(d->context, d->moved);
    memcpy(d->moved + offset, d->base + offset, (size_t)count * sizeof(float));
    return loss;
}

static double slope_along(struct differences *d, const float *direction, int64_t offset, int64_t count,
                          double h) {
    double near = loss_along(d, direction, offset, count, h) - loss_along(d, direction, offset, count, -h);
    double far =
        loss_along(d, direction, offset, count, 2 * h) - loss_along(d, direction, offset, count, -2 * h);
    return (8 * near - far) / (12 * h);
}

/* How far the gradient is off, in tolerances; *slope as the differences have it. */
static double error_along(struct differences *d, const float *direction, int64_t offset, int64_t count,
                          double want, double *slope) {
    double h = fabs(want) < steep ? step_flat : step_steep;
    *slope = slope_along(d, direction, offset, count, h);
    double error = fabs(*slope - want) / (tolerance_absolute + tolerance_relative * fabs(*slope));
    for (int k = 0; k < SHORTER_STEPS && d->bends && !(error <= well); ++k) {
        h *= shorter;
        *slope = slope_along(d, direction, offset, count, h);
        error = fmin(error, fabs(*slope - want) / (rounding / h + tolerance_relative * fabs(*slope)));
    }
    return error;
}

static void compare_along(struct differences *d, const char *name, const char *what, const float *direction,
                          int64_t offset, int64_t count) {
    double want = 0, slope;
    for (int64_t i = 0; i < count; ++i) want += (double)d->grads[offset + i] * direction[i];
    double error = error_along(d, direction, offset, count, want, &slope);
    d->worst = fmax(d->worst, error);
    if (!(error <= 1)) fail_msg("%s, %s: gradient gives %.7g, differences %.7g", name, what, want, slope);
}

static void scale_to_one(float *direction, int64_t count) {
    double sum = 0;
    for (int64_t i = 0; i < count; ++i) sum += (double)direction[i] * direction[i];
    for (int64_t i = 0; i < count; ++i) direction[i] = (float)(direction[i] / sqrt(sum));
}

static void check_elements(struct differences *d, const struct un_param *p) {
    int64_t largest = 0;
    float one = 1;
    for (int64_t i = 1; i < p->count; ++i)
        if (fabsf(d->grads[p->offset + i]) > fabsf(d->grads[p->offset + largest])) largest = i;
    const int64_t elements[] = {largest, 0, p->count / 3, p->count - 1};
    for (size_t e = 0; e < sizeof elements / sizeof *elements; ++e) {
        char what[40];
        snprintf(what, sizeof what, "element %lld", (long long)elements[e]);
        compare_along(d, p->name, what, &one, p->offset + elements[e], 1);
    }
}

void differences_check(struct differences *d, const struct un_param *p, uint32_t k) {
    float *direction = un_alloc((size_t)p->count, sizeof *direction, "direction");
    for (int64_t i = 0; i < p->count; ++i) direction[i] = draw_signed(23, k, (uint32_t)i);
    scale_to_one(direction, p->count);
    compare_along(d, p->name, "random direction", direction, p->offset, p->count);
    memcpy(direction, d->grads + p->offset, (size_t)p->count * sizeof *direction);
    scale_to_one(direction, p->count);
    if (isfinite(direction[0])) compare_along(d, p->name, "its gradient", direction, p->offset, p->count);
    un_free(direction);
    check_elements(d, p);
}
