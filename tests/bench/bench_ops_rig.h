/* What bench_ops times with: the CPU, operands of random numbers, and rates set beside what the same machine does in the
 * same run. */
#ifndef UN_TESTS_BENCH_BENCH_OPS_RIG_H
#define UN_TESTS_BENCH_BENCH_OPS_RIG_H

#include "runtime/device.h"
#include "runtime/ops.h"

enum { FLAT = 16 * 1024 * 1024 }; /* elements of flat arrays: far more than the caches hold */

/* One device a program. */
extern struct un_device *device;
extern struct un_queue *queue;
extern const struct un_ops *ops;
extern const char *wanted; /* part of the names that are reported */
extern float *flat_a, *flat_b, *flat_c, *flat_d;

/* Random numbers; the program ends when there is no memory. Owner: caller. */
float *fresh(int64_t count);
struct un_mat mat(int64_t rows, int64_t cols);
void release(struct un_mat m);

/* Times one product of the library and one plain copy of flat_b to flat_a, and prints them. */
void references(void);
/* Prints a line. work: FLOP of a product (elements 0), else bytes read and written. */
void report(const char *name, double work, double elements, void (*run)(void));

/* The ops of convolutional networks, at the shapes of the detector (bench_ops_maps.c). */
void bench_maps(void);

#endif
