/* Arithmetic in lanes: sums over a row whose order is written in the source (UN_LANES_SUMS running sums, then
 * a fixed tree), so that it depends neither on how a compiler peels a loop nor on where a buffer lies; and exp,
 * log, tanh, GELU and dropout as branch-free inline C that a compiler can vectorise inside a caller's loop.
 *
 * The approximations are this project's own minimax fits (Lawson weights, in float after rounding); the
 * errors stated were measured against double-precision libm by tests/unit/runtime/ops/lanes.c. All of them hand NaN on.
 */
#ifndef UN_RUNTIME_CPU_LANES_H
#define UN_RUNTIME_CPU_LANES_H

#include "runtime/rng.h"

#include <math.h>
#include <string.h>
#if defined(__SSE2__)
#include <immintrin.h>
#endif

enum { UN_LANES = 16, UN_LANES_SUMS = 32 };

/* The running sums of a row, element i in sum i % UN_LANES_SUMS, folded: halves added to halves. They are
 * plain arrays because compilers keep those in the widest registers of any processor; wider vector types they
 * take apart. */
static inline float un_lanes_fold(float *s) {
    for (int half = UN_LANES_SUMS / 2; half > 0; half /= 2)
        for (int j = 0; j < half; ++j) s[j] += s[j + half];
    return s[0];
}

/* sum of x[0..n) */
static inline float un_lanes_sum(const float *x, int64_t n) {
    float s[UN_LANES_SUMS] = {0};
    int64_t i = 0;
    for (; i + UN_LANES_SUMS <= n; i += UN_LANES_SUMS)
        for (int j = 0; j < UN_LANES_SUMS; ++j) s[j] += x[i + j];
    for (int j = 0; i < n; ++i, ++j) s[j] += x[i];
    return un_lanes_fold(s);
}

/* The running sums of x[i] * y[i]; of a row in pieces when all but the last are whole groups of UN_LANES_SUMS. */
static inline void un_lanes_dot_more(float s[UN_LANES_SUMS], const float *x, const float *y, int64_t n) {
    int64_t i = 0;
    for (; i + UN_LANES_SUMS <= n; i += UN_LANES_SUMS)
        for (int j = 0; j < UN_LANES_SUMS; ++j) s[j] += x[i + j] * y[i + j];
    for (int j = 0; i < n; ++i, ++j) s[j] += x[i] * y[i];
}

/* sum of x[i] * y[i] */
static inline float un_lanes_dot(const float *x, const float *y, int64_t n) {
    float s[UN_LANES_SUMS] = {0};
    un_lanes_dot_more(s, x, y, n);
    return un_lanes_fold(s);
}

/* sum of (x[i] - centre)^2 */
static inline float un_lanes_square_sum(const float *x, int64_t n, float centre) {
    float s[UN_LANES_SUMS] = {0};
    int64_t i = 0;
    for (; i + UN_LANES_SUMS <= n; i += UN_LANES_SUMS)
        for (int j = 0; j < UN_LANES_SUMS; ++j) s[j] += (x[i + j] - centre) * (x[i + j] - centre);
    for (int j = 0; i < n; ++i, ++j) s[j] += (x[i] - centre) * (x[i] - centre);
    return un_lanes_fold(s);
}

/* largest of x[0..n), -inf for n = 0; NaN are skipped */
static inline float un_lanes_max(const float *x, int64_t n) {
    enum { WIDE = 4 * UN_LANES };
    float m[WIDE];
    for (int j = 0; j < WIDE; ++j) m[j] = -INFINITY;
    for (int64_t i = 0; i + WIDE <= n; i += WIDE)
        for (int j = 0; j < WIDE; ++j) m[j] = x[i + j] > m[j] ? x[i + j] : m[j];
    for (int64_t i = n / WIDE * WIDE; i < n; ++i) m[i % WIDE] = x[i] > m[i % WIDE] ? x[i] : m[i % WIDE];
    for (int half = WIDE / 2; half > 0; half /= 2)
        for (int j = 0; j < half; ++j) m[j] = m[j + half] > m[j] ? m[j + half] : m[j];
    return m[0];
}

UN_INLINE int32_t un_lanes_bits(float x) {
    int32_t i;
    memcpy(&i, &x, sizeof i);
    return i;
}
UN_INLINE float un_lanes_float(int32_t i) {
    float x;
    memcpy(&x, &i, sizeof x);
    return x;
}

