/* Bounded retries (patience.h). */
#include "io/disk/patience.h"
#include "io/disk/calls.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

struct un_patience un_patience_begin(int tries) {
    return (struct un_patience){.tries = tries < 1 ? 1 : tries, .done = 1};
}

bool un_patience_wait(struct un_patience *p) {
    static const double first = 0.2, longest = 15;
    if (p->done >= p->tries) return false;
    double pause = first;
    for (int i = 1; i < p->done && pause < longest; ++i) pause *= 2;
    if (pause > longest) pause = longest;
    struct timespec t = {.tv_sec = (time_t)pause, .tv_nsec = (long)((pause - (double)(time_t)pause) * 1e9)};
    while (nanosleep(&t, &t) != 0 && errno == EINTR) continue;
    p->waited += pause;
    ++p->done;
    return true;
}

const char *un_patience_text(struct un_patience *p) {
    p->text[0] = '\0';
    if (p->done > 1) snprintf(p->text, sizeof p->text, " (tried %d times in %.1f s)", p->done, p->waited);
    return p->text;
}

/* A descriptor of a file that a server has forgotten cannot even say what it was; then the name decides. */
static bool same_version(int old, int fresh) {
    struct stat a, b;
    if (fstat(fresh, &b) != 0) return false;
    if (fstat(old, &a) != 0) return S_ISREG(b.st_mode);
    return S_ISREG(b.st_mode) && a.st_size == b.st_size && a.st_mtim.tv_sec == b.st_mtim.tv_sec;
}

enum un_status un_patience_reopen(const char *path, int fd) {
    enum un_status status = UN_OK;
    int fresh = un_calls_open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (fresh < 0) return UN_OK; /* it may come back before the tries end */
    if (!same_version(fd, fresh))
        status = un_fail(UN_IO, "%s: has changed while it was read: size or time differ", path);
    else if (dup3(fresh, fd, O_CLOEXEC) < 0)
        status = un_fail(UN_IO, "%s: cannot open anew: %s", path, strerror(errno));
    close(fresh);
    return status;
}

int64_t un_patience_pread(const char *path, int fd, void *out, size_t bytes, int64_t at, int tries) {
    struct un_patience patience = un_patience_begin(tries);
    size_t done = 0;
    while (done < bytes) {
        ssize_t got = pread(fd, (char *)out + done, bytes - done, (off_t)at + (off_t)done);
        if (got == 0) break;
        if (got > 0) {
            done += (size_t)got;
            continue;
        }
        int failed = errno;
        if (failed == EINTR) continue;
        if (!un_patience_wait(&patience) || un_patience_reopen(path, fd) != UN_OK) {
            errno = failed;
            return -1;
        }
        un_log(UN_LOG_WARN, "%s: byte %lld could not be read (%s); trying again", path,
               (long long)at + (long long)done, strerror(failed));
    }
    return (int64_t)done;
}
