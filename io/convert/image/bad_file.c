/* What an import leaves out, on the disk: while it goes on, and at its end (bad.h). */
#include "io/convert/image/private.h"
#include "io/disk/calls.h"
#include "io/disk/files.h"
#include "runtime/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    FILE_LIMIT = 1 << 30,
    HEAD_BYTES = 64,
    LINE_BYTES = UN_PATH_MAX + UN_ERROR_MAX + UN_IMAGE_ID_MAX + 64
};

static int head_of(char head[HEAD_BYTES], const struct un_digest *digest) {
    char text[UN_DIGEST_TEXT];
    un_digest_print(digest, text);
    return snprintf(head, HEAD_BYTES, "uniter-bad 1 %s\n", text);
}

/* A TAB or a line end would break a line. */
static void make_plain(char *text) {
    for (; *text; ++text)
        if ((unsigned char)*text < 32 || *text == 127) *text = '?';
}

/* Never through a link that stands there. */
static enum un_status create(struct un_image_bad *b) {
    char head[HEAD_BYTES];
    unlink(b->path);
    b->fd = open(b->path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0666);
    if (b->fd < 0) return un_fail(UN_IO, "%s: cannot create: %s", b->path, strerror(errno));
    return un_files_append(b->fd, b->path, head, (size_t)head_of(head, &b->digest));
}

enum un_status un_image_bad_note(struct un_image_bad *b, const struct un_image_bad_one *one) {
    char line[LINE_BYTES];
    make_plain(one->where);
    make_plain(one->reason);
    if (!b->path) return UN_OK; /* found before the import's lock was taken: every run finds it again */
    int length =
        snprintf(line, sizeof line, "%lld\t%s\t%s\n", (long long)one->index, one->where, one->reason);
    if (length >= (int)sizeof line) return un_fail(UN_INTERNAL, "a reason of %d bytes", length);
    if (b->fd < 0) UN_TRY(create(b));
    UN_TRY(un_files_append(b->fd, b->path, line, (size_t)length));
    return fdatasync(b->fd) == 0 ? UN_OK : un_fail(UN_IO, "%s: fsync: %s", b->path, strerror(errno));
}

/* A line of the file into the list; false: it is not whole, and ends what is believed. */
static bool parse(char *line, int64_t n, int64_t *index, char **where, char **reason) {
    char *end;
    if (line[0] < '0' || line[0] > '9') return false;
    errno = 0;
    *index = strtoll(line, &end, 10);
    if (errno != 0 || *end != '\t' || *index >= n) return false;
    *where = end + 1;
    *reason = strchr(*where, '\t');
    if (!*reason) return false;
    *(*reason)++ = '\0';
    return true;
}

static enum un_status read_lines(struct un_image_bad *b, char *text, int64_t n, size_t *good) {
    char *where, *reason;
    int64_t index;
    for (char *at = text, *end; (end = strchr(at, '\n')); at = end + 1) {
        *end = '\0';
        if (!parse(at, n, &index, &where, &reason)) break;
        UN_TRY(un_image_bad_keep(b, index, where, reason));
        *good = (size_t)(end + 1 - text);
    }
    return UN_OK;
}

/* Goes on behind the last whole line. */
static enum un_status go_on(struct un_image_bad *b, char *text, size_t head, int64_t n) {
    size_t good = 0;
    UN_TRY(read_lines(b, text + head, n, &good));
    b->fd = open(b->path, O_WRONLY | O_APPEND | O_CLOEXEC | O_NOFOLLOW);
    if (b->fd < 0) return un_fail(UN_IO, "%s: cannot open: %s", b->path, strerror(errno));
    if (un_calls_ftruncate(b->fd, (int64_t)(head + good)) != 0)
        return un_fail(UN_IO, "%s: cannot shorten: %s", b->path, strerror(errno));
    return UN_OK;
}

enum un_status un_image_bad_load(struct un_image_bad *b, const char *out, const struct un_digest *digest,
                                 int64_t n) {
    char head[HEAD_BYTES], *text;
    size_t bytes, length = (size_t)head_of(head, digest);
    b->digest = *digest;
    if (!(b->path = un_format("%s.partial.bad", out))) return UN_MEMORY;
    if (access(b->path, F_OK) != 0) return UN_OK;
    UN_TRY(un_files_read(b->path, FILE_LIMIT, &text, &bytes));
    enum un_status status = UN_OK;
    if (bytes >= length && memcmp(text, head, length) == 0)
        status = go_on(b, text, length, n);
    else
        unlink(b->path);
    un_free(text);
    return status;
}

static int by_index(const void *x, const void *y) {
    const struct un_image_bad_one *a = x, *b = y;
    return a->index < b->index ? -1 : a->index > b->index;
}

/* The survey's come first, in its order; the others were found in the order of threads. */
static void sort(struct un_image_bad *b) {
    int64_t surveyed = 0;
    while (surveyed < b->n && b->one[surveyed].index < 0) ++surveyed;
    if (surveyed < b->n) qsort(b->one + surveyed, (size_t)(b->n - surveyed), sizeof *b->one, by_index);
}

static enum un_status write_lines(const struct un_image_bad *b, const char *partial) {
    unlink(partial);
    int fd = open(partial, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    FILE *file = fd < 0 ? NULL : fdopen(fd, "w");
    if (!file && fd >= 0) close(fd);
    if (!file) return un_fail(UN_IO, "%s: cannot create: %s", partial, strerror(errno));
    errno = 0;
    fputs("path\treason\n", file);
    for (int64_t i = 0; i < b->n; ++i) fprintf(file, "%s\t%s\n", b->one[i].where, b->one[i].reason);
    bool good = fflush(file) == 0 && !ferror(file) && fsync(fileno(file)) == 0;
    good = fclose(file) == 0 && good;
    return good ? UN_OK : un_fail(UN_IO, "%s: cannot write: %s", partial, strerror(errno ? errno : EIO));
}

enum un_status un_image_bad_write(struct un_image_bad *b, const char *out) {
    if (b->n == 0) return UN_OK;
    for (int64_t i = 0; i < b->n; ++i) {
        make_plain(b->one[i].where);
        make_plain(b->one[i].reason);
    }
    sort(b);
    char *path = un_format("%s.skipped.tsv", out), *partial = un_format("%s.skipped.tsv.partial", out);
    enum un_status status = path && partial ? write_lines(b, partial) : UN_MEMORY;
    if (status == UN_OK && rename(partial, path) != 0)
        status = un_fail(UN_IO, "%s: cannot rename: %s", partial, strerror(errno));
    if (status != UN_OK && partial) unlink(partial);
    if (status == UN_OK) status = un_files_sync_folder_of(path);
    un_free(path);
    un_free(partial);
    return status;
}

bool un_image_bad_listed(const char *out) {
    char *path = un_format("%s.skipped.tsv", out);
    bool there = path && faccessat(AT_FDCWD, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
    un_free(path);
    return there;
}

void un_image_bad_forget(const char *out) {
    char *path = un_format("%s.partial.bad", out);
    if (path) unlink(path);
    un_free(path);
}
