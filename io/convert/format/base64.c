/* Four characters at a time through four tables (base64.h). */
#include "io/convert/format/base64.h"

#include <string.h>

static const uint32_t bad = 0x80000000u;

void un_base64_init(struct un_base64 *b) {
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (int place = 0; place < 4; ++place) {
        for (int c = 0; c < 256; ++c) b->table[place][c] = bad;
        for (uint32_t v = 0; v < 64; ++v) b->table[place][(unsigned char)alphabet[v]] = v << (18 - 6 * place);
    }
}

int64_t un_base64_bytes(const char *text, size_t bytes) {
    if (bytes % 4 != 0) return -1;
    int64_t n = (int64_t)bytes / 4 * 3;
    if (bytes > 0 && text[bytes - 1] == '=') n -= text[bytes - 2] == '=' ? 2 : 1;
    return n;
}

static inline uint32_t four(const struct un_base64 *b, const unsigned char *in) {
    return b->table[0][in[0]] | b->table[1][in[1]] | b->table[2][in[2]] | b->table[3][in[3]];
}

/* The last four, with `pad` of them '='; the bits that nobody gets must be 0. */
static bool read_last(const struct un_base64 *b, const unsigned char *in, int pad, unsigned char *out) {
    unsigned char last[4] = {in[0], in[1], in[2], in[3]};
    for (int i = 4 - pad; i < 4; ++i) last[i] = 'A';
    uint32_t v = four(b, last);
    if ((v & bad) || (v & ((1u << 8 * pad) - 1u))) return false;
    for (int i = 0; i < 3 - pad; ++i) out[i] = (unsigned char)(v >> (16 - 8 * i));
    return true;
}

int64_t un_base64_read(const struct un_base64 *b, const char *text, size_t bytes, unsigned char *out) {
    const unsigned char *in = (const unsigned char *)text;
    if (bytes < 4) return bytes == 0 ? -1 : 0;
    size_t last = bytes - 4, at = 0;
    int pad = in[bytes - 1] != '=' ? 0 : in[bytes - 2] == '=' ? 2 : 1;
    for (; at + 16 <= last; at += 16, out += 12) {
        uint32_t v[4], wrong = 0;
        for (int i = 0; i < 4; ++i) wrong |= v[i] = four(b, in + at + 4 * i);
        if (wrong & bad) break;
        /* big-endian words of three bytes; each store's fourth byte is overwritten by the next */
        for (int i = 0; i < 3; ++i) {
            uint32_t word = __builtin_bswap32(v[i] << 8);
            memcpy(out + 3 * i, &word, 4);
        }
        out[9] = (unsigned char)(v[3] >> 16), out[10] = (unsigned char)(v[3] >> 8);
        out[11] = (unsigned char)v[3];
    }
    for (; at < last; at += 4, out += 3) {
        uint32_t v = four(b, in + at);
        if (v & bad) return (int64_t)at;
        out[0] = (unsigned char)(v >> 16), out[1] = (unsigned char)(v >> 8), out[2] = (unsigned char)v;
    }
    return read_last(b, in + last, pad, out) ? -1 : (int64_t)last;
}
