/* What the tests of ops share. A case is a function that takes its buffers from the harness in a fixed order,
 * calls one op and compares the outputs with an oracle of its own in double precision. un_harness_each runs
 * it under several numbers of threads, buffer addresses and row strides: inputs are the same each time,
 * outputs must be the same bits, and no byte outside them may change. Which device runs the ops is linked:
 * harness_cpu.c, the emulated card of tests/cards/emu, or a real one (tests/card). */
#ifndef UN_TESTS_UNIT_RUNTIME_OPS_HARNESS_H
#define UN_TESTS_UNIT_RUNTIME_OPS_HARNESS_H

#include "runtime/ops.h"

/* Before cmocka.h, which wants these. */
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum { UN_HARNESS_BUFFERS = 64 };

/* ---- the device under test: each file that can be linked defines these ---- */

/* way 1, 2, 3: so many threads of the CPU; on the emulated card the threads of a kernel and its blocks run in
 * order, in reverse, at random. Owner: caller, un_device_close. */
enum un_status un_harness_device(int way, struct un_device **device);
/* Fills the queue's scratch with poison. */
void un_harness_poison_scratch(struct un_queue *q);
/* How many of the variations (ways, addresses, strides) un_harness_each tries, at least 2 of 5; and how much
 * work, in elements or multiply-adds, one run of a case may be: heavier ones are left out by the tests. */
extern int un_harness_variations;
extern double un_harness_most_work;
/* Set by an op whose bits may depend on addresses and strides, as a card's products do: un_harness_each then
 * asks for the same bits only from a second run at the same addresses. */
extern bool un_harness_by_address;
/* Set by tests of products of fp8, which take more scratch. */
extern bool un_harness_fp8;
static inline bool un_harness_heavy(double work) {
    return work > un_harness_most_work;
}

/* ---- buffers and cases ---- */

enum { UN_HARNESS_POISON = 0xFF }; /* four bytes of 0xFF are a NaN */

/* One guarded buffer: rows x cols elements of `size` bytes, rows `stride` elements apart, poison before,
 * between and after. */
struct un_harness_buffer {
    unsigned char *block; /* owned; host memory that the device reads */
    size_t block_bytes, at;
    int64_t rows, cols, stride;
    size_t size;
};

struct un_harness {
    struct un_device *device;
    struct un_queue *q;
    const struct un_ops *ops;
    int64_t shift,
        pad; /* elements: of every buffer's start from alignment; of every row's end to the next row */
    int count, doubles_count;
    struct un_harness_buffer buffer[UN_HARNESS_BUFFERS];
    double *doubles[UN_HARNESS_BUFFERS]; /* owned */
};

typedef void (*un_harness_case)(struct un_harness *h, const void *context);
/* Runs the case in every variation and compares the bits of all its buffers; fails the cmocka test. */
void un_harness_each(un_harness_case run, const void *context);
/* A queue by itself, for tests that are no cases. way: of un_harness_device. limits NULL: generous ones. */
void un_harness_open(struct un_harness *h, int way, const struct un_limits *limits);
/* Checks all guards and that no error stuck to the queue, then frees everything. */
void un_harness_close(struct un_harness *h);
/* The same after an op that the queue must have refused: it says so, and a queue without the error is closed in its place. */
void un_harness_close_refused(struct un_harness *h);

/* Buffers, owned by the harness. Random ones are a pure function of the order of the calls. */
void *un_harness_take(struct un_harness *h, int64_t count, size_t size); /* filled with poison */
float *un_harness_poison(struct un_harness *h, int64_t count);           /* outputs: NaN */
float *un_harness_random(struct un_harness *h, int64_t count, float low, float high);
int32_t *un_harness_ints(struct un_harness *h, int64_t count, int32_t low, int32_t high); /* in [low, high) */
struct un_mat un_harness_mat(struct un_harness *h, int64_t rows, int64_t cols); /* poisoned, strided */
struct un_mat un_harness_mat_of(struct un_harness *h, enum un_type type, int64_t rows, int64_t cols);
struct un_mat un_harness_mat_random(struct un_harness *h, int64_t rows, int64_t cols, float low, float high);
struct un_mat un_harness_mat_copy(struct un_harness *h, struct un_mat m); /* f32 */
float *un_harness_copy(struct un_harness *h, const float *x, int64_t count);
/* Any array of the test's own, where the device can read it: a card does not see the host's stack. */
void *un_harness_put(struct un_harness *h, const void *x, int64_t count, size_t size);
/* Zeroed host doubles for oracles. */
double *un_harness_doubles(struct un_harness *h, int64_t count);
/* The same numbers, rows packed. */
double *un_harness_widen(struct un_harness *h, struct un_mat m);
double *un_harness_widen_array(struct un_harness *h, const float *x, int64_t count);

/* A value passes when |got - want| <= absolute + relative * |want|; NaN passes only where NaN is wanted. */
struct un_tolerance {
    double absolute, relative;
};
void un_harness_near(const char *what, struct un_mat got, const double *want, struct un_tolerance t);
void un_harness_near_array(const char *what, const float *got, const double *want, int64_t count,
                           struct un_tolerance t);
void un_harness_same(const char *what, struct un_mat got, struct un_mat want); /* bits */

/* Compares a gradient with central differences (step `step`) of a scalar function in double, element by
 * element. x is restored. */
typedef double (*un_harness_function)(const double *x, const void *context);
void un_harness_slope(const char *what, struct un_mat gradient, un_harness_function f, const void *context,
                      double *x, double step, struct un_tolerance t);

/* A dropout of probability p with a fixed key. */
struct un_dropout un_harness_dropout(double p);

/* Row and column counts every op is tried at. */
extern const int64_t un_harness_rows[5];   /* 0 1 3 17 130 */
extern const int64_t un_harness_widths[6]; /* 1 7 20 64 100 768 */

#endif
