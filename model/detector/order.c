/* Falling order by counting digits, from the last to the first: stable, and as long for any scores. */
#include "model/detector/boxes_private.h"

#include <string.h>

enum { DIGITS = 4, VALUES = 256 };

/* A number that is smaller where the score is larger; both zeros are one. */
static uint32_t falling_key(float score) {
    uint32_t bits;
    if (score == 0) score = 0;
    memcpy(&bits, &score, sizeof bits);
    return bits >> 31 ? bits : ~bits & 0x7FFFFFFFu;
}

/* One digit. Returns false when all have the same: nothing was moved. */
static bool sort_by_digit(uint32_t *key_out, int32_t *out, const uint32_t *key, const int32_t *in, int64_t n,
                          const int64_t count[VALUES], int shift) {
    int64_t start[VALUES], sum = 0;
    for (int v = 0; v < VALUES; ++v) {
        if (count[v] == n) return false;
        start[v] = sum;
        sum += count[v];
    }
    for (int64_t i = 0; i < n; ++i) {
        int64_t at = start[key[i] >> shift & (VALUES - 1)]++;
        key_out[at] = key[i];
        out[at] = in[i];
    }
    return true;
}

void un_order_falling(int32_t *order, const float *score, int64_t n, struct un_order *memory) {
    int64_t count[DIGITS][VALUES] = {0};
    uint32_t *key = memory->key, *key_out = memory->other_key;
    int32_t *from = order, *to = memory->other;
    for (int64_t i = 0; i < n; ++i) {
        uint32_t k = falling_key(score[i]);
        key[i] = k;
        order[i] = (int32_t)i;
        for (int d = 0; d < DIGITS; ++d) ++count[d][k >> 8 * d & (VALUES - 1)];
    }
    for (int d = 0; d < DIGITS; ++d) {
        if (!sort_by_digit(key_out, to, key, from, n, count[d], 8 * d)) continue;
        uint32_t *k = key;
        key = key_out;
        key_out = k;
        int32_t *o = from;
        from = to;
        to = o;
    }
    if (from != order) memcpy(order, from, (size_t)n * sizeof *order);
}
