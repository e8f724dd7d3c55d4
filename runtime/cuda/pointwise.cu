/* Elementwise ops: matrices in strips (strip_walk.cuh), flat arrays in runs of 4,096 elements a block. All
 * are bound by memory; bytes an element at bf16: gelu_bwd, tanh_bwd and relu_bwd 6, dropout 4, add_row and add_relu 6,
 * un_cuda_activate 4, and 2 more where it writes pre too; codes of fp8 1 more; add 12 (f32); cast the sizes of both types. */
#include "runtime/cuda/strip_walk.cuh"

size_t un_cuda_pointwise_scratch(const struct un_limits *limits) {
    return un_strip_most(limits->max_width, 1);
}

static un_walk_args walk_of(struct un_mat out, struct un_mat a, struct un_mat b) {
    un_walk_args s = {};
    s.out = out, s.a = a, s.b = b;
    s.rows = out.rows, s.cols = out.cols;
    return s;
}

void un_cuda_gelu_bwd(struct un_queue *q, struct un_mat dz, float *dbias, struct un_mat dy, struct un_mat z) {
    const un_walk_args s = walk_of(dz, dy, z);
    if (dbias)
        un_walk_run<UN_WALK_GELU_SLOPE, true>(q, s, dbias, "gelu_bwd");
    else
        un_walk_run<UN_WALK_GELU_SLOPE, false>(q, s, NULL, "gelu_bwd");
}

void un_cuda_gelu_bwd_fp8(struct un_queue *q, struct un_mat dz, const struct un_codes *codes, float *dbias,
                          struct un_mat dy, struct un_mat z) {
    un_walk_args s = walk_of(dz, dy, z);
    if (!un_code_sink_of(q, &s.codes, codes, dz.rows, dz.cols, "gelu_bwd_fp8")) return;
    if (dbias)
        un_walk_run<UN_WALK_GELU_SLOPE, true, true>(q, s, dbias, "gelu_bwd_fp8");
    else
        un_walk_run<UN_WALK_GELU_SLOPE, false, true>(q, s, NULL, "gelu_bwd_fp8");
}

void un_cuda_tanh_bwd(struct un_queue *q, struct un_mat dz, struct un_mat dy, struct un_mat y) {
    un_walk_run<UN_WALK_TANH_SLOPE, false>(q, walk_of(dz, dy, y), NULL, "tanh_bwd");
}

void un_cuda_relu_bwd(struct un_queue *q, struct un_mat dz, float *dbias, struct un_mat dy, struct un_mat y) {
    const un_walk_args s = walk_of(dz, dy, y);
    if (dbias)
        un_walk_run<UN_WALK_RELU_SLOPE, true>(q, s, dbias, "relu_bwd");
    else
        un_walk_run<UN_WALK_RELU_SLOPE, false>(q, s, NULL, "relu_bwd");
}

void un_cuda_dropout(struct un_queue *q, struct un_mat y, struct un_mat x, const struct un_dropout *d) {
    un_walk_args s = walk_of(y, x, {});
    s.drop = un_dropout_or_none(d);
    un_walk_run<UN_WALK_DROPOUT, false>(q, s, NULL, "dropout");
}

void un_cuda_add_row(struct un_queue *q, struct un_mat r, struct un_mat a, struct un_mat b,
                     struct un_mat table, const int32_t *index) {
    un_walk_args s = walk_of(r, a, b);
    if (table.type != UN_F32) {
        un_cuda_fail(q, UN_INTERNAL, "add_row: a table of type %d, want f32", (int)table.type);
        return;
    }
    if (index) {
        s.table = table, s.index = index;
        un_walk_run<UN_WALK_ADD_ROWS, false>(q, s, NULL, "add_row");
    } else {
        s.row = table.data;
        un_walk_run<UN_WALK_ADD_ROW, false>(q, s, NULL, "add_row");
    }
}

void un_cuda_add_relu(struct un_queue *q, struct un_mat y, struct un_mat a, struct un_mat b) {
    un_walk_run<UN_WALK_ADD_RELU, false>(q, walk_of(y, a, b), NULL, "add_relu");
}

void un_cuda_activate(struct un_queue *q, struct un_mat c, struct un_mat from, struct un_mat pre,
                      const void *bias, enum un_type bias_type, enum un_activation activation,
                      const struct un_codes *codes) {
    un_walk_args s = walk_of(c, from, {});
    s.pre = pre;
    s.row = bias, s.row_type = bias_type;
    if (codes && activation == UN_ACT_GELU) {
        if (un_code_sink_of(q, &s.codes, codes, c.rows, c.cols, "activate"))
            un_walk_run<UN_WALK_BIAS_GELU, false, true>(q, s, NULL, "activate");
        return;
    }
    if (activation == UN_ACT_GELU)
        un_walk_run<UN_WALK_BIAS_GELU, false>(q, s, NULL, "activate");
    else if (activation == UN_ACT_TANH)
        un_walk_run<UN_WALK_BIAS_TANH, false>(q, s, NULL, "activate");
    else if (activation == UN_ACT_RELU)
        un_walk_run<UN_WALK_BIAS_RELU, false>(q, s, NULL, "activate");
    else
        un_walk_run<UN_WALK_BIAS, false>(q, s, NULL, "activate");
    if (codes) un_cuda_quantize(q, codes->to, {}, codes->amax, c, codes->scale);
}

