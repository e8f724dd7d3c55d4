/* One AdamW update over a span of the flat parameter buffer, all in one pass: the rule and the rounding of
 * cpu/adamw.c, where the compiler fuses the same products into additions that are written as fused here.
 * Every element by itself. */
#include "runtime/cuda/raw.cuh"

#include <math.h>

namespace {

/* A block's elements; a thread takes GROUPS vectors of four, THREADS vectors apart, all read before the first
 * is used: 4 * GROUPS reads of 16 bytes under way. */
enum { GROUP = 4, GROUPS = 2, THREADS = 256, BLOCK = THREADS * GROUP * GROUPS };

struct state {
    float *p, *m, *v;
    un_bf16 *low;
    const float *g;
    const uint8_t *decay;
};

/* What a thread holds of GROUP elements. */
struct group {
    float p[GROUP], m[GROUP], v[GROUP], g[GROUP];
    uint8_t flags;
};

__device__ __forceinline__ void read4(float x[GROUP], const float *p, int64_t n, bool wide) {
    if (wide && n >= GROUP) {
        un_raw4<float> r;
        un_raw_read(r, p);
        un_raw_floats(x, r);
        return;
    }
#pragma unroll
    for (int i = 0; i < GROUP; ++i) x[i] = i < n ? p[i] : 0.0f;
}
template <class T> __device__ __forceinline__ void write4(T *p, const float x[GROUP], int64_t n, bool wide) {
    if (wide && n >= GROUP) {
        un_store4(p, x);
        return;
    }
#pragma unroll
    for (int i = 0; i < GROUP; ++i)
        if (i < n) un_store(p + i, x[i]);
}

/* p = (p - step m / (sqrt v + eps)) - decay * itself; decay is 0 for the parameters that do not. */
__device__ __forceinline__ void update(struct group &e, const un_adamw &h, float clip) {
    const bool fast = e.flags & UN_DECAY_FAST;
    const float step = fast ? h.step_size_fast : h.step_size;
    const float decay = e.flags & UN_DECAY_DECAYS ? (fast ? h.lr_fast : h.lr) * h.weight_decay : 0.0f;
    const float rest1 = 1.0f - h.beta1, rest2 = 1.0f - h.beta2;
#pragma unroll
    for (int i = 0; i < GROUP; ++i) {
        const float grad = e.g[i] * clip;
        e.m[i] = fmaf(h.beta1, e.m[i], rest1 * grad);
        e.v[i] = fmaf(h.beta2, e.v[i], rest2 * (grad * grad));
        const float next = fmaf(-step, e.m[i] / (sqrtf(e.v[i]) + h.eps), e.p[i]);
        e.p[i] = fmaf(-decay, next, next);
    }
}

/* whole: all of the block's elements are there and may be read in vectors; then nothing branches between the
 * reads. */
template <bool whole>
__device__ __forceinline__ void span(const struct state &s, int64_t count, const un_adamw &how, float clip,
                                     float finite) {
    const int64_t first = (int64_t)blockIdx.x * BLOCK + (int64_t)threadIdx.x * GROUP;
    struct group e[GROUPS];
#pragma unroll
    for (int k = 0; k < GROUPS; ++k) {
        const int64_t i = first + k * THREADS * GROUP, n = whole ? (int64_t)GROUP : count - i;
        if (n <= 0) continue;
        read4(e[k].p, s.p + i, n, whole);
        read4(e[k].m, s.m + i, n, whole);
        read4(e[k].v, s.v + i, n, whole);
        read4(e[k].g, s.g + i, n, whole);
        e[k].flags = s.decay[i / UN_PARAM_ALIGN];
    }
    if (finite == 0.0f) return;
#pragma unroll
    for (int k = 0; k < GROUPS; ++k) {
        const int64_t i = first + k * THREADS * GROUP, n = whole ? (int64_t)GROUP : count - i;
        if (n <= 0) continue;
        if (!(e[k].flags & UN_DECAY_LEFT)) {
            update(e[k], how, clip);
            write4(s.p + i, e[k].p, n, whole);
            write4(s.m + i, e[k].m, n, whole);
            write4(s.v + i, e[k].v, n, whole);
        }
        if (s.low) write4(s.low + i, e[k].p, n, whole);
    }
}

/* Bytes of an element: p, m, v, g in; p, m, v and, for the products, the bf16 copy out: 30. */
__global__ void __launch_bounds__(THREADS)
    adamw(struct state s, int64_t count, un_adamw how, const float *clip, const float *finite, bool wide) {
    if (wide && (int64_t)(blockIdx.x + 1) * BLOCK <= count)
        span<true>(s, count, how, *clip, *finite);
    else
        span<false>(s, count, how, *clip, *finite);
}

} // namespace

void un_cuda_adamw(struct un_queue *q, float *p, void *low, float *m, float *v, const float *g,
                   const uint8_t *decay, int64_t count, const struct un_adamw *how, const float *clip,
                   const float *finite) {
    if (count <= 0) return;
    struct state s = {p, m, v, (un_bf16 *)low, g, decay};
    const bool wide = un_is_wide_array(p) && un_is_wide_array(m) && un_is_wide_array(v) &&
                      un_is_wide_array(g) && un_is_wide_array(low);
    UN_LAUNCH(q, adamw, un_blocks(count, BLOCK), THREADS, 0, s, count, *how, clip, finite, wide);
}
