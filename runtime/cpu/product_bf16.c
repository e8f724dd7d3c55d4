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

/* Squares of 16 outer elements by a block of k in registers: words of even members, then those of odd ones. */
struct square {
    __m512i row[UN_PAIRS];
};

UN_INLINE void turn_words(struct square *to, const struct square *from) {
    for (int i = 0; i < UN_PAIRS; i += 2) {
        to->row[i] = _mm512_unpacklo_epi32(from->row[i], from->row[i + 1]);
        to->row[i + 1] = _mm512_unpackhi_epi32(from->row[i], from->row[i + 1]);
    }
}
UN_INLINE void turn_doubles(struct square *to, const struct square *from) {
    for (int i = 0; i < UN_PAIRS; i += 4)
        for (int j = 0; j < 2; ++j) {
            to->row[i + 2 * j] = _mm512_unpacklo_epi64(from->row[i + j], from->row[i + j + 2]);
            to->row[i + 2 * j + 1] = _mm512_unpackhi_epi64(from->row[i + j], from->row[i + j + 2]);
        }
}

/* Rows become columns. */
UN_INLINE void turn(struct square *s) {
    struct square t;
    turn_words(&t, s);
    turn_doubles(s, &t);
    for (int c = 0; c < 4; ++c) {
        const __m512i *u = s->row + c;
        t.row[c] = _mm512_shuffle_i32x4(u[0], u[4], 0x88);
        t.row[4 + c] = _mm512_shuffle_i32x4(u[0], u[4], 0xDD);
        t.row[8 + c] = _mm512_shuffle_i32x4(u[8], u[12], 0x88);
        t.row[12 + c] = _mm512_shuffle_i32x4(u[8], u[12], 0xDD);
    }
    for (int c = 0; c < 8; ++c) {
        s->row[c] = _mm512_shuffle_i32x4(t.row[c], t.row[8 + c], 0x88);
        s->row[8 + c] = _mm512_shuffle_i32x4(t.row[c], t.row[8 + c], 0xDD);
    }
}

/* A row for an outer element: its members as they lie there, in the order of words. */
UN_INLINE void read_outer(struct square *s, const void *from, int64_t stride) {
    uint16_t member[UN_PRODUCT_BLOCK];
    for (int i = 0; i < UN_PRODUCT_BLOCK; ++i)
        member[i] = (uint16_t)(i % HALF_MEMBERS / 2 * 4 + (i % 2 ? 0 : 2) + i / HALF_MEMBERS);
    const __m512i order = _mm512_loadu_si512(member);
    for (int j = 0; j < UN_PAIRS; ++j)
        s->row[j] = _mm512_permutexvar_epi16(order, _mm512_loadu_si512((const uint16_t *)from + j * stride));
}

/* Two rows of k, member by member. */
UN_INLINE __m512i weave(const uint16_t *low, const uint16_t *high) {
    return _mm512_or_si512(
        _mm512_cvtepu16_epi32(_mm256_loadu_si256((const void *)low)),
        _mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_loadu_si256((const void *)high)), 16));
}

/* A row for a word. */
UN_INLINE void read_words(struct square *s, const uint16_t *from, int64_t stride) {
    for (int w = 0; w < HALF; ++w)
        for (int odd = 0; odd < 2; ++odd)
            s->row[odd * HALF + w] = weave(from + (4 * w + odd + 2) * stride, from + (4 * w + odd) * stride);
}

/* Outer elements from `first` on, members from k on; by_word: a row for a word, or else for an outer element. */
UN_INLINE void read_square(struct square *s, const struct un_product_factor *x, int64_t first, int64_t k,
                           bool by_word) {
    const uint16_t *from = (const uint16_t *)x->data + first * x->outer + k * x->inner;
    const bool whole = un_pairs_whole(x, first, k);
    if (whole && x->inner != 1) {
        read_words(s, from, x->inner);
        if (!by_word) turn(s);
        return;
    }
    struct un_pairs_square edge;
    if (!whole) un_pairs_edge(&edge, x, first, k, true);
    if (whole)
        read_outer(s, from, x->outer);
    else
        read_outer(s, edge.words, UN_PRODUCT_BLOCK);
    if (by_word) turn(s);
}

/* For a block, for a row: its words. */
static void pack_rows(uint32_t *panel, const struct un_product_factor *a,
                      const struct un_product_piece *piece, int64_t i, int64_t b) {
    struct square s;
    read_square(&s, a, piece->first + i, piece->k + b * UN_PRODUCT_BLOCK, false);
    const int64_t rows = piece->high - i < UN_PAIRS ? piece->high - i : UN_PAIRS;
    for (int64_t j = 0; j < rows; ++j) {
        const int64_t at = ((i + j) / ROWS * piece->blocks + b) * ROWS + (i + j) % ROWS;
        _mm512_storeu_si512(panel + at * WORDS, s.row[j]);
    }
}

/* Along the memory of the factor. */
static void pack_left(void *panel, const struct un_product_factor *a, const struct un_product_piece *piece) {
    if (a->inner == 1)
        for (int64_t i = 0; i < piece->high; i += UN_PAIRS)
            for (int64_t b = 0; b < piece->blocks; ++b) pack_rows(panel, a, piece, i, b);
    else
        for (int64_t b = 0; b < piece->blocks; ++b)
            for (int64_t i = 0; i < piece->high; i += UN_PAIRS) pack_rows(panel, a, piece, i, b);
}

/* COLS members of two rows of k, member by member. */
UN_INLINE void weave_wide(uint32_t *to, const uint16_t *low, const uint16_t *high) {
    uint16_t member[2 * COLS]; /* of low, then of high */
    for (int i = 0; i < 2 * COLS; ++i) member[i] = (uint16_t)(i / 2 + i % 2 * COLS);
    const __m512i x = _mm512_loadu_si512(low), y = _mm512_loadu_si512(high);
    _mm512_storeu_si512(to, _mm512_permutex2var_epi16(x, _mm512_loadu_si512(member), y));
    _mm512_storeu_si512(to + WIDTH, _mm512_permutex2var_epi16(x, _mm512_loadu_si512(member + COLS), y));
}

/* For a block: a row of COLS for each word. */
static void pack_columns(uint32_t *to, const struct un_product_factor *b, int64_t first, int64_t k) {
    if (b->inner != 1 && un_pairs_whole(b, first + COLS - UN_PAIRS, k)) {
        const uint16_t *from = (const uint16_t *)b->data + first * b->outer + k * b->inner;
        for (int w = 0; w < WORDS; ++w) {
            const int row = w % HALF * 4 + w / HALF;
            weave_wide(to + w * COLS, from + (row + 2) * b->inner, from + row * b->inner);
        }
        return;
    }
    for (int j = 0; j < COLS; j += UN_PAIRS) {
        struct square s;
        read_square(&s, b, first + j, k, true);
        for (int w = 0; w < WORDS; ++w) _mm512_storeu_si512(to + w * COLS + j, s.row[w]);
    }
}

static void pack_right(void *panel, const struct un_product_factor *b, const struct un_product_piece *piece) {
    for (int64_t i = 0; i < piece->blocks; ++i)
        pack_columns((uint32_t *)panel + i * WORDS * COLS, b, piece->first, piece->k + i * UN_PRODUCT_BLOCK);
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
