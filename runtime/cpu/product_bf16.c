/* The kernel of AVX512-BF16: 6 rows of 32 columns, panels of bf16. VDPBF16PS is two multiply-adds into one sum, that of
 * the high members of two words first, then that of the low ones, each rounded by itself, subnormal numbers as zero. So
 * it is two links of a chain of THE ORDER where a word holds two even members of k, or two odd ones, the earlier one
 * high. Manuals leave open whether its products are rounded: agrees() tries it. */
#include "runtime/cpu/product_pairs.h"
#include "runtime/rng.h"

enum {
    WIDTH = 16,
    ROWS = 6, /* 24 of 32 registers for sums */
    COLS = 2 * WIDTH,
    WORDS = UN_PAIRS,
    HALF = WORDS / 2, /* words of even members, then those of odd ones */
    HALF_MEMBERS = UN_PRODUCT_BLOCK / 2
};
/* Blocks of a right panel that stay in the first cache while all left panels pass: 16 KiB. */
enum { GROUP = 8 };

_Static_assert(UN_PRODUCT_ROWS % ROWS == 0 && (int)COLS <= (int)UN_PRODUCT_COLS, "panels fill tiles");

typedef __m512 vec;
UN_INLINE vec multiply_add(vec sum, __m512i x, __m512i y) {
    return _mm512_dpbf16_ps(sum, (__m512bh)x, (__m512bh)y);
}

/* ---- is the instruction what is written above? ---- */

UN_INLINE vec high(__m512i words) {
    return _mm512_castsi512_ps(_mm512_and_si512(words, _mm512_set1_epi32((int)0xFFFF0000u)));
}
UN_INLINE vec low(__m512i words) {
    return _mm512_castsi512_ps(_mm512_slli_epi32(words, 16));
}

/* Both between un_pairs_enter and un_pairs_leave. */
__attribute__((noinline)) static bool same(const float *sum, const uint32_t *x, const uint32_t *y) {
    const __m512i a = _mm512_loadu_si512(x), b = _mm512_loadu_si512(y);
    const vec c = _mm512_loadu_ps(sum), got = multiply_add(c, a, b),
              want = _mm512_fmadd_ps(low(a), low(b), _mm512_fmadd_ps(high(a), high(b), c));
    const __mmask16 equal = _mm512_cmpeq_epi32_mask(_mm512_castps_si512(got), _mm512_castps_si512(want));
    return (equal | (_mm512_cmp_ps_mask(got, got, _CMP_UNORD_Q) &
                     _mm512_cmp_ps_mask(want, want, _CMP_UNORD_Q))) == 0xFFFF;
}

/* Random numbers of four ranges of exponents: those of a training, wide, tiny with subnormal ones, any. */
static bool agrees(void) {
    enum { TRIES = 512 };
    static const uint32_t range[][2] = {{120, 8}, {100, 56}, {0, 90}, {0, 256}};
    const unsigned mode = un_pairs_enter();
    bool all = true;
    for (uint32_t t = 0; all && t < TRIES; ++t) {
        const uint32_t first = range[t % 4][0], count = range[t % 4][1];
        uint32_t x[WIDTH], y[WIDTH], sum[WIDTH];
        float start[WIDTH];
        for (uint32_t i = 0; i < WIDTH; ++i) {
            const struct un_rng4 r = un_rng(1, UN_RNG_BENCH, t, 0, 0, i),
                                 e = un_rng(2, UN_RNG_BENCH, t, 0, 0, i);
            const uint32_t bits = e.v[0] % count + first, more = e.v[1] % count + first;
            x[i] = (r.v[0] & 0x807F807Fu) | bits << 7 | more << 23;
            y[i] = (r.v[1] & 0x807F807Fu) | (e.v[2] % count + first) << 7 | (e.v[3] % count + first) << 23;
            /* near the first product, so that much is lost */
            const uint32_t near = (x[i] >> 23 & 0xFF) + (y[i] >> 23 & 0xFF) + r.v[3] % 32;
            sum[i] = (r.v[2] & 0x807FFFFFu) | (near > 142 && near < 142 + 255 ? near - 142 : t % 3) << 23;
        }
        memcpy(start, sum, sizeof start);
        all = same(start, x, y);
    }
    un_pairs_leave(mode);
    return all;
}

static bool able(void) {
    return __builtin_cpu_supports("avx512bf16") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx2") && agrees();
}

/* Intel's processors take two cycles for it, which is half of what their multiply-adds of f32 give; AMD's take as many
 * of the one as of the other. */
static bool quick(void) {
    return __builtin_cpu_is("amd");
}

/* ---- the tile ---- */

UN_INLINE void half(vec sum[ROWS][2], const uint32_t *x, const uint32_t *y, int64_t words) {
    for (int r = 0; r < ROWS; ++r) sum[r][0] = sum[r][1] = _mm512_setzero_ps();
#pragma GCC unroll 8
    for (int64_t w = 0; w < words; ++w) {
        __m512i left = _mm512_loadu_si512(y + w * COLS), right = _mm512_loadu_si512(y + w * COLS + WIDTH);
        __asm__("" : "+v"(left)); /* stays in its register for all rows */
        __asm__("" : "+v"(right));
        for (int r = 0; r < ROWS; ++r) {
            const __m512i z = _mm512_set1_epi32((int)x[r * WORDS + w]);
            sum[r][0] = multiply_add(sum[r][0], z, left);
            sum[r][1] = multiply_add(sum[r][1], z, right);
        }
    }
}

