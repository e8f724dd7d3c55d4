/* Unnamed temporary files: O_TMPFILE, or a name that is taken away at once where the file system has none. */
#include "io/convert/format/spool.h"
#include "io/disk/calls.h"
#include "io/disk/files.h"
#include "runtime/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int open_named(const char *folder) {
    char *path = un_format("%s/.uniter-spool-XXXXXX", folder);
    if (!path) return -1;
    int fd = mkostemp(path, O_CLOEXEC);
    if (fd >= 0) unlink(path);
    un_free(path);
    return fd;
}

/* Old kernels and some file systems answer O_TMPFILE with any of these errors. */
static int open_unnamed(const char *folder) {
    int fd = un_calls_open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC);
    if (fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL || errno == ENOENT))
        fd = open_named(folder);
    return fd;
}

enum un_status un_spool_open(struct un_spool *spool, const char *beside) {
    char *copy = un_strdup(beside);
    *spool = (struct un_spool){.beside = beside, .fd = -1};
    spool->buffer = un_alloc(UN_SPOOL_HELD, 1, "a spool");
    if (!copy || !spool->buffer) {
        un_free(copy);
        return UN_MEMORY;
    }
    const char *folder = dirname(copy);
    spool->fd = open_unnamed(folder);
    enum un_status status = spool->fd >= 0 ? UN_OK
                                           : un_fail(UN_IO, "%s: cannot make a temporary file in %s: %s",
                                                     beside, folder, strerror(errno));
    un_free(copy);
    return status;
}

static enum un_status flush(struct un_spool *spool) {
    UN_TRY(un_files_write_all(spool->fd, spool->beside, spool->buffer, (size_t)spool->held));
    spool->held = 0;
    return UN_OK;
}

enum un_status un_spool_put(struct un_spool *spool, const void *data, int64_t bytes) {
    if (bytes == 0) return UN_OK;
    if (spool->held + bytes > UN_SPOOL_HELD) UN_TRY(flush(spool));
    spool->bytes += bytes;
    if (bytes > UN_SPOOL_HELD) return un_files_write_all(spool->fd, spool->beside, data, (size_t)bytes);
    memcpy(spool->buffer + spool->held, data, (size_t)bytes);
    spool->held += bytes;
    return UN_OK;
}

enum un_status un_spool_read(struct un_spool *spool, int64_t at, int64_t bytes, void *out) {
    UN_ASSERT(at >= 0 && bytes >= 0 && at + bytes <= spool->bytes);
    UN_TRY(flush(spool));
    for (int64_t done = 0; done < bytes;) {
        ssize_t got = pread(spool->fd, (char *)out + done, (size_t)(bytes - done), (off_t)(at + done));
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0)
            return un_fail(UN_IO, "%s: cannot read back a temporary file: %s", spool->beside,
                           got < 0 ? strerror(errno) : "it ends early");
        done += got;
    }
    return UN_OK;
}

void un_spool_close(struct un_spool *spool) {
    if (spool->buffer && spool->fd >= 0) close(spool->fd);
    un_free(spool->buffer);
    *spool = (struct un_spool){.fd = -1};
}
