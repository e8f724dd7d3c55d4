/* Exact optimal transport between words and regions, beside the plans of IPOT and Sinkhorn (runtime/ops.h).
 *
 * minimise sum_ij cost_ij plan_ij, plan >= 0, every row of [n,m] sums to 1/n, every column to 1/m. A network simplex on
 * spanning trees: flows are whole numbers of 1/(n m), so the sums are exact, and a tree of n + m nodes leaves at most
 * n + m - 1 entries that are not 0. Source: Peyre and Cuturi, Computational Optimal Transport, section 3.5; strongly
 * feasible trees: Cunningham 1976. On the host; no training sees it. */
#ifndef UN_MODEL_TRANSPORT_EXACT_H
#define UN_MODEL_TRANSPORT_EXACT_H

#include "runtime/status.h"

enum { UN_EXACT_MOST = 4096 }; /* rows, and columns */

struct un_exact {
    double distance; /* of the plan */
    double bound;    /* of the dual: no plan is shorter, up to rounding */
    int64_t entries; /* > 0 */
    int64_t pivots;
};
/* plan [n,m] of cost [n,m], both row-major. UN_USAGE: no rows, no columns or too many; UN_DATA: a cost that is not finite. */
enum un_status un_exact_plan(double *plan, struct un_exact *told, const float *cost, int64_t n, int64_t m);

/* What a plan of any solver is worth. */
struct un_plan_worth {
    double distance;                /* sum of cost * plan */
    double row_error, column_error; /* largest |sum * n - 1|, |sum * m - 1| */
    int64_t entries;                /* above a thousandth of an even share, 1/(n m) */
};
struct un_plan_worth un_plan_judge(const double *plan, const float *cost, int64_t n, int64_t m);

#endif
