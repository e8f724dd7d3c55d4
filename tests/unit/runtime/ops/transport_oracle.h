/* Word-region alignment of one pair in double, after the reference and as plainly as can be: x holds the n
 * words and then the m regions, rows of h; costs and plans are [n, m]. */
#ifndef UN_TESTS_UNIT_RUNTIME_OPS_TRANSPORT_ORACLE_H
#define UN_TESTS_UNIT_RUNTIME_OPS_TRANSPORT_ORACLE_H

#include "tests/unit/runtime/ops/harness.h"

/* 1 - cosine of two vectors, lengths at least 1e-5. */
double un_oracle_cost_of(const double *x, const double *y, int64_t h);
void un_oracle_cost(double *cost, const double *x, int64_t n, int64_t m, int64_t h);
void un_oracle_ipot(double *t, const double *cost, int64_t n, int64_t m, const struct un_transport *how);
void un_oracle_sinkhorn(double *t, const double *cost, int64_t n, int64_t m, const struct un_transport *how);
/* max over words of |row sum * n - 1| */
double un_oracle_row_error(const double *t, int64_t n, int64_t m);
/* dx += coef * the gradient of sum t * cost with t constant. */
void un_oracle_slope(double *dx, const double *x, const double *t, int64_t n, int64_t m, int64_t h,
                     double coef);

#endif
