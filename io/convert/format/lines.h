/* A text file line by line in constant memory: no byte order mark, no line ends (LF, CRLF), a last line with
 * or without one. */
#ifndef UN_IO_CONVERT_FORMAT_LINES_H
#define UN_IO_CONVERT_FORMAT_LINES_H

#include "runtime/status.h"

enum { UN_LINE_BYTES_MAX = 1 << 20 };

struct un_caption_lines {
    char *path;
    int fd;
    char *buffer; /* [room + 1], no more than a line of the greatest length and a block */
    size_t room;
    size_t first, after;         /* what of it is not given out yet */
    bool at_end;                 /* of the file */
    int64_t number, size, taken; /* of the last line, from 1; bytes of the file, bytes given out */
};
/* UN_IO; UN_DATA: the file is empty, or UTF-16. */
enum un_status un_caption_lines_open(struct un_caption_lines *lines, const char *path);
/* The next line, NUL-terminated, valid until the next call; *more false at the end. UN_DATA: longer than
 * UN_LINE_BYTES_MAX. */
enum un_status un_caption_lines_next(struct un_caption_lines *lines, char **text, size_t *bytes, bool *more);
/* May be called on one that is zero or not open. */
void un_caption_lines_close(struct un_caption_lines *lines);

/* Why these bytes are no text ("not UTF-8", "a zero byte in it"), or NULL. */
const char *un_caption_text_fault(const char *text, size_t bytes);

#endif
