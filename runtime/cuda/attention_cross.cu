/* Attention from one packed batch to another, of any type, head width and alignment: f32 arithmetic, element by element
 * (attention_plain.cuh). A network has at most two of these behind its layers, over short samples. */
#include "runtime/cuda/attention_plain.cuh"

namespace {

/* Both sides by value. Blocks stand for the same sample and head on both. */
struct sides {
    un_attention queries, keys;
    int width;
    float scale;
};

/* The operands of one type; gradients: the backward alone. */
template <class T> struct cross_matrices {
    T *out; /* or dquery */
    T *dkey_value;
    const T *query, *key_value, *dout, *kept; /* kept: out of the forward */
    int64_t out_stride, dkey_value_stride, query_stride, key_value_stride, dout_stride, kept_stride;
};

template <class T>
__global__ void __launch_bounds__(THREADS)
    cross_attention_fwd_kernel(const cross_matrices<T> m, float *lse, const sides c) {
    UN_DYNAMIC_SHARED(shared);
    const un_attention_part p = un_attention_part_of(c.queries, (int)blockIdx.x),
                            k = un_attention_part_of(c.keys, (int)blockIdx.x);
    const int own = (int)blockIdx.y * OWN, heads = c.queries.heads, width = c.width;
    const head<T> to = head_of(m.out, m.out_stride, p, width, 0);
    lse += (int64_t)p.first * heads + p.head;
    if (p.tail >= 0) {
        if (own > 0) return;
        tail_zero(to, width, p);
        tail_zero_lse(lse, heads, p);
        return;
    }
    if (own >= p.tokens) return;
    const room r = room_of(shared, k.tokens);
    const head<const T> query = head_of(m.query, m.query_stride, p, width, 0),
                        key = head_of(m.key_value, m.key_value_stride, k, width, 0),
                        value = head_of(m.key_value, m.key_value_stride, k, width, heads * width);
    product_scores(r.score, r, query, own, p.tokens, key, k.tokens, width);
    __syncthreads();
    for (int i = (int)threadIdx.x / UN_WARP; i < OWN && own + i < p.tokens; i += WARPS) {
        float sum = 0.0f;
        if (k.tokens > 0)
            sum = softmax_row(r.score + i * r.pitch, r.pitch, k.tokens, c.scale, c.queries.drop,
                              un_attention_group(c.queries, p.first + own + i, p.head));
        if (threadIdx.x % UN_WARP == 0) lse[(own + i) * heads] = sum;
    }
    product_mix(to, own, p.tokens, r.score, r, value, k.tokens, width);
}

template <class T> __device__ __forceinline__ head<const T> rows_from(head<const T> h, int row) {
    return {h.at + row * h.stride, h.stride};
}

/* dq of queries [own, own + 16). */
template <class T>
__global__ void __launch_bounds__(THREADS)
    cross_attention_queries_kernel(const cross_matrices<T> m, const float *lse, const sides c) {
    UN_DYNAMIC_SHARED(shared);
    const un_attention_part p = un_attention_part_of(c.queries, (int)blockIdx.x),
                            k = un_attention_part_of(c.keys, (int)blockIdx.x);
    const int own = (int)blockIdx.y * OWN, heads = c.queries.heads, width = c.width;
    const head<T> to = head_of(m.out, m.out_stride, p, width, 0);
    if (p.tail >= 0) {
        if (own == 0) tail_zero(to, width, p);
        return;
    }
    if (own >= p.tokens) return;
    const room r = room_of(shared, k.tokens);
    const int rows = p.tokens - own < OWN ? p.tokens - own : OWN;
    const head<const T> dout = head_of(m.dout, m.dout_stride, p, width, 0),
                        key = head_of(m.key_value, m.key_value_stride, k, width, 0);
    if (k.tokens > 0)
        sum_rows(r, rows_from(head_of(m.kept, m.kept_stride, p, width, 0), own), rows_from(dout, own),
                 lse + (int64_t)(p.first + own) * heads + p.head, heads, rows, width);
    product_scores(r.score, r, head_of(m.query, m.query_stride, p, width, 0), own, p.tokens, key, k.tokens,
                   width);
    product_scores(r.slope, r, dout, own, p.tokens,
                   head_of(m.key_value, m.key_value_stride, k, width, heads * width), k.tokens, width);
    __syncthreads();
    for (int i = (int)threadIdx.x; i < OWN * r.pitch / UN_VEC; i += THREADS) {
        const int row = i % OWN, u = i / OWN * UN_VEC, at = row * r.pitch + u;
        const bool there = row < rows;
        slopes(r.score + at, r.slope + at, 1, there ? r.lse[row] : 0.0f, there ? r.delta[row] : 0.0f, c.scale,
               c.queries.drop,
               un_attention_group(c.queries, p.first + own + row, p.head) + (uint32_t)(u / UN_VEC),
               there ? k.tokens - u : 0);
    }
    product_mix(to, own, p.tokens, r.slope, r, key, k.tokens, width);
}

/* dk and dv of keys [own, own + 16). Seven blocks of a multiprocessor: 72 registers a thread, and none is spilled. */
template <class T>
__global__ void __launch_bounds__(THREADS, 7)
    cross_attention_keys_kernel(const cross_matrices<T> m, const float *lse, const sides c) {
    UN_DYNAMIC_SHARED(shared);
    const un_attention_part p = un_attention_part_of(c.queries, (int)blockIdx.x),
                            k = un_attention_part_of(c.keys, (int)blockIdx.x);
    const int own = (int)blockIdx.y * OWN, heads = c.queries.heads, width = c.width;
    const head<T> to = head_of(m.dkey_value, m.dkey_value_stride, k, width, 0);
    if (k.tail >= 0) {
        for (int half = 0; own == 0 && half < 2; ++half)
            tail_zero(head<T>{to.at + half * heads * width, to.stride}, width, k);
        return;
    }
    if (own >= k.tokens) return;
    const room r = room_of(shared, p.tokens);
    const head<const T> dout = head_of(m.dout, m.dout_stride, p, width, 0),
                        query = head_of(m.query, m.query_stride, p, width, 0);
    sum_rows(r, head_of(m.kept, m.kept_stride, p, width, 0), dout, lse + (int64_t)p.first * heads + p.head,
             heads, p.tokens, width);
    product_scores(r.score, r, head_of(m.key_value, m.key_value_stride, k, width, 0), own, k.tokens, query,
                   p.tokens, width);
    product_scores(r.slope, r, head_of(m.key_value, m.key_value_stride, k, width, heads * width), own,
                   k.tokens, dout, p.tokens, width);
    __syncthreads();
    for (int i = (int)threadIdx.x; i < OWN * r.pitch / UN_VEC; i += THREADS) {
        const int u = i % r.pitch, row = i / r.pitch * UN_VEC, at = row * r.pitch + u;
        const bool there = u < p.tokens;
        slopes(r.score + at, r.slope + at, r.pitch, there ? r.lse[u] : 0.0f, there ? r.delta[u] : 0.0f,
               c.scale, c.queries.drop,
               un_attention_group(c.queries, p.first + u, p.head) + (uint32_t)((own + row) / UN_VEC),
               there ? k.tokens - own - row : 0);
    }
    product_mix(to, own, k.tokens, r.slope, r, query, p.tokens, width);
    product_mix(head<T>{to.at + heads * width, to.stride}, own, k.tokens, r.score, r, dout, p.tokens, width);
}

/* ---- host ---- */

/* Blocks for 16 rows each of one side. */
dim3 grid_of(const un_attention &side) {
    return dim3(un_attention_blocks(side, true), side.most > OWN ? un_blocks(side.most, OWN) : 1);
}

template <class T>
void launch_fwd(struct un_queue *q, struct un_mat out, float *lse, struct un_mat query,
                struct un_mat key_value, const sides &c) {
    cross_matrices<T> m = {};
    m.out = (T *)out.data, m.out_stride = out.stride;
    m.query = (const T *)query.data, m.query_stride = query.stride;
    m.key_value = (const T *)key_value.data, m.key_value_stride = key_value.stride;
    const size_t bytes = room_bytes(c.keys.most, false);
    UN_SHARED_MOST(q, cross_attention_fwd_kernel<T>, bytes);
    UN_LAUNCH(q, cross_attention_fwd_kernel<T>, grid_of(c.queries), THREADS, bytes, m, lse, c);
}

template <class T>
void launch_bwd(struct un_queue *q, struct un_mat dquery, struct un_mat dkey_value, struct un_mat dout,
                struct un_mat out, const float *lse, struct un_mat query, struct un_mat key_value,
                const sides &c) {
    const cross_matrices<T> m = {
        (T *)dquery.data,     (T *)dkey_value.data, (const T *)query.data, (const T *)key_value.data,
        (const T *)dout.data, (const T *)out.data,  dquery.stride,         dkey_value.stride,
        query.stride,         key_value.stride,     dout.stride,           out.stride};
    const size_t of_queries = room_bytes(c.keys.most, true), of_keys = room_bytes(c.queries.most, true);
    UN_SHARED_MOST(q, cross_attention_queries_kernel<T>, of_queries);
    UN_SHARED_MOST(q, cross_attention_keys_kernel<T>, of_keys);
    UN_LAUNCH(q, cross_attention_queries_kernel<T>, grid_of(c.queries), THREADS, of_queries, m, lse, c);
    UN_LAUNCH(q, cross_attention_keys_kernel<T>, grid_of(c.keys), THREADS, of_keys, m, lse, c);
}

/* False, and an error on the queue, for operands that no kernel may see. */
bool is_sound(struct un_queue *q, struct un_mat query, struct un_mat key_value,
              const struct un_layout *queries, const struct un_layout *keys, int64_t heads) {
    const int64_t blocks = (queries->samples + UN_ATTENTION_TAIL) * heads;
    const int64_t rows = query.rows > key_value.rows ? query.rows : key_value.rows;
    const int64_t longest = queries->longest > keys->longest ? queries->longest : keys->longest;
    if (heads >= 1 && query.cols % heads == 0 && key_value.cols == 2 * query.cols &&
        longest <= UN_MAX_SAMPLE_TOKENS && blocks <= INT32_MAX && rows <= INT32_MAX &&
        queries->samples == keys->samples)
        return true;
    un_cuda_fail(
        q, UN_INTERNAL,
        "cross_attention: %lld samples of %lld columns to %lld of %lld, %lld heads, up to %lld tokens",
        (long long)queries->samples, (long long)query.cols, (long long)keys->samples,
        (long long)key_value.cols, (long long)heads, (long long)longest);
    return false;
}

/* All of one type that a kernel reads. */
bool are_alike(struct un_queue *q, const struct un_mat *m, int count) {
    for (int i = 0; i < count; ++i)
        if (m[i].type != m[0].type || (m[i].type != UN_F32 && m[i].type != UN_BF16)) {
            un_cuda_fail(q, UN_INTERNAL, "cross_attention: operands of types %d and %d", (int)m[0].type,
                         (int)m[i].type);
            return false;
        }
    return true;
}

sides sides_of(struct un_mat query, struct un_mat key_value, const struct un_layout *queries,
               const struct un_layout *keys, int64_t heads, const struct un_dropout *drop) {
    const int width = (int)(query.cols / heads);
    return {un_attention_call(queries, query.rows, heads, drop),
            un_attention_call(keys, key_value.rows, heads, NULL), width, 1.0f / sqrtf((float)width)};
}

} // namespace

