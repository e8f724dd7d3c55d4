/* Checkpoints: RUN/ckpt/step_00005000/ with one HDF5 shard per writing rank and manifest.json, written last.
 *
 * The content does not know how many ranks wrote it: the flat buffers are cut into blocks of UN_CKPT_BLOCK
 * elements, shard r holds a contiguous run of blocks, and the digests are taken over block digests in order.
 * A folder without a valid manifest is not a checkpoint.
 */
#ifndef UN_CHECKPOINT_H
#define UN_CHECKPOINT_H

#include "comm/comm.h"
#include "io/digest.h"
#include "io/owner.h"
#include "io/plan.h"
#include "runtime/params.h"
#include <stdio.h>

/* What is saved, and where a load puts it: host memory, borrowed. Buffers hold all params->total elements. */
struct un_checkpoint {
    int64_t step; /* updates done */
    int64_t lanes, n_streams;
    struct un_lane_state
        *states; /* [lanes]; before a save only those of this rank's lanes need be right, then all are */
    int64_t lane_begin, lane_end; /* lanes of this rank */
    const struct un_owner *owner; /* only while the folder is its, something is written; NULL: always */
    uint64_t seed;
    uint64_t plan_digest; /* of what makes the plan: data sizes, mix, lanes, tokens (un_plan_digest) */
    const struct un_params *params;
    float *p, *m,
        *v; /* a load leaves out m and v where they are NULL; its result is undefined when it fails */
    char param_digest[UN_DIGEST_TEXT], state_digest[UN_DIGEST_TEXT]; /* hex; set by save and load */
};

/* Collective. Writes to step_N.partial, renames; deletes the oldest beyond keep (0 = keep all). Full disk:
 * UN_IO, the partial folder is removed, older checkpoints stay; the run may go on after un_error_clear. A
 * checkpoint of the same step is replaced. */
enum un_status un_checkpoint_save(struct un_comm *comm, const char *run_dir, int64_t keep,
                                  struct un_checkpoint *c);
/* how: "auto" (newest complete one, or none), "none", or a folder. found: its path, "" when none. Looks from
 * rank 0 and broadcasts. Under auto broken ones are skipped with a warning, leftovers of a killed save are
 * removed, and it is UN_DATA when all are broken: starting anew would throw the run away. */
enum un_status un_checkpoint_find(struct un_comm *comm, const char *run_dir, const char *how, char *found,
                                  size_t size);
/* Collective. Verifies the manifest, sizes and digests before anything is parsed; the parameter table, lanes,
 * n_streams, seed and plan_digest must equal those in *c (UN_USAGE with both values otherwise). Every rank
 * gets everything. */
enum un_status un_checkpoint_load(struct un_comm *comm, const char *path, struct un_checkpoint *c);
/* param_digest of values alone. */
void un_checkpoint_param_digest(const float *p, int64_t total, char digest[UN_DIGEST_TEXT]);
/* For people: a line for each folder of a run, with step, bytes, whether it is complete (all digests are
 * checked), and its digests. One process. */
enum un_status un_checkpoint_list(const char *run_dir, FILE *out);
/* What decides the samples of every step, but the seed: streams, lanes, tokens, probabilities, and the texts
 * and images themselves by their sizes and names. */
uint64_t un_plan_digest(const struct un_plan *plan);

#endif
