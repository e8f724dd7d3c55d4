#include "launch/job/precision.h"

#include <string.h>

const char *un_precision_on_cpu(enum un_precision precision, bool units, const char *kernel) {
    const bool used = units && (strcmp(kernel, "auto") == 0 || strcmp(kernel, "amx") == 0);
    if (precision == UN_PRECISION_TF32) return "train.precision: tf32 is for cards; the CPU computes in fp32";
    if (precision == UN_PRECISION_BF16 && !units)
        return "train.precision: bf16 on a processor without matrix units: less memory, perhaps more time "
               "than fp32, the same results as on one that has them";
    if (precision == UN_PRECISION_BF16 && !used)
        return "train.precision: bf16 by a run.kernel that leaves the processor's matrix units aside: "
               "perhaps more time than fp32, the same results as with run.kernel: auto";
    if (precision == UN_PRECISION_AUTO && used)
        return "train.precision: auto is fp32 on a CPU; this one has matrix units, which bf16 would use: "
               "faster products and less memory, losses a little different";
    return NULL;
}
