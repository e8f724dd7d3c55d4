/* Matrices walked in strips, and sums over their columns.
 *
 * A strip is UN_STRIP_COLS columns: a thread owns eight neighbouring ones (16 bytes of bf16), a warp one row
 * of the strip, a block UN_STRIP_LANES rows at a time of the `height` rows that are its own. A column sum is
 * thus: rows lane, lane + UN_STRIP_LANES, ... of the block by one thread in order, the lanes in order, then
 * the blocks as sum_blocks in reduce.cu adds them. Every op that sums over rows keeps to this, so that a sum
 * taken inside another op has the bits of col_sum. Where values are stored and summed, the sum takes what was
 * stored; the product that makes it is __fmul_rn, which the compiler does not join with the sum.
 *
 * T is the one type of all matrices when they can be read in vectors; un_any is for everything else: any
 * types, addresses and strides, element by element, by the same threads in the same order. */
#ifndef UN_RUNTIME_CUDA_STRIP_CUH
#define UN_RUNTIME_CUDA_STRIP_CUH

#include "runtime/cuda/raw.cuh"

enum {
    UN_STRIP_COLS = UN_WARP * UN_VEC,
    UN_STRIP_LANES = 4,
    UN_STRIP_THREADS = UN_STRIP_LANES * UN_WARP,
    UN_STRIP_LEAST = 32, /* rows of a block, unless there are fewer */
    UN_STRIP_BLOCKS =
        396, /* at most, over the rows: three for each of 132 multiprocessors; 16,896 rows make 393 */
    /* Two for each: of so many columns norm_bwd holds four vectors a thread, and a multiprocessor two of its
     * blocks, which 396 would make one wave and a half. */
    UN_STRIP_BLOCKS_FOUR = 264,
    UN_STRIP_PARTIAL = UN_STRIP_BLOCKS * 3072 /* floats of partial sums: wider matrices get fewer blocks */
};

/* How the rows are cut, by shape alone. */
struct un_strips {
    int64_t height, blocks;
};
static inline struct un_strips un_strips_of(int64_t rows, int64_t cols) {
    const bool four = (cols + UN_STRIP_COLS - 1) / UN_STRIP_COLS == 4;
    const int64_t fill = four ? UN_STRIP_BLOCKS_FOUR : UN_STRIP_BLOCKS;
    int64_t most = UN_STRIP_PARTIAL / cols;
    if (most > fill) most = fill;
    if (most < 1) most = 1;
    int64_t height = (rows + most - 1) / most;
    if (height < UN_STRIP_LEAST) height = UN_STRIP_LEAST;
    return {height, (rows + height - 1) / height};
}
/* Bytes of so many partial sums, as the arena counts them. */
static inline size_t un_strip_bytes(size_t floats) {
    return (floats * sizeof(float) + UN_ALIGN - 1) / UN_ALIGN * UN_ALIGN;
}
/* What any matrix up to `width` columns needs of them. */
static inline size_t un_strip_most(int64_t width, int kinds) {
    int64_t whole = UN_STRIP_BLOCKS * width, most = UN_STRIP_PARTIAL;
    if (width > most) most = width;
    return un_strip_bytes((size_t)kinds * (size_t)(whole < most ? whole : most));
}
/* The partial sums of an op, from the queue's scratch; NULL when they do not fit (the error sticks). */
static inline float *un_strip_take(struct un_queue *q, struct un_strips cut, int64_t cols, int kinds,
                                   const char *op) {
    const size_t floats = (size_t)kinds * (size_t)(cut.blocks * cols);
    struct un_arena arena;
    if (!un_cuda_scratch(q, &arena, un_strip_bytes(floats), op)) return NULL;
    return (float *)un_arena_take(&arena, floats, sizeof(float));
}

/* dst[k][j] += sum over blocks of partial[(k * blocks + block) * cols + j], k < kinds; dst[k] NULL: left out.
 * Defined in reduce.cu. */
enum { UN_STRIP_KINDS = 3 };
struct un_strip_sums {
    float *dst[UN_STRIP_KINDS];
    const float *partial;
    int64_t blocks, cols;
};
void un_strip_add(struct un_queue *q, const struct un_strip_sums *sums, int kinds);

/* ---- eight elements as they lie in memory ---- */

struct un_any {};

template <> struct un_raw8<un_any> { float v[UN_VEC]; };

