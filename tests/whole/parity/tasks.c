/* The tasks of a file, one after another. */
#include "tests/whole/parity/tasks.h"

const struct task_tolerances task_fp32 = {.value = 2e-5,
                                          .unit_zero = 1e-6,
                                          .loss = 2e-5,
                                          .gradient = 2e-5,
                                          .cancels = 1e-6,
                                          .training = 1e-4,
                                          .rate = 1e-6,
                                          .norm = 1e-5,
                                          .change = 1e-3};
const struct task_tolerances task_bf16 = {.value = 2e-2,
                                          .unit_zero = 1e-3,
                                          .loss = 2e-2,
                                          .gradient = 4e-2,
                                          .cancels = 1e-3,
                                          .training = 2e-2,
                                          .rate = 1e-6,
                                          .norm = 2.5e-3,
                                          .change = 1e-1};

static enum un_status compare_task(struct task_run *r) {
    UN_TRY(compare_task_names(r));
    UN_TRY(task_pass(r));
    UN_TRY(compare_task_outputs(r));
    UN_TRY(compare_task_gradients(r));
    UN_TRY(compare_zero_shot(r));
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
