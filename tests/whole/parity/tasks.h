/* One task of a file of tasks at work: a network of its own, its micro-batch, and the comparisons. Each prints a line a
 * quantity; the status says only whether the file could be read and the passes run. */
#ifndef UN_TESTS_WHOLE_PARITY_TASKS_H
#define UN_TESTS_WHOLE_PARITY_TASKS_H

#include "tests/whole/parity/run.h"

struct task_run {
    struct reference *ref;
    const struct task_tolerances *tolerance;
    struct card *card;
    const char *name; /* tasks/NAME */
    enum un_objective objective;
    struct net net;
    struct factors factors;
    struct reference_samples samples;
    int32_t *target, *wrong; /* of the file, or NULL */
    float *score;
    struct task_rows rows;
    struct packed batch;
    /* Hard tasks: all candidates, then those taken, highest score first (the file's choice where ours differs by no more
     * than scores may be off). */
    int64_t hard; /* how many are taken; 0: no hard task */
    struct packed all;
    struct sample *taken;
    int32_t *pick, *index; /* ours; the file's, `indices` of them */
    int64_t indices;
    bool updated;        /* the parameters are no longer those that the file chose with */
    float *candidates;   /* [samples.n] their scores */
    float *start, *host; /* [P] the parameters of the rule; values on the way in or out */
    double first_norm;   /* of the gradient, as the reference has it */
};

/* How far a quantity of a task may be off. */
struct task_tolerances {
    double hidden; /* hidden states, of the largest; so are the next three */
    double pooled;
    double score;
    double unit;      /* unit losses */
    double unit_zero; /* unit losses: or that much */
    double loss;      /* relative */
    double gradient;  /* times the l2 of the gradient, */
    double cancels;   /* plus this times the norm of all */
    double training;  /* losses and norms, relative */
    double hinged;    /* norms of tasks with a margin */
    double switching; /* gradients and norms where units of a ReLU may switch (vcr), when larger than those */
    double
        drift;   /* times the norm of the gradient, added to a loss: how far the parameters may be along it */
    double rate; /* relative */
    double norm; /* l2 of a parameter, relative */
    double change; /* l2 of its way, relative */
};
/* Of the file's README; in bf16 what bf16 costs. */
extern const struct task_tolerances task_fp32, task_bf16;

/* `tolerance`, or that of units that switch where the task has them. */
double task_switching(const struct task_run *r, double tolerance);

/* The network of tasks/NAME with the parameters of the rule. */
enum un_status task_open(struct task_run *r, const char *device, int threads, bool bf16);
void task_close(struct task_run *r);
/* A pass over what is taught; of hard tasks after the choice of candidates by a pass over all. */
enum un_status task_pass(struct task_run *r);
/* Names, and which of them an update leaves alone. */
enum un_status compare_task_names(struct task_run *r);
/* Outputs of the last pass. */
enum un_status compare_task_outputs(struct task_run *r);
/* Scores of the pairs before the first update (itm_rank). */
enum un_status compare_zero_shot(struct task_run *r);
enum un_status compare_task_gradients(struct task_run *r);
/* What it starts from when it is made out of a pretrained network. */
enum un_status compare_task_init(struct task_run *r);
/* Three updates. Leaves other parameters behind. */
enum un_status compare_task_training(struct task_run *r);

/* All tasks of an open file. */
enum un_status compare_tasks(struct reference *ref, struct card *card, const char *device, int threads,
                             bool bf16);
/* Data set tasks/TASK/NAME. */
enum un_status task_floats(struct task_run *r, const char *name, float **want, int64_t *count);

#endif
