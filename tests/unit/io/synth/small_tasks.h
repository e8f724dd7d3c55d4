/* A small micro-world with tasks, made once and read by most tests of a program. */
#ifndef UN_TESTS_UNIT_IO_SYNTH_SMALL_TASKS_H
#define UN_TESTS_UNIT_IO_SYNTH_SMALL_TASKS_H

#include "io/synth/pose.h"
#include "tests/support/expect.h"
#include "tests/support/synth_files.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

enum { IMAGES = 240 };
static struct un_synth_keys made;
static char **word; /* its vocabulary */
static int64_t words;

static inline struct un_synth_keys tasks_of(const char *folder, const char *tasks) {
    struct un_synth_keys keys = synth_keys(folder);
    keys.train_images = IMAGES;
    keys.valid_images = 8;
    keys.test_images = 5;
    keys.img_dim = 8;
    snprintf(keys.sets, sizeof keys.sets, "vg");
    snprintf(keys.tasks, sizeof keys.tasks, "%s", tasks);
    return keys;
}

static inline int make_tasks(void **state) {
    (void)state;
    made = tasks_of("tasks", "all");
    expect_ok(un_synth(&made));
    word = synth_read_lines(&made, "vocab.txt", &words);
    return 0;
}
static inline int remove_tasks(void **state) {
    (void)state;
    synth_free_lines(word, words);
    synth_remove(&made);
    scratch_remove();
    return 0;
}

#endif
