/* Checkpoints: RUN/ckpt/step_00005000/ with one HDF5 shard for each rank that wrote it, and manifest.json,
 * written last.
 *
 * Every rank holds, writes and reads what it owns (comm/shard.h), packed in its local order. The content does
 * not know how many ranks there were: shards hold runs of blocks of the flat buffers, and the digests are
 * taken over block digests in the order of the buffers. A folder without a valid manifest is not a
 * checkpoint. They are written by io/checkpoint/writer.h. */
#ifndef UN_IO_CHECKPOINT_CHECKPOINT_H
#define UN_IO_CHECKPOINT_CHECKPOINT_H

#include "comm/comm.h"
#include "comm/shard.h"
#include "io/disk/digest.h"
#include "io/feed/plan.h"
#include "io/run/owner.h"
#include "runtime/params.h"
#include <stdio.h>

struct un_fp8_history; /* io/checkpoint/manifest.h */

/* What is saved, and where a load puts it: host memory, borrowed. */
struct un_checkpoint {
    int64_t step; /* updates done */
    int64_t lanes, n_streams;
    struct un_lane_state *states; /* [lanes]; a save needs those of this rank's lanes (un_lane_begin) */
    const struct un_owner *owner; /* only while the folder is its, something is written; NULL: always */
    bool tells;                   /* a load: rank 0 shows how far it is */
    const char *kind;             /* of machine, in words; a load warns of another one. NULL: not told */
    uint64_t seed;
    uint64_t plan_digest; /* of what makes the plan: data sizes, mix, lanes, tokens (un_plan_digest) */
    const struct un_params *params;
    struct un_shard shard; /* who owns what; as many ranks as there are */
    bool best;             /* a save becomes the best (io/checkpoint/best.h), with this measure */
    double measure;
    struct un_fp8_history
        *fp8;         /* NULL: none. A load fills it where the file holds one of this shape; else filled 0 */
    float *p, *m, *v; /* [un_shard_count] this rank's. A load leaves out m and v where they are NULL */
    char param_digest[UN_DIGEST_TEXT], state_digest[UN_DIGEST_TEXT]; /* hex; set by a load */
};

/* Collective. Every rank reads and verifies what it owns and all ranks compare the digests of the whole; the
 * parameter table, lanes, n_streams, seed and plan_digest must equal those in *c (UN_USAGE with both values
 * otherwise). The buffers' content is undefined when it fails. */
enum un_status un_checkpoint_load(struct un_comm *comm, const char *path, struct un_checkpoint *c);
/* Collective. how: "auto" (newest complete one, or none), "none", or a folder, which is loaded. found: its
 * path, "" when none. Under auto broken ones are skipped with a warning, leftovers of a killed save are
 * removed, and it is UN_DATA when all are broken, UN_IO when one could not be read: starting anew would throw the run
 * away. */
enum un_status un_checkpoint_resume(struct un_comm *comm, const char *run_dir, const char *how,
                                    struct un_checkpoint *c, char *found, size_t size);
/* Collective. The newest folder that has a manifest, unread; "" when there is none. */
enum un_status un_checkpoint_newest(struct un_comm *comm, const char *run_dir, char *found, size_t size);

/* param_digest of values alone. */
void un_checkpoint_param_digest(const float *p, int64_t total, char digest[UN_DIGEST_TEXT]);

#endif
