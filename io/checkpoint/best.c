/* The best checkpoint (best.h). Law: best.json is what counts; the link is for people and commands, and follows. */
#include "io/checkpoint/best.h"
#include "io/checkpoint/folder.h"
#include "runtime/memory.h"
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static enum un_status parse(const char *path, const char *text, size_t bytes,
                            struct un_checkpoint_best *best) {
    json_error_t error;
    json_t *json = json_loadb(text, bytes, 0, &error);
    const json_t *step = json_object_get(json, "step"), *measure = json_object_get(json, "measure");
    bool good = json_is_integer(step) && json_integer_value(step) >= 0 && json_is_number(measure);
    if (good) *best = (struct un_checkpoint_best){json_integer_value(step), json_number_value(measure)};
    json_decref(json);
    if (good) return UN_OK;
    return un_fail(UN_DATA, "%s: not {\"step\": .., \"measure\": ..}; remove it, and the best is chosen anew",
                   path);
}

enum un_status un_checkpoint_best_read(const char *run_dir, struct un_checkpoint_best *best) {
    char path[UN_PATH_MAX], *text;
    size_t bytes;
    *best = (struct un_checkpoint_best){.step = -1};
    UN_TRY(un_files_join(path, run_dir, "ckpt/best.json"));
    if (access(path, F_OK) != 0 && errno == ENOENT) return UN_OK;
    UN_TRY(un_files_read(path, 4096, &text, &bytes));
    enum un_status status = parse(path, text, bytes, best);
    un_free(text);
    UN_TRY(status);
    const struct un_checkpoint_folder folder = {.step = best->step};
    if (!un_checkpoint_folder_whole(run_dir, &folder)) *best = (struct un_checkpoint_best){.step = -1};
    return UN_OK;
}

/* The link, anew under another name and then in the place of the older one. */
static enum un_status link_to(const char *run_dir, int64_t step) {
    char folder[UN_PATH_MAX], path[UN_PATH_MAX], temporary[UN_PATH_MAX];
    UN_TRY(un_checkpoint_folder_path(folder, run_dir, step, false));
    UN_TRY(un_files_join(path, run_dir, "ckpt/best"));
    UN_TRY(un_files_join(temporary, run_dir, "ckpt/best.tmp"));
    if (unlink(temporary) != 0 && errno != ENOENT)
        return un_fail(UN_IO, "%s: cannot remove: %s", temporary, strerror(errno));
    if (symlink(strrchr(folder, '/') + 1, temporary) != 0)
        return un_fail(UN_IO, "%s: cannot link: %s", temporary, strerror(errno));
    if (rename(temporary, path) == 0) return un_files_sync_folder_of(path);
    return un_fail(UN_IO, "%s: cannot rename to %s: %s", temporary, path, strerror(errno));
}

enum un_status un_checkpoint_best_mark(const char *run_dir, const struct un_checkpoint_best *best) {
    char path[UN_PATH_MAX], text[128];
    UN_TRY(un_files_join(path, run_dir, "ckpt/best.json"));
    if (!isfinite(best->measure))
        return un_fail(UN_INTERNAL, "%s: a measure of %g is not the best", path, best->measure);
    int bytes = snprintf(text, sizeof text, "{\"step\": %" PRId64 ", \"measure\": %.17g}\n", best->step,
                         best->measure);
    UN_TRY(un_files_replace(path, text, (size_t)bytes));
    return link_to(run_dir, best->step);
}
