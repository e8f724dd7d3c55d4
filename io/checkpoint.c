/* Saving a checkpoint: every rank writes one shard, rank 0 the manifest, and the rename makes it count.
 *
 * Law: each phase ends in an agreement, so that a full disk under one rank ends the save on all of them with
 * the same status, and nobody still writes when rank 0 removes what is there. Memory that a collective needs
 * is taken before it.
 */
#include "io/checkpoint.h"
#include "io/checkpoint_folder.h"
#include "io/checkpoint_private.h"
#include "io/h5.h"
#include "io/manifest.h"
#include "runtime/memory.h"
#include <stdio.h>
#include <string.h>

/* What a rank tells the others: this, then its block digests of p, m and v, then the states of its lanes. */
struct record {
    struct un_shard shard;
    int64_t lane_begin, lane_end;
};

/* A save under way. */
struct save {
    struct un_comm *comm;
    struct un_checkpoint *c;
    const char *run_dir;
    int64_t blocks;                  /* of one buffer */
    int64_t most_blocks, most_lanes; /* of any rank */
    size_t digests_at, states_at, piece_bytes;
    char *mine, *all;          /* [piece_bytes], [size * piece_bytes] */
    struct un_digest *digests; /* [3 * blocks]: of p, of m, of v */
    struct un_shard *shards;   /* [size] */
};

static int64_t block_begin(const struct save *s, int rank) {
    return s->blocks * rank / s->comm->size;
}

static int64_t first_element(const struct save *s, int rank) {
    int64_t at = block_begin(s, rank) * UN_CKPT_BLOCK, total = s->c->params->total;
    return at < total ? at : total;
}

static enum un_status take_memory(struct save *s) {
    size_t size = (size_t)s->comm->size;
    s->mine = un_alloc(s->piece_bytes, 1, "saving a checkpoint");
    s->all = un_alloc(s->piece_bytes, size, "saving a checkpoint");
    s->digests = un_alloc((size_t)(3 * s->blocks), sizeof *s->digests, "saving a checkpoint");
    s->shards = un_alloc(size, sizeof *s->shards, "saving a checkpoint");
    return s->mine && s->all && s->digests && s->shards ? UN_OK : UN_MEMORY;
}

static enum un_status save_open(struct save *s) {
    const struct un_checkpoint *c = s->c;
    int64_t most_lanes = c->lane_end - c->lane_begin;
    UN_TRY(s->comm->ops->max_i64(s->comm, &most_lanes, 1));
    s->blocks = un_digest_block_count(c->params->total);
    s->most_blocks = (s->blocks + s->comm->size - 1) / s->comm->size;
    s->most_lanes = most_lanes;
    s->digests_at = sizeof(struct record);
    s->states_at = s->digests_at + 3 * (size_t)s->most_blocks * sizeof(struct un_digest);
    s->piece_bytes = s->states_at + (size_t)most_lanes * sizeof(struct un_lane_state);
    return un_comm_agree(s->comm, take_memory(s));
}

static void save_close(struct save *s) {
    un_free(s->mine);
    un_free(s->all);
    un_free(s->digests);
    un_free(s->shards);
}

static enum un_status write_arrays(struct un_h5 *file, const struct save *s, int64_t first, int64_t count) {
    const struct un_checkpoint *c = s->c;
    UN_TRY(un_h5_put_attr_text(file, "", "format", UN_SHARD_FORMAT));
    UN_TRY(un_h5_put_attr_i64(file, "", "version", UN_SHARD_VERSION));
    UN_TRY(un_h5_put_attr_i64(file, "", "step", c->step));
    UN_TRY(un_h5_put_attr_i64(file, "", "first", first));
    UN_TRY(un_h5_write_all(file, "p", UN_F32, count, 0, c->p + first));
    UN_TRY(un_h5_write_all(file, "m", UN_F32, count, 0, c->m + first));
    UN_TRY(un_h5_write_all(file, "v", UN_F32, count, 0, c->v + first));
    return un_h5_commit(file);
}

/* This rank's elements, and what the manifest will say about the file. More ranks than blocks: some have
 * none. */
static enum un_status write_shard(const struct save *s, struct un_shard *shard) {
    int rank = s->comm->rank;
    char folder[UN_PATH_MAX], path[UN_PATH_MAX];
    shard->first = first_element(s, rank);
    shard->count = first_element(s, rank + 1) - shard->first;
    if (shard->count == 0) return UN_OK;
    UN_TRY(un_owner_check(s->c->owner));
    snprintf(shard->file, sizeof shard->file, "shard_%05d.h5", rank);
    UN_TRY(un_checkpoint_folder_path(folder, s->run_dir, s->c->step, true));
    UN_TRY(un_files_join(path, folder, shard->file));
    struct un_h5 *file;
    UN_TRY(un_h5_create(&file, path));
    enum un_status status = write_arrays(file, s, shard->first, shard->count);
    un_h5_close(file);
    if (status != UN_OK) return status;
    return un_digest_file(path, &shard->bytes, &shard->digest);
}

