/* What a user is told of the precision on a CPU. */
#ifndef UN_LAUNCH_JOB_PRECISION_H
#define UN_LAUNCH_JOB_PRECISION_H

#include "launch/settings/keys.h"

/* NULL: nothing is to be told. quick: the processor has instructions for bf16 that are faster than those of f32;
 * kernel: run.kernel, of un_kernel_names: auto, avx512bf16 and amx use them. */
const char *un_precision_on_cpu(enum un_precision precision, bool quick, const char *kernel);

#endif
