/* What the ranks of a job exchange in a step, bucket by bucket and beside the computation: gradients are
 * reduced to their owners as the backward finishes them, parameters go from their owners to everybody while
 * the next forward already runs on those that have come. The order of a step:
 *
 *   begin - ready ... ready (backward of the last lane) - [norm: after the own parts are summed]
 *         - updated for every bucket, from the beginning of the buffer on - need ... need (next forward)
 *
 * One process: nothing is posted, everything is there at once. Errors of the communication stick to the queue
 * and come out of the next call that returns a status.
 */
#ifndef UN_EXCHANGE_H
#define UN_EXCHANGE_H

#include "comm/parts.h"
#include "comm/queue.h"
#include "model/optim.h"

struct un_job;

struct un_exchange {
    struct un_shard shard;
    struct un_comm_queue *queue; /* NULL: one process */
    struct un_parts parts;
    int64_t *tickets;    /* [buckets]: of the last reduction or gathering */
    double counted;      /* busy seconds of the queue that steps have told of */
    int64_t posted;      /* buckets of this step that are on their way to their owners */
    int64_t most_blocks; /* blocks of the rank that owns the most */
    double *mine, *all;  /* [most_blocks], [ranks * most_blocks]: partial norms; mine is padded */
    double *ordered;     /* [blocks]: of all blocks in the order of the buffer */
    /* A device whose memory the host cannot read: */
    struct un_queue *copies;  /* beside the job's queue */
    struct un_event **events; /* [buckets]: the device has finished the bucket */
    float *stage;             /* [elements of a bucket] pinned */
};

/* Memory and the shard, this rank alone; then, when all ranks have them, the queue (collective; a rank whose
 * library fails in between returns alone). */
enum un_status un_exchange_open(struct un_job *job);
enum un_status un_exchange_start(struct un_job *job);
void un_exchange_close(struct un_job *job);
/* Host memory of un_exchange_open, and elements of the rank that owns the most; both before the opening. */
size_t un_exchange_bytes(const struct un_job *job, int64_t total);
int64_t un_exchange_most_owned(const struct un_job *job, int64_t total);

void un_exchange_begin(struct un_job *job);
/* All work that makes the gradients of [begin, P) in job->grads[0] final is queued on the device. */
void un_exchange_ready(struct un_job *job, int64_t begin);
/* This rank's part of bucket b. */
struct un_optim_part un_exchange_part(const struct un_job *job, int64_t b);
/* Waits until this rank's part of bucket b is the sum over all ranks. */
enum un_status un_exchange_reduced(struct un_job *job, int64_t b);
/* job->optim.sums from the partial norms of all ranks. */
enum un_status un_exchange_norm(struct un_job *job);
/* The update of this rank's part of bucket b is queued on the device: sends it to the others. */
void un_exchange_updated(struct un_job *job, int64_t b);
/* Waits until the parameters of [begin, end) are those of all owners. */
enum un_status un_exchange_need(struct un_job *job, int64_t begin, int64_t end);
/* The same for all parameters: before anybody but the forward of a step looks at them. */
enum un_status un_exchange_settle(struct un_job *job);

/* Integers summed over the ranks; until the wait for the ticket they belong to the exchange. One process:
 * they are their sum. */
int64_t un_exchange_sum(struct un_job *job, int64_t *counts, int64_t n);
enum un_status un_exchange_wait(struct un_job *job, int64_t ticket);
struct un_comm_times un_exchange_times(const struct un_job *job);

#endif
