/* Rounding to fp8. Rows are rounded in strips; a strip's transpose is written element by element. */
#include "runtime/cpu/rows.h"
#include "runtime/fp8.h"

static void round_strip(uint8_t *restrict to, enum un_type type, const float *restrict x, float scale,
                        int64_t n) {
    if (type == UN_E4M3)
        for (int64_t j = 0; j < n; ++j) to[j] = un_fp8_to_e4m3(x[j] * scale);
    else
        for (int64_t j = 0; j < n; ++j) to[j] = un_fp8_to_e5m2(x[j] * scale);
}

static uint32_t largest(const float *x, int64_t n) {
    uint32_t most = 0;
    for (int64_t j = 0; j < n; ++j) {
        const uint32_t size = un_fp8_bits(x[j]) & 0x7FFFFFFFu;
        most = size > most ? size : most;
    }
    return most;
}

struct rounding {
    struct un_mat y, yt, x;
    float scale;
};

static uint32_t quantize_row(const struct rounding *c, int64_t i) {
    const enum un_type type = c->y.data ? c->y.type : c->yt.type;
    uint32_t most = 0;
    for (int64_t col = 0; col < c->x.cols; col += UN_ROWS_STRIP) {
        float strip[UN_ROWS_STRIP];
        uint8_t code[UN_ROWS_STRIP];
        const int64_t n = un_rows_strip(c->x.cols, col);
        const float *x = un_rows_in(c->x, i, col, n, strip);
        const uint32_t here = largest(x, n);
        most = here > most ? here : most;
        if (!c->y.data && !c->yt.data) continue;
        round_strip(code, type, x, c->scale, n);
        if (c->y.data) memcpy(un_rows_at(c->y, i, col), code, (size_t)n);
        for (int64_t j = 0; c->yt.data && j < n; ++j) *(uint8_t *)un_rows_at(c->yt, col + j, i) = code[j];
    }
    return most;
}

void un_cpu_quantize(struct un_queue *q, struct un_mat y, struct un_mat yt, uint32_t *amax, struct un_mat x,
                     const float *scale) {
    if (!un_rows_are_activations(q, &x, 1, "quantize")) return;
    if ((y.data && !un_fp8_is(y.type)) ||
        (yt.data && (!un_fp8_is(yt.type) || (y.data && y.type != yt.type)))) {
        un_cpu_fail(q, UN_INTERNAL, "quantize: into types %d, %d", (int)y.type, (int)yt.type);
        return;
    }
    UN_ASSERT((!y.data || (y.rows == x.rows && y.cols == x.cols)) &&
              (!yt.data || (yt.rows == x.cols && yt.cols == x.rows)));
    const struct rounding c = {y, yt, x, y.data || yt.data ? *scale : 1.0f};
    uint32_t all = 0;
#pragma omp parallel for schedule(static) num_threads(q->threads)                                            \
    reduction(max                                                                                            \
              : all) if (x.rows * x.cols > UN_CPU_PARALLEL_MIN)
    for (int64_t i = 0; i < x.rows; ++i) {
        const uint32_t here = quantize_row(&c, i);
        all = here > all ? here : all;
    }
    if (amax && all > *amax) *amax = all;
}

void un_cpu_codes(struct un_queue *q, const struct un_codes *codes, struct un_mat m) {
    if (codes) un_cpu_quantize(q, codes->to, (struct un_mat){.data = NULL}, codes->amax, m, codes->scale);
}
