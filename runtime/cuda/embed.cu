/* Rows by index. All ops here move memory and nothing else, so each is one pass: a warp owns a row, reads it
 * in vectors of eight elements with FLIGHT of them under way, and writes it. Every element is computed by
 * itself, so columns that do not fill a vector may be anyone's. An index of -1 is no row. */
#include "runtime/cuda/raw.cuh"

namespace {

enum { ROW_WARPS = 8, ROW_THREADS = ROW_WARPS * (int)UN_WARP, FLIGHT = 4 };

/* ---- one row by one warp ---- */

/* d[0..cols) = s, zeros when s is NULL; with `adds`: += instead. The columns that do not fill a vector, and
 * all of a row that is not wide, go one by one. */
template <bool adds, class D, class S>
__device__ __forceinline__ void move_row(D *d, const S *s, int64_t cols, int lane, bool wide) {
    const int64_t vectors = wide ? cols / UN_VEC : 0;
    for (int64_t at = lane; at < vectors; at += UN_WARP * FLIGHT) {
        un_raw8<S> r[FLIGHT];
        un_raw8<D> old[FLIGHT];
#pragma unroll
        for (int u = 0; u < FLIGHT; ++u) {
            const int64_t k = at + u * UN_WARP;
            un_raw_zero(r[u]);
            un_raw_zero(old[u]);
            if (s && k < vectors) un_raw_read(r[u], s + k * UN_VEC);
            if (adds && k < vectors) un_raw_read(old[u], d + k * UN_VEC);
        }
#pragma unroll
        for (int u = 0; u < FLIGHT; ++u) {
            const int64_t k = at + u * UN_WARP;
            if (k >= vectors) continue;
            float v[UN_VEC], w[UN_VEC];
            un_raw_floats(v, r[u]);
            if (adds) {
                un_raw_floats(w, old[u]);
#pragma unroll
                for (int i = 0; i < UN_VEC; ++i) v[i] = w[i] + v[i];
            }
            un_store8(d + k * UN_VEC, v, UN_VEC, true);
        }
    }
    for (int64_t j = vectors * UN_VEC + lane; j < cols; j += UN_WARP) {
        const float v = s ? un_load(s + j) : 0.0f;
        un_store(d + j, adds ? un_load(d + j) + v : v);
    }
}

/* The row of this warp. */
__device__ __forceinline__ int64_t warp_row() {
    return (int64_t)blockIdx.x * ROW_WARPS + (int64_t)(threadIdx.x / UN_WARP);
}
__device__ __forceinline__ int warp_lane() {
    return (int)threadIdx.x % UN_WARP;
}

/* ---- gather, scatter ---- */

/* Bytes: every row once in, once out (scatter_add: twice in). */
template <class D, class S>
__global__ void __launch_bounds__(ROW_THREADS)
    gather_rows(D *dst, int64_t dst_stride, const S *src, int64_t src_stride, const int32_t *index,
                int64_t rows, int64_t cols, bool wide) {
    const int64_t row = warp_row();
    if (row >= rows) return;
    const int32_t from = index[row];
    move_row<false>(dst + row * dst_stride, from < 0 ? (const S *)0 : src + from * src_stride, cols,
                    warp_lane(), wide);
}

template <bool adds, class D, class S>
__global__ void __launch_bounds__(ROW_THREADS)
    scatter_rows(D *dst, int64_t dst_stride, const S *src, int64_t src_stride, const int32_t *index,
                 int64_t rows, int64_t cols, bool wide) {
    const int64_t row = warp_row();
    if (row >= rows) return;
    const int32_t to = index[row];
    if (to < 0) return;
    move_row<adds>(dst + to * dst_stride, src + row * src_stride, cols, warp_lane(), wide);
}

/* ---- embeddings of words ---- */

template <class T>
__device__ __forceinline__ void read_or_zero(un_raw8<T> &r, const T *row, int64_t at, bool there) {
    un_raw_zero(r);
    if (row && there) un_raw_read(r, row + at);
}

/* Bytes of a row: a row of each table (positions and the type come from L2) and the result. */
template <class D, class S>
__global__ void __launch_bounds__(ROW_THREADS)
    embed_words(D *r, int64_t r_stride, const int32_t *id, const int32_t *pos, const S *word,
                int64_t word_stride, const S *position, int64_t position_stride, const float *type,
                int64_t type_stride, const int32_t *kind, int64_t rows, int64_t cols, bool wide) {
    enum { TABLE_FLIGHT = 2 };
    const int64_t row = warp_row(), lane = warp_lane();
    if (row >= rows) return;
    const S *a = id[row] < 0 ? (const S *)0 : word + id[row] * word_stride;
    const S *b = pos[row] < 0 ? (const S *)0 : position + pos[row] * position_stride;
    const int64_t of = kind ? kind[row] : 0;
    const float *c = of < 0 ? (const float *)0 : type + of * type_stride;
    D *d = r + row * r_stride;
    const int64_t vectors = wide ? cols / UN_VEC : 0;
    for (int64_t at = lane; at < vectors; at += UN_WARP * TABLE_FLIGHT) {
        un_raw8<S> w[TABLE_FLIGHT], p[TABLE_FLIGHT];
        un_raw8<float> t[TABLE_FLIGHT];
#pragma unroll
        for (int u = 0; u < TABLE_FLIGHT; ++u) {
            const int64_t k = at + u * UN_WARP;
            read_or_zero(w[u], a, k * UN_VEC, k < vectors);
            read_or_zero(p[u], b, k * UN_VEC, k < vectors);
            read_or_zero(t[u], c, k * UN_VEC, k < vectors);
        }
#pragma unroll
        for (int u = 0; u < TABLE_FLIGHT; ++u) {
            const int64_t k = at + u * UN_WARP;
            float x[UN_VEC], y[UN_VEC], z[UN_VEC];
            un_raw_floats(x, w[u]);
            un_raw_floats(y, p[u]);
            un_raw_floats(z, t[u]);
#pragma unroll
            for (int i = 0; i < UN_VEC; ++i) x[i] = (x[i] + y[i]) + z[i];
            if (k < vectors) un_store8(d + k * UN_VEC, x, UN_VEC, true);
        }
    }
    for (int64_t j = vectors * UN_VEC + lane; j < cols; j += UN_WARP)
        un_store(d + j, ((a ? un_load(a + j) : 0.0f) + (b ? un_load(b + j) : 0.0f)) + (c ? c[j] : 0.0f));
}

/* ---- features, some masked ---- */

/* Bytes of a row of 2048: 4 KiB of f16 in (not where masked), 4 KiB of bf16 out. */
template <class D, class S>
__global__ void __launch_bounds__(ROW_THREADS)
    mask_features(D *x, int64_t x_stride, const S *feature, int64_t feature_stride, const int32_t *index,
                  const uint8_t *masked, const float *mask_row, int64_t rows, int64_t cols, bool wide) {
    const int64_t row = warp_row();
    if (row >= rows) return;
    D *d = x + row * x_stride;
    if (masked[row]) {
        move_row<false>(d, mask_row, cols, warp_lane(), wide);
        return;
    }
    const int64_t from = index ? index[row] : row;
    move_row<false>(d, from < 0 ? (const S *)0 : feature + from * feature_stride, cols, warp_lane(), wide);
}

} // namespace

