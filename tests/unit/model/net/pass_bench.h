/* A network of sizes that divide nothing, with a batch of every objective, for the tests of passes. */
#ifndef UN_TESTS_UNIT_MODEL_NET_PASS_BENCH_H
#define UN_TESTS_UNIT_MODEL_NET_PASS_BENCH_H

#include "tests/support/check.h"
#include "tests/support/draw.h"
#include "tests/support/net.h"

enum { PASS_SAMPLES = 13 }; /* in the batch */

struct pass_bench {
    struct net net;
    struct drawn drawn;
    struct packed batch;
    struct un_batch_caps caps;
    float *values, *grads;
};

extern const struct un_dims pass_dims;
extern const struct factors pass_factors;

struct un_model_setup pass_setup(const struct un_batch_caps *caps, bool train);
void pass_open(struct pass_bench *b, int threads, bool train);
/* The same with n samples as wished. */
void pass_open_with(struct pass_bench *b, int threads, bool train, const struct wish *list, int64_t n);
/* For training, with activations of type act. */
void pass_open_as(struct pass_bench *b, enum un_type act);
void pass_close(struct pass_bench *b);
/* A training pass; its gradients are then b->grads. */
void pass_run(struct pass_bench *b, bool dropout);

/* The test fails unless status is UN_OK. */
void pass_check(enum un_status status);
void pass_same_bits(const float *a, const float *b, int64_t n, const char *what);

#endif
