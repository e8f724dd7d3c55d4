/* --bench STEPS: times training steps and holds them against the matrix rate measured in the same run. */
#ifndef UN_LAUNCH_TRAIN_BENCH_H
#define UN_LAUNCH_TRAIN_BENCH_H

#include "launch/job/job.h"

/* One step of warm-up, then `steps` timed ones, with a measurement of C = A B on the same device before
 * each (CPU: 1024 x 3072 x 768 in f32; card: 8192 cubed in the type of the training's products). Prints
 * tokens/s, model TFLOP/s (matrix products by their shapes, un_dims_flop), the ratio, milliseconds by phase,
 * share of waiting for data, peak memory. Writes no files. Collective; rank 0 prints. */
enum un_status un_bench_run(struct un_job *job, int64_t steps, FILE *out);

#endif