/* ---- the ops ---- */

static bool check_float(struct un_queue *q, const char *op, struct un_mat m) {
    if (m.type == UN_F32 || m.type == UN_BF16) return true;
    un_cuda_fail(q, UN_INTERNAL, "%s: rows of type %d, want f32 or bf16", op, (int)m.type);
    return false;
}

static bool nothing(struct un_mat m) {
    return m.rows <= 0 || m.cols <= 0;
}

template <class D, class S>
static void gather_as(struct un_queue *q, struct un_mat dst, struct un_mat src, const int32_t *index) {
    UN_LAUNCH(q, (gather_rows<D, S>), un_blocks(dst.rows, ROW_WARPS), ROW_THREADS, 0, (D *)dst.data,
              dst.stride, (const S *)src.data, src.stride, index, dst.rows, dst.cols,
              un_is_wide(dst) && un_is_wide(src));
}

template <bool adds, class D, class S>
static void scatter_as(struct un_queue *q, struct un_mat dst, struct un_mat src, const int32_t *index) {
    UN_LAUNCH(q, (scatter_rows<adds, D, S>), un_blocks(src.rows, ROW_WARPS), ROW_THREADS, 0, (D *)dst.data,
              dst.stride, (const S *)src.data, src.stride, index, src.rows, src.cols,
              un_is_wide(dst) && un_is_wide(src));
}