__device__ __forceinline__ float un_load_any(const void *p, enum un_type type, int64_t i) {
    if (type == UN_F32) return un_load((const float *)p + i);
    return type == UN_BF16 ? un_load((const un_bf16 *)p + i) : un_load((const un_f16 *)p + i);
}
/* Stores v and gives what was stored. */
__device__ __forceinline__ float un_store_any(void *p, enum un_type type, int64_t i, float v) {
    if (type == UN_F32) un_store((float *)p + i, v);
    if (type == UN_BF16) un_store((un_bf16 *)p + i, v);
    if (type == UN_F16) un_store((un_f16 *)p + i, v);
    return type == UN_F32 ? v : type == UN_BF16 ? un_rounded<un_bf16>(v) : un_rounded<un_f16>(v);
}

/* Elements [col, col + 8) of a row; zeros unless `there`. The whole vector must lie in the row. */
__device__ __forceinline__ void un_fetch8(un_raw8<float> &raw, const struct un_mat &m, int64_t row,
                                          int64_t col, bool there) {
    const float4 *p = (const float4 *)((const float *)m.data + row * m.stride + col);
    raw.a = there ? p[0] : make_float4(0.0f, 0.0f, 0.0f, 0.0f);
    raw.b = there ? p[1] : make_float4(0.0f, 0.0f, 0.0f, 0.0f);
}
__device__ __forceinline__ void un_fetch8(un_raw8<un_bf16> &raw, const struct un_mat &m, int64_t row,
                                          int64_t col, bool there) {
    const uint4 *p = (const uint4 *)((const un_bf16 *)m.data + row * m.stride + col);
    raw.w = there ? *p : make_uint4(0, 0, 0, 0);
}
/* What lies beyond the row is zero too. */
__device__ __forceinline__ void un_fetch8(un_raw8<un_any> &raw, const struct un_mat &m, int64_t row,
                                          int64_t col, bool there) {
#pragma unroll
    for (int i = 0; i < UN_VEC; ++i)
        raw.v[i] = there && col + i < m.cols ? un_load_any(m.data, m.type, row * m.stride + col + i) : 0.0f;
}

__device__ __forceinline__ void un_raw_floats(float v[UN_VEC], const un_raw8<un_any> &raw) {
#pragma unroll
    for (int i = 0; i < UN_VEC; ++i) v[i] = raw.v[i];
}

/* Stores v at [col, col + 8) of a row; v becomes what was stored. */
template <class T>
__device__ __forceinline__ void un_put8(const struct un_mat &m, int64_t row, int64_t col, float v[UN_VEC]);
template <>
__device__ __forceinline__ void un_put8<float>(const struct un_mat &m, int64_t row, int64_t col,
                                               float v[UN_VEC]) {
    float4 *p = (float4 *)((float *)m.data + row * m.stride + col);
    p[0] = make_float4(v[0], v[1], v[2], v[3]);
    p[1] = make_float4(v[4], v[5], v[6], v[7]);
}
template <>
__device__ __forceinline__ void un_put8<un_bf16>(const struct un_mat &m, int64_t row, int64_t col,
                                                 float v[UN_VEC]) {
    un_raw8<un_bf16> raw;
    raw.w = make_uint4(un_pack_bf16(v[0], v[1]), un_pack_bf16(v[2], v[3]), un_pack_bf16(v[4], v[5]),
                       un_pack_bf16(v[6], v[7]));
    *(uint4 *)((un_bf16 *)m.data + row * m.stride + col) = raw.w;
    un_raw_floats(v, raw);
}
template <>
__device__ __forceinline__ void un_put8<un_any>(const struct un_mat &m, int64_t row, int64_t col,
                                                float v[UN_VEC]) {
#pragma unroll
    for (int i = 0; i < UN_VEC; ++i)
        if (col + i < m.cols) v[i] = un_store_any(m.data, m.type, row * m.stride + col + i, v[i]);
}

template <class T> constexpr bool un_is_any = false;
template <> constexpr bool un_is_any<un_any> = true;

