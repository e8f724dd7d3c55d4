/* Loading a checkpoint into any number of ranks.
 *
 * Law: rank 0 reads the manifest for all; the ranks share the work of digesting the shards' files, agree, and
 * only then open them; at the end each rank digests what it has in memory.
 */
#include "io/checkpoint.h"
#include "io/checkpoint_private.h"
#include "io/files.h"
#include "io/h5.h"
#include "io/manifest.h"
#include "runtime/memory.h"
#include <inttypes.h>
#include <string.h>

/* The manifest's text from rank 0 to all; un_free by the caller, also on failure. */
static enum un_status share_text(struct un_comm *comm, const char *path, char **text, size_t *bytes) {
    UN_TRY(un_comm_agree(comm, comm->rank == 0 ? un_manifest_fetch(path, text, bytes) : UN_OK));
    int64_t length = (int64_t)*bytes;
    UN_TRY(comm->ops->broadcast(comm, &length, sizeof length, 0));
    if (comm->rank != 0) *text = un_alloc((size_t)length + 1, 1, "manifest of a checkpoint");
    *bytes = (size_t)length;
    UN_TRY(un_comm_agree(comm, *text ? UN_OK : UN_MEMORY));
    return comm->ops->broadcast(comm, *text, *bytes, 0);
}

static enum un_status differ(const char *path, const char *what, int64_t theirs, int64_t ours) {
    return un_fail(UN_USAGE, "%s: saved with %s %" PRId64 ", this run has %" PRId64, path, what, theirs,
                   ours);
}

static enum un_status compare_param(const char *path, int64_t i, const struct un_param *theirs,
                                    const struct un_param *ours) {
    if (strcmp(theirs->name, ours->name) == 0 && theirs->ndim == ours->ndim &&
        theirs->shape[0] == ours->shape[0] && theirs->shape[1] == ours->shape[1] &&
        theirs->offset == ours->offset)
        return UN_OK;
    return un_fail(UN_USAGE,
                   "%s: parameter %" PRId64 " is %s [%" PRId64 ",%" PRId64 "] at %" PRId64
                   ", in this run's model %s [%" PRId64 ",%" PRId64 "] at %" PRId64,
                   path, i, theirs->name, theirs->shape[0], theirs->shape[1], theirs->offset, ours->name,
                   ours->shape[0], ours->shape[1], ours->offset);
}

/* Is it a checkpoint of this very training? The model first: it explains most other differences. */
static enum un_status compare(const char *path, const struct un_manifest *m, const struct un_checkpoint *c) {
    for (int64_t i = 0; i < m->n_params && i < c->params->n; ++i)
        UN_TRY(compare_param(path, i, &m->params[i], &c->params->list[i]));
    if (m->n_params != c->params->n)
        return differ(path, "a number of parameters of", m->n_params, c->params->n);
    if (m->total != c->params->total) return differ(path, "buffers of length", m->total, c->params->total);
    if (m->lanes != c->lanes) return differ(path, "train.lanes", m->lanes, c->lanes);
    if (m->n_streams != c->n_streams)
        return differ(path, "a number of (data set, objective) streams of", m->n_streams, c->n_streams);
    if (m->seed != c->seed)
        return un_fail(UN_USAGE, "%s: saved with run.seed %" PRIu64 ", this run has %" PRIu64, path, m->seed,
                       c->seed);
    if (m->plan_digest != c->plan_digest)
        return un_fail(
            UN_USAGE,
            "%s: saved with other data or another plan (digest %016" PRIx64 ", this run's is %016" PRIx64
            "): the files of data.train, their mix, tokens_per_lane, mixing or a probability changed",
            path, m->plan_digest, c->plan_digest);
    return UN_OK;
}

static enum un_status check_files(struct un_comm *comm, const char *path, const struct un_manifest *m) {
    for (int64_t i = comm->rank; i < m->n_shards; i += comm->size)
        UN_TRY(un_manifest_check_shard(m, path, i));
    return UN_OK;
}

static enum un_status read_array(struct un_h5 *file, const char *name, const struct un_shard_file *shard,
                                 float *to) {
    struct un_h5_data *data;
    struct un_h5_shape shape;
    if (!to) return UN_OK;
    UN_TRY(un_h5_data_open(file, name, &data, &shape));
    enum un_status status = UN_OK;
    if (shape.rank != 1 || shape.class_ != UN_H5_FLOAT || shape.element_bytes != 4 ||
        shape.dims[0] != shard->count)
        status = un_fail(UN_DATA, "%s: %s: not %" PRId64 " floats of 32 bits", un_h5_path(file), name,
                         shard->count);
    else
        status = un_h5_read_rows(data, 0, shard->count, UN_F32, to + shard->first);
    un_h5_data_close(data);
    return status;
}

