/* A rank's part of a checkpoint: its shard and the record of it.
 *
 * Law: no collective, no allocation that grows with the model, and the library's lock of HDF5 is never held
 * while the arrays are written: they go to their places in the file by themselves, so that the loader reads
 * on. The record is written when the shard is durable. */
#include "io/checkpoint/folder.h"
#include "io/checkpoint/private.h"
#include "io/disk/calls.h"
#include "io/h5/h5.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PIECE_BLOCKS = 512 }; /* 8 MiB are digested and written at a time */

const char *const un_checkpoint_arrays[UN_CKPT_ARRAYS] = {"p", "m", "v"};

static int64_t lanes_of(const struct un_checkpoint *c, int rank) {
    return un_lane_begin(c->lanes, rank + 1, c->shard.size) - un_lane_begin(c->lanes, rank, c->shard.size);
}

static size_t digests_bytes(const struct un_checkpoint *c, int rank) {
    return UN_CKPT_ARRAYS * (size_t)un_shard_blocks(&c->shard, rank) * sizeof(struct un_digest);
}

size_t un_checkpoint_record_bytes(const struct un_checkpoint *c, int rank) {
    return sizeof(struct un_record_head) + digests_bytes(c, rank) +
           (size_t)lanes_of(c, rank) * sizeof(struct un_lane_state) + sizeof(struct un_digest);
}

struct un_digest *un_checkpoint_record_digests(char *record) {
    return (struct un_digest *)(void *)(record + sizeof(struct un_record_head));
}

struct un_lane_state *un_checkpoint_record_states(const struct un_checkpoint *c, int rank, char *record) {
    return (struct un_lane_state *)(void *)(record + sizeof(struct un_record_head) + digests_bytes(c, rank));
}

enum un_status un_checkpoint_record_path(char path[UN_PATH_MAX], const char *run_dir, int64_t step,
                                         int rank) {
    char folder[UN_PATH_MAX], name[64];
    snprintf(name, sizeof name, "shard_%05d.done", rank);
    UN_TRY(un_checkpoint_folder_path(folder, run_dir, step, true));
    return un_files_join(path, folder, name);
}

/* The file with room for the arrays; at[]: where they begin. */
static enum un_status lay_out(struct un_h5 *file, const struct un_checkpoint_part *s, int64_t count,
                              int64_t at[UN_CKPT_ARRAYS]) {
    UN_TRY(un_h5_put_attr_text(file, "", "format", UN_SHARD_FORMAT));
    UN_TRY(un_h5_put_attr_i64(file, "", "version", UN_SHARD_VERSION));
    UN_TRY(un_h5_put_attr_i64(file, "", "step", s->c->step));
    for (int i = 0; i < UN_CKPT_ARRAYS; ++i) {
        struct un_h5_data *data;
        UN_TRY(un_h5_data_create(file, un_checkpoint_arrays[i], UN_F32, count, 0, &data));
        at[i] = un_h5_raw_offset(data, UN_F32);
        un_h5_data_close(data);
        if (at[i] < (i ? at[i - 1] + count * (int64_t)sizeof(float) : 1))
            return un_fail(UN_INTERNAL, "%s: %s begins at byte %lld", un_h5_path(file),
                           un_checkpoint_arrays[i], (long long)at[i]);
    }
    return UN_OK;
}

static enum un_status write_array(const struct un_checkpoint_part *s, int fd, const char *path,
                                  const float *values, int64_t count, int64_t at, struct un_digest *digests) {
    for (int64_t block = 0, blocks = un_param_blocks(count); block < blocks; block += PIECE_BLOCKS) {
        if (atomic_load(s->cancel)) return un_fail(UN_STOPPED, "%s: cancelled", path);
        int64_t after = block + PIECE_BLOCKS < blocks ? block + PIECE_BLOCKS : blocks;
        int64_t first = block * UN_PARAM_BLOCK,
                end = after * UN_PARAM_BLOCK < count ? after * UN_PARAM_BLOCK : count;
        un_digest_blocks(digests + block, values, count, block, after);
        UN_TRY(un_files_write_at(fd, path, values + first, (size_t)(end - first) * sizeof *values,
                                 at + first * (int64_t)sizeof *values));
    }
    return UN_OK;
}

