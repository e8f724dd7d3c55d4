/* --bench STEPS: times training steps and holds them against the matrix rate measured in the same run. */
#ifndef UN_LAUNCH_TRAIN_BENCH_H
#define UN_LAUNCH_TRAIN_BENCH_H

#include "launch/job/job.h"

/* Warm-up (one step; where algorithms of products are tried, until a few steps bring no new one), then `steps` timed
 * ones, with a measurement of C = A B on the same device before
 * each (CPU: 1024 x 3072 x 768 in f32; card: 8192 cubed in the type of the training's products). Prints
 * tokens/s, model TFLOP/s (matrix products by their shapes, un_dims_flop), the ratio, each as the median of the steps
 * with its least and most; means of milliseconds by phase,
 * share of waiting for data, peak memory. Writes no files. Collective; rank 0 prints. */
enum un_status un_bench_run(struct un_job *job, int64_t steps, FILE *out);

#endif
