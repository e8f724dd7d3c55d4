/* The run's folder (folder.h). */
#include "launch/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static enum un_status make_one(const char *path) {
    if (mkdir(path, 0777) == 0 || errno == EEXIST) return UN_OK;
    return un_fail(UN_IO, "%s: cannot make the folder: %s", path, strerror(errno));
}

/* dir/sub with all its parents. */
static enum un_status make_folders(const char *dir, const char *sub) {
    char path[512];
    if (snprintf(path, sizeof path, "%s/%s", dir, sub) >= (int)sizeof path)
        return un_fail(UN_USAGE, "run.dir: %s is too long", dir);
    for (char *p = path + 1; *p; ++p) {
        if (*p != '/') continue;
        *p = '\0';
        UN_TRY(make_one(path));
        *p = '/';
    }
    return make_one(path);
}

static enum un_status take_lock(const char *path, int fd) {
    for (int tenths = 0; flock(fd, LOCK_EX | LOCK_NB) != 0; ++tenths) {
        if (errno != EWOULDBLOCK && errno != EINTR) return un_fail(UN_IO, "%s: %s", path, strerror(errno));
        if (tenths >= 10 * UN_FOLDER_PATIENCE)
            return un_fail(UN_USAGE, "%s is held by another run; end it, or take another run.dir", path);
        if (tenths == 10) un_log(UN_LOG_INFO, "waiting for another run to leave %s", path);
        nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
    }
    return UN_OK;
}

enum un_status un_folder_open(const char *dir, int *lock) {
    char path[512];
    UN_TRY(make_folders(dir, "log"));
    UN_TRY(make_folders(dir, "ckpt"));
    snprintf(path, sizeof path, "%s/log/lock", dir);
    *lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (*lock < 0) return un_fail(UN_IO, "%s: %s", path, strerror(errno));
    return take_lock(path, *lock);
}

void un_folder_close(int lock) {
    if (lock >= 0) close(lock);
}

enum un_status un_folder_write_config(const struct un_job *job) {
    char path[512];
    snprintf(path, sizeof path, "%s/config.yaml", job->config.run.dir);
    FILE *f = fopen(path, "w");
    if (!f) return un_fail(UN_IO, "%s: %s", path, strerror(errno));
    fprintf(f, "# The configuration in force, with the origin of every value. A run can be repeated from "
               "this file.\n");
    enum un_status status = un_config_write(job->config.document, f);
    if (fclose(f) != 0 && status == UN_OK) status = un_fail(UN_IO, "%s: %s", path, strerror(errno));
    return status;
}
