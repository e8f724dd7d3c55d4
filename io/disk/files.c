/* Plain files and folders. Law: errors are UN_IO with path and reason; nothing is left behind on failure. */
#include "io/disk/files.h"
#include "io/disk/calls.h"
#include "runtime/memory.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum un_status un_files_join(char path[UN_PATH_MAX], const char *folder, const char *name) {
    int length = snprintf(path, UN_PATH_MAX, "%s/%s", folder, name);
    if (length >= 0 && length < UN_PATH_MAX) return UN_OK;
    return un_fail(UN_USAGE, "%s/%s: a path of more than %d bytes", folder, name, UN_PATH_MAX - 1);
}

/* A folder that may be entered but not listed cannot be opened, so nothing can be synced there. */
static enum un_status sync_parent(const char *path) {
    enum un_status status = un_files_sync_folder_of(path);
    if (status != UN_IO || errno != EACCES) return status;
    un_error_clear();
    return UN_OK;
}

enum un_status un_files_make_last_folder(const char *path) {
    struct stat st;
    if (mkdir(path, 0777) == 0) return sync_parent(path);
    int failed = errno;
    if (failed == EEXIST && stat(path, &st) == 0 && S_ISDIR(st.st_mode)) return UN_OK;
    if (failed == EEXIST && stat(path, &st) != 0 && errno == ENOENT)
        return un_fail(UN_IO, "%s: cannot make the folder: a link of this name leads to what is not there",
                       path);
    return un_fail(UN_IO, "%s: cannot make the folder: %s", path,
                   failed == EEXIST ? "a file has this name" : strerror(failed));
}

enum un_status un_files_make_folder(const char *path) {
    char part[UN_PATH_MAX];
    size_t length = strlen(path);
    if (length == 0 || length >= sizeof part)
        return un_fail(UN_USAGE, "a folder's path of %zu bytes (1 to %d)", length, UN_PATH_MAX - 1);
    memcpy(part, path, length + 1);
    for (size_t i = 1; i < length; ++i) {
        if (part[i] != '/' || part[i - 1] == '/') continue;
        part[i] = '\0';
        UN_TRY(un_files_make_last_folder(part));
        part[i] = '/';
    }
    return un_files_make_last_folder(part);
}

enum un_status un_files_sync_folder(const char *path) {
    int fd = un_calls_open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return un_fail(UN_IO, "%s: cannot open the folder: %s", path, strerror(errno));
    int failed = un_calls_fsync(fd) != 0 ? errno : 0;
    if (failed == EINVAL) failed = 0; /* a file system without such a need */
    close(fd);
    return failed ? un_fail(UN_IO, "%s: fsync: %s", path, strerror(failed)) : UN_OK;
}

static enum un_status empty_folder(DIR *dir, const char *path, const char *first) {
    int fd = dirfd(dir);
    if (first && unlinkat(fd, first, 0) != 0 && errno != ENOENT)
        return un_fail(UN_IO, "%s/%s: cannot remove: %s", path, first, strerror(errno));
    for (struct dirent *entry; (errno = 0, entry = readdir(dir));) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        if (unlinkat(fd, entry->d_name, 0) != 0 && errno != ENOENT)
            return un_fail(UN_IO, "%s/%s: cannot remove: %s", path, entry->d_name, strerror(errno));
    }
    return errno ? un_fail(UN_IO, "%s: cannot list: %s", path, strerror(errno)) : UN_OK;
}

enum un_status un_files_remove_folder(const char *path, const char *first) {
    int fd = un_calls_open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT) return UN_OK;
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    if (!dir) {
        int failed = errno;
        if (fd >= 0) close(fd);
        return un_fail(UN_IO, "%s: cannot remove: %s", path, strerror(failed));
    }
    enum un_status status = empty_folder(dir, path, first);
    closedir(dir);
    if (status == UN_OK && rmdir(path) != 0 && errno != ENOENT)
        status = un_fail(UN_IO, "%s: cannot remove: %s", path, strerror(errno));
    return status;
}

static enum un_status read_all(int fd, const char *path, size_t limit, char **text, size_t *bytes) {
    struct stat st;
    if (fstat(fd, &st) != 0) return un_fail(UN_IO, "%s: %s", path, strerror(errno));
    if (!S_ISREG(st.st_mode)) return un_fail(UN_IO, "%s: not a regular file", path);
    if (st.st_size < 0 || (uint64_t)st.st_size > limit)
        return un_fail(UN_DATA, "%s: %lld bytes, more than the %zu that are sensible", path,
                       (long long)st.st_size, limit);
    size_t size = (size_t)st.st_size, used = 0;
    char *all = un_alloc(size + 1, 1, path);
    if (!all) return UN_MEMORY;
    while (used < size) {
        ssize_t got = read(fd, all + used, size - used);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) {
            un_free(all);
            return un_fail(UN_IO, "%s: cannot read: %s", path, strerror(errno));
        }
        if (got == 0) break; /* it became shorter: what is there is checked by whoever asked */
        used += (size_t)got;
    }
    *text = all;
    *bytes = used;
    return UN_OK;
}