static enum un_status check_head(struct un_h5 *file, const struct un_manifest *m,
                                 const struct un_shard_file *shard) {
    char format[64];
    int64_t version, step, first;
    UN_TRY(un_h5_attr_text(file, "", "format", format, sizeof format));
    UN_TRY(un_h5_attr_i64(file, "", "version", &version));
    UN_TRY(un_h5_attr_i64(file, "", "step", &step));
    UN_TRY(un_h5_attr_i64(file, "", "first", &first));
    if (strcmp(format, UN_SHARD_FORMAT) == 0 && version == UN_SHARD_VERSION && step == m->step &&
        first == shard->first)
        return UN_OK;
    return un_fail(UN_DATA,
                   "%s: is %s version %" PRId64 ", step %" PRId64 ", from element %" PRId64
                   "; expected %s version %d, "
                   "step %" PRId64 ", from %" PRId64,
                   un_h5_path(file), format, version, step, first, UN_SHARD_FORMAT, UN_SHARD_VERSION, m->step,
                   shard->first);
}

static enum un_status read_shard(const char *folder, const struct un_manifest *m,
                                 const struct un_shard_file *shard, struct un_checkpoint *c) {
    char path[UN_PATH_MAX];
    struct un_h5 *file;
    enum un_status status;
    UN_TRY(un_files_join(path, folder, shard->file));
    UN_TRY(un_h5_open(&file, path, true));
    UN_TRY_GOTO(check_head(file, m, shard), out);
    UN_TRY_GOTO(read_array(file, "p", shard, c->p), out);
    UN_TRY_GOTO(read_array(file, "m", shard, c->m), out);
    UN_TRY_GOTO(read_array(file, "v", shard, c->v), out);
out:
    un_h5_close(file);
    return status;
}

static enum un_status check_digest(const char *path, const char *what, const float *const *buffers, int n,
                                   int64_t total, const struct un_digest *expected) {
    char found_text[UN_DIGEST_TEXT], expected_text[UN_DIGEST_TEXT];
    struct un_digest found = un_digest_of_buffers(buffers, n, total);
    if (un_digest_equal(&found, expected)) return UN_OK;
    un_digest_print(&found, found_text);
    un_digest_print(expected, expected_text);
    return un_fail(UN_DATA, "%s: %s of what was read is %s, the manifest says %s", path, what, found_text,
                   expected_text);
}

static enum un_status read_all(const char *path, const struct un_manifest *m, struct un_checkpoint *c) {
    for (int64_t i = 0; i < m->n_shards; ++i) UN_TRY(read_shard(path, m, &m->shards[i], c));
    const float *const p[] = {c->p}, *const mv[] = {c->m, c->v};
    UN_TRY(check_digest(path, "param_digest", p, 1, m->total, &m->param));
    if (c->m && c->v) UN_TRY(check_digest(path, "state_digest", mv, 2, m->total, &m->state));
    c->step = m->step;
    memcpy(c->states, m->states, (size_t)m->lanes * sizeof *m->states);
    un_digest_print(&m->param, c->param_digest);
    un_digest_print(&m->state, c->state_digest);
    return UN_OK;
}

static enum un_status parse(struct un_manifest *m, const char *path, const char *text, size_t bytes,
                            const struct un_checkpoint *c) {
    char name[UN_PATH_MAX];
    UN_TRY(un_files_join(name, path, UN_MANIFEST_NAME));
    UN_TRY(un_manifest_parse(m, name, text, bytes));
    return compare(path, m, c);
}

enum un_status un_checkpoint_load(struct un_comm *comm, const char *path, struct un_checkpoint *c) {
    struct un_manifest m = {0};
    char *text = NULL;
    size_t bytes = 0;
    enum un_status status;
    UN_TRY_GOTO(share_text(comm, path, &text, &bytes), out);
    UN_TRY_GOTO(un_comm_agree(comm, parse(&m, path, text, bytes, c)), out);
    UN_TRY_GOTO(un_comm_agree(comm, check_files(comm, path, &m)), out);
    UN_TRY_GOTO(un_comm_agree(comm, read_all(path, &m, c)), out);
out:
    un_free(text);
    un_manifest_free(&m);
    return status;
}

void un_checkpoint_param_digest(const float *p, int64_t total, char digest[UN_DIGEST_TEXT]) {
    const float *const buffers[] = {p};
    struct un_digest all = un_digest_of_buffers(buffers, 1, total);
    un_digest_print(&all, digest);
}
