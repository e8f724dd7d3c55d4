/* Self-attention of any type, head width and alignment: f32 arithmetic, element by element (attention_plain.cuh). Used
 * for train.precision fp32 and small networks: it aims at a tenth of the card's f32 rate, not more. */
#include "runtime/cuda/attention_plain.cuh"

namespace {

template <class T>
__global__ void __launch_bounds__(THREADS)
    attention_fwd_plain_kernel(T *out, int64_t out_stride, float *lse, const T *qkv, int64_t stride,
                               int width, float scale, un_attention call) {
    UN_DYNAMIC_SHARED(shared);
    const un_attention_part p = un_attention_part_of(call, (int)blockIdx.x);
    const int own = (int)blockIdx.y * OWN, hidden = call.heads * width;
    const head<T> to = head_of(out, out_stride, p, width, 0);
    lse += (int64_t)p.first * call.heads + p.head;
    if (p.tail >= 0) {
        if (own > 0) return;
        tail_zero(to, width, p);
        tail_zero_lse(lse, call.heads, p);
        return;
    }
    if (own >= p.tokens) return;
    const room r = room_of(shared, p.tokens);
    const head<const T> query = head_of(qkv, stride, p, width, 0),
                        key = head_of(qkv, stride, p, width, hidden),
                        value = head_of(qkv, stride, p, width, 2 * hidden);
    product_scores(r.score, r, query, own, p.tokens, key, p.tokens, width);
    __syncthreads();
    for (int i = (int)threadIdx.x / UN_WARP; i < OWN && own + i < p.tokens; i += WARPS) {
        const float sum = softmax_row(r.score + i * r.pitch, r.pitch, p.tokens, scale, call.drop,
                                      un_attention_group(call, p.first + own + i, p.head));
        if (threadIdx.x % UN_WARP == 0) lse[(own + i) * call.heads] = sum;
    }
    product_mix(to, own, p.tokens, r.score, r, value, p.tokens, width);
}

/* What the backward takes besides the call. */
template <class T> struct plain_matrices {
    T *dqkv;
    const T *dout, *out, *qkv;
    int64_t dqkv_stride, dout_stride, out_stride, qkv_stride;
};

/* blockIdx.z 0: dq of 16 queries; 1: dk and dv of 16 keys. */
template <class T>
__global__ void __launch_bounds__(THREADS)
    attention_bwd_plain_kernel(plain_matrices<T> m, const float *lse, int width, float scale,
                               un_attention call) {
    UN_DYNAMIC_SHARED(shared);
    const un_attention_part p = un_attention_part_of(call, (int)blockIdx.x);
    const int own = (int)blockIdx.y * OWN, hidden = call.heads * width;
    const head<T> to = head_of(m.dqkv, m.dqkv_stride, p, width, 0);
    if (p.tail >= 0) {
        if (own > 0 || blockIdx.z > 0) return;
        for (int third = 0; third < 3; ++third)
            tail_zero(head<T>{to.at + third * hidden, to.stride}, width, p);
        return;
    }
    if (own >= p.tokens) return;
    const room r = room_of(shared, p.tokens);
    const head<const T> query = head_of(m.qkv, m.qkv_stride, p, width, 0),
                        key = head_of(m.qkv, m.qkv_stride, p, width, hidden),
                        value = head_of(m.qkv, m.qkv_stride, p, width, 2 * hidden),
                        dout = head_of(m.dout, m.dout_stride, p, width, 0);
    sum_rows(r, head_of(m.out, m.out_stride, p, width, 0), dout, lse + (int64_t)p.first * call.heads + p.head,
             call.heads, p.tokens, width);
    if (blockIdx.z == 0) {
        product_scores(r.score, r, query, own, p.tokens, key, p.tokens, width);
        product_scores(r.slope, r, dout, own, p.tokens, value, p.tokens, width);
        __syncthreads();
        for (int i = (int)threadIdx.x; i < OWN * r.pitch / UN_VEC; i += THREADS) {
            const int row = i % OWN, u = i / OWN * UN_VEC, at = row * r.pitch + u;
            const bool there = own + row < p.tokens;
            slopes(r.score + at, r.slope + at, 1, there ? r.lse[own + row] : 0.0f,
                   there ? r.delta[own + row] : 0.0f, scale, call.drop,
                   un_attention_group(call, p.first + own + row, p.head) + (uint32_t)(u / UN_VEC),
                   there ? p.tokens - u : 0);
        }
        product_mix(to, own, p.tokens, r.slope, r, key, p.tokens, width);
    } else {
        product_scores(r.score, r, key, own, p.tokens, query, p.tokens, width);
        product_scores(r.slope, r, value, own, p.tokens, dout, p.tokens, width);
        __syncthreads();
        for (int i = (int)threadIdx.x; i < OWN * r.pitch / UN_VEC; i += THREADS) {
            const int u = i % r.pitch, row = i / r.pitch * UN_VEC, at = row * r.pitch + u;
            const bool there = u < p.tokens;
            slopes(r.score + at, r.slope + at, r.pitch, there ? r.lse[u] : 0.0f, there ? r.delta[u] : 0.0f,
                   scale, call.drop,
                   un_attention_group(call, p.first + u, p.head) + (uint32_t)((own + row) / UN_VEC),
                   there ? p.tokens - own - row : 0);
        }
        product_mix(head<T>{to.at + hidden, to.stride}, own, p.tokens, r.slope, r, query, p.tokens, width);
        product_mix(head<T>{to.at + 2 * hidden, to.stride}, own, p.tokens, r.score, r, dout, p.tokens, width);
    }
}

dim3 grid_of(const un_attention &call, unsigned z) {
    return dim3(un_attention_blocks(call, true), call.most > OWN ? un_blocks(call.most, OWN) : 1, z);
}

template <class T>
void launch_fwd(struct un_queue *q, struct un_mat out, float *lse, struct un_mat qkv,
                const un_attention &call) {
    const int width = (int)(out.cols / call.heads);
    const size_t bytes = room_bytes(call.most, false);
    UN_SHARED_MOST(q, attention_fwd_plain_kernel<T>, bytes);
    UN_LAUNCH(q, attention_fwd_plain_kernel<T>, grid_of(call, 1), THREADS, bytes, (T *)out.data, out.stride,
              lse, (const T *)qkv.data, qkv.stride, width, 1.0f / sqrtf((float)width), call);
}

template <class T>
void launch_bwd(struct un_queue *q, struct un_mat dqkv, struct un_mat dout, struct un_mat out,
                const float *lse, struct un_mat qkv, const un_attention &call) {
    const int width = (int)(out.cols / call.heads);
    const size_t bytes = room_bytes(call.most, true);
    const plain_matrices<T> m = {
        (T *)dqkv.data, (const T *)dout.data, (const T *)out.data, (const T *)qkv.data,
        dqkv.stride,    dout.stride,          out.stride,          qkv.stride};
    UN_SHARED_MOST(q, attention_bwd_plain_kernel<T>, bytes);
    UN_LAUNCH(q, attention_bwd_plain_kernel<T>, grid_of(call, 2), THREADS, bytes, m, lse, width,
              1.0f / sqrtf((float)width), call);
}

} // namespace

void un_attention_fwd_plain(struct un_queue *q, struct un_mat out, float *lse, struct un_mat qkv,
                            struct un_attention call) {
    UN_BY_FLOAT(out.type, T, launch_fwd<T>(q, out, lse, qkv, call), (void)0);
}

void un_attention_bwd_plain(struct un_queue *q, struct un_mat dqkv, struct un_mat dout, struct un_mat out,
                            const float *lse, struct un_mat qkv, struct un_attention call) {
    UN_BY_FLOAT(out.type, T, launch_bwd<T>(q, dqkv, dout, out, lse, qkv, call), (void)0);
}