static enum un_status write_arrays(const struct un_checkpoint_part *s, int fd, const char *path,
                                   int64_t count, const int64_t at[UN_CKPT_ARRAYS]) {
    const float *const values[UN_CKPT_ARRAYS] = {s->c->p, s->c->m, s->c->v};
    struct un_digest *digests = un_checkpoint_record_digests(s->record);
    for (int i = 0; i < UN_CKPT_ARRAYS; ++i)
        UN_TRY(write_array(s, fd, path, values[i], count, at[i], digests + i * un_param_blocks(count)));
    return un_calls_fdatasync(fd) == 0 ? UN_OK : un_fail(UN_IO, "%s: fdatasync: %s", path, strerror(errno));
}

static enum un_status fill_file(const struct un_checkpoint_part *s, struct un_h5 *file, int64_t count,
                                int64_t at[UN_CKPT_ARRAYS]) {
    char path[UN_PATH_MAX];
    UN_TRY(lay_out(file, s, count, at));
    if (snprintf(path, sizeof path, "%s.partial", un_h5_path(file)) >= (int)sizeof path)
        return un_fail(UN_USAGE, "%s: too long a path", un_h5_path(file));
    int fd = un_calls_open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0) return un_fail(UN_IO, "%s: cannot open: %s", path, strerror(errno));
    enum un_status status = write_arrays(s, fd, path, count, at);
    if (un_calls_close(fd) != 0 && status == UN_OK)
        status = un_fail(UN_IO, "%s: close: %s", path, strerror(errno));
    return status == UN_OK ? un_h5_commit(file) : status;
}

/* Length and head of the finished file. */
static enum un_status describe(const char *path, int64_t count, struct un_record_head *head) {
    struct stat st;
    int fd = un_calls_open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) != 0) {
        int failed = errno;
        if (fd >= 0) close(fd);
        return un_fail(UN_IO, "%s: cannot open: %s", path, strerror(failed));
    }
    head->bytes = st.st_size;
    enum un_status status = un_digest_outside(fd, path, head->bytes, head->at, UN_CKPT_ARRAYS,
                                              count * (int64_t)sizeof(float), &head->head);
    close(fd);
    return status;
}

static enum un_status write_shard(const struct un_checkpoint_part *s, const char *folder, int64_t count,
                                  struct un_record_head *head) {
    char name[64], path[UN_PATH_MAX];
    struct un_h5 *file;
    snprintf(name, sizeof name, "shard_%05d.h5", s->rank);
    UN_TRY(un_files_join(path, folder, name));
    UN_TRY(un_h5_create(&file, path));
    enum un_status status = fill_file(s, file, count, head->at);
    un_h5_close(file);
    return status == UN_OK ? describe(path, count, head) : status;
}

enum un_status un_checkpoint_part_write(const struct un_checkpoint_part *s) {
    const struct un_checkpoint *c = s->c;
    char folder[UN_PATH_MAX], path[UN_PATH_MAX];
    int64_t count = un_shard_count(&c->shard, s->rank);
    struct un_record_head head = {
        .magic = "UNPART2", .nonce = s->nonce, .step = c->step, .rank = s->rank, .ranks = c->shard.size};
    UN_TRY(un_checkpoint_folder_begin(c->owner, s->run_dir, c->step));
    UN_TRY(un_checkpoint_folder_path(folder, s->run_dir, c->step, true));
    if (count > 0) UN_TRY(write_shard(s, folder, count, &head)); /* more ranks than blocks: some have none */
    memcpy(s->record, &head, sizeof head);
    size_t bytes = un_checkpoint_record_bytes(c, s->rank), body = bytes - sizeof(struct un_digest);
    struct un_digest all = un_digest_of(s->record, body);
    memcpy(s->record + body, &all, sizeof all);
    UN_TRY(un_checkpoint_record_path(path, s->run_dir, c->step, s->rank));
    return un_files_replace(path, s->record, bytes);
}