/* e^r for |r| <= 0.347, relative error before rounding 3e-9 */
UN_INLINE float un_lanes_exp_poly(float r) {
    float p = 1.38133520e-3f;
    p = p * r + 8.36872412e-3f;
    p = p * r + 4.16683994e-2f;
    p = p * r + 1.66665206e-1f;
    p = p * r + 4.99999935e-1f;
    return (p * r * r + r) + 1.0f;
}

/* Adding it to |x| < 2^22 leaves round(x) in the low bits: 1.5 * 2^23. */
#define UN_LANES_ROUND 12582912.0f
/* The integer in the low bits of t = UN_LANES_ROUND + integer. */
UN_INLINE int32_t un_lanes_low(float t) {
    return (int32_t)((uint32_t)un_lanes_bits(t) - 0x4B400000u);
}
/* 2^n for -127 < n < 128 */
UN_INLINE float un_lanes_power(int32_t n) {
    return un_lanes_float((int32_t)((uint32_t)(n + 127) << 23));
}
/* ln 2 in two parts: products of the first with integers under 2^13 are exact. */
#define UN_LANES_LN2_HIGH 0.693359375f
#define UN_LANES_LN2_LOW  -2.12194440e-4f

/* e^x, error <= 1.1 ulp; 0 below about -104, +inf above 88.72. x = n ln 2 + r; 2^n in two factors, so that
 * results near both ends of the range come out right. */
UN_INLINE float un_lanes_exp(float x) {
    float c = x > 89.0f ? 89.0f : x;
    c = c < -105.0f ? -105.0f : c;
    float t = c * 1.44269504f + UN_LANES_ROUND, k = t - UN_LANES_ROUND;
    int32_t n = un_lanes_low(t), half = n >> 1;
    float p = un_lanes_exp_poly((c - k * UN_LANES_LN2_HIGH) - k * UN_LANES_LN2_LOW);
    return p * un_lanes_power(half) * un_lanes_power(n - half);
}

/* e^x for -87 <= x <= 88 only, error <= 1.1 ulp. */
UN_INLINE float un_lanes_exp_inside(float x) {
    float t = x * 1.44269504f + UN_LANES_ROUND, k = t - UN_LANES_ROUND;
    return un_lanes_exp_poly((x - k * UN_LANES_LN2_HIGH) - k * UN_LANES_LN2_LOW) *
           un_lanes_power(un_lanes_low(t));
}

/* e^x for x <= 88: error <= 1.1 ulp down to -87, and e^-87 = 1.6e-38 below. */
UN_INLINE float un_lanes_exp_neg(float x) {
    return un_lanes_exp_inside(x < -87.0f ? -87.0f : x);
}

/* ln x for normal x > 0, error <= 1 ulp or 1e-7 absolute; -inf at 0 and for denormals, NaN below, +inf at
 * +inf. */
UN_INLINE float un_lanes_log(float x) {
    int32_t i = (int32_t)((uint32_t)un_lanes_bits(x) -
                          0x3F3504F3u); /* sqrt(1/2): the mantissa goes to [0.707, 1.414) */
    int32_t e = i >> 23;
    float f = un_lanes_float((i & 0x007FFFFF) + 0x3F3504F3) - 1.0f;
    float q = -7.63449596e-2f;
    q = q * f + 1.27615759e-1f;
    q = q * f + -1.31601821e-1f;
    q = q * f + 1.42017582e-1f;
    q = q * f + -1.66233574e-1f;
    q = q * f + 2.00012269e-1f;
    q = q * f + -2.50008210e-1f;
    q = q * f + 3.33333317e-1f;
    float k = (float)e, f2 = f * f;
    float y = q * f * f2 + k * UN_LANES_LN2_LOW;
    y = (y - 0.5f * f2) + f;
    y = y + k * UN_LANES_LN2_HIGH;
    y = x < 0x1p-126f ? (x < 0.0f ? NAN : -INFINITY) : y;
    return x <= 3.4028235e38f ? y : x + x; /* +inf and NaN */
}

/* ln(1 + e) for 0 <= e <= 1, error <= 4 ulp: what rounding 1 + e lost is put back by the last factor. */
UN_INLINE float un_lanes_log1p(float e) {
    float u = 1.0f + e, kept = u - 1.0f;
    return kept == 0.0f ? e : un_lanes_log(u) * (e / kept);
}

