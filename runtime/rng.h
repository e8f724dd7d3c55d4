/* Random numbers as pure functions: Philox4x32-10 (Salmon et al., SC'11), keyed by (seed, purpose), counted
 * by (step, lane, sample, index). Never a generator with state, never the rank. Own code because it must
 * inline into vectorised loops and compile under nvcc; the tests compare it with Random123. C and CUDA share
 * this header. */
#ifndef UN_RUNTIME_RNG_H
#define UN_RUNTIME_RNG_H

#include <stdint.h>

#ifdef __CUDACC__
#define UN_INLINE static __host__ __device__ __forceinline__
#else
#define UN_INLINE static inline __attribute__((always_inline))
#endif

/* What a number is for; part of the key, so two purposes never share numbers. Append only: the values are
 * part of what "same seed, same training" means. */
enum un_rng_purpose {
    UN_RNG_INIT = 1,     /* initial parameters */
    UN_RNG_DROPOUT = 2,  /* dropout masks */
    UN_RNG_STREAM = 3,   /* which (dataset, objective) stream the next sample comes from */
    UN_RNG_ORDER = 4,    /* order of the samples inside an epoch */
    UN_RNG_NEGATIVE = 5, /* itm: is the pair false, and which image instead */
    UN_RNG_MASK = 6,     /* which words or regions are masked, and the 80/10/10 rule */
    UN_RNG_VALID = 7,    /* masks and negatives of the validation */
    UN_RNG_SYNTH = 8,    /* the micro-world */
    UN_RNG_BENCH = 9,
    UN_RNG_TEST = 10
};

struct un_rng4 {
    uint32_t v[4];
};

UN_INLINE struct un_rng4 un_philox(uint32_t c0, uint32_t c1, uint32_t c2, uint32_t c3, uint32_t k0,
                                   uint32_t k1) {
    for (int round = 0; round < 10; ++round) {
        uint64_t p0 = (uint64_t)0xD2511F53u * c0, p1 = (uint64_t)0xCD9E8D57u * c2;
        uint32_t n0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0, n2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c1 = (uint32_t)p1;
        c3 = (uint32_t)p0;
        c0 = n0;
        c2 = n2;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    struct un_rng4 r = {{c0, c1, c2, c3}};
    return r;
}

UN_INLINE uint32_t un_rng_key0(uint64_t seed) {
    return (uint32_t)seed;
}
UN_INLINE uint32_t un_rng_key1(uint64_t seed, uint32_t purpose) {
    return (uint32_t)(seed >> 32) ^ (purpose * 0x85EBCA6Bu);
}

/* The four words at (step, lane, sample, index). */
UN_INLINE struct un_rng4 un_rng(uint64_t seed, uint32_t purpose, uint32_t step, uint32_t lane,
                                uint32_t sample, uint32_t index) {
    return un_philox(index, sample, lane, step, un_rng_key0(seed), un_rng_key1(seed, purpose));
}

/* Uniform in [0, 1), 24 bits. */
UN_INLINE float un_rng_unit(uint32_t word) {
    return (float)(word >> 8) * 0x1p-24f;
}
/* Uniform in [0, n), n >= 1, by multiplication (bias under n / 2^32). */
UN_INLINE uint32_t un_rng_below(uint32_t word, uint32_t n) {
    return (uint32_t)(((uint64_t)word * n) >> 32);
}

/* Dropout: one Philox call decides 8 neighbouring elements with 16 bits each. Element i of site `site` uses
 * the counter (i / 8, site, lane, step) and bits 16 * (i % 8) of the 128; it is dropped when those bits, as a
 * number, are below `threshold` = round(p * 65536). Kept elements are multiplied by `scale` = 65536 / (65536
 * - threshold), so the expectation is exact. The backward draws the same numbers again; no mask is stored. */
struct un_dropout {
    uint64_t seed;
    const uint32_t
        *at; /* device memory: step, lane (a replayed pass reads them anew); NULL without dropout */
    uint32_t site;
    uint32_t threshold; /* 0: no dropout */
    float scale;
};

UN_INLINE uint32_t un_dropout_bits(struct un_rng4 r, int i8) {
    return (r.v[i8 >> 1] >> (16 * (i8 & 1))) & 0xFFFFu;
}

UN_INLINE float un_dropout_factor(const struct un_dropout *d, uint32_t i) {
    if (d->threshold == 0) return d->scale;
    struct un_rng4 r = un_philox(i >> 3, d->site, d->at[1], d->at[0], un_rng_key0(d->seed),
                                 un_rng_key1(d->seed, UN_RNG_DROPOUT));
    return un_dropout_bits(r, (int)(i & 7u)) < d->threshold ? 0.0f : d->scale;
}

#endif
