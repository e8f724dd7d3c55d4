/* Pairs of words and regions inside a packed micro-batch, and how their optimal transport is solved (ops.h). */
#ifndef UN_RUNTIME_PAIRS_H
#define UN_RUNTIME_PAIRS_H

#include <stdint.h>

enum un_solver { UN_SOLVER_IPOT, UN_SOLVER_SINKHORN };

struct un_transport {
    enum un_solver solver;
    int iterations;  /* ipot 50; sinkhorn at most 100 */
    float beta;      /* ipot 0.5 */
    float epsilon;   /* sinkhorn 0.1 */
    float tolerance; /* sinkhorn: stop when max |row sum * n - 1| is below; 0 = never early */
};

/* B pairs inside a packed micro-batch: the words of pair b are tokens [first[b], first[b]+words[b]), its
 * regions the next regions[b] tokens. Its plan and cost are words x regions, row-major, at plan_start[b]. */
struct un_pairs {
    const int32_t *first, *words, *regions; /* [B] */
    const int32_t *plan_start;              /* [B+1] */
    int64_t count;
    int64_t longest_words, longest_regions;
};

#endif
