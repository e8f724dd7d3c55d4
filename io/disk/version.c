/* Versions of files (version.h). */
#include "io/disk/version.h"
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

static bool stand(struct un_version *v, int fd) {
    struct stat st;
    if (fstat(fd, &st) != 0) return false;
    *v = (struct un_version){(int64_t)st.st_size, (int64_t)st.st_mtim.tv_sec, (int64_t)st.st_mtim.tv_nsec};
    return true;
}

/* A copy that comes back from an archive may have lost the part below a second. */
static bool same_time(const struct un_version *a, const struct un_version *b) {
    return a->seconds == b->seconds &&
           (a->nanoseconds == b->nanoseconds || a->nanoseconds == 0 || b->nanoseconds == 0);
}

enum un_status un_version_of(struct un_version *version, const char *path, int fd) {
    if (stand(version, fd)) return UN_OK;
    return un_fail(UN_IO, "%s: %s", path, strerror(errno));
}

enum un_status un_version_check(const struct un_version *version, const char *path, int fd) {
    struct un_version now;
    if (!stand(&now, fd) || (now.bytes == version->bytes && same_time(version, &now))) return UN_OK;
    double moved =
        (double)(now.seconds - version->seconds) + 1e-9 * (double)(now.nanoseconds - version->nanoseconds);
    return un_fail(
        UN_IO,
        "%s: has changed while it was read: %lld bytes when it was opened, %lld now; its time of change "
        "has moved by %.3f s",
        path, (long long)version->bytes, (long long)now.bytes, moved);
}
