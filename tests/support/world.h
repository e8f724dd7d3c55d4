/* Data sets of given sizes for the tests of plan, packing and loader: files of make_files in a fresh folder,
 * opened with all their regions. Anything that goes wrong fails the running test. */
#ifndef UN_TESTS_SUPPORT_WORLD_H
#define UN_TESTS_SUPPORT_WORLD_H

#include "io/data/dataset.h"
#include "tests/support/make_files.h"

enum { WORLD_MAX = 4, WORLD_SAMPLES = 4096 };

struct world_spec {
    struct make_files files; /* prefix is also the name of the data set */
    double mix[UN_OBJECTIVE_COUNT];
    int64_t max_bb;    /* regions used of an image at most; 0: all */
    int64_t bad_image; /* the first feature of this image is NaN; 0: none (so image 0 cannot be bad) */
    bool tie;          /* soft label of the very first region: 1/2 at columns 0, 3 and 7, else 0 */
};

struct world {
    char folder[32];
    int64_t n;
    struct un_dataset *datasets[WORLD_MAX];
    struct un_dataset_keys keys[WORLD_MAX];
};

void world_open(struct world *world, const struct world_spec *specs, int64_t n, int64_t lanes,
                bool allow_empty_lanes);
/* The nine real images beside the checkout, all objectives; false when they are not there. */
bool world_open_real(struct world *world, int64_t lanes);
void world_close(struct world *world);

/* Fails the test with the recorded error if status is not UN_OK. */
void world_check(enum un_status status);

#endif
