/* The folder of parts (folder.h). Law: the terms are the last file to be made and the first to be removed, so a folder without them
 * holds nothing of worth. */
#include "launch/extract/folder.h"
#include "io/convert/image/sink.h"
#include "io/disk/files.h"
#include "launch/extract/terms.h"
#include "runtime/clock.h"
#include "runtime/memory.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static const double lock_seconds = 5;
static const char terms_name[] = "terms.tsv", lock_name[] = "lock";

enum un_status un_extract_folder_name(struct un_extract_folder *f, const char *out) {
    *f = (struct un_extract_folder){un_format("%s.parts", out), un_format("%s.parts/stop", out), -1};
    return f->path && f->stop ? UN_OK : UN_MEMORY;
}

static bool there(const char *path) {
    return faccessat(AT_FDCWD, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* *held: this process has it, and it is still the file of this name: its holder may have removed it between our open and our lock. */
static enum un_status try_lock(struct un_extract_folder *f, const char *path, bool *held) {
    struct stat mine, named;
    f->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (f->lock < 0) return un_fail(UN_IO, "%s: cannot create: %s", path, strerror(errno));
    bool locked = flock(f->lock, LOCK_EX | LOCK_NB) == 0;
    if (!locked && errno != EWOULDBLOCK) return un_fail(UN_IO, "%s: cannot lock: %s", path, strerror(errno));
    *held = locked && fstat(f->lock, &mine) == 0 && stat(path, &named) == 0 && mine.st_ino == named.st_ino;
    if (*held) return UN_OK;
    close(f->lock);
    f->lock = -1;
    return UN_OK;
}

/* Ranks may outlive a launcher that was killed, for a moment. */
static enum un_status take_lock(struct un_extract_folder *f) {
    const struct timespec pause = {0, 100000000};
    char path[UN_PATH_MAX];
    bool held = false;
    UN_TRY(un_files_join(path, f->path, lock_name));
    for (double start = un_clock(); un_clock() - start < lock_seconds; nanosleep(&pause, NULL)) {
        UN_TRY(try_lock(f, path, &held));
        if (held) return UN_OK;
    }
    return un_fail(UN_USAGE, "%s: another process is at it", f->path);
}

/* What was found against what is wanted. *same false: nothing was found. */
static enum un_status compare_terms(const struct un_extract_folder *f, const char *terms, bool *same) {
    char path[UN_PATH_MAX], said[UN_ERROR_MAX / 2], *found;
    size_t bytes;
    UN_TRY(un_files_join(path, f->path, terms_name));
    *same = there(path);
    if (!*same) return UN_OK;
    UN_TRY(un_files_read(path, UN_EXTRACT_TERMS, &found, &bytes));
    *same = strcmp(found, terms) == 0;
    if (!*same) un_extract_terms_differ(found, terms, said, sizeof said);
    un_free(found);
    if (*same) return UN_OK;
    return un_fail(UN_USAGE,
                   "%s holds an unfinished extraction that was begun differently (%s); begin again with "
                   "restart=true, or "
                   "give OUT another name",
                   f->path, said);
}

/* Are all files in it such as we make? Another's folder of this name is left alone. */
static enum un_status check_ours(const struct un_extract_folder *f) {
    enum un_status status = UN_OK;
    DIR *dir = opendir(f->path);
    if (!dir) return un_fail(UN_IO, "%s: cannot open: %s", f->path, strerror(errno));
    for (struct dirent *entry; status == UN_OK && (errno = 0, entry = readdir(dir));) {
        const char *name = entry->d_name;
        bool ours = strncmp(name, "part-", 5) == 0 || strncmp(name, terms_name, strlen(terms_name)) == 0 ||
                    strcmp(name, lock_name) == 0 || strcmp(name, "stop") == 0 || strcmp(name, ".") == 0 ||
                    strcmp(name, "..") == 0;
        if (!ours)
            status = un_fail(UN_USAGE, "%s/%s: no file of an extraction; it is left alone", f->path, name);
    }
    closedir(dir);
    return status;
}

/* A kill between the end of OUT and that of the folder leaves both. */
static enum un_status out_stands(struct un_extract_folder *f, const char *out, const char *terms) {
    bool same;
    if (there(f->path) && check_ours(f) == UN_OK && take_lock(f) == UN_OK &&
        compare_terms(f, terms, &same) == UN_OK)
        un_extract_folder_remove(f);
    un_error_clear();
    return un_fail(UN_USAGE, "%s exists; it is not overwritten", out);
}

/* ours: an earlier start made the list of skipped photos, if one is there. */
static enum un_status begin(struct un_extract_folder *f, const char *out, const char *terms, bool ours) {
    char path[UN_PATH_MAX], *skipped = un_format("%s.skipped.tsv", out);
    if (!skipped) return UN_MEMORY;
    bool old = there(skipped) && (!ours || unlink(skipped) != 0);
    un_free(skipped);
    if (old) return un_fail(UN_USAGE, "%s.skipped.tsv exists; it is not overwritten", out);
    UN_TRY(un_files_join(path, f->path, terms_name));
    UN_TRY(un_files_replace(path, terms, strlen(terms)));
    return un_files_sync_folder_of(f->path);
}

/* An empty folder, locked. */
static enum un_status make_anew(struct un_extract_folder *f) {
    UN_TRY(un_extract_folder_remove(f)); /* the lock goes with it */
    close(f->lock);
    f->lock = -1;
    UN_TRY(un_files_make_folder(f->path));
    return take_lock(f);
}

enum un_status un_extract_folder_open(struct un_extract_folder *f, const char *out, const char *terms,
                                      bool restart) {
    char path[UN_PATH_MAX];
    bool same = false;
    if (un_image_sink_stands(out)) return out_stands(f, out, terms);
    UN_TRY(un_files_join(path, f->path, terms_name));
    bool fresh = !there(f->path), begun = there(path);
    UN_TRY(un_files_make_folder(f->path));
    UN_TRY(check_ours(f));
    UN_TRY(take_lock(f));
    if (!restart) UN_TRY(compare_terms(f, terms, &same));
    if (!same && !fresh) UN_TRY(make_anew(f));
    unlink(f->stop);
    if (same) return UN_OK;
    enum un_status status = begin(f, out, terms, begun);
    if (status != UN_OK) un_extract_folder_remove(f);
    return status;
}

enum un_status un_extract_folder_remove(struct un_extract_folder *f) {
    return un_files_remove_folder(f->path, terms_name);
}

void un_extract_folder_close(struct un_extract_folder *f) {
    if (f->path && f->lock >= 0) close(f->lock);
    un_free(f->path);
    un_free(f->stop);
    *f = (struct un_extract_folder){.lock = -1};
}

void un_extract_folder_ask_stop(const struct un_extract_folder *f) {
    int fd = f->stop ? open(f->stop, O_WRONLY | O_CREAT | O_CLOEXEC, 0666) : -1;
    if (fd >= 0) close(fd);
}

bool un_extract_folder_stop_asked(const struct un_extract_folder *f) {
    return f->stop && access(f->stop, F_OK) == 0;
}
