/* The parameters of a checkpoint for tools: the manifest says what to expect, then it is loaded as a resume
 * on one rank would. */
#include "io/checkpoint/params.h"
#include "io/checkpoint/checkpoint.h"
#include "io/checkpoint/folder.h"
#include "runtime/memory.h"
#include <string.h>
#include <unistd.h>

void un_checkpoint_params_free(struct un_checkpoint_params *out) {
    un_free(out->values);
    un_manifest_free(&out->manifest);
    *out = (struct un_checkpoint_params){0};
}

static enum un_status load(struct un_checkpoint_params *out, struct un_lane_state *states) {
    const struct un_manifest *m = &out->manifest;
    struct un_comm *comm;
    struct un_checkpoint c = {.lanes = m->lanes,
                              .n_streams = m->n_streams,
                              .states = states,
                              .seed = m->seed,
                              .plan_digest = m->plan_digest,
                              .tells = true,
                              .params = &out->table,
                              .p = out->values};
    un_shard_set(&c.shard, m->total, 1, 0);
    UN_TRY(un_comm_open_self(&comm));
    enum un_status status = un_checkpoint_load(comm, out->folder, &c);
    un_comm_close(comm);
    return status;
}

static enum un_status read_folder(struct un_checkpoint_params *out) {
    UN_TRY(un_manifest_read(&out->manifest, out->folder));
    struct un_manifest *m = &out->manifest;
    out->table = (struct un_params){.list = m->params, .n = m->n_params, .total = m->total};
    UN_TRY(un_manifest_check_lengths(m, out->folder)); /* they bound what is allocated */
    out->values = un_alloc((size_t)m->total, sizeof *out->values, "parameters of a checkpoint");
    struct un_lane_state *states = un_alloc((size_t)m->lanes, sizeof *states, "states of lanes");
    enum un_status status = out->values && states ? load(out, states) : UN_MEMORY;
    un_free(states);
    return status;
}

/* Keeps the folder's names, which come before anything is read. */
static void forget(struct un_checkpoint_params *out) {
    un_free(out->values);
    un_manifest_free(&out->manifest);
    out->values = NULL;
    out->table = (struct un_params){0};
}

static enum un_status read_newest(struct un_checkpoint_params *out, const char *run_dir) {
    struct un_checkpoint_folder *list;
    int64_t n;
    bool found = false;
    UN_TRY(un_checkpoint_folder_list(run_dir, &list, &n));
    enum un_status status = UN_OK;
    for (int64_t i = n - 1; i >= 0 && !found && status == UN_OK; --i) {
        if (list[i].partial) continue;
        status = un_checkpoint_folder_path(out->folder, run_dir, list[i].step, false);
        if (status == UN_OK) status = read_folder(out);
        found = status == UN_OK;
        if (found || status == UN_MEMORY) continue;
        un_log(UN_LOG_WARN, "checkpoint skipped: %s", un_error_get()->text);
        un_error_clear();
        forget(out);
        status = UN_OK;
    }
    un_free(list);
    if (status == UN_OK && !found)
        status = un_fail(UN_DATA, "%s: no complete checkpoint in its ckpt folder", run_dir);
    return status;
}

/* "RUN/ckpt/step_X" -> "RUN". */
static void name_run(struct un_checkpoint_params *out, const char *folder) {
    size_t length = strlen(folder);
    while (length > 1 && folder[length - 1] == '/') --length;
    while (length > 0 && folder[length - 1] != '/') --length;
    static const char inside[] = "ckpt/";
    size_t tail = sizeof inside - 1;
    if (length < tail || memcmp(folder + length - tail, inside, tail) != 0) return;
    length -= tail;
    if (length > 0 && folder[length - 1] != '/') return;
    memcpy(out->run_dir, folder, length);
    memcpy(out->run_dir + length, length ? "" : ".", length ? 1 : 2);
}

enum un_status un_checkpoint_params_read(struct un_checkpoint_params *out, const char *path) {
    char inside[UN_PATH_MAX];
    *out = (struct un_checkpoint_params){0};
    UN_TRY(un_files_join(inside, path, UN_MANIFEST_NAME));
    if (access(inside, F_OK) == 0) {
        memcpy(out->folder, path, strlen(path) + 1);
        name_run(out, path);
        return read_folder(out);
    }
    UN_TRY(un_files_join(inside, path, "ckpt"));
    if (access(inside, F_OK) != 0)
        return un_fail(UN_USAGE, "%s: neither a checkpoint (no %s) nor a run (no ckpt folder)", path,
                       UN_MANIFEST_NAME);
    memcpy(out->run_dir, path, strlen(path) + 1);
    return read_newest(out, path);
}
