/* One reference file at work, and the three groups of comparisons made on it. Each prints a line a quantity;
 * the status says only whether the file could be read and the passes run. */
#ifndef UN_TESTS_WHOLE_PARITY_RUN_H
#define UN_TESTS_WHOLE_PARITY_RUN_H

#include "tests/support/net.h"
#include "tests/whole/parity/compare.h"
#include "tests/whole/parity/reference.h"

/* How far a quantity may be off; one set a precision (parity.c). */
struct tolerances {
    double value;    /* hidden states, losses, pooled, distances: of the largest */
    double score;    /* scores of pairs: of the largest */
    double gradient; /* l2, relative */
    double pairs;    /* likewise, of the task itm */
    double terms;    /* itm_output.bias: a gradient below this is judged as one of this size */
    double zero;     /* gradients whose true value is zero: absolute */
    double plan;     /* of the largest entry */
    double training; /* losses and gradient norms, relative */
    double drift;    /* how far the parameters may be along the gradient: times its norm, added to a loss */
    double norm;     /* l2 of a parameter after training, relative */
    double rate;     /* learning rate: the file's double rounded to float */
};

struct run {
    struct reference ref;
    const struct tolerances *tolerance;
    struct net net;
    struct card *card;
    struct reference_samples samples[UN_OBJECTIVE_COUNT];
    struct packed batch[UN_OBJECTIVE_COUNT];
    struct factors factors;
    float *host; /* [P] values on the way in or out */
};

/* Outputs of the last pass over the samples of objective t: hidden states, losses, pairs. */
enum un_status compare_outputs(struct run *r, enum un_objective t);
/* All gradients of the last pass. */
enum un_status compare_gradients(struct run *r, enum un_objective t);
/* The training run, from the parameters of the rule. Leaves others behind. */
enum un_status compare_training(struct run *r);

#endif
