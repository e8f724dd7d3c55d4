/* Loading a checkpoint into any number of ranks.
 *
 * Law: rank 0 reads the manifest for all; each rank reads what it owns; then all know the block digests of
 * everything and compare them, shard by shard and as a whole, with the manifest. Memory that a collective
 * needs is taken before it. */
#include "io/checkpoint/private.h"
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

#define UN_OTHERWISE                                                                                         \
    "or begin another run in a run.dir of its own (model.init: this run's folder takes its parameters)"

static enum un_status differ(const char *path, const char *what, int64_t theirs, int64_t ours) {
    return un_fail(UN_USAGE,
                   "%s: saved with %s %" PRId64 ", this run has %" PRId64
                   "; set it back to go on, " UN_OTHERWISE,
                   path, what, theirs, ours);
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
        return un_fail(UN_USAGE,
                       "%s: saved with run.seed %" PRIu64 ", this run has %" PRIu64
                       "; set it back to go on, " UN_OTHERWISE,
                       path, m->seed, c->seed);
    if (m->plan_digest != c->plan_digest)
        return un_fail(
            UN_USAGE,
            "%s: saved with other data or another plan (digest %016" PRIx64 ", this run's is %016" PRIx64
            "): the files of data.train, their mix, tokens_per_lane, mixing, mask or a probability changed; "
            "set them back to go on, " UN_OTHERWISE,
            path, m->plan_digest, c->plan_digest);
    return UN_OK;
}

/* Version 1 knows only digests of whole files: the ranks share the work. */
static enum un_status check_old_files(struct un_comm *comm, const char *path, const struct un_manifest *m) {
    if (m->version != UN_MANIFEST_OLD) return UN_OK;
    for (int64_t i = comm->rank; i < m->n_shards; i += comm->size)
        UN_TRY(un_manifest_check_shard(m, path, i, NULL, NULL));
    return UN_OK;
}

static enum un_status check_digest(const char *path, const char *what, const struct un_digest *found,
                                   const struct un_digest *expected) {
    char found_text[UN_DIGEST_TEXT], expected_text[UN_DIGEST_TEXT];
    if (un_digest_equal(found, expected)) return UN_OK;
    un_digest_print(found, found_text);
    un_digest_print(expected, expected_text);
    return un_fail(UN_DATA, "%s: %s of what was read is %s, the manifest says %s", path, what, found_text,
                   expected_text);
}

/* ---- block digests of all ranks ---- */

/* Of the three buffers, or of p alone. */
struct digests {
    int n;
    int64_t most, blocks;                 /* of the rank with the most; of the buffer */
    struct un_digest *mine, *ranks, *all; /* [n * most], [size * n * most], [n * blocks] */
};

static enum un_status digests_open(struct digests *d, const struct un_checkpoint *c) {
    *d = (struct digests){.n = c->m && c->v ? UN_CKPT_ARRAYS : 1,
                          .most = un_shard_blocks(&c->shard, 0),
                          .blocks = un_param_blocks(c->shard.total)};
    size_t one = (size_t)d->n * (size_t)d->most;
    d->mine = un_alloc(one, sizeof *d->mine, "digests of a checkpoint");
    d->ranks = un_alloc(one * (size_t)c->shard.size, sizeof *d->ranks, "digests of a checkpoint");
    d->all = un_alloc((size_t)d->n * (size_t)d->blocks, sizeof *d->all, "digests of a checkpoint");
    return d->mine && d->ranks && d->all ? UN_OK : UN_MEMORY;
}

static void digests_close(struct digests *d) {
    un_free(d->mine);
    un_free(d->ranks);
    un_free(d->all);
}

static enum un_status gather_digests(struct digests *d, struct un_comm *comm, const struct un_checkpoint *c) {
    const float *const buffers[UN_CKPT_ARRAYS] = {c->p, c->m, c->v};
    int64_t count = un_shard_count(&c->shard, comm->rank);
    for (int i = 0; i < d->n; ++i)
        un_digest_blocks(d->mine + i * d->most, buffers[i], count, 0, un_param_blocks(count));
    size_t one = (size_t)d->n * (size_t)d->most;
    UN_TRY(comm->ops->all_gather(comm, d->ranks, d->mine, one * sizeof *d->mine));
    for (int r = 0; r < comm->size; ++r)
        for (int i = 0; i < d->n; ++i)
            un_checkpoint_place(&c->shard, r, d->ranks + (size_t)r * one + i * d->most,
                                d->all + i * d->blocks);
    return UN_OK;
}

/* The digest that a shard's array ought to have, from what was read; `digests` [its blocks] is spent. */
static struct un_digest of_shard(const struct un_manifest *m, const struct un_shard_file *s,
                                 const struct un_digest *all, struct un_digest *digests) {
    int64_t n = 0;
    for (int64_t i = s->run; i < s->run + s->n_runs; ++i) {
        int64_t blocks = un_param_blocks(m->runs[i].end - m->runs[i].begin);
        memcpy(digests + n, all + m->runs[i].begin / UN_PARAM_BLOCK, (size_t)blocks * sizeof *digests);
        n += blocks;
    }
    return un_digest_of(digests, (size_t)n * sizeof *digests);
}

/* Names the file whose content is not what was written. */
static enum un_status check_shards(struct digests *d, const char *path, const struct un_manifest *m) {
    char name[UN_PATH_MAX], what[64];
    for (int64_t k = 0; k < m->n_shards; ++k)
        for (int i = 0; i < d->n; ++i) {
            /* the gathered ones have been placed: their room holds the blocks of any shard */
            struct un_digest found = of_shard(m, &m->shards[k], d->all + i * d->blocks, d->ranks);
            UN_TRY(un_files_join(name, path, m->shards[k].file));
            snprintf(what, sizeof what, "damaged: the digest of %s", un_checkpoint_arrays[i]);
            UN_TRY(check_digest(name, what, &found, &m->shards[k].data[i]));
        }
    return UN_OK;
}