UN_INLINE void add_block(float *acc, int64_t stride, const uint32_t *x, const uint32_t *y, int64_t words) {
    vec even[ROWS][2], odd[ROWS][2];
    half(even, x, y, words);
    half(odd, x + HALF, y + HALF * COLS, words);
    for (int r = 0; r < ROWS; ++r)
        for (int j = 0; j < 2; ++j) {
            float *to = acc + r * stride + j * WIDTH;
            _mm512_storeu_ps(to, _mm512_add_ps(_mm512_loadu_ps(to), _mm512_add_ps(even[r][j], odd[r][j])));
        }
}

/* Words of a chain in block b that count: those that k has, and at least a pair of zeros. */
UN_INLINE int64_t words_of(int64_t b, int64_t depth) {
    const int64_t pairs = (depth - b * UN_PRODUCT_BLOCK + 1) / 2 + 1, words = (pairs + 1) / 2;
    return words < HALF ? words : HALF;
}

static void multiply(float *acc, int64_t stride, const void *left, int64_t panels, const void *right,
                     int64_t depth) {
    const int64_t blocks = (depth + UN_PRODUCT_BLOCK - 1) / UN_PRODUCT_BLOCK;
    for (int64_t begin = 0; begin < blocks; begin += GROUP) {
        const int64_t end = begin + GROUP < blocks ? begin + GROUP : blocks;
        for (int64_t p = 0; p < panels; ++p)
            for (int64_t b = begin; b < end; ++b) {
                float *to = acc + p * ROWS * stride;
                const uint32_t *x = (const uint32_t *)left + (p * blocks + b) * WORDS * ROWS,
                               *y = (const uint32_t *)right + b * WORDS * COLS;
                if (words_of(b, depth) == HALF)
                    add_block(to, stride, x, y, HALF);
                else
                    add_block(to, stride, x, y, words_of(b, depth));
            }
    }
}

/* ---- panels ---- */

/* For a block, for a row: 8 words of even members, 8 of odd ones. */
static void pack_left(void *panel, const struct un_product_factor *a, const struct un_product_piece *piece) {
    uint16_t from[UN_PRODUCT_BLOCK];
    for (int i = 0; i < UN_PRODUCT_BLOCK; ++i)
        from[i] = (uint16_t)(i % HALF_MEMBERS / 2 * 4 + (i % 2 ? 0 : 2) + i / HALF_MEMBERS);
    const __m512i order = _mm512_loadu_si512(from);
    for (int64_t i = 0; i < piece->high; i += UN_PAIRS)
        for (int64_t b = 0; b < piece->blocks; ++b) {
            struct un_pairs_square square;
            un_pairs_by_outer(&square, a, piece->first + i, piece->k + b * UN_PRODUCT_BLOCK);
            for (int64_t j = 0; j < UN_PAIRS && i + j < piece->high; ++j) {
                const int64_t at = ((i + j) / ROWS * piece->blocks + b) * ROWS + (i + j) % ROWS;
                _mm512_storeu_si512((uint32_t *)panel + at * WORDS,
                                    _mm512_permutexvar_epi16(order, _mm512_load_si512(square.words[j])));
            }
        }
}

/* For a block: 8 rows of words of even members, COLS wide, then 8 of odd ones. */
static void pack_right(void *panel, const struct un_product_factor *b, const struct un_product_piece *piece) {
    const __m512i upper = _mm512_set1_epi32((int)0xFFFF0000u);
    for (int64_t i = 0; i < piece->blocks; ++i)
        for (int j = 0; j < COLS; j += UN_PAIRS) {
            struct un_pairs_square square;
            uint32_t *to = (uint32_t *)panel + i * WORDS * COLS + j;
            un_pairs_by_k(&square, b, piece->first + j, piece->k + i * UN_PRODUCT_BLOCK);
            for (int w = 0; w < HALF; ++w) {
                const __m512i p = _mm512_load_si512(square.words[2 * w]),
                              q = _mm512_load_si512(square.words[2 * w + 1]);
                _mm512_storeu_si512(to + w * COLS,
                                    _mm512_or_si512(_mm512_slli_epi32(p, 16), _mm512_andnot_si512(upper, q)));
                _mm512_storeu_si512(to + (HALF + w) * COLS,
                                    _mm512_or_si512(_mm512_and_si512(upper, p), _mm512_srli_epi32(q, 16)));
            }
        }
}

const struct un_product_kernel un_product_bf16 = {.name = "avx512bf16",
                                                  .rows = ROWS,
                                                  .cols = COLS,
                                                  .element = sizeof(uint16_t),
                                                  .able = able,
                                                  .quick = quick,
                                                  .pack_left = pack_left,
                                                  .pack_right = pack_right,
                                                  .enter = un_pairs_enter,
                                                  .multiply = multiply,
                                                  .leave = un_pairs_leave};