/* tanh x, error <= 1.5 ulp */
UN_INLINE float un_lanes_tanh(float x) {
    float a = fabsf(x), s = x * x;
    float q = -5.59101998e-3f;
    q = q * s + 2.05388241e-2f;
    q = q * s + -5.37096590e-2f;
    q = q * s + 1.33310923e-1f;
    q = q * s + -3.33332695e-1f;
    float small = a + a * s * q;
    float large = 1.0f - 2.0f / (un_lanes_exp_neg(2.0f * (a > 10.0f ? 10.0f : a)) + 1.0f);
    float y = a < 0.64f ? small : large;
    return x == x ? copysignf(y, x) : x;
}

/* The normal law at distance a = min(|z|, 13) from its middle, beyond which all is rounding. */
struct un_lanes_normal {
    float a, density, tail; /* density: e^(-a^2/2); tail: erfc(a / sqrt 2) / 2, absolute error <= 6e-8 */
};

/* tail = density * G with G = 1/2 + u P(u), u = a / (1 + 0.325 a). */
UN_INLINE struct un_lanes_normal un_lanes_normal(float z) {
    float a = fabsf(z) > 13.0f ? 13.0f : fabsf(z);
    float u = a / (1.0f + 0.325f * a);
    float p = -1.78581303e-5f;
    p = p * u + 1.06369825e-4f;
    p = p * u + 2.01435406e-4f;
    p = p * u + -1.59885343e-3f;
    p = p * u + -1.26290772e-2f;
    p = p * u + 1.20344717e-1f;
    p = p * u + -3.98942239e-1f;
    float e = un_lanes_exp_inside(-0.5f * a * a);
    return (struct un_lanes_normal){a, e, e * (p * u + 0.5f)};
}

/* z/2 (1 + erf(z / sqrt 2)) = max(z, 0) - |z| tail, error <= 1 ulp or 1e-7 absolute. */
UN_INLINE float un_lanes_gelu(float z) {
    struct un_lanes_normal n = un_lanes_normal(z);
    return (z < 0.0f ? 0.0f : z) - n.a * n.tail;
}

/* The derivative of GELU, Phi(z) + z phi(z), error <= 1.5e-7 absolute. */
UN_INLINE float un_lanes_gelu_slope(float z) {
    struct un_lanes_normal n = un_lanes_normal(z);
    float s = n.tail - n.a * (n.density * 0.398942280f);
    return z < 0.0f ? s : 1.0f - s;
}

/* ---- dropout: un_dropout_factor for whole rows ---- */

enum { UN_LANES_GROUPS = 16, UN_LANES_DROP = 8 * UN_LANES_GROUPS };

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "16-bit halves of the Philox words are read in memory order");

/* 64-bit lanes of a register, of which a product reads the low halves: compilers do not find this instruction by
 * themselves. Without it, un_philox call by call. */
#if defined(__AVX512F__)
typedef uint64_t un_lanes_wide __attribute__((vector_size(64)));
#define UN_LANES_TIMES(x, factor) (un_lanes_wide) _mm512_mul_epu32((__m512i)(x), _mm512_set1_epi64(factor))
#elif defined(__AVX2__)
typedef uint64_t un_lanes_wide __attribute__((vector_size(32)));
#define UN_LANES_TIMES(x, factor) (un_lanes_wide) _mm256_mul_epu32((__m256i)(x), _mm256_set1_epi64x(factor))
#elif defined(__SSE2__)
typedef uint64_t un_lanes_wide __attribute__((vector_size(16)));
#define UN_LANES_TIMES(x, factor) (un_lanes_wide) _mm_mul_epu32((__m128i)(x), _mm_set1_epi64x(factor))
#endif

#ifdef UN_LANES_TIMES
enum { UN_LANES_WIDE = sizeof(un_lanes_wide) / sizeof(uint64_t) };

