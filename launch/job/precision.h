/* What a user is told of the precision on a CPU. */
#ifndef UN_LAUNCH_JOB_PRECISION_H
#define UN_LAUNCH_JOB_PRECISION_H

#include "launch/settings/keys.h"

/* NULL: nothing is to be told. units: the processor has matrix units for bf16; kernel: run.kernel, of un_kernel_names. Only auto
 * and amx use the units. */
const char *un_precision_on_cpu(enum un_precision precision, bool units, const char *kernel);

#endif
