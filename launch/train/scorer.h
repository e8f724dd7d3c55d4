/* Scores of given sequences: packed in their order, as many as a micro-batch holds, passed forward without dropout,
 * and brought to the host. For the mining of hard negatives; the matrix of retrieval shares the pass. */
#ifndef UN_LAUNCH_TRAIN_SCORER_H
#define UN_LAUNCH_TRAIN_SCORER_H

#include "io/feed/pack.h"
#include "launch/job/job.h"

/* One micro-batch forward, without dropout; its outputs are on the host afterwards. hooks: NULL: none. */
enum un_status un_forward(struct un_job *job, const struct un_batch *host, struct un_host_outputs *outputs,
                          const struct un_pass_hooks *hooks);

struct un_scorer {
    struct un_job *job;         /* borrowed */
    struct un_batch_caps caps;  /* without a store: these features are not kept on the device */
    const struct un_plan *plan; /* borrowed */
    struct un_packer *packer;   /* of the plan */
    struct un_batch batch;      /* the micro-batch at hand */
    void *memory;               /* of it */
    struct un_host_outputs outputs;
};

/* After un_job_open_device. On failure un_scorer_close is still to be called. */
enum un_status un_scorer_open(struct un_scorer *s, struct un_job *job, const struct un_plan *plan);
void un_scorer_close(struct un_scorer *s);
/* A micro-batch of these caps in fresh host memory, to be given back by the device's host_free. */
enum un_status un_scorer_batch(const struct un_scorer *s, struct un_batch *batch, void **memory);
/* score [list->n] of list->sequence. hooks: of the passes, NULL: none. Waits for the device. */
enum un_status un_scorer_run(struct un_scorer *s, const struct un_pack_list *list, uint32_t step,
                             uint32_t lane, const struct un_pass_hooks *hooks, float *score);

#endif
