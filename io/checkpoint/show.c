/* Checkpoints for people (show.h). */
#include "io/checkpoint/show.h"
#include "io/checkpoint/folder.h"
#include "io/checkpoint/manifest.h"
#include "runtime/memory.h"
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

typedef enum un_status (*look)(const struct un_manifest *m, const char *folder, FILE *out);

/* What is broken is said in the line and remembered; only UN_MEMORY ends the work. */
static enum un_status say_broken(FILE *out, int64_t *broken, enum un_status status) {
    if (status == UN_OK || status == UN_MEMORY) return status;
    fprintf(out, "broken: %s\n", un_error_get()->text);
    un_error_clear();
    ++*broken;
    return UN_OK;
}

static enum un_status read_right(struct un_manifest *m, const char *folder, int64_t step) {
    UN_TRY(un_manifest_read(m, folder));
    if (step >= 0 && m->step != step)
        return un_fail(UN_DATA, "%s: its manifest is of step %" PRId64, folder, m->step);
    return UN_OK;
}

/* step -1: whatever the manifest says. */
static enum un_status look_at(const char *folder, int64_t step, look body, FILE *out, int64_t *broken) {
    struct un_manifest m;
    enum un_status status = read_right(&m, folder, step);
    if (status == UN_OK)
        status = body(&m, folder, out);
    else if (step >= 0)
        fprintf(out, "step %8" PRId64 "  ", step);
    status = say_broken(out, broken, status);
    un_manifest_free(&m);
    return status;
}

/* All folders of a run, whole ones by body, in the order of the steps; *n counts them. */
static enum un_status look_at_all(const char *run_dir, look body, FILE *out, int64_t *n, int64_t *broken) {
    struct un_checkpoint_folder *list;
    char folder[UN_PATH_MAX];
    UN_TRY(un_checkpoint_folder_list(run_dir, &list, n));
    enum un_status status = UN_OK;
    for (int64_t i = 0; i < *n && status == UN_OK; ++i) {
        if (list[i].partial) {
            fprintf(out, "step %8" PRId64 "  incomplete: a save was cut off, or is under way\n",
                    list[i].step);
            continue;
        }
        status = un_checkpoint_folder_path(folder, run_dir, list[i].step, false);
        if (status == UN_OK) status = look_at(folder, list[i].step, body, out, broken);
    }
    un_free(list);
    return status;
}

static int64_t bytes_of(const struct un_manifest *m) {
    int64_t bytes = 0;
    for (int64_t i = 0; i < m->n_shards; ++i) bytes += m->shards[i].bytes;
    return bytes;
}

/* "3 days", "5 hours", ... since the folder's manifest was written. */
static void print_age(const char *folder, FILE *out) {
    static const struct {
        double seconds;
        const char *unit;
    } units[] = {{86400, "days"}, {3600, "hours"}, {60, "minutes"}, {1, "seconds"}};
    char path[UN_PATH_MAX];
    struct stat st;
    if (un_files_join(path, folder, UN_MANIFEST_NAME) != UN_OK || stat(path, &st) != 0) return;
    double age = difftime(time(NULL), st.st_mtime);
    size_t i = 0;
    while (i < 3 && age < 2 * units[i].seconds) ++i;
    fprintf(out, "  %.0f %s old", age > 0 ? age / units[i].seconds : 0, units[i].unit);
}

static void print_digests(const struct un_manifest *m, FILE *out) {
    char param[UN_DIGEST_TEXT], state[UN_DIGEST_TEXT];
    un_digest_print(&m->param, param);
    un_digest_print(&m->state, state);
    fprintf(out, "  param %s  state %s\n", param, state);
}

/* ---- list ---- */

static enum un_status list_one(const struct un_manifest *m, const char *folder, FILE *out) {
    fprintf(out, "step %8" PRId64 "  ", m->step);
    UN_TRY(un_manifest_check_lengths(m, folder));
    fprintf(out, "complete  %.1f MB in %" PRId64 " shard%s", (double)bytes_of(m) / 1e6, m->n_shards,
            m->n_shards == 1 ? "" : "s");
    print_age(folder, out);
    print_digests(m, out);
    return UN_OK;
}

enum un_status un_checkpoint_list(const char *run_dir, FILE *out) {
    int64_t n = 0, broken = 0;
    UN_TRY(look_at_all(run_dir, list_one, out, &n, &broken));
    if (n == 0) fprintf(out, "%s: no checkpoints\n", run_dir);
    return UN_OK;
}

/* ---- verify ---- */

static bool is_checkpoint(const char *path) {
    char manifest[UN_PATH_MAX];
    return un_files_join(manifest, path, UN_MANIFEST_NAME) == UN_OK && access(manifest, F_OK) == 0;
}

static enum un_status check_run(const char *path) {
    char inside[UN_PATH_MAX];
    UN_TRY(un_files_join(inside, path, "ckpt"));
    if (access(inside, F_OK) == 0) return UN_OK;
    return un_fail(UN_USAGE, "%s: neither a checkpoint (no %s) nor a run (no ckpt folder)", path,
                   UN_MANIFEST_NAME);
}

