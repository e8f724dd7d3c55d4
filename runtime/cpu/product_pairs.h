/* Squares of a bf16 factor as pairs of k, 16 pairs by 16 outer elements, with AVX2: what the panels of matrix and
 * vector units are made of. Private to the kernels of x86; compiled into each with its own flags. */
#ifndef UN_RUNTIME_CPU_PRODUCT_PAIRS_H
#define UN_RUNTIME_CPU_PRODUCT_PAIRS_H

#include "runtime/cpu/product.h"

#include <immintrin.h>

enum { UN_PAIRS = UN_PRODUCT_HALF };

/* Around vector arithmetic of THE ORDER: subnormal factors and results as zero, all exceptions masked, rounding to
 * nearest. Returns what un_pairs_leave puts back. */
static inline unsigned un_pairs_enter(void) {
    enum { FLUSHING = 0x1F80 | 0x8040 };
    const unsigned mode = _mm_getcsr();
    _mm_setcsr(FLUSHING);
    return mode;
}
static inline void un_pairs_leave(unsigned mode) {
    _mm_setcsr(mode);
}

/* words[p][j] of a side's 16 elements j, or words[j][p]. Member 2 p of the pair is the low half of a word. */
struct un_pairs_square {
    _Alignas(64) uint32_t words[UN_PAIRS][UN_PAIRS];
};

/* to[j][i] = from[i][j] of 8 x 8 words; strides in words. */
static inline void un_pairs_turn8(uint32_t *to, int64_t to_stride, const uint32_t *from,
                                  int64_t from_stride) {
    __m256 r[8], s[8];
    for (int i = 0; i < 8; ++i) r[i] = _mm256_loadu_ps((const float *)(const void *)(from + i * from_stride));
    for (int i = 0; i < 8; i += 2) {
        s[i] = _mm256_unpacklo_ps(r[i], r[i + 1]);
        s[i + 1] = _mm256_unpackhi_ps(r[i], r[i + 1]);
    }
    for (int i = 0; i < 8; i += 4)
        for (int j = 0; j < 2; ++j) {
            r[i + 2 * j] = _mm256_shuffle_ps(s[i + j], s[i + j + 2], 0x44);
            r[i + 2 * j + 1] = _mm256_shuffle_ps(s[i + j], s[i + j + 2], 0xEE);
        }
    for (int i = 0; i < 4; ++i) {
        _mm256_storeu_ps((float *)(void *)(to + i * to_stride), _mm256_permute2f128_ps(r[i], r[i + 4], 0x20));
        _mm256_storeu_ps((float *)(void *)(to + (i + 4) * to_stride),
                         _mm256_permute2f128_ps(r[i], r[i + 4], 0x31));
    }
}

/* words[j][i] = from[i * stride + j] */
static inline void un_pairs_turn(struct un_pairs_square *square, const uint32_t *from, int64_t stride) {
    for (int i = 0; i < UN_PAIRS; i += 8)
        for (int j = 0; j < UN_PAIRS; j += 8)
            un_pairs_turn8(&square->words[j][i], UN_PAIRS, from + i * stride + j, stride);
}

/* words[p][j] from rows of k: two rows, member by member. */
static inline void un_pairs_weave(struct un_pairs_square *square, const uint16_t *from, int64_t inner) {
    for (int p = 0; p < UN_PAIRS; ++p) {
        const __m256i even = _mm256_loadu_si256((const void *)(from + 2 * p * inner)),
                      odd = _mm256_loadu_si256((const void *)(from + (2 * p + 1) * inner));
        const __m256i low = _mm256_unpacklo_epi16(even, odd), high = _mm256_unpackhi_epi16(even, odd);
        _mm256_store_si256((void *)square->words[p], _mm256_permute2x128_si256(low, high, 0x20));
        _mm256_store_si256((void *)(square->words[p] + 8), _mm256_permute2x128_si256(low, high, 0x31));
    }
}

/* Where a side or k ends within the square: element by element, zeros beyond. */
static inline void un_pairs_edge(struct un_pairs_square *square, const struct un_product_factor *x,
                                 int64_t first, int64_t k, bool by_outer) {
    memset(square, 0, sizeof *square);
    for (int64_t j = 0; j < UN_PAIRS && first + j < x->count; ++j)
        for (int64_t i = 0; i < UN_PRODUCT_BLOCK && k + i < x->depth; ++i) {
            const uint32_t bits = ((const uint16_t *)x->data)[(first + j) * x->outer + (k + i) * x->inner];
            uint32_t *word = by_outer ? &square->words[j][i / 2] : &square->words[i / 2][j];
            *word |= bits << i % 2 * 16;
        }
}

static inline bool un_pairs_whole(const struct un_product_factor *x, int64_t first, int64_t k) {
    return first + UN_PAIRS <= x->count && k + UN_PRODUCT_BLOCK <= x->depth;
}

/* words[p][j]: pair p of outer element first + j, from k on. */
static inline void un_pairs_by_k(struct un_pairs_square *square, const struct un_product_factor *x,
                                 int64_t first, int64_t k) {
    const uint16_t *from = (const uint16_t *)x->data + first * x->outer + k * x->inner;
    uint32_t rows[UN_PAIRS][UN_PAIRS];
    if (!un_pairs_whole(x, first, k)) {
        un_pairs_edge(square, x, first, k, false);
    } else if (x->inner == 1) {
        for (int j = 0; j < UN_PAIRS; ++j) memcpy(rows[j], from + j * x->outer, sizeof rows[j]);
        un_pairs_turn(square, rows[0], UN_PAIRS);
    } else {
        un_pairs_weave(square, from, x->inner);
    }
}

/* words[j][p] of the same. */
static inline void un_pairs_by_outer(struct un_pairs_square *square, const struct un_product_factor *x,
                                     int64_t first, int64_t k) {
    const uint16_t *from = (const uint16_t *)x->data + first * x->outer + k * x->inner;
    struct un_pairs_square woven;
    if (!un_pairs_whole(x, first, k)) {
        un_pairs_edge(square, x, first, k, true);
    } else if (x->inner == 1) {
        for (int j = 0; j < UN_PAIRS; ++j)
            memcpy(square->words[j], from + j * x->outer, sizeof square->words[j]);
    } else {
        un_pairs_weave(&woven, from, x->inner);
        un_pairs_turn(square, woven.words[0], UN_PAIRS);
    }
}

#endif
