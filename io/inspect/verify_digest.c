/* FILE.xxh3: what a file was when it was last found good. */
#include "io/disk/digest.h"
#include "io/disk/files.h"
#include "io/inspect/inspect.h"
#include "runtime/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LINE_MOST = 1024 };
static const char kind[] = "xxh3-128 ";

static const char *base_of(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* "xxh3-128 HEX  BYTES  NAME\n"; the name is for people, a file may be renamed together with its digest. */
static bool parse(char *line, struct un_digest *digest, int64_t *bytes) {
    size_t front = sizeof kind - 1, hex = UN_DIGEST_TEXT - 1;
    char *end;
    if (strlen(line) < front + hex + 3 || strncmp(line, kind, front) != 0) return false;
    if (strncmp(line + front + hex, "  ", 2) != 0) return false;
    line[front + hex] = '\0';
    if (!un_digest_parse(line + front, digest)) return false;
    const char *number = line + front + hex + 2;
    if (*number < '0' || *number > '9') return false;
    errno = 0;
    long long value = strtoll(number, &end, 10);
    *bytes = value;
    return errno == 0 && strncmp(end, "  ", 2) == 0;
}

static void told(void *progress, int64_t bytes) {
    un_progress_add(progress, bytes);
}

static enum un_status compare(const char *path, const char *beside, FILE *out, struct un_progress *progress) {
    char *line, found[UN_DIGEST_TEXT], wanted[UN_DIGEST_TEXT];
    size_t length;
    struct un_digest digest, now;
    int64_t bytes = 0, bytes_now;
    UN_TRY(un_files_read(beside, LINE_MOST, &line, &length));
    bool good = parse(line, &digest, &bytes);
    un_free(line);
    if (!good) return un_fail(UN_DATA, "%s: not a line \"xxh3-128 HEX  BYTES  NAME\"", beside);
    UN_TRY(un_digest_file_told(path, &bytes_now, &now, told, progress));
    if (bytes != bytes_now)
        return un_fail(UN_DATA, "%s: %lld bytes, but its digest %s was taken of %lld", path,
                       (long long)bytes_now, base_of(beside), (long long)bytes);
    un_digest_print(&now, found);
    un_digest_print(&digest, wanted);
    if (!un_digest_equal(&digest, &now))
        return un_fail(UN_DATA, "%s: its digest is %s, in %s it was %s: the file has changed", path, found,
                       base_of(beside), wanted);
    un_progress_clear(progress);
    fprintf(out, "%s: its digest is still that of %s\n", path, base_of(beside));
    return UN_OK;
}

static enum un_status write_new(const char *path, const char *beside, FILE *out,
                                struct un_progress *progress) {
    struct un_digest digest;
    int64_t bytes;
    char hex[UN_DIGEST_TEXT];
    UN_TRY(un_digest_file_told(path, &bytes, &digest, told, progress));
    un_digest_print(&digest, hex);
    char *line = un_format("%s%s  %lld  %s\n", kind, hex, (long long)bytes, base_of(path));
    if (!line) return UN_MEMORY;
    enum un_status status = un_files_replace(beside, line, strlen(line));
    un_free(line);
    un_progress_clear(progress);
    if (status == UN_OK) fprintf(out, "%s: digest written to %s\n", path, base_of(beside));
    return status;
}

/* Where nothing can be written, the check of the rows still counts. */
static bool can_write_beside(const char *path) {
    const char *base = base_of(path);
    char *folder = base == path ? un_strdup(".") : un_format("%.*s", (int)(base - path), path);
    bool can = folder && faccessat(AT_FDCWD, folder, W_OK, AT_EACCESS) == 0;
    un_free(folder);
    return can;
}

enum un_status un_verify_digest_compare(const char *path, FILE *out, bool *there,
                                        struct un_progress *progress) {
    char *beside = un_format("%s.xxh3", path);
    if (!beside) return UN_MEMORY;
    *there = faccessat(AT_FDCWD, beside, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
    enum un_status status = *there ? compare(path, beside, out, progress) : UN_OK;
    un_free(beside);
    return status;
}

enum un_status un_verify_digest_write(const char *path, FILE *out, struct un_progress *progress) {
    char *beside = un_format("%s.xxh3", path);
    if (!beside) return UN_MEMORY;
    enum un_status status = UN_OK;
    if (can_write_beside(path))
        status = write_new(path, beside, out, progress);
    else
        un_log(UN_LOG_WARN, "%s: no digest is written: its folder cannot be written to", path);
    un_free(beside);
    return status;
}
