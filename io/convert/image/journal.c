/* OUT.partial.done: what of an import is known to be on the disk, and the lock of the import.
 *
 * A line is believed only when it is whole and says no less than the one before, so neither a torn write nor
 * blocks of zeros after a power failure can make it say too much. Format:
 *   uniter-import 1 DIGEST
 *   done IMAGES sorted SORTED */
#include "io/convert/image/private.h"
#include "io/disk/calls.h"
#include "io/disk/files.h"
#include "runtime/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

enum { JOURNAL_LIMIT = 1 << 26, HEAD_BYTES = 64 };

static int head_of(char head[HEAD_BYTES], const struct un_digest *digest) {
    char text[UN_DIGEST_TEXT];
    un_digest_print(digest, text);
    return snprintf(head, HEAD_BYTES, "uniter-import 1 %s\n", text);
}

/* The file that is locked must still be the one that has the name: its holder may have removed it between our
 * open and our lock. */
static enum un_status open_locked(struct un_image_journal *j, const char *out) {
    struct stat mine, named;
    for (int tries = 0; tries < 100; ++tries) {
        j->fd = un_calls_open(j->path, O_RDWR | O_CREAT | O_CLOEXEC | O_APPEND | O_NOFOLLOW);
        if (j->fd < 0) return un_fail(UN_IO, "%s: cannot create: %s", j->path, strerror(errno));
        if (flock(j->fd, LOCK_EX | LOCK_NB) != 0) {
            if (errno == EWOULDBLOCK)
                return un_fail(UN_USAGE, "%s: another process is writing it (%s is locked)", out, j->path);
            return un_fail(UN_IO, "%s: cannot lock: %s", j->path, strerror(errno));
        }
        if (fstat(j->fd, &mine) == 0 && stat(j->path, &named) == 0 && mine.st_ino == named.st_ino &&
            mine.st_dev == named.st_dev)
            return UN_OK;
        close(j->fd);
        j->fd = -1;
    }
    return un_fail(UN_USAGE, "%s: another process is writing it", out);
}

static bool read_number(const char **at, const char *word, int64_t *value) {
    size_t length = strlen(word);
    char *end;
    if (strncmp(*at, word, length) != 0 || (*at)[length] < '0' || (*at)[length] > '9') return false;
    errno = 0;
    *value = strtoll(*at + length, &end, 10);
    *at = end;
    return errno == 0;
}

/* The last of the good lines that follow the head. */
static struct un_image_done last_done(const char *text, int64_t n) {
    struct un_image_done last = {0}, next;
    while (read_number(&text, "done ", &next.images) && read_number(&text, " sorted ", &next.sorted) &&
           *text++ == '\n') {
        if (next.images < last.images || next.images > n || next.sorted < last.sorted ||
            next.sorted > next.images)
            break;
        last = next;
    }
    return last;
}

enum un_status un_image_journal_open(struct un_image_journal *j, const char *out) {
    *j = (struct un_image_journal){un_format("%s.partial.done", out), -1};
    enum un_status status = j->path ? open_locked(j, out) : UN_MEMORY;
    if (status != UN_OK) un_image_journal_close(j, true); /* what another process holds stays */
    return status;
}

enum un_status un_image_journal_read(struct un_image_journal *j, const struct un_digest *digest, int64_t n,
                                     struct un_image_done *done, bool *same) {
    char head[HEAD_BYTES], *text;
    size_t bytes, length = (size_t)head_of(head, digest);
    *done = (struct un_image_done){0};
    *same = false;
    UN_TRY(un_files_read(j->path, JOURNAL_LIMIT, &text, &bytes));
    *same = bytes >= length && memcmp(text, head, length) == 0;
    if (*same) *done = last_done(text + length, n);
    un_free(text);
    return UN_OK;
}

static enum un_status put_line(struct un_image_journal *j, const char *line, int length) {
    UN_TRY(un_files_write_all(j->fd, j->path, line, (size_t)length));
    return un_calls_fdatasync(j->fd) == 0 ? UN_OK : un_fail(UN_IO, "%s: fsync: %s", j->path, strerror(errno));
}

enum un_status un_image_journal_begin(struct un_image_journal *j, const struct un_digest *digest) {
    char head[HEAD_BYTES];
    if (un_calls_ftruncate(j->fd, 0) != 0)
        return un_fail(UN_IO, "%s: cannot empty it: %s", j->path, strerror(errno));
    return put_line(j, head, head_of(head, digest));
}

enum un_status un_image_journal_add(struct un_image_journal *j, const struct un_image_done *done) {
    char line[80];
    int length = snprintf(line, sizeof line, "done %lld sorted %lld\n", (long long)done->images,
                          (long long)done->sorted);
    return put_line(j, line, length);
}

void un_image_journal_close(struct un_image_journal *j, bool keep) {
    if (j->fd >= 0 && !keep) unlink(j->path);
    if (j->fd >= 0) close(j->fd);
    un_free(j->path);
    *j = (struct un_image_journal){NULL, -1};
}

bool un_image_sink_begun(const char *out) {
    char *path = un_format("%s.partial.done", out);
    bool there = path && access(path, F_OK) == 0;
    un_free(path);
    return there;
}

bool un_image_sink_stands(const char *out) {
    if (faccessat(AT_FDCWD, out, F_OK, AT_SYMLINK_NOFOLLOW) != 0) return false;
    char *path = un_format("%s.partial.done", out), *partial = un_format("%s.partial", out);
    int fd = path && partial ? un_calls_open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW) : -1;
    if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0 && access(partial, F_OK) != 0) {
        un_image_bad_forget(out);
        unlink(path);
    }
    if (fd >= 0) close(fd);
    un_free(path);
    un_free(partial);
    un_error_clear();
    return true;
}

enum un_status un_image_digest(const struct un_image_source *source, const struct un_image_list *list,
                               struct un_digest *digest) {
    const struct un_image_shape *s = &list->shape;
    const int64_t head[] = {(int64_t)source->stamp,
                            s->img_dim,
                            s->classes,
                            (int64_t)s->feature_type,
                            (int64_t)s->confidence_type,
                            (int64_t)s->soft_type,
                            s->has_confidence,
                            list->n,
                            list->regions};
    XXH3_state_t *state = XXH3_createState();
    if (!state) return un_fail(UN_MEMORY, "no memory for a digest");
    XXH128_canonical_t bytes;
    XXH3_128bits_reset(state);
    XXH3_128bits_update(state, head, sizeof head);
    XXH3_128bits_update(state, source->name, strlen(source->name) + 1);
    for (int64_t i = 0; i < list->n; ++i) {
        const struct un_image_entry *e = list->list + i;
        const int64_t numbers[] = {e->regions, e->at, e->bytes};
        XXH3_128bits_update(state, e->id, strlen(e->id) + 1);
        XXH3_128bits_update(state, numbers, sizeof numbers);
    }
    XXH128_canonicalFromHash(&bytes, XXH3_128bits_digest(state));
    XXH3_freeState(state);
    memcpy(digest->bytes, bytes.digest, sizeof digest->bytes);
    return UN_OK;
}
