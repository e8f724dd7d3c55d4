/* One AdamW update over a span of the flat parameter buffer: the rule of the authors' time, decay after the
 * step and eps outside the bias correction (reference/uniter_torch.py, AdamW). Every element by itself. */
#include "runtime/cpu/convert.h"
#include "runtime/cpu/cpu.h"

enum { BLOCKS = 256 }; /* blocks of UN_PARAM_ALIGN elements that a thread takes at a time */

struct update {
    float *p, *m, *v;
    uint16_t *low;
    const float *g;
    const struct un_adamw *how;
    float clip;
};

/* p = (p - step m / (sqrt v + eps)) - decay * itself; decay is 0 for the parameters that do not. */
static void step_block(const struct update *u, int64_t first, int64_t n, int flags) {
    float *restrict p = u->p + first, *restrict m = u->m + first, *restrict v = u->v + first;
    const float *restrict g = u->g + first;
    const struct un_adamw h = *u->how;
    const float clip = u->clip, rest1 = 1.0f - h.beta1, rest2 = 1.0f - h.beta2;
    const bool fast = flags & UN_DECAY_FAST;
    const float step = fast ? h.step_size_fast : h.step_size;
    const float decay = flags & UN_DECAY_DECAYS ? (fast ? h.lr_fast : h.lr) * h.weight_decay : 0.0f;
    for (int64_t i = 0; i < n; ++i) {
        float grad = g[i] * clip;
        m[i] = h.beta1 * m[i] + rest1 * grad;
        v[i] = h.beta2 * v[i] + rest2 * (grad * grad);
        float next = p[i] - step * (m[i] / (sqrtf(v[i]) + h.eps));
        p[i] = next - decay * next;
    }
}

static void update_block(const struct update *u, int64_t first, int64_t n, int flags) {
    if (!(flags & UN_DECAY_LEFT)) step_block(u, first, n, flags);
    if (!u->low) return;
    const float *restrict p = u->p + first;
    uint16_t *restrict low = u->low + first;
    for (int64_t i = 0; i < n; ++i) low[i] = un_half_to_bf16(p[i]);
}

void un_cpu_adamw(struct un_queue *q, float *p, void *low, float *m, float *v, const float *g,
                  const uint8_t *decay, int64_t count, const struct un_adamw *how, const float *clip,
                  const float *finite) {
    if (*finite == 0.0f) return;
    struct update u = {p, m, v, low, g, how, *clip};
    int64_t blocks = (count + UN_PARAM_ALIGN - 1) / UN_PARAM_ALIGN;
#pragma omp parallel for schedule(static, BLOCKS) num_threads(q->threads) if (count > UN_CPU_PARALLEL_MIN)
    for (int64_t b = 0; b < blocks; ++b) {
        int64_t first = b * UN_PARAM_ALIGN, left = count - first;
        update_block(&u, first, left < UN_PARAM_ALIGN ? left : UN_PARAM_ALIGN, decay[b]);
    }
}
