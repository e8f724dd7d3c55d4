/* Which checkpoint to resume from: candidates come from rank 0, and a load by all ranks is the test of each. */
#include "io/checkpoint/folder.h"
#include "io/checkpoint/private.h"
#include "runtime/memory.h"
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

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

/* ---- auto ---- */

/* Rank 0's list, from the newest on. */
struct candidates {
    struct un_checkpoint_folder *list;
    int64_t left, broken;
    enum un_status worst; /* UN_IO: one could not be read, and may be right */
};

static enum un_status begin(struct candidates *k, const char *run_dir) {
    if (un_checkpoint_folder_sweep(run_dir) != UN_OK) warn_and_clear("leftovers of a save stay");
    return un_checkpoint_folder_list(run_dir, &k->list, &k->left);
}

/* The next one's path, or "". */
static enum un_status next(struct candidates *k, const char *run_dir, char *found, size_t size,
                           int64_t *step) {
    char folder[UN_PATH_MAX];
    found[0] = '\0';
    while (k->left > 0) {
        const struct un_checkpoint_folder *one = &k->list[--k->left];
        if (one->partial) continue;
        UN_TRY(un_checkpoint_folder_path(folder, run_dir, one->step, false));
        *step = one->step;
        return copy_path(folder, found, size);
    }
    return UN_OK;
}

/* The load of a candidate failed alike on all ranks: is the next one to be tried? */
static bool pass_over(struct candidates *k, const char *run_dir, enum un_status status, int rank) {
    if (status != UN_DATA && status != UN_IO) return false;
    if (rank == 0) {
        k->broken += un_checkpoint_folder_whole(run_dir, &k->list[k->left]);
        if (status == UN_IO || k->worst == UN_OK) k->worst = status;
        warn_and_clear("checkpoint skipped");
    }
    un_error_clear();
    return true;
}

static enum un_status all_broken(const struct candidates *k, const char *run_dir) {
    if (k->broken == 0) return UN_OK;
    return un_fail(k->worst,
                   "%s/ckpt: all %" PRId64
                   " checkpoints are broken or cannot be read (see the warnings); name one with "
                   "--resume, or move them away to start anew",
                   run_dir, k->broken);
}

static enum un_status try_all(struct un_comm *comm, const char *run_dir, struct candidates *k,
                              struct un_checkpoint *c, char *found, size_t size) {
    int64_t step = -1;
    bool leads = comm->rank == 0;
    UN_TRY(un_comm_agree(comm, leads ? begin(k, run_dir) : UN_OK));
    for (;;) {
        UN_TRY(un_comm_agree(comm, leads ? next(k, run_dir, found, size, &step) : UN_OK));
        UN_TRY(comm->ops->broadcast(comm, found, size, 0));
        UN_TRY(comm->ops->broadcast(comm, &step, sizeof step, 0));
        if (!found[0]) return un_comm_agree(comm, all_broken(k, run_dir));
        enum un_status status = un_checkpoint_load_step(comm, found, step, c);
        if (status == UN_OK || !pass_over(k, run_dir, status, comm->rank)) return status;
    }
}

/* ---- a folder by name ---- */

static enum un_status check_named(const char *how, char *found, size_t size) {
    char manifest[UN_PATH_MAX];
    UN_TRY(un_files_join(manifest, how, UN_MANIFEST_NAME));
    if (access(manifest, F_OK) != 0)
        return un_fail(UN_USAGE,
                       "%s: not a checkpoint: it has no %s (say auto, none, or a folder RUN/ckpt/step_...)",
                       how, UN_MANIFEST_NAME);
    return copy_path(how, found, size);
}

enum un_status un_checkpoint_resume(struct un_comm *comm, const char *run_dir, const char *how,
                                    struct un_checkpoint *c, char *found, size_t size) {
    struct candidates k = {0};
    memset(found, 0, size);
    if (strcmp(how, "none") == 0) return UN_OK;
    if (strcmp(how, "auto") == 0) {
        enum un_status status = try_all(comm, run_dir, &k, c, found, size);
        un_free(k.list);
        return status;
    }
    UN_TRY(un_comm_agree(comm, comm->rank == 0 ? check_named(how, found, size) : UN_OK));
    UN_TRY(comm->ops->broadcast(comm, found, size, 0));
    return un_checkpoint_load(comm, found, c);
}

static enum un_status newest(const char *run_dir, char *found, size_t size) {
    struct un_checkpoint_folder *list;
    char folder[UN_PATH_MAX];
    int64_t n;
    UN_TRY(un_checkpoint_folder_list(run_dir, &list, &n));
    while (n > 0 && !un_checkpoint_folder_whole(run_dir, &list[n - 1])) --n;
    enum un_status status = UN_OK;
    if (n > 0) status = un_checkpoint_folder_path(folder, run_dir, list[n - 1].step, false);
    un_free(list);
    return n > 0 && status == UN_OK ? copy_path(folder, found, size) : status;
}

enum un_status un_checkpoint_newest(struct un_comm *comm, const char *run_dir, char *found, size_t size) {
    memset(found, 0, size);
    UN_TRY(un_comm_agree(comm, comm->rank == 0 ? newest(run_dir, found, size) : UN_OK));
    return comm->ops->broadcast(comm, found, size, 0);
}
