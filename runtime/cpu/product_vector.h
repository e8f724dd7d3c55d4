/* The kernel of vector units: registers of WIDTH floats, ROWS rows of two registers of columns at a time. Private to the
 * two files that include it, compiled into each with its own flags.
 *
 * Sums of even and odd members live in registers through a block, sums over blocks in memory. HOLD makes the compiler
 * keep a loaded vector in its register for all rows. */
#ifndef UN_RUNTIME_CPU_PRODUCT_VECTOR_H
#define UN_RUNTIME_CPU_PRODUCT_VECTOR_H

#include "runtime/cpu/product_pairs.h"

#ifdef __AVX512F__
enum { WIDTH = 16, ROWS = 6 }; /* 24 of 32 registers for sums */
typedef __m512 vec;
#define LOAD(x)      _mm512_loadu_ps(x)
#define STORE(x, v)  _mm512_storeu_ps(x, v)
#define ADD(x, y)    _mm512_add_ps(x, y)
#define FMA(x, y, z) _mm512_fmadd_ps(x, y, z)
#define ONE(x)       _mm512_set1_ps(x)
#define HOLD(v)      __asm__("" : "+v"(v))
#else
enum { WIDTH = 8, ROWS = 3 }; /* 12 of 16 */
typedef __m256 vec;
#define LOAD(x)      _mm256_loadu_ps(x)
#define STORE(x, v)  _mm256_storeu_ps(x, v)
#define ADD(x, y)    _mm256_add_ps(x, y)
#define FMA(x, y, z) _mm256_fmadd_ps(x, y, z)
#define ONE(x)       _mm256_set1_ps(x)
#define HOLD(v)      __asm__("" : "+x"(v))
#endif
enum { COLS = 2 * WIDTH, BLOCK = UN_PRODUCT_BLOCK, HALF = UN_PRODUCT_HALF };
/* Blocks of a right panel that stay in the first cache while all left panels pass: 16 KiB and half of that. */
enum { GROUP = 4 };

_Static_assert(UN_PRODUCT_ROWS % ROWS == 0 && (int)COLS <= (int)UN_PRODUCT_COLS, "panels fill tiles");

UN_INLINE void half(vec sum[ROWS][2], const float *x, const float *y) {
    for (int r = 0; r < ROWS; ++r) sum[r][0] = sum[r][1] = ONE(0.0f);
#pragma GCC unroll 16
    for (int k = 0; k < HALF; ++k) {
        vec low = LOAD(y + k * COLS), high = LOAD(y + k * COLS + WIDTH);
        HOLD(low);
        HOLD(high);
        for (int r = 0; r < ROWS; ++r) {
            const vec z = ONE(x[r * BLOCK + k]);
            sum[r][0] = FMA(z, low, sum[r][0]);
            sum[r][1] = FMA(z, high, sum[r][1]);
        }
    }
}

/* The same of the first `pairs` members alone. */
UN_INLINE void part(vec sum[ROWS][2], const float *x, const float *y, int64_t pairs) {
    for (int r = 0; r < ROWS; ++r) sum[r][0] = sum[r][1] = ONE(0.0f);
    for (int64_t k = 0; k < pairs; ++k) {
        vec low = LOAD(y + k * COLS), high = LOAD(y + k * COLS + WIDTH);
        HOLD(low);
        HOLD(high);
        for (int r = 0; r < ROWS; ++r) {
            const vec z = ONE(x[r * BLOCK + k]);
            sum[r][0] = FMA(z, low, sum[r][0]);
            sum[r][1] = FMA(z, high, sum[r][1]);
        }
    }
}

UN_INLINE void add_block(float *acc, int64_t stride, const float *x, const float *y, int64_t pairs) {
    vec even[ROWS][2], odd[ROWS][2];
    if (pairs == HALF) {
        half(even, x, y);
        half(odd, x + HALF, y + HALF * COLS);
    } else {
        part(even, x, y, pairs);
        part(odd, x + HALF, y + HALF * COLS, pairs);
    }
    for (int r = 0; r < ROWS; ++r)
        for (int j = 0; j < 2; ++j) {
            float *to = acc + r * stride + j * WIDTH;
            STORE(to, ADD(LOAD(to), ADD(even[r][j], odd[r][j])));
        }
}

/* Pairs of block b that count: those that k has, and one of zeros. */
UN_INLINE int64_t pairs_of(int64_t b, int64_t depth) {
    const int64_t pairs = (depth - b * BLOCK + 1) / 2 + 1;
    return pairs < HALF ? pairs : HALF;
}

static void multiply(float *acc, int64_t stride, const void *left, int64_t panels, const void *right,
                     int64_t depth) {
    const int64_t blocks = (depth + BLOCK - 1) / BLOCK;
    for (int64_t begin = 0; begin < blocks; begin += GROUP) {
        const int64_t end = begin + GROUP < blocks ? begin + GROUP : blocks;
        for (int64_t p = 0; p < panels; ++p)
            for (int64_t b = begin; b < end; ++b)
                add_block(acc + p * ROWS * stride, stride,
                          (const float *)left + (p * blocks + b) * BLOCK * ROWS,
                          (const float *)right + b * BLOCK * COLS, pairs_of(b, depth));
    }
}

/* A pair's even member, its odd one, `count` words. */
UN_INLINE void split(float *even, float *odd, const uint32_t *words, int count) {
    for (int i = 0; i < count; ++i) {
        const uint32_t e = words[i] << 16, o = words[i] & 0xFFFF0000u;
        memcpy(even + i, &e, sizeof e);
        memcpy(odd + i, &o, sizeof o);
    }
}

static void pack_left(void *panel, const struct un_product_factor *a, const struct un_product_piece *piece) {
    if (a->type != UN_BF16) {
        un_product_pack_left(panel, ROWS, a, piece);
        return;
    }
    for (int64_t i = 0; i < piece->high; i += UN_PAIRS)
        for (int64_t b = 0; b < piece->blocks; ++b) {
            struct un_pairs_square square;
            un_pairs_by_outer(&square, a, piece->first + i, piece->k + b * BLOCK);
            for (int64_t j = 0; j < UN_PAIRS && i + j < piece->high; ++j) {
                const int64_t at = (i + j) / ROWS * piece->blocks + b;
                float *to = (float *)panel + (at * ROWS + (i + j) % ROWS) * BLOCK;
                split(to, to + HALF, square.words[j], UN_PAIRS);
            }
        }
}

static void pack_right(void *panel, const struct un_product_factor *b, const struct un_product_piece *piece) {
    if (b->type != UN_BF16) {
        un_product_pack_right(panel, COLS, b, piece);
        return;
    }
    for (int64_t i = 0; i < piece->blocks; ++i)
        for (int j = 0; j < COLS; j += UN_PAIRS) {
            struct un_pairs_square square;
            float *to = (float *)panel + i * BLOCK * COLS + j;
            un_pairs_by_k(&square, b, piece->first + j, piece->k + i * BLOCK);
            for (int p = 0; p < UN_PAIRS; ++p)
                split(to + p * COLS, to + (HALF + p) * COLS, square.words[p], UN_PAIRS);
        }
}

#endif
