/* Rows by index. Every destination row is written by one thread, and sums into a row go through its sources
 * in the order of the list, so threads cannot change a result. An index of -1 is no row: gathered as zeros,
 * scattered nowhere. */
#include "runtime/cpu/rows.h"

static bool parallel(struct un_mat m) {
    return m.rows * m.cols > UN_CPU_PARALLEL_MIN;
}

/* dst row = src row, zeros for -1. Of one type: bit by bit. */
static void move_row(struct un_mat dst, int64_t to, struct un_mat src, int64_t from) {
    if (from < 0) {
        un_rows_zero(dst, to);
    } else if (dst.type == src.type) {
        memcpy(un_rows_at(dst, to, 0), un_rows_at(src, from, 0),
               (size_t)(dst.cols * un_type_bytes(dst.type)));
    } else if (dst.type == UN_F32) {
        un_rows_widen(un_cpu_row(dst, to), src.type, un_rows_at(src, from, 0), dst.cols);
    } else {
        for (int64_t col = 0; col < dst.cols; col += UN_ROWS_STRIP) {
            float strip[UN_ROWS_STRIP];
            const int64_t n = un_rows_strip(dst.cols, col);
            un_rows_widen(strip, src.type, un_rows_at(src, from, col), n);
            un_rows_narrow(un_rows_at(dst, to, col), dst.type, strip, n);
        }
    }
}

void un_cpu_gather_rows(struct un_queue *q, struct un_mat dst, struct un_mat src, const int32_t *index) {
    if (!un_rows_are_activations(q, (struct un_mat[]){dst, src}, 2, "gather_rows")) return;
#pragma omp parallel for schedule(static) num_threads(q->threads) if (parallel(dst))
    for (int64_t i = 0; i < dst.rows; ++i) move_row(dst, i, src, index[i]);
}

void un_cpu_scatter_rows(struct un_queue *q, struct un_mat dst, struct un_mat src, const int32_t *index) {
    const struct un_mat both[] = {dst, src};
    if (dst.type != src.type && !un_rows_are_activations(q, both, 2, "scatter_rows")) return;
    dst.cols = src.cols;
#pragma omp parallel for schedule(static) num_threads(q->threads) if (parallel(src))
    for (int64_t i = 0; i < src.rows; ++i)
        if (index[i] >= 0) move_row(dst, index[i], src, i);
}

static void add_to_row(float *restrict dst, const float *restrict src, int64_t n) {
    for (int64_t j = 0; j < n; ++j) dst[j] += src[j];
}

void un_cpu_scatter_add_rows(struct un_queue *q, struct un_mat dst, struct un_mat src, const int32_t *index) {
    if (!un_rows_are_activations(q, (struct un_mat[]){dst, src}, 2, "scatter_add_rows")) return;
#pragma omp parallel for schedule(static) num_threads(q->threads) if (parallel(src))
    for (int64_t i = 0; i < src.rows; ++i)
        for (int64_t col = 0; index[i] >= 0 && col < src.cols; col += UN_ROWS_STRIP) {
            float strip[2][UN_ROWS_STRIP], *sum = un_rows_out(dst, index[i], col, strip[0]);
            const int64_t n = un_rows_strip(src.cols, col);
            (void)un_rows_in(dst, index[i], col, n, strip[0]);
            add_to_row(sum, un_rows_in(src, i, col, n, strip[1]), n);
            un_rows_put(dst, index[i], col, n, strip[0]);
        }
}

/* dst += the sum of the rows perm[0..count) of src; a strip of columns at a time, summed before it is added. */
static void add_segment(float *dst, struct un_mat src, const int32_t *perm, int64_t count) {
    enum { STRIP = 128 };
    for (int64_t col = 0; col < src.cols; col += STRIP) {
        int64_t n = src.cols - col < STRIP ? src.cols - col : STRIP;
        float sum[STRIP] = {0}, strip[STRIP];
        for (int64_t i = 0; i < count; ++i)
            if (perm[i] >= 0) add_to_row(sum, un_rows_in(src, perm[i], col, n, strip), n);
        add_to_row(dst + col, sum, n);
    }
}

void un_cpu_segment_add_rows(struct un_queue *q, struct un_mat dst, struct un_mat src,
                             const struct un_segments *seg) {
    if (!un_rows_are_activations(q, &src, 1, "segment_add_rows")) return;
    if (dst.type != UN_F32) {
        un_cpu_fail(q, UN_INTERNAL, "segment_add_rows: sums of type %d, want f32", (int)dst.type);
        return;
    }
#pragma omp parallel for schedule(dynamic) num_threads(q->threads) if (parallel(src))
    for (int64_t k = 0; k < seg->count; ++k)
        if (seg->id[k] >= 0)
            add_segment(un_cpu_row(dst, seg->id[k]), src, seg->perm + seg->start[k],
                        seg->start[k + 1] - seg->start[k]);
}

/* Rows of the three tables of a word; -1: none. */
struct word_rows {
    int64_t word, position, type;
};

static void embed_strip(float *restrict sum, float *strip, const struct un_mat table[3],
                        const struct word_rows *of, int64_t col, int64_t n) {
    if (of->word < 0)
        memset(sum, 0, (size_t)n * sizeof *sum);
    else
        un_rows_widen(sum, table[0].type, un_rows_at(table[0], of->word, col), n);
    if (of->position >= 0) add_to_row(sum, un_rows_in(table[1], of->position, col, n, strip), n);
    if (of->type >= 0) add_to_row(sum, un_cpu_row(table[2], of->type) + col, n);
}

void un_cpu_embed_words(struct un_queue *q, struct un_mat r, const int32_t *id, const int32_t *pos,
                        struct un_mat word, struct un_mat position, struct un_mat type, const int32_t *kind) {
    const struct un_mat all[] = {r, word, position}, table[3] = {word, position, type};
    if (!un_rows_are_activations(q, all, 3, "embed_words")) return;
    if (word.type != position.type || type.type != UN_F32) {
        un_cpu_fail(q, UN_INTERNAL,
                    "embed_words: tables of types %d, %d and %d, want one type for the first two and f32",
                    (int)word.type, (int)position.type, (int)type.type);
        return;
    }
#pragma omp parallel for schedule(static) num_threads(q->threads) if (parallel(r))
    for (int64_t i = 0; i < r.rows; ++i) {
        const struct word_rows of = {id[i], pos[i], kind ? kind[i] : 0};
        for (int64_t col = 0; col < r.cols; col += UN_ROWS_STRIP) {
            float strip[2][UN_ROWS_STRIP];
            const int64_t n = un_rows_strip(r.cols, col);
            embed_strip(un_rows_out(r, i, col, strip[0]), strip[1], table, &of, col, n);
            un_rows_put(r, i, col, n, strip[0]);
        }
    }
}

void un_cpu_mask_features(struct un_queue *q, struct un_mat x, struct un_mat feature, const int32_t *index,
                          const uint8_t *masked, const float *mask_row) {
    const struct un_mat mask = un_mat32(mask_row, 1, x.cols);
    if (!un_rows_are_activations(q, &x, 1, "mask_features")) return;
    if (feature.type != UN_F16 && feature.type != UN_F32) {
        un_cpu_fail(q, UN_INTERNAL, "mask_features: features of type %d, want f16 or f32", (int)feature.type);
        return;
    }
#pragma omp parallel for schedule(static) num_threads(q->threads) if (parallel(x))
    for (int64_t i = 0; i < x.rows; ++i)
        if (masked[i])
            move_row(x, i, mask, 0);
        else
            move_row(x, i, feature, index ? index[i] : i);
}
