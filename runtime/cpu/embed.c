/* Rows by index. Every destination row is written by one thread, and sums into a row go through its sources
 * in the order of the list, so threads cannot change a result. An index of -1 is no row: gathered as zeros,
 * scattered nowhere. */
#include "runtime/cpu/convert.h"
#include "runtime/cpu/cpu.h"
#include "runtime/cpu/lanes.h"

static bool parallel(struct un_mat m) {
    return m.rows * m.cols > UN_CPU_PARALLEL_MIN;
}

static void copy_row(float *dst, const float *src, int64_t n) {
    if (src)
        memcpy(dst, src, (size_t)n * sizeof *dst);
    else
        memset(dst, 0, (size_t)n * sizeof *dst);
}

static const float *row_or_null(struct un_mat m, int32_t index) {
    return index < 0 ? NULL : un_cpu_row(m, index);
}

void un_cpu_gather_rows(struct un_queue *q, struct un_mat dst, struct un_mat src, const int32_t *index) {
#pragma omp parallel for schedule(static) num_threads(q->threads) if (parallel(dst))
    for (int64_t i = 0; i < dst.rows; ++i) copy_row(un_cpu_row(dst, i), row_or_null(src, index[i]), dst.cols);
}

/* Of any type: rows go as bytes. */
void un_cpu_scatter_rows(struct un_queue *q, struct un_mat dst, struct un_mat src, const int32_t *index) {
    const int64_t size = un_type_bytes(src.type);
#pragma omp parallel for schedule(static) num_threads(q->threads) if (parallel(src))
    for (int64_t i = 0; i < src.rows; ++i)
        if (index[i] >= 0)
            memcpy((char *)dst.data + index[i] * dst.stride * size,
                   (const char *)src.data + i * src.stride * size, (size_t)(src.cols * size));
}

static void add_to_row(float *restrict dst, const float *restrict src, int64_t n) {
    for (int64_t j = 0; j < n; ++j) dst[j] += src[j];
}

void un_cpu_scatter_add_rows(struct un_queue *q, struct un_mat dst, struct un_mat src, const int32_t *index) {
#pragma omp parallel for schedule(static) num_threads(q->threads) if (parallel(src))
    for (int64_t i = 0; i < src.rows; ++i)
        if (index[i] >= 0) add_to_row(un_cpu_row(dst, index[i]), un_cpu_row(src, i), src.cols);
}

/* dst += the sum of the rows perm[0..count) of src; a strip of columns at a time, summed before it is added. */
static void add_segment(float *dst, struct un_mat src, const int32_t *perm, int64_t count) {
    enum { STRIP = 128 };
    for (int64_t col = 0; col < src.cols; col += STRIP) {
        int64_t n = src.cols - col < STRIP ? src.cols - col : STRIP;
        float sum[STRIP] = {0};
        for (int64_t i = 0; i < count; ++i)
            if (perm[i] >= 0) add_to_row(sum, un_cpu_row(src, perm[i]) + col, n);
        add_to_row(dst + col, sum, n);
    }
}

void un_cpu_segment_add_rows(struct un_queue *q, struct un_mat dst, struct un_mat src,
                             const struct un_segments *seg) {
#pragma omp parallel for schedule(dynamic) num_threads(q->threads) if (parallel(src))
    for (int64_t k = 0; k < seg->count; ++k)
        if (seg->id[k] >= 0)
            add_segment(un_cpu_row(dst, seg->id[k]), src, seg->perm + seg->start[k],
                        seg->start[k + 1] - seg->start[k]);
}

void un_cpu_embed_words(struct un_queue *q, struct un_mat r, const int32_t *id, const int32_t *pos,
                        struct un_mat word, struct un_mat position, struct un_mat type, const int32_t *kind) {
#pragma omp parallel for schedule(static) num_threads(q->threads) if (parallel(r))
    for (int64_t i = 0; i < r.rows; ++i) {
        float *restrict sum = un_cpu_row(r, i);
        copy_row(sum, row_or_null(word, id[i]), r.cols);
        if (pos[i] >= 0) add_to_row(sum, un_cpu_row(position, pos[i]), r.cols);
        const int64_t of = kind ? kind[i] : 0;
        if (of >= 0) add_to_row(sum, un_cpu_row(type, of), r.cols);
    }
}

static void widen_row(float *restrict x, const uint16_t *restrict feature, int64_t n) {
    for (int64_t j = 0; j < n; ++j) x[j] = un_half_from_f16(feature[j]);
}

void un_cpu_mask_features(struct un_queue *q, struct un_mat x, struct un_mat feature, const int32_t *index,
                          const uint8_t *masked, const float *mask_row) {
    if (feature.type != UN_F16 && feature.type != UN_F32) {
        un_cpu_fail(q, UN_INTERNAL, "mask_features: features of type %d, want f16 or f32", (int)feature.type);
        return;
    }
#pragma omp parallel for schedule(static) num_threads(q->threads) if (parallel(x))
    for (int64_t i = 0; i < x.rows; ++i) {
        int64_t from = index ? index[i] : i;
        if (masked[i])
            copy_row(un_cpu_row(x, i), mask_row, x.cols);
        else if (from < 0)
            copy_row(un_cpu_row(x, i), NULL, x.cols);
        else if (feature.type == UN_F16)
            widen_row(un_cpu_row(x, i), (const uint16_t *)feature.data + from * feature.stride, x.cols);
        else
            copy_row(un_cpu_row(x, i), un_cpu_row(feature, from), x.cols);
    }
}
