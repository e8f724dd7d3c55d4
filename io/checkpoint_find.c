/* Which checkpoint to resume from, and the list of all for people. Both believe a folder only after the
 * digests of its manifest and of all its files.
 */
#include "io/checkpoint.h"
#include "io/checkpoint_folder.h"
#include "io/manifest.h"
#include "runtime/memory.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Reads the manifest into *m (freed by the caller) and verifies everything it speaks of. */
static enum un_status verify(const char *folder, int64_t step, struct un_manifest *m) {
    UN_TRY(un_manifest_read(m, folder));
    if (m->step != step) return un_fail(UN_DATA, "%s: its manifest is of step %" PRId64, folder, m->step);
    for (int64_t i = 0; i < m->n_shards; ++i) UN_TRY(un_manifest_check_shard(m, folder, i));
    return UN_OK;
}

static enum un_status copy_path(const char *path, char *found, size_t size) {
    size_t length = strlen(path);
    while (length > 1 && path[length - 1] == '/') --length;
    if (length >= size) return un_fail(UN_USAGE, "%s: a path of more than %zu bytes", path, size - 1);
    memcpy(found, path, length);
    found[length] = '\0';
    return UN_OK;
}

static void warn_and_clear(const char *what) {
    un_log(UN_LOG_WARN, "%s: %s", what, un_error_get()->text);
    un_error_clear();
}

/* The newest whole one of the list into found; *broken counts those that ought to have been. */
static enum un_status newest(const char *run_dir, const struct un_checkpoint_folder *list, int64_t n,
                             char *found, size_t size, int64_t *broken) {
    char folder[UN_PATH_MAX], manifest[UN_PATH_MAX];
    for (int64_t i = n - 1; i >= 0 && !found[0]; --i) {
        if (list[i].partial) continue;
        UN_TRY(un_checkpoint_folder_path(folder, run_dir, list[i].step, false));
        UN_TRY(un_files_join(manifest, folder, UN_MANIFEST_NAME));
        struct un_manifest m = {0};
        enum un_status status = verify(folder, list[i].step, &m);
        un_manifest_free(&m);
        if (status == UN_MEMORY) return status;
        if (status == UN_OK) return copy_path(folder, found, size);
        *broken += access(manifest, F_OK) == 0;
        warn_and_clear("checkpoint skipped");
    }
    return UN_OK;
}

static enum un_status find_newest(const char *run_dir, char *found, size_t size) {
    struct un_checkpoint_folder *list;
    int64_t n, broken = 0;
    if (un_checkpoint_folder_sweep(run_dir) != UN_OK) warn_and_clear("leftovers of a save stay");
    UN_TRY(un_checkpoint_folder_list(run_dir, &list, &n));
    enum un_status status = newest(run_dir, list, n, found, size, &broken);
    un_free(list);
    if (status == UN_OK && !found[0] && broken > 0)
        return un_fail(UN_DATA,
                       "%s/ckpt: all %" PRId64 " checkpoints are broken (see the warnings); name one with "
                       "--resume, or move them away to start anew",
                       run_dir, broken);
    return status;
}

static enum un_status find(const char *run_dir, const char *how, char *found, size_t size) {
    found[0] = '\0';
    if (strcmp(how, "none") == 0) return UN_OK;
    if (strcmp(how, "auto") == 0) return find_newest(run_dir, found, size);
    char manifest[UN_PATH_MAX];
    UN_TRY(un_files_join(manifest, how, UN_MANIFEST_NAME));
    if (access(manifest, F_OK) != 0)
        return un_fail(UN_USAGE,
                       "%s: not a checkpoint: it has no %s (say auto, none, or a folder RUN/ckpt/step_...)",
                       how, UN_MANIFEST_NAME);
    return copy_path(how, found, size);
}

enum un_status un_checkpoint_find(struct un_comm *comm, const char *run_dir, const char *how, char *found,
                                  size_t size) {
    memset(found, 0, size);
    UN_TRY(un_comm_agree(comm, comm->rank == 0 ? find(run_dir, how, found, size) : UN_OK));
    return comm->ops->broadcast(comm, found, size, 0);
}

static enum un_status list_one(const char *run_dir, const struct un_checkpoint_folder *folder, FILE *out) {
    char path[UN_PATH_MAX], param[UN_DIGEST_TEXT], state[UN_DIGEST_TEXT];
    if (folder->partial) {
        fprintf(out, "step %8" PRId64 "  incomplete: a save was cut off, or is under way\n", folder->step);
        return UN_OK;
    }
    UN_TRY(un_checkpoint_folder_path(path, run_dir, folder->step, false));
    struct un_manifest m = {0};
    enum un_status status = verify(path, folder->step, &m);
    int64_t bytes = 0;
    for (int64_t i = 0; i < m.n_shards; ++i) bytes += m.shards[i].bytes;
    if (status == UN_OK) {
        un_digest_print(&m.param, param);
        un_digest_print(&m.state, state);
        fprintf(out,
                "step %8" PRId64 "  complete  %" PRId64 " bytes in %" PRId64 " shards  param %s  state %s\n",
                folder->step, bytes, m.n_shards, param, state);
    } else if (status != UN_MEMORY) {
        fprintf(out, "step %8" PRId64 "  broken: %s\n", folder->step, un_error_get()->text);
        un_error_clear();
        status = UN_OK;
    }
    un_manifest_free(&m);
    return status;
}

enum un_status un_checkpoint_list(const char *run_dir, FILE *out) {
    struct un_checkpoint_folder *list;
    int64_t n;
    UN_TRY(un_checkpoint_folder_list(run_dir, &list, &n));
    enum un_status status = UN_OK;
    if (n == 0) fprintf(out, "%s: no checkpoints\n", run_dir);
    for (int64_t i = 0; i < n && status == UN_OK; ++i) status = list_one(run_dir, &list[i], out);
    un_free(list);
    return status;
}