/* v rounded to the type of a matrix, as it is stored there, back in raw. */
__device__ __forceinline__ void un_raw_put(un_raw8<float> &raw, enum un_type, const float v[UN_VEC]) {
    raw.a = make_float4(v[0], v[1], v[2], v[3]);
    raw.b = make_float4(v[4], v[5], v[6], v[7]);
}
__device__ __forceinline__ void un_raw_put(un_raw8<un_bf16> &raw, enum un_type, const float v[UN_VEC]) {
    raw.w = make_uint4(un_pack_bf16(v[0], v[1]), un_pack_bf16(v[2], v[3]), un_pack_bf16(v[4], v[5]),
                       un_pack_bf16(v[6], v[7]));
}
__device__ __forceinline__ void un_raw_put(un_raw8<un_any> &raw, enum un_type type, const float v[UN_VEC]) {
#pragma unroll
    for (int i = 0; i < UN_VEC; ++i)
        raw.v[i] = type == UN_F32    ? v[i]
                   : type == UN_BF16 ? un_rounded<un_bf16>(v[i])
                                     : un_rounded<un_f16>(v[i]);
}

/* Elements [col, col + 8) of a line of f32, zeros beyond cols; in vectors when the matrices are (T). */
template <class T>
__device__ __forceinline__ void un_line8(float v[UN_VEC], const float *line, int64_t col, int64_t cols) {
    if (un_is_any<T>) {
        un_load8(v, line + col, cols - col, false);
        return;
    }
    const float4 *p = (const float4 *)(line + col), zero = make_float4(0.0f, 0.0f, 0.0f, 0.0f);
    const un_raw8<float> raw = {col < cols ? p[0] : zero, col < cols ? p[1] : zero};
    un_raw_floats(v, raw);
}

/* Host: may these matrices be taken as T (of this type) in vectors of 16 bytes? One that is not there agrees
 * with all. */
static inline bool un_strip_agree(const struct un_mat *m, int count, enum un_type type) {
    bool yes = true;
    for (int i = 0; i < count; ++i) yes = yes && (!m[i].data || (m[i].type == type && un_is_wide(m[i])));
    return yes;
}
/* Host: are the types ones that a kernel can read? If not, an error sticks. */
static inline bool un_strip_are_float(struct un_queue *q, const struct un_mat *m, int count, const char *op) {
    for (int i = 0; i < count; ++i)
        if (m[i].data && m[i].type != UN_F32 && m[i].type != UN_BF16 && m[i].type != UN_F16) {
            un_cuda_fail(q, UN_INTERNAL, "%s: no matrix of type %d", op, (int)m[i].type);
            return false;
        }
    return true;
}

/* Dropout with its counters read once, not at every group. */
struct un_drawer {
    un_dropout d;
    uint32_t at[2];
};
__device__ __forceinline__ un_drawer un_drawer_of(const un_dropout &d) {
    un_drawer w = {d, {0, 0}};
    if (d.threshold != 0) w.at[0] = d.at[0], w.at[1] = d.at[1];
    return w;
}
/* f[i] = factor of element 8 * group + i. */
__device__ __forceinline__ void un_draw8(float f[UN_VEC], const un_drawer &w, uint32_t group) {
    un_dropout d = w.d;
    d.at = w.at;
    un_dropout8(f, d, group);
}

/* raw = dropout(raw), elements of a type, as the op stores them. */
template <class T>
__device__ __forceinline__ void un_raw_drop(un_raw8<T> &raw, enum un_type type, const un_drawer &w,
                                            uint32_t group) {
    float v[UN_VEC], f[UN_VEC];
    if (w.d.threshold == 0) return;
    un_raw_floats(v, raw);
    un_draw8(f, w, group);
#pragma unroll
    for (int i = 0; i < UN_VEC; ++i) v[i] = __fmul_rn(v[i], f[i]);
    un_raw_put(raw, type, v);
}

/* The lanes' sums of one strip, added in order; dst: where the strip's first column of the block's partial
 * sums lies, `left` columns from there on exist. All threads of the block (32 x UN_STRIP_LANES) take part. */
__device__ __forceinline__ void un_strip_fold(float (*part)[UN_STRIP_COLS], const float sum[UN_VEC],
                                              float *dst, int64_t left) {
    const int x = (int)threadIdx.x, y = (int)threadIdx.y;
    __syncthreads(); /* part may still be read */
    float4 *p = (float4 *)&part[y][x * UN_VEC];
    p[0] = make_float4(sum[0], sum[1], sum[2], sum[3]);
    p[1] = make_float4(sum[4], sum[5], sum[6], sum[7]);
    __syncthreads();
    for (int c = y * UN_WARP + x; c < UN_STRIP_COLS && c < left; c += UN_STRIP_THREADS) {
        float s = part[0][c];
#pragma unroll
        for (int lane = 1; lane < UN_STRIP_LANES; ++lane) s += part[lane][c];
        dst[c] = s;
    }
}

#endif
