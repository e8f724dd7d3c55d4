/* Finite differences of a loss against gradients: for a parameter tensor the derivative along its gradient, along a
 * random direction, and by single elements. */
#ifndef UN_TESTS_UNIT_MODEL_NET_DIFFERENCES_H
#define UN_TESTS_UNIT_MODEL_NET_DIFFERENCES_H

#include "runtime/params.h"

struct differences {
    const float *base, *grads; /* [P] where the gradient was taken, and it */
    float *moved;              /* [P] = base, and so between two calls */
    double (*loss)(void *context, const float *values);
    void *context;
    bool bends;   /* the loss has kinks (ReLU, hinges): a step that crosses none is looked for */
    double worst; /* of all comparisons, in tolerances */
};

/* Fails the test where gradient and differences disagree. k: of the random direction. */
void differences_check(struct differences *d, const struct un_param *p, uint32_t k);

#endif
