#include "launch/job/precision.h"

#include <string.h>

const char *un_precision_on_cpu(enum un_precision precision, bool quick, const char *kernel) {
    const bool used = quick && (strcmp(kernel, "auto") == 0 || strcmp(kernel, "amx") == 0 ||
                                strcmp(kernel, "avx512bf16") == 0);
    if (precision == UN_PRECISION_TF32) return "train.precision: tf32 is for cards; the CPU computes in fp32";
    if (precision == UN_PRECISION_FP8)
        return "train.precision: fp8 on a CPU: numbers are rounded to fp8 and then multiplied in bf16, "
               "slower than train.precision: bf16; to try out what it does to a training";
    if (precision == UN_PRECISION_BF16 && !quick)
        return "train.precision: bf16 on a processor without quick instructions for it: less memory, "
               "perhaps more time than fp32, the same results as on one that has them";
    if (precision == UN_PRECISION_BF16 && !used)
        return "train.precision: bf16 by a run.kernel that leaves the processor's instructions for it aside: "
               "perhaps more time than fp32, the same results as with run.kernel: auto";
    if (precision == UN_PRECISION_AUTO && used)
        return "train.precision: auto is fp32 on a CPU; this one has instructions for bf16: "
               "faster products and less memory, losses a little different";
    return NULL;
}
