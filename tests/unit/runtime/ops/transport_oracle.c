/* See transport_oracle.h. Word i is row i of x, region j row n + j. */
#include "tests/unit/runtime/ops/transport_oracle.h"

#include <math.h>

static double norm_of(const double *x, int64_t h) {
    double sum = 0.0;
    for (int64_t k = 0; k < h; ++k) sum += x[k] * x[k];
    return fmax(sqrt(sum), 1e-5);
}

double un_oracle_cost_of(const double *x, const double *y, int64_t h) {
    double sum = 0.0;
    for (int64_t k = 0; k < h; ++k) sum += x[k] * y[k];
    return 1.0 - sum / (norm_of(x, h) * norm_of(y, h));
}

void un_oracle_cost(double *cost, const double *x, int64_t n, int64_t m, int64_t h) {
    for (int64_t i = 0; i < n; ++i)
        for (int64_t j = 0; j < m; ++j) cost[i * m + j] = un_oracle_cost_of(x + i * h, x + (n + j) * h, h);
}

void un_oracle_ipot(double *t, const double *cost, int64_t n, int64_t m, const struct un_transport *how) {
    double sigma[256], delta[256];
    for (int64_t i = 0; i < n; ++i) sigma[i] = 1.0 / (double)n;
    for (int64_t i = 0; i < n * m; ++i) t[i] = 1.0;
    for (int it = 0; it < how->iterations; ++it) {
        for (int64_t i = 0; i < n * m; ++i) t[i] *= exp(-cost[i] / (double)how->beta);
        for (int64_t j = 0; j < m; ++j) {
            double sum = 0.0;
            for (int64_t i = 0; i < n; ++i) sum += sigma[i] * t[i * m + j];
            delta[j] = 1.0 / ((double)m * sum);
        }
        for (int64_t i = 0; i < n; ++i) {
            double sum = 0.0;
            for (int64_t j = 0; j < m; ++j) sum += t[i * m + j] * delta[j];
            sigma[i] = 1.0 / ((double)n * sum);
        }
        for (int64_t i = 0; i < n; ++i)
            for (int64_t j = 0; j < m; ++j) t[i * m + j] *= sigma[i] * delta[j];
    }
}

/* -e log(count) - e log sum_k exp((dual_k - cost_k) / e) over `count2` entries `step` apart */
static double soft_min(const double *dual, const double *cost, int64_t entries, int64_t step, double e,
                       int64_t count) {
    double most = -INFINITY, sum = 0.0;
    for (int64_t k = 0; k < entries; ++k) most = fmax(most, (dual[k] - cost[k * step]) / e);
    for (int64_t k = 0; k < entries; ++k) sum += exp((dual[k] - cost[k * step]) / e - most);
    return e * (-log((double)count) - most - log(sum));
}

double un_oracle_row_error(const double *t, int64_t n, int64_t m) {
    double worst = 0.0;
    for (int64_t i = 0; i < n; ++i) {
        double sum = 0.0;
        for (int64_t j = 0; j < m; ++j) sum += t[i * m + j];
        worst = fmax(worst, fabs(sum * (double)n - 1.0));
    }
    return worst;
}

void un_oracle_sinkhorn(double *t, const double *cost, int64_t n, int64_t m, const struct un_transport *how) {
    const double e = how->epsilon;
    double f[256] = {0}, g[256] = {0};
    for (int it = 0; it < how->iterations; ++it) {
        for (int64_t i = 0; i < n; ++i) f[i] = soft_min(g, cost + i * m, m, 1, e, n);
        for (int64_t j = 0; j < m; ++j) g[j] = soft_min(f, cost + j, n, m, e, m);
        for (int64_t i = 0; i < n; ++i)
            for (int64_t j = 0; j < m; ++j) t[i * m + j] = exp((f[i] + g[j] - cost[i * m + j]) / e);
        if (how->tolerance > 0.0f && un_oracle_row_error(t, n, m) < (double)how->tolerance) return;
    }
}

/* d of sum T cost with T constant: over word i and region j the terms of T_ij. */
void un_oracle_slope(double *dx, const double *x, const double *t, int64_t n, int64_t m, int64_t h,
                     double coef) {
    for (int64_t i = 0; i < n; ++i)
        for (int64_t j = 0; j < m; ++j) {
            const double *a = x + i * h, *b = x + (n + j) * h;
            const double na = norm_of(a, h), nb = norm_of(b, h), cosine = 1.0 - un_oracle_cost_of(a, b, h);
            const double c = -coef * t[i * m + j], own_a = na > 1e-5 ? cosine / (na * na) : 0.0,
                         own_b = nb > 1e-5 ? cosine / (nb * nb) : 0.0;
            for (int64_t k = 0; k < h; ++k) {
                dx[i * h + k] += c * (b[k] / (na * nb) - own_a * a[k]);
                dx[(n + j) * h + k] += c * (a[k] / (na * nb) - own_b * b[k]);
            }
        }
}
