/* Checkpoints: RUN/ckpt/step_00005000/ with one HDF5 shard per writing rank and manifest.json, written last.
 *
 * The content does not know how many ranks wrote it: the flat buffers are cut into blocks of UN_CKPT_BLOCK
 * elements, shard r holds a contiguous run of blocks, and the digests are taken over block digests in order.
 * A folder without a valid manifest is not a checkpoint.
 */
#ifndef UN_CHECKPOINT_H
#define UN_CHECKPOINT_H

#include "comm/comm.h"
#include "io/plan.h"
#include "runtime/params.h"

enum { UN_CKPT_BLOCK = 65536 };

/* What is saved, and where a load puts it: host memory, borrowed. Buffers hold all params->total elements. */
struct un_checkpoint {
    int64_t step;             /* updates done */
    int64_t lanes, n_streams;
    struct un_lane_state *states; /* [lanes]; on save only those of this rank's lanes need be right */
    int64_t lane_begin, lane_end; /* lanes of this rank */
    uint64_t seed;
    uint64_t plan_digest;     /* of what makes the plan: data sizes, mix, lanes, tokens (un_plan_digest) */
    const struct un_params *params;
    float *p, *m, *v;
    char param_digest[33], state_digest[33]; /* hex; set by save and load */
};

/* Collective. Writes to step_N.partial, renames; deletes the oldest beyond keep (0 = keep all). Full disk: UN_IO, the
 * partial folder is removed, older checkpoints stay. */
enum un_status un_checkpoint_save(struct un_comm *comm, const char *run_dir, int64_t keep, struct un_checkpoint *c);
/* how: "auto" (newest complete one, or none), "none", or a folder. found: its path, "" when none. Looks from rank 0 and
 * broadcasts. Broken folders are skipped with a warning under auto. */
enum un_status un_checkpoint_find(struct un_comm *comm, const char *run_dir, const char *how, char *found, size_t size);
/* Collective. Verifies the manifest, sizes and digests before anything is parsed; the parameter table, lanes, n_streams,
 * seed must equal those in *c (UN_USAGE with both values otherwise). Every rank gets everything. */
enum un_status un_checkpoint_load(struct un_comm *comm, const char *path, struct un_checkpoint *c);
/* param_digest of values alone. */
void un_checkpoint_param_digest(const float *p, int64_t total, char digest[33]);
uint64_t un_plan_digest(const struct un_plan *plan);

#endif