/* ---- flat arrays: thread t of a block takes vectors t, t + 256, ... of the block's run ---- */

namespace {

enum { FLAT_THREADS = 256, FLAT_RUN = 4096 };

__global__ void __launch_bounds__(FLAT_THREADS)
    add_flat(float *dst, const float *src, int64_t count, bool wide) {
    enum { EACH = FLAT_RUN / FLAT_THREADS / 4 };
    const int64_t start = (int64_t)blockIdx.x * FLAT_RUN;
    if (!wide || start + FLAT_RUN > count) {
        for (int64_t i = start + threadIdx.x; i < start + FLAT_RUN && i < count; i += FLAT_THREADS)
            dst[i] += src[i];
        return;
    }
    float4 *d = (float4 *)(dst + start) + threadIdx.x;
    const float4 *s = (const float4 *)(src + start) + threadIdx.x;
    float4 a[EACH], b[EACH];
#pragma unroll
    for (int k = 0; k < EACH; ++k) a[k] = d[k * FLAT_THREADS], b[k] = s[k * FLAT_THREADS];
#pragma unroll
    for (int k = 0; k < EACH; ++k)
        d[k * FLAT_THREADS] = make_float4(a[k].x + b[k].x, a[k].y + b[k].y, a[k].z + b[k].z, a[k].w + b[k].w);
}

template <class To, class From>
__global__ void __launch_bounds__(FLAT_THREADS)
    cast_flat(To *dst, const From *src, int64_t count, bool wide) {
    enum { EACH = FLAT_RUN / FLAT_THREADS / UN_VEC };
    const int64_t start = (int64_t)blockIdx.x * FLAT_RUN;
    if (!wide || start + FLAT_RUN > count) {
        for (int64_t i = start + threadIdx.x; i < start + FLAT_RUN && i < count; i += FLAT_THREADS)
            un_store(dst + i, un_load(src + i));
        return;
    }
    const int64_t first = start + threadIdx.x * UN_VEC;
    float v[EACH][UN_VEC];
#pragma unroll
    for (int k = 0; k < EACH; ++k) un_load8(v[k], src + first + k * FLAT_THREADS * UN_VEC, UN_VEC, true);
#pragma unroll
    for (int k = 0; k < EACH; ++k) un_store8(dst + first + k * FLAT_THREADS * UN_VEC, v[k], UN_VEC, true);
}

template <class To>
void cast_to(struct un_queue *q, To *dst, const void *src, enum un_type src_type, int64_t count) {
    const bool wide = un_is_wide_array(dst) && un_is_wide_array(src);
    const unsigned grid = un_blocks(count, FLAT_RUN);
    if (src_type == UN_F32)
        UN_LAUNCH(q, (cast_flat<To, float>), grid, FLAT_THREADS, 0, dst, (const float *)src, count, wide);
    else if (src_type == UN_BF16)
        UN_LAUNCH(q, (cast_flat<To, un_bf16>), grid, FLAT_THREADS, 0, dst, (const un_bf16 *)src, count, wide);
    else
        UN_LAUNCH(q, (cast_flat<To, un_f16>), grid, FLAT_THREADS, 0, dst, (const un_f16 *)src, count, wide);
}

bool is_float(enum un_type t) {
    return t == UN_F32 || t == UN_BF16 || t == UN_F16;
}

} // namespace

void un_cuda_add(struct un_queue *q, float *dst, const float *src, int64_t count) {
    if (count == 0) return;
    UN_LAUNCH(q, add_flat, un_blocks(count, FLAT_RUN), FLAT_THREADS, 0, dst, src, count,
              un_is_wide_array(dst) && un_is_wide_array(src));
}

void un_cuda_zero(struct un_queue *q, void *ptr, size_t bytes) {
    if (bytes) un_cuda_check(q, cudaMemsetAsync(ptr, 0, bytes, q->stream), "zero");
}

void un_cuda_cast(struct un_queue *q, void *dst, enum un_type dst_type, const void *src,
                  enum un_type src_type, int64_t count) {
    if (!is_float(dst_type) || !is_float(src_type)) {
        un_cuda_fail(q, UN_INTERNAL, "cast: no conversion from type %d to type %d", (int)src_type,
                     (int)dst_type);
        return;
    }
    if (count == 0) return;
    if (dst_type == UN_F32)
        cast_to(q, (float *)dst, src, src_type, count);
    else if (dst_type == UN_BF16)
        cast_to(q, (un_bf16 *)dst, src, src_type, count);
    else
        cast_to(q, (un_f16 *)dst, src, src_type, count);
}
