/* A small micro-world, made once and read by most tests of a program. */
#ifndef UN_TESTS_UNIT_IO_SYNTH_SMALL_WORLD_H
#define UN_TESTS_UNIT_IO_SYNTH_SMALL_WORLD_H

#include "tests/support/expect.h"
#include "tests/support/synth_files.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const char *const parts[] = {"coco_train", "coco_valid", "vg_train",  "vg_valid",
                                    "cc_train",   "cc_valid",   "sbu_train", "sbu_valid"};
enum { PARTS = 8 };

static inline struct un_synth_keys small(const char *folder) {
    struct un_synth_keys keys = synth_keys(folder);
    keys.train_images = 120;
    keys.valid_images = 40;
    keys.img_dim = 32;
    return keys;
}

/* Made once, read by most tests. */
static struct un_synth_keys shared;
static inline int make_shared(void **state) {
    (void)state;
    shared = small("shared");
    expect_ok(un_synth(&shared));
    return 0;
}
static inline int remove_shared(void **state) {
    (void)state;
    synth_remove(&shared);
    scratch_remove();
    return 0;
}

#endif
