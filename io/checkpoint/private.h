/* What the files that write and read checkpoints must agree on: the head of a shard, and the record by which
 * a rank tells rank 0 that its part is on the disk. */
#ifndef UN_IO_CHECKPOINT_PRIVATE_H
#define UN_IO_CHECKPOINT_PRIVATE_H

#include "io/checkpoint/checkpoint.h"
#include "io/checkpoint/manifest.h"
#include "io/disk/files.h"
#include <stdatomic.h>

#define UN_SHARD_FORMAT "uniter-checkpoint-shard"
enum { UN_SHARD_VERSION = 2 };
extern const char *const un_checkpoint_arrays[UN_CKPT_ARRAYS]; /* "p", "m", "v" */

/* A rank's part of a save. What it needs is taken before; writing it calls no collective. */
struct un_checkpoint_part {
    const struct un_checkpoint *c; /* p, m, v and step stay as they are meanwhile */
    const char *run_dir;
    int rank;
    uint64_t nonce; /* of this run's start: a record of another start is none */
    const atomic_bool *cancel;
    char *record; /* [un_checkpoint_record_bytes]: states of its lanes are in it already */
};

/* RUN/ckpt/step_X.partial/shard_00003.done: head, digests of the blocks of p, of m, of v, states of lanes,
 * and the digest of all that. */
struct un_record_head {
    char magic[8];
    uint64_t nonce;
    int64_t step, rank, ranks;
    int64_t bytes, at[UN_CKPT_ARRAYS]; /* of the shard's file; bytes 0: this rank owns nothing */
    struct un_digest head;
};
size_t un_checkpoint_record_bytes(const struct un_checkpoint *c, int rank);
struct un_digest *un_checkpoint_record_digests(char *record);
struct un_lane_state *un_checkpoint_record_states(const struct un_checkpoint *c, int rank, char *record);
/* The record's file of a step that is being written. */
enum un_status un_checkpoint_record_path(char path[UN_PATH_MAX], const char *run_dir, int64_t step, int rank);

/* Writes this rank's shard and then its record, both durable. UN_STOPPED: cancelled. */
enum un_status un_checkpoint_part_write(const struct un_checkpoint_part *part);

/* What rank 0 needs to put the parts together; taken once. */
struct un_checkpoint_publisher {
    char *record;                 /* [of the rank with the most] */
    size_t record_room;           /* bytes of it */
    struct un_digest *digests;    /* [3 * blocks of the buffer] */
    struct un_shard_file *shards; /* [ranks] */
    struct un_run *runs;          /* [ranks * buckets] */
    struct un_lane_state *states; /* [lanes] */
};
enum un_status un_checkpoint_publisher_open(struct un_checkpoint_publisher *p, const struct un_checkpoint *c);
void un_checkpoint_publisher_close(struct un_checkpoint_publisher *p);
/* Waits for the records of all ranks until un_clock() is `deadline` (UN_IO then), writes the manifest and
 * renames the folder. Fills the digests. */
enum un_status un_checkpoint_publish(struct un_checkpoint_publisher *p, const struct un_checkpoint_part *part,
                                     double deadline, char param_digest[UN_DIGEST_TEXT],
                                     char state_digest[UN_DIGEST_TEXT]);

/* Block digests of one array of `rank` into their places among those of the whole buffer. */
void un_checkpoint_place(const struct un_shard *shard, int rank, const struct un_digest *from,
                         struct un_digest *to);

/* Of version 1 and 2: what this rank owns of each array, to c->p, m, v (where not NULL). Verifies what lies
 * around the arrays in the files it reads; for version 1 the files must have been verified. */
enum un_status un_checkpoint_read_own(const struct un_manifest *m, const char *folder, int rank,
                                      const struct un_checkpoint *c);
/* un_checkpoint_load of a folder that must hold this step (-1: any). */
enum un_status un_checkpoint_load_step(struct un_comm *comm, const char *path, int64_t step,
                                       struct un_checkpoint *c);

#endif
