/* Names of tasks, as a file's attribute says them, and rules that writers and readers share. */
#include "io/data/targets.h"
#include <math.h>
#include <stddef.h>

const char *const un_task_names[UN_TASKS + 1] = {"none", "vqa", "ve",        "nlvr2",
                                                 "vcr",  "re",  "retrieval", NULL};

bool un_targets_box_good(const float box[4], const float size[2]) {
    return isfinite(box[0]) && isfinite(box[1]) && isfinite(box[2]) && isfinite(box[3]) &&
           isfinite(size[0]) && isfinite(size[1]) && box[2] > 0 && box[3] > 0 && size[0] > 0 && size[1] > 0;
}

static bool stands_before(const int32_t *id, int64_t i) {
    for (int64_t k = 0; k < i; ++k)
        if (id[k] == id[i]) return true;
    return false;
}

const char *un_targets_bad_answer(const int32_t *id, const float *score, int64_t i, int64_t num_answers) {
    if (id[i] < 0 || id[i] >= num_answers) return "has a label outside [0, num_answers)";
    if (!(score[i] > 0 && score[i] <= 1)) return "has a score outside (0, 1]";
    return stands_before(id, i) ? "has a label that stands twice" : NULL;
}
