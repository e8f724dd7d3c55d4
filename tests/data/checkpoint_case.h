/* A small training state for tests of checkpoints: values are a function of the step and the element, so that
 * any process knows what a checkpoint of a step must hold. */
#ifndef UN_TEST_CHECKPOINT_CASE_H
#define UN_TEST_CHECKPOINT_CASE_H

#include "io/checkpoint.h"

enum { CASE_LANES = 5, CASE_STREAMS = 3 };

struct checkpoint_case {
    struct un_params params;
    struct un_lane_state states[CASE_LANES];
    struct un_checkpoint c;
};

/* rows x 128 weights and a bias; rank r of n takes its lanes. Buffers are poisoned. */
void case_open(struct checkpoint_case *k, int64_t rows, int rank, int size);
void case_close(struct checkpoint_case *k);
/* The state after `step`; states of other ranks' lanes are poisoned. */
void case_fill(struct checkpoint_case *k, int64_t step);
void case_poison(struct checkpoint_case *k);
/* The number of buffers' elements and states that are not those of k->c.step. */
int64_t case_wrong(const struct checkpoint_case *k);
/* Removes a folder with all below it. */
void case_remove_tree(const char *path);

#endif
