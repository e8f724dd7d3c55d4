/* SHA-256 (FIPS 180-4), for files whose digests others wrote down. */
#ifndef UN_TESTS_SUPPORT_SHA256_H
#define UN_TESTS_SUPPORT_SHA256_H

#include <stddef.h>
#include <stdint.h>

enum { SHA256_TEXT = 65 };

/* 64 hexadecimal digits of the digest. */
void sha256_text(const void *data, size_t bytes, char text[SHA256_TEXT]);

#endif