template <class D>
static void embed_as(struct un_queue *q, struct un_mat r, const int32_t *id, const int32_t *pos,
                     struct un_mat word, struct un_mat position, struct un_mat type, const int32_t *kind) {
    const bool wide = un_is_wide(r) && un_is_wide(word) && un_is_wide(position) && un_is_wide(type);
    UN_BY_FLOAT(word.type, S,
                UN_LAUNCH(q, (embed_words<D, S>), un_blocks(r.rows, ROW_WARPS), ROW_THREADS, 0, (D *)r.data,
                          r.stride, id, pos, (const S *)word.data, word.stride, (const S *)position.data,
                          position.stride, (const float *)type.data, type.stride, kind, r.rows, r.cols, wide),
                (void)0);
}

template <class D, class S>
static void mask_as(struct un_queue *q, struct un_mat x, struct un_mat feature, const int32_t *index,
                    const uint8_t *masked, const float *mask_row) {
    UN_LAUNCH(q, (mask_features<D, S>), un_blocks(x.rows, ROW_WARPS), ROW_THREADS, 0, (D *)x.data, x.stride,
              (const S *)feature.data, feature.stride, index, masked, mask_row, x.rows, x.cols,
              un_is_wide(x) && un_is_wide(feature) && un_is_wide_array(mask_row));
}

void un_cuda_gather_rows(struct un_queue *q, struct un_mat dst, struct un_mat src, const int32_t *index) {
    if (nothing(dst) || !check_float(q, "gather_rows", dst) || !check_float(q, "gather_rows", src)) return;
    UN_BY_FLOAT(dst.type, D, UN_BY_FLOAT(src.type, S, (gather_as<D, S>(q, dst, src, index)), (void)0),
                (void)0);
}

void un_cuda_scatter_rows(struct un_queue *q, struct un_mat dst, struct un_mat src, const int32_t *index) {
    if (nothing(src) || !check_float(q, "scatter_rows", dst) || !check_float(q, "scatter_rows", src)) return;
    UN_BY_FLOAT(dst.type, D, UN_BY_FLOAT(src.type, S, (scatter_as<false, D, S>(q, dst, src, index)), (void)0),
                (void)0);
}

void un_cuda_scatter_add_rows(struct un_queue *q, struct un_mat dst, struct un_mat src,
                              const int32_t *index) {
    if (nothing(src) || !check_float(q, "scatter_add_rows", dst) || !check_float(q, "scatter_add_rows", src))
        return;
    UN_BY_FLOAT(dst.type, D, UN_BY_FLOAT(src.type, S, (scatter_as<true, D, S>(q, dst, src, index)), (void)0),
                (void)0);
}

void un_cuda_embed_words(struct un_queue *q, struct un_mat r, const int32_t *id, const int32_t *pos,
                         struct un_mat word, struct un_mat position, struct un_mat type,
                         const int32_t *kind) {
    if (nothing(r) || !check_float(q, "embed_words", r) || !check_float(q, "embed_words", word)) return;
    if (word.type != position.type || type.type != UN_F32) {
        un_cuda_fail(q, UN_INTERNAL,
                     "embed_words: tables of types %d, %d and %d, want one type for the first two and f32",
                     (int)word.type, (int)position.type, (int)type.type);
        return;
    }
    UN_BY_FLOAT(r.type, D, (embed_as<D>(q, r, id, pos, word, position, type, kind)), (void)0);
}

void un_cuda_mask_features(struct un_queue *q, struct un_mat x, struct un_mat feature, const int32_t *index,
                           const uint8_t *masked, const float *mask_row) {
    if (nothing(x) || !check_float(q, "mask_features", x)) return;
    if (feature.type == UN_F16)
        UN_BY_FLOAT(x.type, D, (mask_as<D, un_f16>(q, x, feature, index, masked, mask_row)), (void)0);
    else if (feature.type == UN_F32)
        UN_BY_FLOAT(x.type, D, (mask_as<D, float>(q, x, feature, index, masked, mask_row)), (void)0);
    else
        un_cuda_fail(q, UN_INTERNAL, "mask_features: features of type %d, want f16 or f32",
                     (int)feature.type);
}
