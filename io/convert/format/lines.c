/* Lines of a file (caption_lines.h): one buffer that holds a whole line of the greatest length and a block. */
#include "io/convert/format/lines.h"
#include "runtime/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utf8proc.h>

enum { BLOCK = 1 << 16, ROOM = 2 * UN_LINE_BYTES_MAX };

static enum un_status open_file(struct un_caption_lines *l, const char *path) {
    struct stat info;
    if (!(l->path = un_strdup(path))) return UN_MEMORY;
    l->fd = open(path, O_RDONLY | O_CLOEXEC);
    if (l->fd < 0 || fstat(l->fd, &info) != 0) return un_fail(UN_IO, "%s: %s", path, strerror(errno));
    if (S_ISDIR(info.st_mode)) return un_fail(UN_DATA, "%s: is a folder, a file is wanted", path);
    if (S_ISREG(info.st_mode) && info.st_size == 0) return un_fail(UN_DATA, "%s: is empty", path);
    l->size = S_ISREG(info.st_mode) ? (int64_t)info.st_size : 0;
    l->buffer = un_alloc(BLOCK + 1, 1, "lines of a file");
    l->room = BLOCK;
    return l->buffer ? UN_OK : UN_MEMORY;
}

static enum un_status fill(struct un_caption_lines *l) {
    memmove(l->buffer, l->buffer + l->first, l->after - l->first);
    l->after -= l->first;
    l->first = 0;
    if (l->after == l->room && l->room < ROOM) {
        UN_TRY(un_grow((void **)&l->buffer, l->room + 1, 2 * l->room + 1, 1, "lines of a file"));
        l->room *= 2;
    }
    ssize_t n;
    do n = read(l->fd, l->buffer + l->after, l->room - l->after);
    while (n < 0 && errno == EINTR);
    if (n < 0) return un_fail(UN_IO, "%s: %s", l->path, strerror(errno));
    l->at_end = n == 0;
    l->after += (size_t)n;
    return UN_OK;
}

enum un_status un_caption_lines_open(struct un_caption_lines *lines, const char *path) {
    *lines = (struct un_caption_lines){.fd = -1};
    enum un_status status = open_file(lines, path);
    while (status == UN_OK && lines->after < 3 && !lines->at_end) status = fill(lines);
    if (status == UN_OK && lines->after >= 2 &&
        (memcmp(lines->buffer, "\xff\xfe", 2) == 0 || memcmp(lines->buffer, "\xfe\xff", 2) == 0))
        status = un_fail(UN_DATA, "%s: UTF-16; UTF-8 is wanted: `iconv -f UTF-16 -t UTF-8`", path);
    if (status == UN_OK && lines->after >= 3 && memcmp(lines->buffer, "\xef\xbb\xbf", 3) == 0)
        lines->first = lines->taken = 3;
    if (status != UN_OK) un_caption_lines_close(lines);
    return status;
}

enum un_status un_caption_lines_next(struct un_caption_lines *l, char **text, size_t *bytes, bool *more) {
    size_t looked = 0;
    char *end;
    *more = false;
    while (!(end = memchr(l->buffer + l->first + looked, '\n', l->after - l->first - looked)) && !l->at_end) {
        looked = l->after - l->first;
        if (looked > UN_LINE_BYTES_MAX)
            return un_fail(UN_DATA, "%s: line %lld is longer than %d bytes", l->path,
                           (long long)l->number + 1, UN_LINE_BYTES_MAX);
        UN_TRY(fill(l));
    }
    if (!end && l->first == l->after) return UN_OK;
    char *start = l->buffer + l->first;
    size_t n = end ? (size_t)(end - start) : l->after - l->first;
    l->first += n + (end ? 1 : 0);
    l->taken += (int64_t)n + (end ? 1 : 0);
    if (n > 0 && start[n - 1] == '\r') --n;
    start[n] = '\0';
    ++l->number;
    *text = start;
    *bytes = n;
    *more = true;
    return UN_OK;
}

void un_caption_lines_close(struct un_caption_lines *l) {
    if (l->path && l->fd >= 0) close(l->fd);
    un_free(l->path);
    un_free(l->buffer);
    *l = (struct un_caption_lines){.fd = -1};
}

const char *un_caption_text_fault(const char *text, size_t bytes) {
    if (memchr(text, '\0', bytes)) return "a zero byte in it";
    for (size_t i = 0; i < bytes;) {
        utf8proc_int32_t c;
        size_t left = bytes - i;
        if ((unsigned char)text[i] < 0x80) {
            ++i;
            continue;
        }
        utf8proc_ssize_t n =
            utf8proc_iterate((const utf8proc_uint8_t *)text + i, left < 4 ? (utf8proc_ssize_t)left : 4, &c);
        if (n <= 0) return "not UTF-8";
        i += (size_t)n;
    }
    return NULL;
}
