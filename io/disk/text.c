/* See text.h. */
#include "io/disk/text.h"
#include "io/disk/files.h"
#include "runtime/memory.h"
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Room for `bytes` more and a zero byte. */
static bool room(struct un_text_out *out, size_t bytes) {
    if (out->failed) return false;
    if (out->size - out->used > bytes) return true;
    size_t size = 2 * out->size + bytes + 1024;
    out->failed = un_grow((void **)&out->text, out->size, size, 1, "a file of results") != UN_OK;
    if (!out->failed) out->size = size;
    return !out->failed;
}

void un_text_put_bytes(struct un_text_out *out, const char *bytes, size_t n) {
    if (!room(out, n)) return;
    memcpy(out->text + out->used, bytes, n);
    out->used += n;
}

void un_text_put(struct un_text_out *out, const char *format, ...) {
    va_list args;
    va_start(args, format);
    int length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (length < 0 || !room(out, (size_t)length)) return;
    va_start(args, format);
    vsnprintf(out->text + out->used, (size_t)length + 1, format, args);
    va_end(args);
    out->used += (size_t)length;
}

size_t un_text_character(const char *text) {
    const unsigned char *c = (const unsigned char *)text;
    if (c[0] < 0x80) return 1;
    size_t n = c[0] >= 0xC2 && c[0] <= 0xDF   ? 2
               : (c[0] & 0xF0) == 0xE0        ? 3
               : c[0] >= 0xF0 && c[0] <= 0xF4 ? 4
                                              : 0;
    for (size_t i = 1; i < n; ++i)
        if ((c[i] & 0xC0) != 0x80) return 0; /* also at the end of the text */
    bool beyond = (c[0] == 0xE0 && c[1] < 0xA0) || (c[0] == 0xED && c[1] >= 0xA0) ||
                  (c[0] == 0xF0 && c[1] < 0x90) || (c[0] == 0xF4 && c[1] >= 0x90);
    return beyond ? 0 : n;
}

void un_text_put_string(struct un_text_out *out, const char *text) {
    un_text_put_bytes(out, "\"", 1);
    for (const unsigned char *c = (const unsigned char *)text; *c;) {
        size_t bytes = un_text_character((const char *)c);
        if (*c == '"' || *c == '\\')
            un_text_put(out, "\\%c", *c);
        else if (*c < 0x20 || *c == 0x7F)
            un_text_put(out, "\\u%04x", (unsigned)*c);
        else if (bytes == 0)
            un_text_put_bytes(out, "\xEF\xBF\xBD", 3);
        else
            un_text_put_bytes(out, (const char *)c, bytes);
        c += bytes ? bytes : 1;
    }
    un_text_put_bytes(out, "\"", 1);
}

void un_text_put_number(struct un_text_out *out, double value) {
    if (isfinite(value))
        un_text_put(out, "%.9g", value);
    else
        un_text_put(out, "null");
}

/* Of at most 18 digits, so that readers keep it exactly; no zero in front. */
static bool is_whole_number(const char *id) {
    size_t digits = strspn(id, "0123456789");
    return digits > 0 && digits <= 18 && id[digits] == '\0' && (id[0] != '0' || digits == 1);
}

void un_text_put_id(struct un_text_out *out, const char *id) {
    if (is_whole_number(id))
        un_text_put(out, "%s", id);
    else
        un_text_put_string(out, id);
}

enum un_status un_text_write(struct un_text_out *out, const char *path) {
    enum un_status status =
        out->failed ? UN_MEMORY : un_files_replace(path, out->text ? out->text : "", out->used);
    un_free(out->text);
    *out = (struct un_text_out){0};
    return status;
}
