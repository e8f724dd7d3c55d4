/* The tasks of a file, one after another. */
#include "tests/whole/parity/tasks.h"

#include <string.h>

const struct task_tolerances task_fp32 = {.hidden = 2e-5,
                                          .pooled = 2e-5,
                                          .score = 2e-5,
                                          .unit = 2e-5,
                                          .unit_zero = 1e-6,
                                          .loss = 2e-5,
                                          .gradient = 2e-5,
                                          .cancels = 1e-6,
                                          .training = 1e-4,
                                          .hinged = 1e-4,
                                          .switching = 0,
                                          .rate = 1e-6,
                                          .norm = 1e-5,
                                          .change = 1e-3};
/* What bf16 costs: about twice what PyTorch in bf16 (autocast, and rounded rows of the tables; torch_bf16_tasks.py beside
 * this) is off from the same files, or twice ours where that is less. The two figures are the worst of tiny and odd: PyTorch's, ours on the
 * emulated card. */
const struct task_tolerances task_bf16 = {
    .hidden = 3.5e-2, /* 0.018, 0.027: a layer's output is kept in bf16 here, in f32 there */
    .pooled = 1.2e-1, /* 0.060, 0.058 */
    .score = 9e-2,    /* 0.050, 0.056 */
    .unit = 4.5e-2,   /* 0.050, 0.034 */
    .unit_zero = 1e-3,
    .loss = 4e-2,       /* 0.030, 0.010, on the CPU 0.021: tiny's itm_rank */
    .gradient = 1.2e-1, /* 0.066, 0.070 of its own l2, but for vcr */
    .cancels = 6e-3, /* biases behind which all scores move alike: PyTorch's are off by 0.6 of their own l2 */
    .training = 1e-1, /* norms 0.13, 0.11: vcr; other tasks 0.022, 0.026 */
    .hinged =
        7e-1, /* 0.34, 0.34: step 3 of odd's re_rank, one of its few pairs is on the other side of the margin */
    /* vcr: 0.44, 0.40, on the CPU 0.41. Units of its ReLU that are close to zero switch: 4 to 7 of tiny's 1,024, 5 to
     * 10 of odd's 2,304. Noise of up to 2^-8 in linear layers, drawn six times, gives 0.04 to 0.46; with the signs of
     * fp32 kept the same runs give 0.035 to 0.081, as other tasks do (torch_switching.py) */
    .switching = 6e-1,
    .drift = 3e-3, /* losses of step 3 of odd's itm_rank, 0.0017: 0.13, 0.028; of step 3 of vcr 0.083,
               * 0.10; along the gradient 0.0041, 0.0051 */
    .rate = 1e-6,
    .norm = 2.5e-3, /* 0.010, 0.0006 */
    .change = 1e-1  /* 0.069, 0.053, where the gradient is not rounding */
};

double task_switching(const struct task_run *r, double tolerance) {
    const bool switches = strcmp(r->name, "vcr") == 0;
    return switches && r->tolerance->switching > tolerance ? r->tolerance->switching : tolerance;
}

static enum un_status compare_task(struct task_run *r) {
    UN_TRY(compare_task_names(r));
    UN_TRY(task_pass(r));
    UN_TRY(compare_task_outputs(r));
    UN_TRY(compare_task_gradients(r));
    UN_TRY(compare_zero_shot(r));
    UN_TRY(compare_task_init(r));
    return compare_task_training(r);
}

enum un_status compare_tasks(struct reference *ref, struct card *card, const char *device, int threads,
                             bool bf16) {
    char **names;
    int64_t n;
    enum un_status status = UN_OK;
    UN_TRY(un_h5_names(ref->file, "tasks", &names, &n));
    for (int64_t i = 0; i < n && status == UN_OK; ++i) {
        struct task_run run = {.ref = ref,
                               .card = card,
                               .tolerance = bf16 ? &task_bf16 : &task_fp32,
                               .name = card->task = names[i]};
        status = task_open(&run, device, threads, bf16);
        if (status == UN_OK) status = compare_task(&run);
        task_close(&run);
    }
    card->task = "-";
    un_h5_names_free(names, n);
    return status;
}
