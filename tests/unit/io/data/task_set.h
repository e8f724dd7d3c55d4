/* A pair of made files of a task, and the set that is opened from it. */
#ifndef UN_TESTS_UNIT_IO_DATA_TASK_SET_H
#define UN_TESTS_UNIT_IO_DATA_TASK_SET_H

#include "tests/support/expect.h"
#include "tests/support/make_files.h"
#include "tests/support/one_set.h"

#include <stdio.h>

static const char *img, *txt; /* by set_up */

static inline struct make_files files_of(enum un_task task) {
    struct make_files m = make_files_default();
    m.task = task;
    m.num_answers = task == UN_TASK_VQA ? 7 : task == UN_TASK_VE ? 3 : 0;
    m.bare_images = task == UN_TASK_NLVR2 ? 4 : 0;
    return m;
}

static inline struct one_set set_of(void) {
    struct one_set set;
    ONE_SET(&set, img, txt);
    set.data.max_txt_len = 0;
    set.soft_labels = true;
    return set;
}

static inline int set_up(void **state) {
    (void)state;
    static char paths[2][512];
    snprintf(paths[0], sizeof paths[0], "%s", scratch("task.img.h5"));
    snprintf(paths[1], sizeof paths[1], "%s", scratch("task.txt.h5"));
    img = paths[0];
    txt = paths[1];
    return 0;
}
static inline int tear_down(void **state) {
    (void)state;
    scratch_remove();
    return 0;
}

#endif
