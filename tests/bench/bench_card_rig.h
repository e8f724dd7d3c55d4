/* What bench_card times with: a card, operands of random numbers on it, and the median of bursts between two
 * events. Every run takes the next of SETS operands, which together exceed the caches. */
#ifndef UN_TESTS_BENCH_BENCH_CARD_RIG_H
#define UN_TESTS_BENCH_BENCH_CARD_RIG_H

#include "runtime/device.h"
#include "runtime/ops.h"

enum { SETS = 4 };

/* One card a program. */
extern struct rig {
    struct un_device *device;
    struct un_queue *queue;
    const struct un_ops *ops;
    struct un_event *before, *after;
    double copy_rate, matrix_rate; /* bytes/s, FLOP/s of this run */
    const char *wanted;            /* part of the names that are reported */
    int set;                       /* of the run under way */
} rig;

struct operand {
    struct un_mat of[SETS];
};

/* Ends the program with the status and its message. */
void check(enum un_status status);
/* Device memory, freed by the caller: random, and a copy of host. */
void *fresh(int64_t count, enum un_type type);
int32_t *ints(const int32_t *host, int64_t count);
struct operand mats(int64_t rows, int64_t cols, enum un_type type);
void release(struct operand *o);
/* Median seconds of one run. */
double seconds(void (*run)(void));
/* Prints a JSON object. bytes: read and written at least once each; flop: of the matrix units, 0 where bytes
 * bound the op. */
void report(const char *name, double bytes, double flop, void (*run)(void));

/* Products and casts of fp8 (bench_card_fp8.c). step_and_lane: of dropout, in device memory. */
void bench_fp8(const uint32_t *step_and_lane);
/* The ops of convolutional networks (bench_card_maps.c). */
void bench_maps(void);

#endif