void un_cuda_cross_attention_fwd(struct un_queue *q, struct un_mat out, float *lse, struct un_mat query,
                                 struct un_mat key_value, const struct un_layout *queries,
                                 const struct un_layout *keys, int64_t heads, const struct un_dropout *drop) {
    const struct un_mat all[] = {query, key_value, out};
    if (!is_sound(q, query, key_value, queries, keys, heads) || !are_alike(q, all, 3) || out.rows == 0)
        return;
    const sides c = sides_of(query, key_value, queries, keys, heads, drop);
    UN_BY_FLOAT(out.type, T, launch_fwd<T>(q, out, lse, query, key_value, c), (void)0);
}

void un_cuda_cross_attention_bwd(struct un_queue *q, struct un_mat dquery, struct un_mat dkey_value,
                                 struct un_mat dout, struct un_mat out, const float *lse, struct un_mat query,
                                 struct un_mat key_value, const struct un_layout *queries,
                                 const struct un_layout *keys, int64_t heads, const struct un_dropout *drop) {
    const struct un_mat all[] = {query, key_value, out, dout, dquery, dkey_value};
    if (!is_sound(q, query, key_value, queries, keys, heads) || !are_alike(q, all, 6)) return;
    if (dquery.rows == 0 && dkey_value.rows == 0) return;
    const sides c = sides_of(query, key_value, queries, keys, heads, drop);
    UN_BY_FLOAT(out.type, T, launch_bwd<T>(q, dquery, dkey_value, dout, out, lse, query, key_value, c),
                (void)0);
}
