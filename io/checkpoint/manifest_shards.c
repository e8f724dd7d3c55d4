/* The files a manifest speaks of, against what it says about them. */
#include "io/checkpoint/manifest.h"
#include "io/disk/calls.h"
#include "runtime/memory.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static enum un_status check_length(const struct un_shard_file *s, const char *path, int fd) {
    struct stat st;
    if (fstat(fd, &st) != 0) return un_fail(UN_IO, "%s: %s", path, strerror(errno));
    if (!S_ISREG(st.st_mode)) return un_fail(UN_IO, "%s: not a regular file", path);
    if (st.st_size == s->bytes) return UN_OK;
    return un_fail(UN_DATA, "%s: %lld bytes long, but %s says %lld", path, (long long)st.st_size,
                   UN_MANIFEST_NAME, (long long)s->bytes);
}

enum un_status un_manifest_open_shard(const struct un_manifest *m, const char *folder, int64_t i,
                                      char path[UN_PATH_MAX], int *fd) {
    const struct un_shard_file *s = &m->shards[i];
    *fd = -1;
    UN_TRY(un_files_join(path, folder, s->file));
    *fd = un_calls_open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC); /* a fifo in its place must not hang us */
    if (*fd < 0 && errno == ENOENT)
        return un_fail(UN_DATA, "%s: missing, though %s lists it", path, UN_MANIFEST_NAME);
    if (*fd < 0) return un_fail(UN_IO, "%s: cannot open: %s", path, strerror(errno));
    enum un_status status = check_length(s, path, *fd);
    if (status == UN_OK) return UN_OK;
    close(*fd);
    *fd = -1;
    return status;
}

static enum un_status compare(const char *path, const char *what, const struct un_digest *found,
                              const struct un_digest *expected) {
    char found_text[UN_DIGEST_TEXT], expected_text[UN_DIGEST_TEXT];
    if (un_digest_equal(found, expected)) return UN_OK;
    un_digest_print(found, found_text);
    un_digest_print(expected, expected_text);
    return un_fail(UN_DATA, "%s: damaged: the digest of %s is %s, but %s says %s", path, what, found_text,
                   UN_MANIFEST_NAME, expected_text);
}

enum un_status un_manifest_check_head(const struct un_manifest *m, int64_t i, const char *path, int fd) {
    const struct un_shard_file *s = &m->shards[i];
    struct un_digest found;
    UN_TRY(un_digest_outside(fd, path, s->bytes, s->at, UN_CKPT_ARRAYS, s->count * (int64_t)sizeof(float),
                             &found));
    return compare(path, "its head", &found, &s->head);
}

static enum un_status check_old(const struct un_shard_file *s, const char *path) {
    struct un_digest found;
    int64_t bytes = 0;
    UN_TRY(un_digest_file(path, &bytes, &found));
    return compare(path, "the file", &found, &s->head);
}

/* The digest over the block digests of `count` floats from byte `at` on; digests [blocks], block
 * [UN_PARAM_BLOCK]. */
static enum un_status digest_array(int fd, const char *path, int64_t at, int64_t count, float *block,
                                   struct un_digest *digests, struct un_digest *found,
                                   struct un_progress *progress) {
    int64_t n = un_digest_block_count(count);
    for (int64_t i = 0; i < n; ++i) {
        int64_t first = i * UN_PARAM_BLOCK,
                some = count - first < UN_PARAM_BLOCK ? count - first : UN_PARAM_BLOCK;
        UN_TRY(un_files_read_at(fd, path, block, (size_t)some * sizeof *block,
                                at + first * (int64_t)sizeof *block));
        digests[i] = un_digest_of(block, (size_t)some * sizeof *block);
        un_progress_add(progress, some * (int64_t)sizeof *block);
    }
    *found = un_digest_of(digests, (size_t)n * sizeof *digests);
    return UN_OK;
}

/* Digests of the blocks of a shard, in its order, to their places among those of the buffer. */
static void place(const struct un_manifest *m, const struct un_shard_file *s, const struct un_digest *from,
                  struct un_digest *to) {
    for (int64_t i = s->run; i < s->run + s->n_runs; ++i) {
        const struct un_run *r = &m->runs[i];
        memcpy(to + r->begin / UN_PARAM_BLOCK, from + r->local / UN_PARAM_BLOCK,
               (size_t)un_param_blocks(r->end - r->begin) * sizeof *to);
    }
}

static enum un_status check_arrays(const struct un_manifest *m, const struct un_shard_file *s,
                                   const char *path, int fd, struct un_digest *all,
                                   struct un_progress *progress) {
    static const char *const names[UN_CKPT_ARRAYS] = {"p", "m", "v"};
    struct un_digest found,
        *digests = un_alloc((size_t)un_digest_block_count(s->count), sizeof *digests, "digests of a shard");
    float *block = un_alloc(UN_PARAM_BLOCK, sizeof *block, "a block of a shard");
    enum un_status status = digests && block ? UN_OK : UN_MEMORY;
    for (int i = 0; i < UN_CKPT_ARRAYS && status == UN_OK; ++i) {
        status = digest_array(fd, path, s->at[i], s->count, block, digests, &found, progress);
        if (status == UN_OK) status = compare(path, names[i], &found, &s->data[i]);
        if (status == UN_OK && all) place(m, s, digests, all + i * un_param_blocks(m->total));
    }
    un_free(digests);
    un_free(block);
    return status;
}

enum un_status un_manifest_check_shard(const struct un_manifest *m, const char *folder, int64_t i,
                                       struct un_digest *all, struct un_progress *progress) {
    const struct un_shard_file *s = &m->shards[i];
    char path[UN_PATH_MAX];
    int fd;
    UN_TRY(un_manifest_open_shard(m, folder, i, path, &fd));
    enum un_status status;
    if (m->version == UN_MANIFEST_OLD) {
        status = check_old(s, path);
    } else {
        status = un_manifest_check_head(m, i, path, fd);
        if (status == UN_OK) status = check_arrays(m, s, path, fd, all, progress);
    }
    close(fd);
    return status;
}

enum un_status un_manifest_check_lengths(const struct un_manifest *m, const char *folder) {
    char path[UN_PATH_MAX];
    int fd;
    for (int64_t i = 0; i < m->n_shards; ++i) {
        UN_TRY(un_manifest_open_shard(m, folder, i, path, &fd));
        close(fd);
    }
    return UN_OK;
}

static enum un_status check_roots(const struct un_manifest *m, const char *folder,
                                  const struct un_digest *all) {
    size_t blocks = (size_t)un_param_blocks(m->total);
    struct un_digest param = un_digest_of(all, blocks * sizeof *all);
    struct un_digest state = un_digest_of(all + blocks, 2 * blocks * sizeof *all);
    UN_TRY(compare(folder, "the parameters", &param, &m->param));
    return compare(folder, "the moments", &state, &m->state);
}

/* The files' lengths bound what is allocated for the manifest's total. */
enum un_status un_manifest_check_all(const struct un_manifest *m, const char *folder,
                                     struct un_progress *progress) {
    UN_TRY(un_manifest_check_lengths(m, folder));
    struct un_digest *all =
        un_alloc(UN_CKPT_ARRAYS * (size_t)un_param_blocks(m->total), sizeof *all, "digests of a checkpoint");
    enum un_status status = all ? UN_OK : UN_MEMORY;
    for (int64_t i = 0; i < m->n_shards && status == UN_OK; ++i)
        status = un_manifest_check_shard(m, folder, i, all, progress);
    if (status == UN_OK && m->version != UN_MANIFEST_OLD) status = check_roots(m, folder, all);
    un_free(all);
    return status;
}
