#include "tests/support/sha256.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* The constants are the first 32 bits of the fractions of roots of primes: square roots begin the state, cube roots
 * enter the rounds. */
struct constants {
    uint32_t root[8], cube[64];
};

static uint32_t fraction(long double root) {
    return (uint32_t)(uint64_t)((root - floorl(root)) * 4294967296.0L);
}

static struct constants make_constants(void) {
    struct constants c;
    int n = 0;
    for (int candidate = 2; n < 64; ++candidate) {
        int d = 2;
        while (candidate % d != 0) ++d;
        if (d < candidate) continue;
        if (n < 8) c.root[n] = fraction(sqrtl(candidate));
        c.cube[n++] = fraction(cbrtl(candidate));
    }
    return c;
}

static uint32_t turn(uint32_t x, int by) {
    return x >> by | x << (32 - by);
}

static void block(uint32_t state[8], const uint8_t *data, const struct constants *c) {
    uint32_t w[64], s[8];
    for (int i = 0; i < 16; ++i)
        w[i] = (uint32_t)data[4 * i] << 24 | (uint32_t)data[4 * i + 1] << 16 |
               (uint32_t)data[4 * i + 2] << 8 | data[4 * i + 3];
    for (int i = 16; i < 64; ++i)
        w[i] = w[i - 16] + w[i - 7] + (turn(w[i - 15], 7) ^ turn(w[i - 15], 18) ^ w[i - 15] >> 3) +
               (turn(w[i - 2], 17) ^ turn(w[i - 2], 19) ^ w[i - 2] >> 10);
    memcpy(s, state, sizeof s);
    for (int i = 0; i < 64; ++i) {
        uint32_t t1 = s[7] + (turn(s[4], 6) ^ turn(s[4], 11) ^ turn(s[4], 25)) +
                      ((s[4] & s[5]) ^ (~s[4] & s[6])) + c->cube[i] + w[i];
        uint32_t t2 = (turn(s[0], 2) ^ turn(s[0], 13) ^ turn(s[0], 22)) +
                      ((s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]));
        memmove(s + 1, s, 7 * sizeof *s);
        s[4] += t1;
        s[0] = t1 + t2;
    }
    for (int i = 0; i < 8; ++i) state[i] += s[i];
}

void sha256_text(const void *data, size_t bytes, char text[SHA256_TEXT]) {
    const struct constants c = make_constants();
    const uint8_t *in = data;
    uint32_t state[8];
    uint8_t end[128] = {0};
    size_t whole = bytes / 64 * 64, rest = bytes - whole, last = rest < 56 ? 64 : 128;
    memcpy(state, c.root, sizeof state);
    for (size_t at = 0; at < whole; at += 64) block(state, in + at, &c);
    if (rest > 0) memcpy(end, in + whole, rest);
    end[rest] = 0x80;
    for (int i = 0; i < 8; ++i) end[last - 1 - (size_t)i] = (uint8_t)((uint64_t)bytes * 8 >> 8 * i);
    for (size_t at = 0; at < last; at += 64) block(state, end + at, &c);
    for (int i = 0; i < 8; ++i) snprintf(text + 8 * i, 9, "%08x", (unsigned)state[i]);
}
