/* Folders of checkpoints: names, list, appearance and removal. */
#include "io/checkpoint/folder.h"
#include "io/checkpoint/manifest.h"
#include "runtime/memory.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char partial_ending[] = ".partial";

enum un_status un_checkpoint_folder_path(char path[UN_PATH_MAX], const char *run_dir, int64_t step,
                                         bool partial) {
    char name[64];
    snprintf(name, sizeof name, "ckpt/step_%08" PRId64 "%s", step, partial ? partial_ending : "");
    return un_files_join(path, run_dir, name);
}

static enum un_status parent_path(char path[UN_PATH_MAX], const char *run_dir) {
    return un_files_join(path, run_dir, "ckpt");
}

/* Is it a name that un_checkpoint_folder_path makes? */
static bool parse_name(const char *name, struct un_checkpoint_folder *folder) {
    static const char prefix[] = "step_";
    char again[64];
    if (strncmp(name, prefix, sizeof prefix - 1) != 0) return false;
    folder->step = strtoll(name + sizeof prefix - 1, NULL, 10);
    size_t length = strlen(name), ending = sizeof partial_ending - 1;
    folder->partial = length > ending && strcmp(name + length - ending, partial_ending) == 0;
    snprintf(again, sizeof again, "%s%08" PRId64 "%s", prefix, folder->step,
             folder->partial ? partial_ending : "");
    return folder->step >= 0 && strcmp(name, again) == 0;
}

static int compare(const void *a, const void *b) {
    const struct un_checkpoint_folder *x = a, *y = b;
    if (x->step != y->step) return x->step < y->step ? -1 : 1;
    return (int)x->partial - (int)y->partial;
}

static enum un_status collect(DIR *dir, const char *path, struct un_checkpoint_folder **list, int64_t *n) {
    int64_t room = 0;
    struct un_checkpoint_folder folder;
    for (struct dirent *entry; (errno = 0, entry = readdir(dir));) {
        if (!parse_name(entry->d_name, &folder)) continue;
        if (*n == room) {
            void *grown = *list;
            UN_TRY(
                un_grow(&grown, (size_t)room, (size_t)(2 * room + 16), sizeof **list, "list of checkpoints"));
            *list = grown;
            room = 2 * room + 16;
        }
        (*list)[(*n)++] = folder;
    }
    return errno ? un_fail(UN_IO, "%s: cannot list: %s", path, strerror(errno)) : UN_OK;
}

enum un_status un_checkpoint_folder_list(const char *run_dir, struct un_checkpoint_folder **list,
                                         int64_t *n) {
    char path[UN_PATH_MAX];
    *list = NULL;
    *n = 0;
    UN_TRY(parent_path(path, run_dir));
    DIR *dir = opendir(path);
    if (!dir && errno == ENOENT) return UN_OK;
    if (!dir) return un_fail(UN_IO, "%s: cannot list: %s", path, strerror(errno));
    enum un_status status = collect(dir, path, list, n);
    closedir(dir);
    if (status == UN_OK) {
        if (*n) qsort(*list, (size_t)*n, sizeof **list, compare);
        return UN_OK;
    }
    un_free(*list);
    *list = NULL;
    *n = 0;
    return status;
}

static enum un_status remove_partial(const char *run_dir, int64_t step) {
    char path[UN_PATH_MAX];
    UN_TRY(un_checkpoint_folder_path(path, run_dir, step, true));
    return un_files_remove_folder(path, UN_MANIFEST_NAME);
}

enum un_status un_checkpoint_folder_sweep(const char *run_dir) {
    struct un_checkpoint_folder *list;
    int64_t n;
    UN_TRY(un_checkpoint_folder_list(run_dir, &list, &n));
    enum un_status status = UN_OK;
    for (int64_t i = 0; i < n && status == UN_OK; ++i)
        if (list[i].partial) status = remove_partial(run_dir, list[i].step);
    un_free(list);
    return status;
}

/* One level behind each look at the owner. */
enum un_status un_checkpoint_folder_begin(const struct un_owner *owner, const char *run_dir, int64_t step) {
    char path[UN_PATH_MAX], parent[UN_PATH_MAX];
    UN_TRY(un_owner_check(owner));
    UN_TRY(un_checkpoint_folder_path(path, run_dir, step, true));
    UN_TRY(parent_path(parent, run_dir));
    if (!owner || !owner->token[0]) return un_files_make_folder(path);
    enum un_status status = un_files_make_last_folder(path);
    if (status == UN_OK || access(parent, F_OK) == 0 || errno != ENOENT) return status;
    un_error_clear();
    UN_TRY(un_owner_check(owner));
    UN_TRY(un_files_make_last_folder(parent));
    UN_TRY(un_owner_check(owner));
    return un_files_make_last_folder(path);
}

/* On file systems that cannot exchange two names the old folder goes first. Killed in between, the run goes
 * on from the checkpoint before it. */
static enum un_status replace(const char *from, const char *to) {
    if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_EXCHANGE) == 0) return UN_OK;
    UN_TRY(un_files_remove_folder(to, UN_MANIFEST_NAME));
    return rename(from, to) == 0 ? UN_OK
                                 : un_fail(UN_IO, "%s: cannot rename to %s: %s", from, to, strerror(errno));
}

enum un_status un_checkpoint_folder_publish(const char *run_dir, int64_t step) {
    char from[UN_PATH_MAX], to[UN_PATH_MAX], parent[UN_PATH_MAX];
    UN_TRY(un_checkpoint_folder_path(from, run_dir, step, true));
    UN_TRY(un_checkpoint_folder_path(to, run_dir, step, false));
    UN_TRY(parent_path(parent, run_dir));
    if (rename(from, to) == 0) return un_files_sync_folder(parent);
    if (errno != EEXIST && errno != ENOTEMPTY)
        return un_fail(UN_IO, "%s: cannot rename to %s: %s", from, to, strerror(errno));
    UN_TRY(replace(from, to));
    UN_TRY(un_files_sync_folder(parent));
    if (remove_partial(run_dir, step) == UN_OK) return UN_OK; /* what an exchange has left there */
    un_log(UN_LOG_WARN, "the older checkpoint of this step stays: %s", un_error_get()->text);
    un_error_clear(); /* the new one stands */
    return UN_OK;
}

enum un_status un_checkpoint_folder_remove(const char *run_dir, int64_t step) {
    char from[UN_PATH_MAX], to[UN_PATH_MAX], parent[UN_PATH_MAX];
    UN_TRY(un_checkpoint_folder_path(from, run_dir, step, false));
    UN_TRY(un_checkpoint_folder_path(to, run_dir, step, true));
    UN_TRY(parent_path(parent, run_dir));
    if (rename(from, to) != 0)
        return un_fail(UN_IO, "%s: cannot rename to %s: %s", from, to, strerror(errno));
    UN_TRY(un_files_sync_folder(parent));
    return remove_partial(run_dir, step);
}

bool un_checkpoint_folder_whole(const char *run_dir, const struct un_checkpoint_folder *folder) {
    char path[UN_PATH_MAX], manifest[UN_PATH_MAX];
    return !folder->partial && un_checkpoint_folder_path(path, run_dir, folder->step, false) == UN_OK &&
           un_files_join(manifest, path, UN_MANIFEST_NAME) == UN_OK && access(manifest, F_OK) == 0;
}