static enum un_status fill_piece(const struct save *s) {
    const struct un_checkpoint *c = s->c;
    const float *const buffers[3] = {c->p, c->m, c->v};
    struct record record = {.lane_begin = c->lane_begin, .lane_end = c->lane_end};
    int64_t begin = block_begin(s, s->comm->rank), end = block_begin(s, s->comm->rank + 1);
    UN_TRY(write_shard(s, &record.shard));
    memcpy(s->mine, &record, sizeof record);
    struct un_digest *digests = (struct un_digest *)(s->mine + s->digests_at);
    for (int i = 0; i < 3; ++i)
        un_digest_blocks(digests + i * s->most_blocks, buffers[i], c->params->total, begin, end);
    size_t lanes = (size_t)(c->lane_end - c->lane_begin);
    if (lanes) memcpy(s->mine + s->states_at, c->states + c->lane_begin, lanes * sizeof *c->states);
    return UN_OK;
}

static enum un_status unpack_piece(const struct save *s, int rank, int64_t *lane) {
    const char *piece = s->all + (size_t)rank * s->piece_bytes;
    struct record record;
    memcpy(&record, piece, sizeof record);
    s->shards[rank] = record.shard;
    int64_t begin = block_begin(s, rank), n = block_begin(s, rank + 1) - begin;
    for (int i = 0; i < 3; ++i)
        memcpy(s->digests + i * s->blocks + begin,
               piece + s->digests_at + (size_t)(i * s->most_blocks) * sizeof *s->digests,
               (size_t)n * sizeof *s->digests);
    if (record.lane_begin != *lane || record.lane_end < *lane || record.lane_end > s->c->lanes)
        return un_fail(UN_INTERNAL,
                       "checkpoint: rank %d has lanes [%lld, %lld) of %lld, expected from %lld on", rank,
                       (long long)record.lane_begin, (long long)record.lane_end, (long long)s->c->lanes,
                       (long long)*lane);
    if (rank != s->comm->rank && record.lane_end > *lane)
        memcpy(s->c->states + *lane, piece + s->states_at,
               (size_t)(record.lane_end - *lane) * sizeof *s->c->states);
    *lane = record.lane_end;
    return UN_OK;
}

/* After this all ranks know all shards, digests and states. */
static enum un_status exchange(const struct save *s) {
    struct un_checkpoint *c = s->c;
    int64_t lane = 0;
    UN_TRY(s->comm->ops->all_gather(s->comm, s->all, s->mine, s->piece_bytes));
    for (int rank = 0; rank < s->comm->size; ++rank) UN_TRY(unpack_piece(s, rank, &lane));
    if (lane != c->lanes)
        return un_fail(UN_INTERNAL, "checkpoint: the ranks have %lld lanes of %lld", (long long)lane,
                       (long long)c->lanes);
    size_t bytes = (size_t)s->blocks * sizeof *s->digests;
    struct un_digest param = un_digest_of(s->digests, bytes);
    struct un_digest state = un_digest_of(s->digests + s->blocks, 2 * bytes);
    un_digest_print(&param, c->param_digest);
    un_digest_print(&state, c->state_digest);
    return UN_OK;
}

static enum un_status publish(const struct save *s) {
    const struct un_checkpoint *c = s->c;
    char folder[UN_PATH_MAX];
    struct un_manifest m = {.step = c->step,
                            .lanes = c->lanes,
                            .n_streams = c->n_streams,
                            .total = c->params->total,
                            .seed = c->seed,
                            .plan_digest = c->plan_digest,
                            .states = c->states,
                            .params = c->params->list,
                            .n_params = c->params->n,
                            .shards = s->shards};
    for (int rank = 0; rank < s->comm->size; ++rank) /* those without a block leave no gap */
        if (s->shards[rank].count) s->shards[m.n_shards++] = s->shards[rank];
    un_digest_parse(c->param_digest, &m.param);
    un_digest_parse(c->state_digest, &m.state);
    UN_TRY(un_checkpoint_folder_path(folder, s->run_dir, c->step, true));
    UN_TRY(un_manifest_write(&m, folder));
    UN_TRY(un_owner_check(c->owner));
    return un_checkpoint_folder_publish(s->run_dir, c->step);
}

static enum un_status begin(const struct save *s) {
    UN_TRY(un_owner_check(s->c->owner));
    return un_checkpoint_folder_begin(s->run_dir, s->c->step);
}

static enum un_status run_phases(struct save *s) {
    bool leads = s->comm->rank == 0;
    UN_TRY(save_open(s));
    UN_TRY(un_comm_agree(s->comm, leads ? begin(s) : UN_OK));
    UN_TRY(un_comm_agree(s->comm, fill_piece(s)));
    UN_TRY(exchange(s));
    return un_comm_agree(s->comm, leads ? publish(s) : UN_OK);
}

/* What is left to do on rank 0: room for the next one, or the remains of this one. Neither changes the
 * outcome. */
static void tidy(const struct save *s, int64_t keep, bool saved) {
    enum un_status status = un_owner_check(s->c->owner); /* else what is there is another run's */
    if (status == UN_OK)
        status = saved ? un_checkpoint_folder_prune(s->run_dir, keep, s->c->step)
                       : un_checkpoint_folder_sweep(s->run_dir);
    if (status == UN_OK || !saved) return; /* the error that made the save fail is the one to report */
    un_log(UN_LOG_WARN, "old checkpoints stay: %s", un_error_get()->text);
    un_error_clear();
}

enum un_status un_checkpoint_save(struct un_comm *comm, const char *run_dir, int64_t keep,
                                  struct un_checkpoint *c) {
    struct save s = {.comm = comm, .c = c, .run_dir = run_dir};
    enum un_status status = run_phases(&s);
    if (comm->rank == 0) tidy(&s, keep, status == UN_OK);
    save_close(&s);
    return status;
}
