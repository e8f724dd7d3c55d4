/* How full the waves of a matrix product are. A tile of outputs occupies a multiprocessor, so t tiles take
 *   waves(t) = ceil(t / P),   fill(t) = t / (P waves(t)),   P = 132,
 * the multiprocessors of an H100 or H200; the rest of the last wave stands idle.
 *
 * Law: from the shape alone, never from the card at hand: what is cut after it has other sums. Pure. */
#ifndef UN_RUNTIME_WAVES_H
#define UN_RUNTIME_WAVES_H

#include <stdbool.h>
#include <stdint.h>

enum { UN_WAVE_TILE = 128, UN_WAVE_WIDE = 256, UN_WAVE_TILES = 132, UN_WAVE_LEAST_PERCENT = 85 };

/* Tiles of high x wide outputs that cover rows x cols; all > 0. */
static inline int64_t un_wave_tiles(int64_t rows, int64_t cols, int64_t high, int64_t wide) {
    return ((rows + high - 1) / high) * ((cols + wide - 1) / wide);
}

static inline int64_t un_waves(int64_t tiles) {
    return (tiles + UN_WAVE_TILES - 1) / UN_WAVE_TILES;
}

/* Whether fill(tiles) is at least 85 %. In whole numbers: no rounding decides. */
static inline bool un_waves_full(int64_t tiles) {
    return tiles * 100 >= un_waves(tiles) * UN_WAVE_TILES * UN_WAVE_LEAST_PERCENT;
}

/* The least rows, a multiple of 128, that with every multiple of them fill all waves of a product of so many columns, in
 * tiles of `wide` columns: 128 P / gcd(P, column tiles). Always divides 128 P = 16,896. */
static inline int64_t un_wave_rows(int64_t cols, int64_t wide) {
    int64_t a = UN_WAVE_TILES, b = (cols + wide - 1) / wide;
    while (b > 0) {
        const int64_t rest = a % b;
        a = b, b = rest;
    }
    return UN_WAVE_TILE * (UN_WAVE_TILES / a);
}

#endif