static enum un_status check_all(struct digests *d, const char *path, const struct un_manifest *m) {
    size_t bytes = (size_t)d->blocks * sizeof *d->all;
    UN_TRY(check_shards(d, path, m));
    struct un_digest param = un_digest_of(d->all, bytes);
    UN_TRY(check_digest(path, "param_digest", &param, &m->param));
    if (d->n == 1) return UN_OK;
    struct un_digest state = un_digest_of(d->all + d->blocks, 2 * bytes);
    return check_digest(path, "state_digest", &state, &m->state);
}

static enum un_status verify(struct un_comm *comm, const char *path, const struct un_manifest *m,
                             const struct un_checkpoint *c) {
    struct digests d;
    enum un_status status = un_comm_agree(comm, digests_open(&d, c));
    if (status == UN_OK) status = gather_digests(&d, comm, c);
    if (status == UN_OK) status = un_comm_agree(comm, check_all(&d, path, m));
    digests_close(&d);
    return status;
}

/* Version 1's blocks are longer than those that ranks own, so only one rank that holds everything can check
 * them; the files' digests have been checked by then. */
static enum un_status verify_old(const char *path, const struct un_manifest *m,
                                 const struct un_checkpoint *c) {
    const float *const p[] = {c->p}, *const mv[] = {c->m, c->v};
    if (c->shard.size > 1) return UN_OK;
    struct un_digest found = un_digest_of_buffers(p, 1, m->total, UN_CKPT_OLD_BLOCK);
    UN_TRY(check_digest(path, "param_digest", &found, &m->param));
    if (!c->m || !c->v) return UN_OK;
    found = un_digest_of_buffers(mv, 2, m->total, UN_CKPT_OLD_BLOCK);
    return check_digest(path, "state_digest", &found, &m->state);
}

static void warn_of_kind(const char *path, const struct un_manifest *m, const struct un_checkpoint *c) {
    if (!c->kind || !m->kind[0] || strcmp(m->kind, c->kind) == 0) return;
    un_log(UN_LOG_WARN,
           "%s: made on another kind of machine (%s; here %s): from here on the losses differ in their last "
           "digits from those "
           "that it would have gone on with",
           path, m->kind, c->kind);
}

/* Histories of another length, or of none, are begun anew. */
static void take_history(const char *path, const struct un_manifest *m, const struct un_checkpoint *c,
                         bool tells) {
    struct un_fp8_history *h = c->fp8;
    if (!h) return;
    const bool same = m->fp8.tensors == h->tensors && m->fp8.length == h->length;
    h->filled = same ? m->fp8.filled : 0;
    if (same) memcpy(h->amax, m->fp8.amax, (size_t)(h->tensors * h->length) * sizeof *h->amax);
    if (!same && tells)
        un_log(UN_LOG_INFO, "%s: without histories of fp8 of this length: the first updates are in bf16",
               path);
}

static enum un_status read_all(struct un_comm *comm, const char *path, const struct un_manifest *m,
                               struct un_checkpoint *c) {
    UN_TRY(un_comm_agree(comm, check_old_files(comm, path, m)));
    UN_TRY(un_comm_agree(comm, un_checkpoint_read_own(m, path, comm->rank, c)));
    UN_TRY(m->version == UN_MANIFEST_OLD ? un_comm_agree(comm, verify_old(path, m, c))
                                         : verify(comm, path, m, c));
    if (comm->rank == 0) warn_of_kind(path, m, c);
    take_history(path, m, c, comm->rank == 0);
    c->step = m->step;
    memcpy(c->states, m->states, (size_t)m->lanes * sizeof *m->states);
    un_digest_print(&m->param, c->param_digest);
    un_digest_print(&m->state, c->state_digest);
    return UN_OK;
}

static enum un_status parse(struct un_manifest *m, const char *path, const char *text, size_t bytes,
                            int64_t step, const struct un_checkpoint *c) {
    char name[UN_PATH_MAX];
    UN_TRY(un_files_join(name, path, UN_MANIFEST_NAME));
    UN_TRY(un_manifest_parse(m, name, text, bytes));
    if (step >= 0 && m->step != step)
        return un_fail(UN_DATA, "%s: its manifest is of step %" PRId64, path, m->step);
    return compare(path, m, c);
}

enum un_status un_checkpoint_load_step(struct un_comm *comm, const char *path, int64_t step,
                                       struct un_checkpoint *c) {
    struct un_manifest m = {0};
    char *text = NULL;
    size_t bytes = 0;
    enum un_status status;
    UN_TRY_GOTO(share_text(comm, path, &text, &bytes), out);
    UN_TRY_GOTO(un_comm_agree(comm, parse(&m, path, text, bytes, step, c)), out);
    UN_TRY_GOTO(read_all(comm, path, &m, c), out);
out:
    un_free(text);
    un_manifest_free(&m);
    return status;
}

enum un_status un_checkpoint_load(struct un_comm *comm, const char *path, struct un_checkpoint *c) {
    return un_checkpoint_load_step(comm, path, -1, c);
}

void un_checkpoint_param_digest(const float *p, int64_t total, char digest[UN_DIGEST_TEXT]) {
    const float *const buffers[] = {p};
    struct un_digest all = un_digest_of_buffers(buffers, 1, total, UN_PARAM_BLOCK);
    un_digest_print(&all, digest);
}
