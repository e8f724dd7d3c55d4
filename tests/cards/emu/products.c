/* Products of the emulated card by the CPU backend, where a test asks for them: operands are widened to f32,
 * the result is rounded once. Much faster than the emulated kernels, for tests of whole networks. */
#include "runtime/backends.h"
#include "tests/cards/emu/device.h"
#include "tests/cards/emu/memory.h"
#include "tests/cards/emu/record.h"

#include "runtime/cpu/convert.h"
#include "runtime/cuda/cuda.h"

#include <stdio.h>
#include <stdlib.h>

static struct {
    struct un_device *cpu; /* NULL: the kernels do it */
    struct un_queue *q;
    float *room[3]; /* copies of c, a, b; malloc: steps may not count them as allocations of theirs */
    size_t floats[3];
} host;

static float get(const void *data, enum un_type type, int64_t i) {
    return type == UN_BF16 ? un_half_from_bf16(((const uint16_t *)data)[i]) : ((const float *)data)[i];
}

static struct un_mat packed(int which, struct un_mat m) {
    const size_t floats = (size_t)(m.rows * m.cols) + 1;
    if (host.floats[which] < floats) {
        free(host.room[which]);
        host.room[which] = malloc(floats * sizeof(float));
        host.floats[which] = floats;
        if (!host.room[which]) abort();
    }
    return un_mat32(host.room[which], m.rows, m.cols);
}

static struct un_mat widened(int which, struct un_mat m) {
    const struct un_mat wide = packed(which, m);
    for (int64_t i = 0; i < m.rows; ++i)
        for (int64_t j = 0; j < m.cols; ++j)
            host.room[which][i * m.cols + j] = get(m.data, m.type, i * m.stride + j);
    return wide;
}

static void narrow(struct un_mat c, const float *from, const void *bias, enum un_type bias_type) {
    for (int64_t i = 0; i < c.rows; ++i)
        for (int64_t j = 0; j < c.cols; ++j) {
            const float v = from[i * c.cols + j] + (bias ? get(bias, bias_type, j) : 0.0f);
            if (c.type == UN_BF16)
                ((uint16_t *)c.data)[i * c.stride + j] = un_half_to_bf16(v);
            else
                ((float *)c.data)[i * c.stride + j] = v;
        }
}

struct product {
    struct un_mat c, a, b;
    const void *bias;
    enum un_type bias_type;
    bool transpose_a, transpose_b;
    float beta;
};

static void run_product(const void *data) {
    const struct product *p = data;
    un_emu_memory_show();
    const struct un_mat wide = p->beta != 0.0f ? widened(0, p->c) : packed(0, p->c);
    host.cpu->ops->gemm(host.q, wide, widened(1, p->a), p->transpose_a, widened(2, p->b), p->transpose_b,
                        p->beta, NULL);
    narrow(p->c, wide.data, p->bias, p->bias_type);
    un_emu_memory_hide();
}

bool un_cuda_blas_gemm(struct un_queue *q, struct un_mat c, struct un_mat a, bool transpose_a,
                       struct un_mat b, bool transpose_b, float beta, const void *bias,
                       enum un_type bias_type, bool *biased) {
    if (!host.cpu) return false;
    const struct product p = {c, a, b, bias, bias_type, transpose_a, transpose_b, beta};
    un_emu_do(q, run_product, &p, sizeof p);
    *biased = bias != NULL;
    return true;
}

bool un_cuda_blas_gemm_fp8(struct un_queue *q, struct un_mat c, struct un_mat a, const float *a_unit,
                           struct un_mat b, const float *b_unit, float beta, const void *bias,
                           enum un_type bias_type, bool *biased) {
    (void)q, (void)c, (void)a, (void)a_unit, (void)b, (void)b_unit, (void)beta, (void)bias, (void)bias_type;
    *biased = false;
    return false;
}

void un_emu_host_products(bool on) {
    static const struct un_limits none = {.max_tokens = 1, .max_samples = 1, .max_width = 1, .max_heads = 1};
    if (on == (host.cpu != NULL)) return;
    if (!on) {
        host.cpu->mem->queue_close(host.q);
        un_device_close(host.cpu);
        for (int i = 0; i < 3; ++i) free(host.room[i]), host.room[i] = NULL, host.floats[i] = 0;
        host.cpu = NULL;
        return;
    }
    if (un_cpu_open(1, &host.cpu) != UN_OK || host.cpu->mem->queue_open(host.cpu, &none, &host.q) != UN_OK) {
        fprintf(stderr, "emulated card: no CPU for the products: %s\n", un_error_get()->text);
        abort();
    }
}
