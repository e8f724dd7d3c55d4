/* Base64 (RFC 4648, the plain alphabet), strict: no line ends, padded to four, no stray bits. */
#ifndef UN_IO_CONVERT_FORMAT_BASE64_H
#define UN_IO_CONVERT_FORMAT_BASE64_H

#include "runtime/status.h"

/* Bits of a character at each of the four places; BAD has a bit that no sum of values reaches. */
struct un_base64 {
    uint32_t table[4][256];
};
void un_base64_init(struct un_base64 *base64);
/* How many bytes `bytes` characters give; -1: not a multiple of four. */
int64_t un_base64_bytes(const char *text, size_t bytes);
/* Writes un_base64_bytes of them; returns -1, or the place of the first four characters that are wrong. */
int64_t un_base64_read(const struct un_base64 *base64, const char *text, size_t bytes, unsigned char *out);

#endif
