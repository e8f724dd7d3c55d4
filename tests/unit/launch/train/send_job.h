/* Jobs on a pretended card with a small data set, for the tests of what is sent to it. */
#ifndef UN_TESTS_UNIT_LAUNCH_TRAIN_SEND_JOB_H
#define UN_TESTS_UNIT_LAUNCH_TRAIN_SEND_JOB_H

#include "launch/job/job.h"
#include "tests/unit/launch/train/pretend_card.h"

enum { SEND_STEPS = 36, SEND_LANES = 4 };
extern const size_t send_plenty; /* of a card's memory */

/* The ranks of the program and this one alone; between send_begin and send_finish. */
extern struct un_comm *send_comm, *send_self;
extern char send_config_path[80];

/* How a job runs. */
struct send_how {
    const char *cache; /* data.cache */
    size_t free_bytes; /* of the card; 0: the plain CPU */
    int64_t validate;  /* after this many steps; 0: never */
    int64_t settle;    /* the device is waited for after so many steps; 0: after each */
    int64_t spoil;     /* after so many steps a parameter is infinite for one; 0: never */
    const char *more;  /* another override; NULL: none */
    struct un_comm *comm;
};

struct send_result {
    float *params;
    int64_t total;
    double loss[SEND_STEPS]; /* 0: not waited for */
    double norm[SEND_STEPS]; /* of the gradient */
    enum un_optim_skip skip[SEND_STEPS];
    double valid;
    struct pretend_counts counts;
    int64_t copied[SEND_STEPS]; /* bytes to the card in each step */
    struct un_job_cache cache;
    struct un_resident_counts resident;
};

/* False: said on stderr. */
bool send_begin(int *argc, char ***argv);
/* The exit code of a group with so many failed tests; other ranks end too. */
int send_finish(int failed);

/* A group's setup and teardown. */
int send_make_world(void **state);
int send_drop_world(void **state);

enum un_status send_open(struct un_job *job, const struct send_how *how);
void send_start(struct un_job *job, const struct send_how *how);
void send_fetch(struct un_job *job, float *to, const float *from, int64_t n);
void send_steps(struct un_job *job, const struct send_how *how, struct send_result *r, int64_t until);
void send_end(struct un_job *job, const struct send_how *how, struct send_result *r);
/* SEND_STEPS steps from the beginning. */
struct send_result send_run(const struct send_how *how);
void send_same(const struct send_result *a, const struct send_result *b);
void send_drop(struct send_result *r);

/* Memory of the card that the job takes without a store, and of a row. */
size_t send_base_bytes(int64_t *row_bytes, int64_t *need_rows, int64_t *guests);

#endif
