/* Numbers, booleans and None of a pickle (pickle.h). */
#include "io/convert/format/pickle_private.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { DIGITS_MAX = 64 };

/* A line of a number, NUL-terminated. */
static enum un_status number_line(struct un_pickle *p, char text[DIGITS_MAX + 1]) {
    const char *line = NULL;
    size_t n = 0;
    UN_TRY(un_pickle_line(p, &line, &n));
    if (n > 0 && line[n - 1] == '\r') --n;
    if (n == 0 || n > DIGITS_MAX || memchr(line, '\0', n) || line[0] == ' ' || line[0] == '\t')
        return un_pickle_wrong(p, "no number follows this opcode");
    memcpy(text, line, n);
    text[n] = '\0';
    return UN_OK;
}

static enum un_status put_whole(struct un_pickle *p, enum un_pickle_kind kind, int64_t number) {
    struct un_pickle_value *v = NULL;
    UN_TRY(un_pickle_make(p, kind, &v));
    v->is.number = number;
    return UN_OK;
}

/* INT and LONG: decimal; of INT "00" and "01" are False and True, LONG may end in L. */
static enum un_status decimal(struct un_pickle *p, bool is_long) {
    char text[DIGITS_MAX + 1], *digit = text;
    int64_t value = 0;
    UN_TRY(number_line(p, text));
    if (!is_long && text[0] == '0' && (text[1] == '0' || text[1] == '1') && text[2] == '\0')
        return put_whole(p, UN_PICKLE_BOOL, text[1] == '1');
    bool minus = *digit == '-';
    digit += minus;
    if (*digit < '0' || *digit > '9') return un_pickle_wrong(p, "no whole number follows this opcode");
    for (; *digit >= '0' && *digit <= '9'; ++digit)
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_sub_overflow(value, (int64_t)(*digit - '0'), &value)) /* negative holds one more */
            return un_pickle_wrong(p, "a number beyond 64 bits");
    if (is_long && *digit == 'L') ++digit;
    if (*digit) return un_pickle_wrong(p, "no whole number follows this opcode");
    if (!minus && value == INT64_MIN) return un_pickle_wrong(p, "a number beyond 64 bits");
    return put_whole(p, UN_PICKLE_INT, minus ? value : -value);
}

static enum un_status put_real(struct un_pickle *p, double value) {
    struct un_pickle_value *v = NULL;
    UN_TRY(un_pickle_make(p, UN_PICKLE_FLOAT, &v));
    v->is.real = value;
    return UN_OK;
}

static enum un_status real_line(struct un_pickle *p) {
    char text[DIGITS_MAX + 1], *end;
    UN_TRY(number_line(p, text));
    double value = strtod(text, &end);
    return *end ? un_pickle_wrong(p, "no number follows this opcode") : put_real(p, value);
}

static enum un_status real_bytes(struct un_pickle *p) {
    const unsigned char *at = NULL;
    uint64_t bits = 0;
    double value;
    UN_TRY(un_pickle_bytes(p, 8, &at));
    for (int i = 0; i < 8; ++i) bits = bits << 8 | at[i];
    memcpy(&value, &bits, sizeof value);
    return put_real(p, value);
}

/* LONG1 and LONG4: as many little-endian bytes as is said, with a sign. */
static enum un_status long_bytes(struct un_pickle *p, int length_bytes) {
    const unsigned char *at = NULL;
    uint64_t n = 0, bits = 0;
    UN_TRY(un_pickle_little(p, length_bytes, &n));
    UN_TRY(un_pickle_bytes(p, n, &at));
    if (n > 8) return un_pickle_wrong(p, "a number beyond 64 bits");
    for (uint64_t i = n; i-- > 0;) bits = bits << 8 | at[i];
    if (n > 0 && n < 8 && at[n - 1] >= 0x80) bits |= UINT64_MAX << 8 * n;
    return put_whole(p, UN_PICKLE_INT, (int64_t)bits);
}

static enum un_status whole_bytes(struct un_pickle *p, int bytes) {
    uint64_t value = 0;
    UN_TRY(un_pickle_little(p, bytes, &value));
    return put_whole(p, UN_PICKLE_INT, bytes == 4 ? (int64_t)(int32_t)(uint32_t)value : (int64_t)value);
}

enum un_status un_pickle_number(struct un_pickle *p, unsigned char op, bool *mine) {
    *mine = true;
    switch (op) {
    case 'N': return un_pickle_make(p, UN_PICKLE_NONE, NULL);
    case 0x88: return put_whole(p, UN_PICKLE_BOOL, 1);
    case 0x89: return put_whole(p, UN_PICKLE_BOOL, 0);
    case 'I': return decimal(p, false);
    case 'L': return decimal(p, true);
    case 'J': return whole_bytes(p, 4);
    case 'M': return whole_bytes(p, 2);
    case 'K': return whole_bytes(p, 1);
    case 0x8A: return long_bytes(p, 1);
    case 0x8B: return long_bytes(p, 4);
    case 'F': return real_line(p);
    case 'G': return real_bytes(p);
    default: *mine = false; return UN_OK;
    }
}