enum un_status un_files_open(const char *path, int *fd) {
    *fd = un_calls_open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    return *fd < 0 ? un_fail(UN_IO, "%s: cannot open: %s", path, strerror(errno)) : UN_OK;
}

enum un_status un_files_read(const char *path, size_t limit, char **text, size_t *bytes) {
    *text = NULL;
    *bytes = 0;
    int fd;
    UN_TRY(un_files_open(path, &fd));
    enum un_status status = read_all(fd, path, limit, text, bytes);
    close(fd);
    return status;
}

enum un_status un_files_read_at(int fd, const char *path, void *data, size_t bytes, int64_t at) {
    for (size_t done = 0; done < bytes;) {
        ssize_t got = pread(fd, (char *)data + done, bytes - done, at + (int64_t)done);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return un_fail(UN_IO, "%s: cannot read: %s", path, strerror(errno));
        if (got == 0) return un_fail(UN_DATA, "%s: ends at byte %lld", path, (long long)at + (long long)done);
        done += (size_t)got;
    }
    return UN_OK;
}

enum un_status un_files_write_at(int fd, const char *path, const void *data, size_t bytes, int64_t at) {
    for (size_t done = 0; done < bytes;) {
        ssize_t wrote = pwrite(fd, (const char *)data + done, bytes - done, at + (int64_t)done);
        if (wrote < 0 && errno == EINTR) continue;
        if (wrote < 0) return un_fail(UN_IO, "%s: cannot write: %s", path, strerror(errno));
        done += (size_t)wrote;
    }
    return UN_OK;
}

enum un_status un_files_write_all(int fd, const char *path, const void *data, size_t bytes) {
    for (size_t done = 0; done < bytes;) {
        ssize_t wrote = write(fd, (const char *)data + done, bytes - done);
        if (wrote < 0 && errno == EINTR) continue;
        if (wrote < 0) return un_fail(UN_IO, "%s: cannot write: %s", path, strerror(errno));
        done += (size_t)wrote;
    }
    return UN_OK;
}

static enum un_status write_synced(const char *path, const void *data, size_t bytes) {
    int fd = un_calls_open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC);
    if (fd < 0) return un_fail(UN_IO, "%s: cannot create: %s", path, strerror(errno));
    enum un_status status = un_files_write_all(fd, path, data, bytes);
    if (status == UN_OK && un_calls_fsync(fd) != 0)
        status = un_fail(UN_IO, "%s: fsync: %s", path, strerror(errno));
    if (un_calls_close(fd) != 0 && status == UN_OK)
        status = un_fail(UN_IO, "%s: close: %s", path, strerror(errno));
    return status;
}

enum un_status un_files_sync_folder_of(const char *path) {
    char folder[UN_PATH_MAX];
    const char *slash = strrchr(path, '/');
    if (!slash) return un_files_sync_folder(".");
    if (slash == path) return un_files_sync_folder("/");
    if (slash - path >= UN_PATH_MAX) return un_fail(UN_USAGE, "%s: a path of too many bytes", path);
    memcpy(folder, path, (size_t)(slash - path));
    folder[slash - path] = '\0';
    return un_files_sync_folder(folder);
}

enum un_status un_files_append(int fd, const char *path, const void *data, size_t bytes) {
    struct stat before;
    if (fstat(fd, &before) != 0) return un_fail(UN_IO, "%s: %s", path, strerror(errno));
    enum un_status status = un_files_write_all(fd, path, data, bytes);
    if (status == UN_OK) return UN_OK;
    struct stat after;
    if (fstat(fd, &after) == 0 && after.st_size == before.st_size) return status;
    if (un_calls_ftruncate(fd, before.st_size) == 0) return status;
    struct un_error failed = *un_error_get();
    un_error_clear();
    return un_fail(UN_IO, "%s; a part of it was written and cannot be removed: %s", failed.text,
                   strerror(errno));
}

enum un_status un_files_replace(const char *path, const void *data, size_t bytes) {
    char *temporary = un_format("%s.tmp", path);
    if (!temporary) return UN_MEMORY;
    enum un_status status = write_synced(temporary, data, bytes);
    if (status == UN_OK && rename(temporary, path) != 0)
        status = un_fail(UN_IO, "%s: cannot rename to %s: %s", temporary, path, strerror(errno));
    if (status == UN_OK)
        status = un_files_sync_folder_of(path);
    else
        unlink(temporary);
    un_free(temporary);
    return status;
}