static enum un_status verify_one(const struct un_manifest *m, const char *folder, FILE *out) {
    struct un_progress progress;
    un_progress_open_work(&progress, bytes_of(m), 1000000, "MB", true);
    enum un_status status = un_manifest_check_all(m, folder, &progress);
    un_progress_clear(&progress);
    fprintf(out, "step %8" PRId64 "  ", m->step);
    UN_TRY(status);
    fprintf(out, "right     %.1f MB in %" PRId64 " shard%s", (double)bytes_of(m) / 1e6, m->n_shards,
            m->n_shards == 1 ? "" : "s");
    print_digests(m, out);
    return UN_OK;
}

enum un_status un_checkpoint_verify(const char *path, FILE *out) {
    int64_t n = 1, broken = 0;
    if (is_checkpoint(path)) {
        UN_TRY(look_at(path, -1, verify_one, out, &broken));
    } else {
        UN_TRY(check_run(path));
        UN_TRY(look_at_all(path, verify_one, out, &n, &broken));
    }
    if (n == 0) return un_fail(UN_DATA, "%s: no checkpoints", path);
    return broken ? un_fail(UN_DATA, "%s: %" PRId64 " broken", path, broken) : UN_OK;
}

/* ---- show ---- */

static void print_params(const struct un_manifest *m, FILE *out) {
    fprintf(out, "tensors       %" PRId64 " in %" PRId64 " elements\n", m->n_params, m->total);
    for (int64_t i = 0; i < m->n_params; ++i) {
        const struct un_param *p = &m->params[i];
        fprintf(out, "  %-60s %" PRId64, p->name, p->shape[0]);
        if (p->ndim == 2) fprintf(out, " x %" PRId64, p->shape[1]);
        fprintf(out, "  from %" PRId64 "\n", p->offset);
    }
}

static void print_shards(const struct un_manifest *m, FILE *out) {
    fprintf(out, "shards        %" PRId64 ", %" PRId64 " bytes\n", m->n_shards, bytes_of(m));
    for (int64_t i = 0; i < m->n_shards; ++i) {
        const struct un_shard_file *s = &m->shards[i];
        fprintf(out, "  %-20s %" PRId64 " bytes, %" PRId64 " elements in %" PRId64 " run%s\n", s->file,
                s->bytes, s->count, s->n_runs, s->n_runs == 1 ? "" : "s");
    }
}

/* Where each stream stands: a lane has its own part of it, so the least and the most of all lanes. */
static void print_streams(const struct un_manifest *m, FILE *out) {
    fprintf(out, "streams       %" PRId64 " in %" PRId64 " lanes: epoch and position of the lanes\n",
            m->n_streams, m->lanes);
    for (int64_t s = 0; s < m->n_streams; ++s) {
        struct un_stream_state low = m->states[0].stream[s], high = low;
        for (int64_t lane = 1; lane < m->lanes; ++lane) {
            struct un_stream_state one = m->states[lane].stream[s];
            if (one.epoch < low.epoch) low.epoch = one.epoch;
            if (one.epoch > high.epoch) high.epoch = one.epoch;
            if (one.position < low.position) low.position = one.position;
            if (one.position > high.position) high.position = one.position;
        }
        fprintf(out,
                "  stream %-12" PRId64 " epoch %" PRId64 " .. %" PRId64 ", position %" PRId64 " .. %" PRId64
                "\n",
                s, low.epoch, high.epoch, low.position, high.position);
    }
}

static enum un_status show_one(const struct un_manifest *m, const char *folder, FILE *out) {
    char param[UN_DIGEST_TEXT], state[UN_DIGEST_TEXT];
    un_digest_print(&m->param, param);
    un_digest_print(&m->state, state);
    fprintf(out, "checkpoint    %s\n", folder);
    fprintf(out, "version       %" PRId64 "\n", m->version);
    fprintf(out, "step          %" PRId64 "\n", m->step);
    fprintf(out, "seed          %" PRIu64 "\n", m->seed);
    fprintf(out, "plan_digest   %016" PRIx64 "\n", m->plan_digest);
    fprintf(out, "param_digest  %s\n", param);
    fprintf(out, "state_digest  %s\n", state);
    if (m->kind[0]) fprintf(out, "made on       %s\n", m->kind);
    print_shards(m, out);
    print_streams(m, out);
    print_params(m, out);
    return UN_OK;
}

static enum un_status find_newest(const char *run_dir, char folder[UN_PATH_MAX]) {
    struct un_checkpoint_folder *list;
    int64_t n;
    UN_TRY(check_run(run_dir));
    UN_TRY(un_checkpoint_folder_list(run_dir, &list, &n));
    while (n > 0 && !un_checkpoint_folder_whole(run_dir, &list[n - 1])) --n;
    enum un_status status = n > 0 ? un_checkpoint_folder_path(folder, run_dir, list[n - 1].step, false)
                                  : un_fail(UN_DATA, "%s: no checkpoints", run_dir);
    un_free(list);
    return status;
}

enum un_status un_checkpoint_show(const char *path, FILE *out) {
    char folder[UN_PATH_MAX];
    struct un_manifest m = {0};
    if (!is_checkpoint(path)) {
        UN_TRY(find_newest(path, folder));
        path = folder;
    }
    enum un_status status = un_manifest_read(&m, path);
    if (status == UN_OK) status = show_one(&m, path, out);
    un_manifest_free(&m);
    return status;
}
