/* What a rank will take, counted before it is taken: by part, on the device and on the host; whether it fits,
 * and what would. */
#ifndef UN_LAUNCH_JOB_MEMORY_H
#define UN_LAUNCH_JOB_MEMORY_H

#include "launch/job/job.h"

/* Parts of a rank's memory: member, name, whether it lives on the device. */
#define UN_MEMORY_PARTS(X)                                                                                   \
    X(params, "parameters", true)                                                                            \
    X(moments, "moments", true)                                                                              \
    X(grads, "gradients", true)                                                                              \
    X(activations, "activations", true)                                                                      \
    X(scratch, "scratch", true)                                                                              \
    X(blocks, "micro-batches on the card", true)                                                             \
    X(store, "features kept on the card", true)                                                              \
    X(exchange, "exchange", false)                                                                           \
    X(batches, "micro-batches", false)                                                                       \
    X(index, "index of the data", false)                                                                     \
    X(cache, "cache", false)                                                                                 \
    X(checkpoint, "copy for checkpoints", false)                                                             \
    X(libraries, "addresses of libraries", false)

/* Bytes. card, host: sums; a device that reads host memory has no card. */
struct un_memory_plan {
#define UN_MEMORY_MEMBER(member, name, device) size_t member;
    UN_MEMORY_PARTS(UN_MEMORY_MEMBER)
#undef UN_MEMORY_MEMBER
    size_t card, host, total;
};
enum {
#define UN_MEMORY_ONE(member, name, device) +1
    UN_MEMORY_PARTS_COUNT = 0 UN_MEMORY_PARTS(UN_MEMORY_ONE)
#undef UN_MEMORY_ONE
};
struct un_memory_part {
    const char *name;
    size_t offset; /* in un_memory_plan */
    bool device;
};
extern const struct un_memory_part un_memory_parts[UN_MEMORY_PARTS_COUNT];

enum un_status un_job_memory(const struct un_job *job, struct un_memory_plan *plan);
size_t un_memory_part_bytes(const struct un_memory_plan *plan, int part);
/* Free memory of the card, this rank's share, now; 0: not known, or no card. */
size_t un_job_room(const struct un_job *job);
/* The largest train.tokens_per_lane, not above the present one, with which the rank fits into `room` bytes of
 * the card; 0: none does. */
enum un_status un_job_fitting_tokens(const struct un_job *job, size_t room, int64_t *tokens);
/* UN_MEMORY and what would fit, if job->cache.room, measured before any rank took memory, is too small. */
enum un_status un_job_check_room(const struct un_job *job);
/* Takes what the device's libraries want on the host, after a look whether all that the rank still wants there can
 * be had; UN_MEMORY with the sum otherwise. Before the first op. */
enum un_status un_job_take_libraries(const struct un_job *job);

#endif
