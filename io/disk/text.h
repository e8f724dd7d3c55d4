/* How texts begin and end; and a growing text for files that are written at once. What fails sticks, and comes out when it is written. */
#ifndef UN_IO_DISK_TEXT_H
#define UN_IO_DISK_TEXT_H

#include "runtime/status.h"
#include <string.h>

static inline bool un_begins(const char *text, const char *front) {
    return strncmp(text, front, strlen(front)) == 0;
}
static inline bool un_ends(const char *text, const char *back) {
    size_t n = strlen(text), m = strlen(back);
    return n >= m && strcmp(text + n - m, back) == 0;
}

/* Bytes of the UTF-8 character that begins here; 0: none does. Overlong forms, surrogates and what lies beyond U+10FFFF are
 * none. */
size_t un_text_character(const char *text);

struct un_text_out {
    char *text;
    size_t used, size;
    bool failed;
};
void un_text_put(struct un_text_out *out, const char *format, ...) __attribute__((format(printf, 2, 3)));
void un_text_put_bytes(struct un_text_out *out, const char *bytes, size_t n);
/* As a JSON string, with its quotes. */
void un_text_put_string(struct un_text_out *out, const char *text);
/* A number with nine digits; null when it is none. */
void un_text_put_number(struct un_text_out *out, double value);
/* A whole number as it stands, anything else as a string. */
void un_text_put_id(struct un_text_out *out, const char *id);
/* Writes the file durably and frees the text. */
enum un_status un_text_write(struct un_text_out *out, const char *path);

#endif
