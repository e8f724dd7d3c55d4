/* A small training state for tests of checkpoints: values are a function of the step and the element, so that
 * any process knows what a checkpoint of a step must hold. */
#ifndef UN_TESTS_SUPPORT_CHECKPOINT_CASE_H
#define UN_TESTS_SUPPORT_CHECKPOINT_CASE_H

#include "io/checkpoint/writer.h"

enum { CASE_LANES = 5, CASE_STREAMS = 3 };

struct checkpoint_case {
    struct un_params params;
    struct un_lane_state states[CASE_LANES];
    int rank;
    struct un_checkpoint c;
};

/* rows x 128 weights and a bias, in buckets of seven blocks; rank r of n takes its part and its lanes.
 * Buffers are poisoned. */
void case_open(struct checkpoint_case *k, int64_t rows, int rank, int size);
/* The same, its parts spread over so many nodes. */
void case_open_spread(struct checkpoint_case *k, int64_t rows, int rank, int size, int nodes);
void case_close(struct checkpoint_case *k);
/* The state after `step`; states of other ranks' lanes are poisoned. */
void case_fill(struct checkpoint_case *k, int64_t step);
void case_poison(struct checkpoint_case *k);
/* The number of the rank's elements and of all states that are not those of k->c.step. */
int64_t case_wrong(const struct checkpoint_case *k);
/* A whole save by a writer of its own. Collective. */
enum un_status case_write(struct un_comm *comm, const char *run_dir, int64_t keep, int64_t keep_every,
                          struct checkpoint_case *k);
/* Removes a folder with all below it. */
void case_remove_tree(const char *path);

/* The run of a test program of one process, set by case_run_open: cmocka's tests take no arguments. */
extern struct un_comm *case_comm;
extern char case_run[512];
extern char case_found[1024]; /* by the last case_find */
int case_run_open(void **state);
int case_run_close(void **state);
void case_save(struct checkpoint_case *k, int64_t step, int64_t keep);
/* Resumes into *k. */
const char *case_find(struct checkpoint_case *k, const char *how);
/* case_find("auto") must give this step, and it must be what was saved. */
void case_expect_newest(struct checkpoint_case *k, int64_t step);

/* RUN/ckpt/step_XXXXXXXX/NAME, valid until the next call. */
char *case_file(int64_t step, const char *name);
void case_overwrite(const char *path, const void *data, size_t bytes);
/* The whole file and a zero byte; freed by the caller. */
char *case_slurp(const char *path, size_t *bytes);

#endif
