/* What guard.c (when to look) and guard_digests.c (looking) share. */
#ifndef UN_LAUNCH_TRAIN_GUARD_PRIVATE_H
#define UN_LAUNCH_TRAIN_GUARD_PRIVATE_H

#include "io/disk/digest.h"
#include "launch/train/guard.h"

enum un_guard_rest { UN_REST_PARAMS, UN_REST_LOW, UN_REST_FIRST, UN_REST_SECOND, UN_REST_COUNT };

struct un_watch {
    struct un_job *job;
    int64_t every, items;         /* items a rank shows: a digest a bucket, then the probe's */
    struct un_digest *mine, *all; /* [items], [ranks * items] */
    char (*hosts)[72];            /* [ranks] */
    void *piece;                  /* host memory for a piece of a buffer of a card; NULL: the host reads it */
    float *product;               /* of the probe; NULL: none */
    int64_t side;                 /* of its matrices */
    struct un_digest rest[UN_REST_COUNT], pass;
    bool armed;              /* `rest` holds */
    int64_t compared;        /* the step whose parameters were compared last; -1: none */
    enum un_status trouble;  /* of this rank, not told yet */
    struct un_error message; /* of it */
};

/* A digest of device memory; everything queued is done first. A failed copy becomes the rank's trouble. */
struct un_digest un_guard_digest(struct un_watch *guard, const void *device, size_t bytes);
/* The digests of what may not change between steps. */
void un_guard_look(struct un_watch *guard, struct un_digest rest[UN_REST_COUNT]);
/* Fills `mine`. */
void un_guard_show(struct un_watch *guard);
/* UN_INTERNAL, the same on all ranks, when `all` is not the same for all. */
enum un_status un_guard_judge(const struct un_watch *guard);
void un_guard_keep(struct un_watch *guard, enum un_status status);

#endif
