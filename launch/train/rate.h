/* What the machine can do, for the live line: the rate of a large matrix product, on all ranks at once. */
#ifndef UN_LAUNCH_TRAIN_RATE_H
#define UN_LAUNCH_TRAIN_RATE_H

#include "launch/job/job.h"

/* c = a b, so often at once that a card shows what it can. */
struct un_rate_product {
    struct un_mat c, a, b;
    int64_t at_once;
};

/* FLOP/s of a product on this rank's device: the best of `times`, after one to warm up; of fewer once so many seconds have passed,
 * but always of one. */
enum un_status un_rate_product(struct un_job *job, const struct un_rate_product *product, int times,
                               double seconds, double *flops);

/* FLOP/s of all ranks together; 0 where rank 0 does not want it or it cannot be measured (a network of less than 16,384
 * parameters, bf16 on a CPU). Takes about 0.1 s. Factors are the parameters, the product goes into the buffer of gradients
 * that the next backward empties: nothing is taken and nothing of the training changes. Collective, after the start. */
enum un_status un_rate_measure(struct un_job *job, bool wanted, double *flops);

#endif
