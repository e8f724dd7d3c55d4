/* Texts and bytes of a pickle (pickle.h): counted ones as they are, protocol 0's lines without their escapes. */
#include "io/convert/format/pickle_private.h"

#include <string.h>
#include <utf8proc.h>

static enum un_status put_text(struct un_pickle *p, const char *text, size_t n) {
    struct un_pickle_value *v = NULL;
    UN_TRY(un_pickle_make(p, UN_PICKLE_TEXT, &v));
    v->is.text = text;
    v->n = (uint32_t)n;
    return UN_OK;
}

static enum un_status counted(struct un_pickle *p, int length_bytes) {
    const unsigned char *at = NULL;
    uint64_t n = 0;
    UN_TRY(un_pickle_little(p, length_bytes, &n));
    UN_TRY(un_pickle_bytes(p, n, &at));
    char *copy = un_pickle_take(p, (size_t)n + 1);
    if (!copy) return UN_MEMORY;
    memcpy(copy, at, (size_t)n);
    copy[n] = '\0';
    return put_text(p, copy, (size_t)n);
}

/* `digits` hexadecimal digits at text[0 .. n); -1: there are not as many. */
static int64_t hexadecimal(const char *text, size_t n, size_t digits) {
    int64_t value = 0;
    if (n < digits) return -1;
    for (size_t i = 0; i < digits; ++i) {
        char c = text[i];
        int digit = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                           : -1;
        if (digit < 0) return -1;
        value = value << 4 | digit;
    }
    return value;
}

/* UNICODE: \uXXXX and \UXXXXXXXX are code points, every other byte is Latin-1. Never longer than 2 bytes a
 * byte. */
static enum un_status raw_unicode(struct un_pickle *p) {
    const char *line = NULL;
    size_t n = 0, used = 0;
    UN_TRY(un_pickle_line(p, &line, &n));
    char *copy = un_pickle_take(p, 2 * n + 1);
    if (!copy) return UN_MEMORY;
    for (size_t i = 0; i < n;) {
        bool escape = line[i] == '\\' && i + 1 < n && (line[i + 1] == 'u' || line[i + 1] == 'U');
        size_t digits = !escape ? 0 : line[i + 1] == 'u' ? 4 : 8;
        int64_t c = escape ? hexadecimal(line + i + 2, n - i - 2, digits) : (unsigned char)line[i];
        if (c < 0 || c > 0x10FFFF || (c >= 0xD800 && c < 0xE000))
            return un_pickle_wrong(p, "a text with an escape that is no character");
        used += (size_t)utf8proc_encode_char((utf8proc_int32_t)c, (utf8proc_uint8_t *)copy + used);
        i += escape ? 2 + digits : 1;
    }
    copy[used] = '\0';
    return put_text(p, copy, used);
}

/* One escape of a quoted string at line[*i], which is the byte behind the backslash; -1: no such one. */
static int escaped(const char *line, size_t n, size_t *i) {
    static const char from[] = "\\'\"nrtabfv", to[] = "\\'\"\n\r\t\a\b\f\v";
    char c = line[*i];
    const char *at = memchr(from, c, sizeof from - 1);
    if (at) {
        ++*i;
        return (unsigned char)to[at - from];
    }
    if (c != 'x') return -1;
    int64_t value = hexadecimal(line + *i + 1, n - *i - 1, 2);
    *i += 3;
    return (int)value;
}

/* STRING: Python 2's repr of a str. */
static enum un_status quoted(struct un_pickle *p) {
    const char *line = NULL;
    size_t n = 0, used = 0;
    UN_TRY(un_pickle_line(p, &line, &n));
    if (n > 0 && line[n - 1] == '\r') --n;
    if (n < 2 || (line[0] != '\'' && line[0] != '"') || line[n - 1] != line[0])
        return un_pickle_wrong(p, "a string without its quotes");
    char *copy = un_pickle_take(p, n);
    if (!copy) return UN_MEMORY;
    for (size_t i = 1; i < n - 1;) {
        int c = (unsigned char)line[i++];
        if (c == '\\') c = i < n - 1 ? escaped(line, n - 1, &i) : -1;
        if (c < 0 || i > n - 1) return un_pickle_wrong(p, "a string with an escape that is none");
        copy[used++] = (char)c;
    }
    copy[used] = '\0';
    return put_text(p, copy, used);
}

enum un_status un_pickle_text(struct un_pickle *p, unsigned char op, bool *mine) {
    *mine = true;
    switch (op) {
    case 'V': return raw_unicode(p);
    case 'S': return quoted(p);
    case 'U':
    case 'C':
    case 0x8C: return counted(p, 1);
    case 'T':
    case 'X':
    case 'B': return counted(p, 4);
    case 0x8D:
    case 0x8E: return counted(p, 8);
    default: *mine = false; return UN_OK;
    }
}