/* un_philox of as many counters as there are lanes; pair[0]: words 0 and 1 of each, pair[1]: 2 and 3. */
UN_INLINE void un_lanes_philox(un_lanes_wide pair[2], un_lanes_wide first, const struct un_dropout *d) {
    const un_lanes_wide zero = {0};
    un_lanes_wide c0 = first, c1 = zero + d->site, c2 = zero + d->at[1], c3 = zero + d->at[0];
    uint32_t key0 = un_rng_key0(d->seed), key1 = un_rng_key1(d->seed, UN_RNG_DROPOUT);
    for (int round = 0; round < 10; ++round) {
        const un_lanes_wide p0 = UN_LANES_TIMES(c0, 0xD2511F53u), p1 = UN_LANES_TIMES(c2, 0xCD9E8D57u);
        c0 = p1 >> 32 ^ c1 ^ (zero + key0);
        c2 = p0 >> 32 ^ c3 ^ (zero + key1);
        c1 = p1;
        c3 = p0;
        key0 += 0x9E3779B9u;
        key1 += 0xBB67AE85u;
    }
    pair[0] = (c0 & 0xFFFFFFFFu) | c1 << 32;
    pair[1] = (c2 & 0xFFFFFFFFu) | c3 << 32;
}

/* The words of groups first, first + step, ... of d, sixteen Philox calls side by side. Element numbers are 32 bits
 * wide, so groups of 8 are 29. */
static inline void un_lanes_drop_words(uint64_t words[restrict UN_LANES_GROUPS][2],
                                       const struct un_dropout *d, uint32_t first, uint32_t step) {
    uint64_t group[UN_LANES_GROUPS], half[2][UN_LANES_GROUPS];
    for (uint32_t g = 0; g < UN_LANES_GROUPS; ++g) group[g] = (first + g * step) & 0x1FFFFFFFu;
    for (int g = 0; g < UN_LANES_GROUPS; g += UN_LANES_WIDE) {
        un_lanes_wide counter, pair[2];
        memcpy(&counter, group + g, sizeof counter);
        un_lanes_philox(pair, counter, d);
        memcpy(half[0] + g, &pair[0], sizeof pair[0]);
        memcpy(half[1] + g, &pair[1], sizeof pair[1]);
    }
    for (int g = 0; g < UN_LANES_GROUPS; ++g) {
        words[g][0] = half[0][g];
        words[g][1] = half[1][g];
    }
}
#else
static inline void un_lanes_drop_words(uint64_t words[restrict UN_LANES_GROUPS][2],
                                       const struct un_dropout *d, uint32_t first, uint32_t step) {
    const uint32_t key0 = un_rng_key0(d->seed), key1 = un_rng_key1(d->seed, UN_RNG_DROPOUT);
    const uint32_t site = d->site, at = d->at[0], lane = d->at[1];
    for (uint32_t g = 0; g < UN_LANES_GROUPS; ++g) {
        const struct un_rng4 r = un_philox((first + g * step) & 0x1FFFFFFFu, site, lane, at, key0, key1);
        words[g][0] = r.v[0] | (uint64_t)r.v[1] << 32;
        words[g][1] = r.v[2] | (uint64_t)r.v[3] << 32;
    }
}
#endif

/* The 16-bit numbers of elements [8 * group, 8 * group + UN_LANES_DROP) of d. */
static inline void un_lanes_drop_bits(uint16_t *restrict bits, const struct un_dropout *d, uint32_t group) {
    uint64_t words[UN_LANES_GROUPS][2];
    un_lanes_drop_words(words, d, group, 1);
    memcpy(bits, words, sizeof words);
}

/* y[i] = x[i] * factor of element 8 * group + i, i < n. In place: y over x. d NULL or threshold 0 copies. */
static inline void un_lanes_dropout(float *y, const float *x, int64_t n, const struct un_dropout *d,
                                    uint32_t group) {
    if (!d || d->threshold == 0) {
        if (y != x) memcpy(y, x, (size_t)n * sizeof *y);
        return;
    }
    const uint32_t threshold = d->threshold;
    const float scale = d->scale;
    uint16_t bits[UN_LANES_DROP];
    for (int64_t i = 0; i < n; i += UN_LANES_DROP, group += UN_LANES_GROUPS) {
        un_lanes_drop_bits(bits, d, group);
        int64_t m = n - i < UN_LANES_DROP ? n - i : UN_LANES_DROP;
#pragma GCC ivdep
        for (int64_t j = 0; j < m; ++j) y[i + j] = x[i + j] * (bits[j] < threshold ? 0.0f : scale);
    }
}

/* Group of the first element of a row when rows start at multiples of round_up(cols, 8). */
UN_INLINE uint32_t un_lanes_row_group(int64_t row, int64_t cols) {
    return (uint32_t)(row * ((cols + 7) / 8));
}

#endif
