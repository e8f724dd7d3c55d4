/* What a rank owns of a checkpoint, from whatever shards hold it.
 *
 * Law: a rank reads its own elements of p, m and v and nothing else of them; of a shard it opens, some
 * kilobytes around the arrays are verified before anything is believed. The elements are verified by the
 * digests of all ranks together (load.c). */
#include "io/checkpoint/private.h"
#include "io/h5/h5.h"
#include "io/run/progress.h"
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

enum { PIECE = 1 << 22 }; /* elements read at a time */

/* The shard that is open. */
struct source {
    const struct un_manifest *m;
    const char *folder;
    char path[UN_PATH_MAX];
    int64_t shard; /* -1: none */
    int fd;
    struct un_h5 *file; /* version 1 */
    struct un_h5_data *data[UN_CKPT_ARRAYS];
    struct un_progress progress; /* bytes of all shards */
};

static void close_shard(struct source *s) {
    for (int i = 0; i < UN_CKPT_ARRAYS; ++i) un_h5_data_close(s->data[i]);
    un_h5_close(s->file);
    if (s->fd >= 0) close(s->fd);
    memset(s->data, 0, sizeof s->data);
    s->file = NULL;
    s->fd = -1;
    s->shard = -1;
}

/* Version 1 tells by attributes where the file's single run begins. */
static enum un_status check_old_head(struct source *s, int64_t first) {
    char format[64];
    int64_t version, step, found;
    UN_TRY(un_h5_attr_text(s->file, "", "format", format, sizeof format));
    UN_TRY(un_h5_attr_i64(s->file, "", "version", &version));
    UN_TRY(un_h5_attr_i64(s->file, "", "step", &step));
    UN_TRY(un_h5_attr_i64(s->file, "", "first", &found));
    if (strcmp(format, UN_SHARD_FORMAT) == 0 && version == UN_MANIFEST_OLD && step == s->m->step &&
        found == first)
        return UN_OK;
    return un_fail(UN_DATA,
                   "%s: is %s version %" PRId64 ", step %" PRId64 ", from element %" PRId64
                   "; expected %s version %d, step %" PRId64 ", from %" PRId64,
                   s->path, format, version, step, found, UN_SHARD_FORMAT, UN_MANIFEST_OLD, s->m->step,
                   first);
}

static enum un_status open_old(struct source *s, const struct un_shard_file *shard) {
    UN_TRY(un_h5_open(&s->file, s->path, true));
    UN_TRY(check_old_head(s, s->m->runs[shard->run].begin));
    for (int i = 0; i < UN_CKPT_ARRAYS; ++i) {
        struct un_h5_shape shape;
        UN_TRY(un_h5_data_open(s->file, un_checkpoint_arrays[i], &s->data[i], &shape));
        if (shape.rank != 1 || shape.class_ != UN_H5_FLOAT || shape.element_bytes != 4 ||
            shape.dims[0] != shard->count)
            return un_fail(UN_DATA, "%s: %s: not %" PRId64 " floats of 32 bits", s->path,
                           un_checkpoint_arrays[i], shard->count);
    }
    return UN_OK;
}

static enum un_status open_shard(struct source *s, int64_t shard) {
    if (s->shard == shard) return UN_OK;
    close_shard(s);
    UN_TRY(un_manifest_open_shard(s->m, s->folder, shard, s->path, &s->fd));
    if (s->m->version == UN_MANIFEST_OLD)
        UN_TRY(open_old(s, &s->m->shards[shard]));
    else
        UN_TRY(un_manifest_check_head(s->m, shard, s->path, s->fd));
    s->shard = shard;
    return UN_OK;
}

/* Elements [local, local + count) of array i of the open shard. */
static enum un_status read_some(struct source *s, int i, int64_t local, int64_t count, float *to) {
    if (s->m->version == UN_MANIFEST_OLD) return un_h5_read_rows(s->data[i], local, count, UN_F32, to);
    return un_files_read_at(s->fd, s->path, to, (size_t)count * sizeof *to,
                            s->m->shards[s->shard].at[i] + local * (int64_t)sizeof *to);
}

/* The run of m->order that holds `element`. */
static const struct un_run *find_run(const struct un_manifest *m, int64_t element) {
    int64_t low = 0, high = m->n_runs - 1;
    while (low < high) {
        int64_t middle = low + (high - low + 1) / 2;
        if (m->order[middle].begin <= element)
            low = middle;
        else
            high = middle - 1;
    }
    return &m->order[low];
}

static int64_t smaller(int64_t a, int64_t b) {
    return a < b ? a : b;
}

/* [begin, end) of every array to element `local` on of the packed buffers, piece by piece. */
static enum un_status read_span(struct source *s, struct un_span span, int64_t local,
                                float *const buffers[UN_CKPT_ARRAYS]) {
    while (span.begin < span.end) {
        const struct un_run *run = find_run(s->m, span.begin);
        int64_t end = smaller(smaller(run->end, span.end), span.begin + PIECE), count = end - span.begin;
        UN_TRY(open_shard(s, run->shard));
        for (int i = 0; i < UN_CKPT_ARRAYS; ++i) {
            if (!buffers[i]) continue;
            UN_TRY(read_some(s, i, run->local + span.begin - run->begin, count, buffers[i] + local));
            un_progress_add(&s->progress, count * (int64_t)sizeof(float));
        }
        local += count;
        span.begin = end;
    }
    return UN_OK;
}

enum un_status un_checkpoint_read_own(const struct un_manifest *m, const char *folder, int rank,
                                      const struct un_checkpoint *c) {
    struct source s = {.m = m, .folder = folder, .shard = -1, .fd = -1};
    float *const buffers[UN_CKPT_ARRAYS] = {c->p, c->m, c->v};
    enum un_status status = UN_OK;
    int64_t bytes = 0;
    for (int i = 0; i < UN_CKPT_ARRAYS; ++i)
        if (buffers[i]) bytes += un_shard_count(&c->shard, rank) * (int64_t)sizeof(float);
    un_progress_open_work(&s.progress, bytes, 1000000, "MB", c->tells && rank == 0);
    for (int64_t b = c->shard.buckets - 1; b >= 0 && status == UN_OK; --b)
        status = read_span(&s, un_shard_part(&c->shard, b, rank), un_shard_local(&c->shard, b), buffers);
    un_progress_clear(&s.progress);
    close_shard(&s);
    return status;
}
