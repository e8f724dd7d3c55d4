/* A small network of each task with one micro-batch of it: rows of one and several sequences, regions of an expression,
 * pairs that look at each other, and their token types. */
#ifndef UN_TESTS_UNIT_MODEL_NET_TASK_BENCH_H
#define UN_TESTS_UNIT_MODEL_NET_TASK_BENCH_H

#include "tests/support/draw.h"
#include "tests/support/net.h"

struct task_case {
    const char *name;
    enum un_objective objective;
    int64_t re_layers, types; /* types: rows of the type table */
    int64_t rows, each;       /* rows, of so many sequences each */
    const int32_t *target, *wrong;
    bool bends; /* kinks in its loss */
};
extern const struct task_case task_cases[];
extern const int task_case_count;

struct task_bench {
    const struct task_case *of;
    struct net net;
    struct drawn drawn;
    struct packed batch;
    struct un_batch_caps caps;
    struct factors factors;
    float *values, *grads; /* [P] */
};

/* more: room behind the real entries of every list. range: of the parameters' matrices. */
void task_bench_open(struct task_bench *b, const struct task_case *of, int64_t more, float range);
/* Without more room, with activations of type act. */
void task_bench_open_as(struct task_bench *b, const struct task_case *of, float range, enum un_type act);
void task_bench_close(struct task_bench *b);
/* A pass with dropout; its gradient in b->grads. */
void task_bench_run(struct task_bench *b);

#endif
