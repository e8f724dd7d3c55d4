/* Calls that change files, in the place of glibc's (chaos.h). */
#include "chaos.h"
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* ---- descriptors ---- */

static void forget(int fd) {
    if (!chaos_watched(fd)) return;
    free(chaos.name[fd]);
    chaos.name[fd] = NULL;
}

static const char *open_kind(int flags) {
    if ((flags & O_TMPFILE) == O_TMPFILE) return "temporary"; /* without a name */
    if (flags & O_CREAT) return "create";
    return (flags & O_ACCMODE) == O_RDONLY ? "look" : "open";
}

int chaos_open(const char *path, int flags, mode_t mode) {
    char room[PATH_MAX], key[CHAOS_KEY] = "";
    chaos_enter();
    bool inside = chaos_inside(path),
         counts = inside && (chaos.reads || strcmp(open_kind(flags), "look") != 0);
    const char *name = inside ? chaos_below(path, room) : "";
    enum chaos_fate fate = counts ? chaos_fate_of(open_kind(flags), name, key) : CHAOS_GO;
    int fd = fate == CHAOS_FAIL ? -1 : (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
    if (inside && fd >= 0 && fd < CHAOS_FILES) {
        forget(fd);
        chaos.name[fd] = strdup(name);
        chaos.opened[fd] = ++chaos.opens;
        chaos.append[fd] = (flags & O_APPEND) != 0;
        chaos.writes[fd] = (flags & O_ACCMODE) != O_RDONLY;
    }
    if (inside) { /* opens for reading are recorded, too: folders are synced by them */
        if (!counts) snprintf(key, sizeof key, "look:%.300s:0", name);
        chaos_record(fate, key, name, flags & O_TRUNC ? "trunc" : "", chaos.opens, flags, NULL, 0, fd);
    }
    chaos_leave();
    return fd;
}

int open(const char *path, int flags, ...) {
    va_list args;
    va_start(args, flags);
    mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(args, mode_t) : 0;
    va_end(args);
    return chaos_open(path, flags, mode);
}

/* A close that fails (file systems that write then) has closed all the same. */
int chaos_close(int fd) {
    char key[CHAOS_KEY];
    enum chaos_fate fate = CHAOS_GO;
    chaos_enter();
    if (chaos_watched(fd) && chaos.writes[fd]) {
        fate = chaos_fate_of("close", chaos.name[fd], key);
        chaos_record(fate, key, chaos.name[fd], "", chaos.opened[fd], 0, NULL, 0,
                     fate == CHAOS_FAIL ? -1 : 0);
    }
    forget(fd);
    int result = (int)syscall(SYS_close, fd);
    chaos_leave();
    if (fate == CHAOS_FAIL) errno = (int)chaos.value;
    return fate == CHAOS_FAIL ? -1 : result;
}

int close(int fd) {
    return chaos_close(fd);
}

/* ---- bytes ---- */

static ssize_t put(const char *operation, int fd, const void *data, size_t bytes, long long at) {
    char key[CHAOS_KEY];
    enum chaos_fate fate = chaos_fate_of(operation, chaos.name[fd], key);
    size_t some = (fate == CHAOS_HALF || fate == CHAOS_SHORT) && bytes > 1 ? bytes / 2 : bytes;
    struct stat st;
    long long from = at;
    if (at < 0)
        from = chaos.append[fd] && fstat(fd, &st) == 0 ? st.st_size : (long long)lseek(fd, 0, SEEK_CUR);
    ssize_t result = -1;
    if (fate != CHAOS_FAIL)
        result = at < 0 ? syscall(SYS_write, fd, data, some) : syscall(SYS_pwrite64, fd, data, some, at);
    chaos_record(fate, key, chaos.name[fd], "", chaos.opened[fd], from, data, result > 0 ? (size_t)result : 0,
                 result);
    return result;
}

ssize_t chaos_write(int fd, const void *data, size_t bytes) {
    if (!chaos_watched(fd)) return syscall(SYS_write, fd, data, bytes);
    chaos_enter();
    ssize_t result = put("write", fd, data, bytes, -1);
    chaos_leave();
    return result;
}

ssize_t write(int fd, const void *data, size_t bytes) {
    return chaos_write(fd, data, bytes);
}

ssize_t pwrite(int fd, const void *data, size_t bytes, off_t at) {
    if (!chaos_watched(fd)) return syscall(SYS_pwrite64, fd, data, bytes, at);
    chaos_enter();
    ssize_t result = put("pwrite", fd, data, bytes, at);
    chaos_leave();
    return result;
}

static ssize_t take(const char *operation, int fd, void *data, size_t bytes, long long at) {
    char key[CHAOS_KEY];
    enum chaos_fate fate = CHAOS_GO;
    if (chaos_watched(fd) && chaos.reads) {
        chaos_enter();
        fate = chaos_fate_of(operation, chaos.name[fd], key);
        if (chaos.log >= 0) chaos_record(fate, key, chaos.name[fd], "", chaos.opened[fd], at, NULL, 0, 0);
        chaos_leave();
    }
    if (fate == CHAOS_FAIL) {
        errno = (int)chaos.value;
        return -1;
    }
    size_t some = fate == CHAOS_SHORT && bytes > 1 ? bytes / 2 : bytes;
    return at < 0 ? syscall(SYS_read, fd, data, some) : syscall(SYS_pread64, fd, data, some, at);
}

ssize_t read(int fd, void *data, size_t bytes) {
    return take("read", fd, data, bytes, -1);
}

ssize_t pread(int fd, void *data, size_t bytes, off_t at) {
    return take("pread", fd, data, bytes, at);
}

/* A call on a descriptor without bytes. */
static int on_file(const char *operation, int fd, long number, long long argument) {
    if (!chaos_watched(fd)) return (int)syscall(number, fd, argument);
    char key[CHAOS_KEY];
    chaos_enter();
    enum chaos_fate fate = chaos_fate_of(operation, chaos.name[fd], key);
    int result = fate == CHAOS_FAIL ? -1 : (int)syscall(number, fd, argument);
    chaos_record(fate, key, chaos.name[fd], "", chaos.opened[fd], argument, NULL, 0, result);
    chaos_leave();
    return result;
}

int fsync(int fd) {
    return on_file("fsync", fd, SYS_fsync, 0);
}

int fdatasync(int fd) {
    return on_file("fdatasync", fd, SYS_fdatasync, 0);
}

int ftruncate(int fd, off_t length) {
    return on_file("ftruncate", fd, SYS_ftruncate, length);
}

/* ---- names ---- */

/* A call on one or two paths; `other` is recorded beside the first. */
static int on_path(const char *operation, const char *path, const char *other, long long argument,
                   long number, long a, long b, long c, long d, long e) {
    char room[PATH_MAX], key[CHAOS_KEY];
    if (!chaos_inside(path)) return (int)syscall(number, a, b, c, d, e);
    chaos_enter();
    const char *name = chaos_below(path, room);
    enum chaos_fate fate = chaos_fate_of(operation, name, key);
    int result = fate == CHAOS_FAIL ? -1 : (int)syscall(number, a, b, c, d, e);
    chaos_record(fate, key, name, other, 0, argument, NULL, 0, result);
    chaos_leave();
    return result;
}

int rename(const char *from, const char *to) {
    char room[PATH_MAX];
    return on_path("rename", from, chaos_below(to, room), 0, SYS_renameat2, AT_FDCWD, (long)from, AT_FDCWD,
                   (long)to, 0);
}

int renameat2(int from_fd, const char *from, int to_fd, const char *to, unsigned flags) {
    char room[PATH_MAX];
    return on_path("rename", from, chaos_below(to, room), flags, SYS_renameat2, from_fd, (long)from, to_fd,
                   (long)to, flags);
}

int unlink(const char *path) {
    return on_path("unlink", path, "", 0, SYS_unlinkat, AT_FDCWD, (long)path, 0, 0, 0);
}

int rmdir(const char *path) {
    return on_path("rmdir", path, "", 0, SYS_unlinkat, AT_FDCWD, (long)path, AT_REMOVEDIR, 0, 0);
}

int mkdir(const char *path, mode_t mode) {
    return on_path("mkdir", path, "", 0, SYS_mkdirat, AT_FDCWD, (long)path, mode, 0, 0);
}

int truncate(const char *path, off_t length) {
    return on_path("truncate", path, "", length, SYS_truncate, (long)path, length, 0, 0, 0);
}

int symlink(const char *target, const char *path) {
    return on_path("symlink", path, target, 0, SYS_symlinkat, (long)target, AT_FDCWD, (long)path, 0, 0);
}

/* Below a descriptor of a folder, also one of opendir, which calls no open of ours. */
int unlinkat(int fd, const char *name, int flags) {
    char link[64], path[PATH_MAX], folder[PATH_MAX / 2];
    if (name[0] == '/' || fd == AT_FDCWD)
        return on_path(flags & AT_REMOVEDIR ? "rmdir" : "unlink", name, "", 0, SYS_unlinkat, fd, (long)name,
                       flags, 0, 0);
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, folder, sizeof folder - 1);
    folder[n > 0 ? n : 0] = '\0';
    snprintf(path, sizeof path, "%s/%.1000s", folder, name);
    return on_path("unlink", path, "", 0, SYS_unlinkat, fd, (long)name, flags, 0, 0);
}
