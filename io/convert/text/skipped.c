/* The list of what is left out (skipped.h). */
#include "io/convert/text/skipped.h"
#include "io/disk/calls.h"
#include "io/disk/files.h"
#include "runtime/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum un_status un_skipped_open(struct un_skipped *s, const char *out) {
    *s = (struct un_skipped){.path = un_format("%s.skipped.tsv", out),
                             .partial = un_format("%s.skipped.tsv.partial", out)};
    if (!s->path || !s->partial) return UN_MEMORY;
    if (faccessat(AT_FDCWD, s->path, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
        return un_fail(UN_USAGE, "%s exists; it is not overwritten", s->path);
    return UN_OK;
}

static enum un_status failed(const struct un_skipped *s) {
    return un_fail(UN_IO, "%s: %s", s->partial, strerror(errno ? errno : EIO));
}

/* Ids come from a file: a TAB or a line end in one would break the list. */
static void put_id(FILE *file, const char *id) {
    for (; id && *id; ++id) putc((unsigned char)*id < 32 || *id == 127 ? '?' : *id, file);
}

static void count(struct un_skipped *s, int64_t line, const char *why) {
    int i = 0;
    while (i < s->reasons && strcmp(s->reason[i].why, why) != 0) ++i;
    if (i == s->reasons && i < UN_SKIP_REASONS) {
        snprintf(s->reason[i].why, sizeof s->reason[i].why, "%s", why);
        s->reason[i].line = line;
        ++s->reasons;
    }
    if (i < UN_SKIP_REASONS) ++s->reason[i].n;
    ++s->n;
}

enum un_status un_skipped_add(struct un_skipped *s, int64_t line, const char *text_id, const char *image_id,
                              const char *why) {
    errno = 0;
    if (!s->file) {
        unlink(s->partial); /* of an import that was killed; never through a link that stands there */
        int fd = un_calls_open(s->partial, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC);
        s->file = fd < 0 ? NULL : fdopen(fd, "w");
        if (!s->file && fd >= 0) close(fd);
        if (!s->file) return failed(s);
        fputs("line\ttext_id\timage_id\twhy\n", s->file);
    }
    fprintf(s->file, "%lld\t", (long long)line);
    put_id(s->file, text_id);
    putc('\t', s->file);
    put_id(s->file, image_id);
    fprintf(s->file, "\t%s\n", why);
    count(s, line, why);
    return ferror(s->file) ? failed(s) : UN_OK;
}

enum un_status un_skipped_flush(struct un_skipped *s) {
    errno = 0;
    if (!s->file) return UN_OK;
    return fflush(s->file) != 0 || ferror(s->file) || un_calls_fsync(fileno(s->file)) != 0 ? failed(s)
                                                                                           : UN_OK;
}

enum un_status un_skipped_commit(struct un_skipped *s) {
    if (!s->file) return UN_OK;
    int closed = fclose(s->file);
    s->file = NULL;
    if (closed != 0 || rename(s->partial, s->path) != 0) {
        enum un_status status = failed(s);
        unlink(s->partial);
        return status;
    }
    return un_files_sync_folder_of(s->path);
}

void un_skipped_say(const struct un_skipped *s, char *text, size_t size) {
    size_t used = 0;
    text[0] = '\0';
    for (int i = 0; i < s->reasons && used < size; ++i) {
        int n = snprintf(text + used, size - used, "%s%lld: %s (first: line %lld)", i ? ", " : "",
                         (long long)s->reason[i].n, s->reason[i].why, (long long)s->reason[i].line);
        used += n > 0 ? (size_t)n : 0;
    }
}

void un_skipped_close(struct un_skipped *s) {
    if (s->file) {
        fclose(s->file);
        unlink(s->partial);
    }
    un_free(s->path);
    un_free(s->partial);
    *s = (struct un_skipped){0};
}
