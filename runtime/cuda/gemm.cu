/* The backend's own matrix products, for what cuBLASLt is not asked for or does not do: mixed types, thin
 * matrices, short inner dimensions; and the ops gemm and linear_grad, which ask cuBLASLt first.
 *
 * A block owns 64 x 64 outputs, a thread 4 x 4 of them; both factors go through shared memory as f32, 16
 * inner elements at a time, and every output is one chain of fused multiply-adds with k ascending. Where
 * outputs are few and the inner dimension long, it is cut into pieces (grid z) whose sums are added in order
 * by a second kernel. Elements are read one by one, neighbours by neighbouring threads, whatever the
 * alignment. Bytes: each factor once for every 64 rows or columns of the other; that is for small products,
 * not for large ones. */
#include "runtime/cuda/kernel.cuh"

namespace {

enum {
    TILE = 64,
    DEPTH = 16,
    THREADS = 256,
    EACH = 4,
    ROW = TILE + 4 /* rows of 16 bytes, off by 4 banks */
};
/* Two blocks for each of 132 multiprocessors; a piece has at least 64 inner elements. */
enum { MOST_BLOCKS = 264, LEAST_PIECE = 64 };

struct operand {
    const void *data;
    int64_t row, inner; /* elements from one output row (column) to the next, from one k to the next */
    bool bf16;
};

struct product {
    operand a, b;
    void *c;
    const void *bias;
    float *part;                    /* [pieces, m, n] or NULL */
    int64_t m, n, k, stride, piece; /* piece: inner elements of a block */
    float beta;
    bool c_bf16, bias_bf16;
};

__device__ __forceinline__ float read(const void *p, int64_t i, bool bf16) {
    return bf16 ? un_load((const un_bf16 *)p + i) : un_load((const float *)p + i);
}

/* tile[k][i] = x(first + i, k0 + k), zero outside. Neighbouring threads take neighbouring addresses. */
__device__ __forceinline__ void load_tile(float (*tile)[ROW], const operand &x, int64_t first, int64_t count,
                                          int64_t k0, int64_t k1) {
#pragma unroll
    for (int e = 0; e < TILE * DEPTH / THREADS; ++e) {
        const int at = e * THREADS + (int)threadIdx.x;
        const bool along = x.inner == 1;
        const int i = along ? at / DEPTH : at % TILE, k = along ? at % DEPTH : at / TILE;
        const bool inside = first + i < count && k0 + k < k1;
        tile[k][i] = inside ? read(x.data, (first + i) * x.row + (k0 + k) * x.inner, x.bf16) : 0.0f;
    }
}

__device__ __forceinline__ void multiply(float acc[EACH][EACH], const float (*a)[ROW], const float (*b)[ROW],
                                         int row, int col) {
#pragma unroll
    for (int k = 0; k < DEPTH; ++k) {
        const float4 x = *(const float4 *)&a[k][row], y = *(const float4 *)&b[k][col];
        const float u[EACH] = {x.x, x.y, x.z, x.w}, v[EACH] = {y.x, y.y, y.z, y.w};
#pragma unroll
        for (int i = 0; i < EACH; ++i)
#pragma unroll
            for (int j = 0; j < EACH; ++j) acc[i][j] = fmaf(u[i], v[j], acc[i][j]);
    }
}

/* The product's last step for one output: beta, bias, one rounding. */
__device__ __forceinline__ void finish(const product &p, int64_t row, int64_t col, float sum) {
    const int64_t at = row * p.stride + col;
    if (p.beta != 0.0f) sum = fmaf(p.beta, read(p.c, at, p.c_bf16), sum);
    if (p.bias) sum += read(p.bias, col, p.bias_bf16);
    if (p.c_bf16)
        un_store((un_bf16 *)p.c + at, sum);
    else
        un_store((float *)p.c + at, sum);
}

__global__ void __launch_bounds__(THREADS) gemm_kernel(product p) {
    __shared__ __align__(16) float a[DEPTH][ROW];
    __shared__ __align__(16) float b[DEPTH][ROW];
    const int64_t row0 = (int64_t)blockIdx.x * TILE, col0 = (int64_t)blockIdx.y * TILE;
    const int64_t begin = (int64_t)blockIdx.z * p.piece;
    const int64_t end = begin + p.piece < p.k ? begin + p.piece : p.k;
    const int row = (int)threadIdx.x / (TILE / EACH) * EACH, col = (int)threadIdx.x % (TILE / EACH) * EACH;
    float acc[EACH][EACH] = {};
    for (int64_t k0 = begin; k0 < end; k0 += DEPTH) {
        load_tile(a, p.a, row0, p.m, k0, end);
        load_tile(b, p.b, col0, p.n, k0, end);
        __syncthreads();
        multiply(acc, a, b, row, col);
        __syncthreads();
    }
#pragma unroll
    for (int i = 0; i < EACH; ++i)
#pragma unroll
        for (int j = 0; j < EACH; ++j) {
            const int64_t r = row0 + row + i, c = col0 + col + j;
            if (r >= p.m || c >= p.n) continue;
            if (p.part)
                p.part[((int64_t)blockIdx.z * p.m + r) * p.n + c] = acc[i][j];
            else
                finish(p, r, c, acc[i][j]);
        }
}

/* Sums of the pieces, in order; a thread an output. */
__global__ void __launch_bounds__(THREADS) gemm_add_kernel(product p, int pieces) {
    const int64_t at = (int64_t)blockIdx.x * THREADS + threadIdx.x;
    if (at >= p.m * p.n) return;
    float sum = p.part[at];
    for (int s = 1; s < pieces; ++s) sum += p.part[(int64_t)s * p.m * p.n + at];
    finish(p, at / p.n, at % p.n, sum);
}

int64_t tiles_of(int64_t m, int64_t n) {
    return (int64_t)un_blocks(m, TILE) * un_blocks(n, TILE);
}

/* Into how many pieces the inner dimension is cut: by the shape alone. */
int pieces_of(int64_t m, int64_t n, int64_t k) {
    const int64_t free = MOST_BLOCKS / tiles_of(m, n), most = k / LEAST_PIECE;
    const int64_t pieces = free < most ? free : most;
    return pieces > 1 ? (int)pieces : 1;
}

operand operand_of(struct un_mat x, bool inner_is_row) {
    operand o = {x.data, inner_is_row ? 1 : x.stride, inner_is_row ? x.stride : 1, x.type == UN_BF16};
    return o;
}

bool types_known(struct un_mat c, struct un_mat a, struct un_mat b) {
    return (c.type == UN_F32 || c.type == UN_BF16) && (a.type == UN_F32 || a.type == UN_BF16) &&
           (b.type == UN_F32 || b.type == UN_BF16);
}

void own_gemm(struct un_queue *q, const struct un_mat &c, product p) {
    int pieces = pieces_of(p.m, p.n, p.k);
    if (pieces > 1) {
        const int64_t length = (p.k + pieces - 1) / pieces;
        p.piece = (length + DEPTH - 1) / DEPTH * DEPTH;
        pieces = (int)((p.k + p.piece - 1) / p.piece);
        const size_t bytes = (size_t)pieces * (size_t)(c.rows * c.cols) * sizeof(float);
        struct un_arena arena;
        if (!un_cuda_scratch(q, &arena, (bytes + UN_ALIGN - 1) / UN_ALIGN * UN_ALIGN, "gemm")) return;
        p.part = (float *)un_arena_take(&arena, bytes, 1);
    }
    const dim3 grid(un_blocks(p.m, TILE), un_blocks(p.n, TILE), (unsigned)pieces);
    UN_LAUNCH(q, gemm_kernel, grid, THREADS, 0, p);
    if (pieces > 1) UN_LAUNCH(q, gemm_add_kernel, un_blocks(p.m * p.n, THREADS), THREADS, 0, p, pieces);
}

} // namespace

/* The most partial sums: MOST_BLOCKS tiles of them. */
extern "C" size_t un_cuda_gemm_scratch(const struct un_limits *limits) {
    (void)limits;
    return (size_t)MOST_BLOCKS * TILE * TILE * sizeof(float);
}

extern "C" void un_cuda_gemm(struct un_queue *q, struct un_mat c, struct un_mat a, bool transpose_a,
                             struct un_mat b, bool transpose_b, float beta,
                             const struct un_epilogue *epilogue) {
    const int64_t inner = transpose_a ? a.rows : a.cols;
    UN_ASSERT(c.rows == (transpose_a ? a.cols : a.rows) && c.cols == (transpose_b ? b.rows : b.cols));
    UN_ASSERT(inner == (transpose_b ? b.cols : b.rows));
    if (c.rows == 0 || c.cols == 0) return;
    if (!types_known(c, a, b)) {
        un_cuda_fail(q, UN_INTERNAL, "gemm: types %d = %d x %d", (int)c.type, (int)a.type, (int)b.type);
        return;
    }
    const void *bias = epilogue ? epilogue->bias : NULL;
    const enum un_type bias_type = bias ? epilogue->bias_type : UN_F32;
    const struct un_mat to = un_cuda_gemm_target(c, epilogue);
    bool biased = false;
    if (!un_cuda_blas_gemm(q, to, a, transpose_a, b, transpose_b, beta, bias, bias_type, &biased)) {
        product p = {};
        p.a = operand_of(a, transpose_a), p.b = operand_of(b, !transpose_b);
        p.c = to.data, p.bias = bias;
        p.m = to.rows, p.n = to.cols, p.k = inner, p.stride = to.stride, p.piece = inner;
        p.beta = beta, p.c_bf16 = c.type == UN_BF16, p.bias_bf16 = bias_type == UN_BF16;
        own_gemm(q, to, p);
        biased = true;
    }
    if (epilogue) un_cuda_gemm_finish(q, c, to, epilogue, biased);
}

extern "C" struct un_mat un_cuda_gemm_target(struct un_mat c, const struct un_epilogue *e) {
    const bool keeps = e && (e->activation == UN_ACT_GELU || e->activation == UN_ACT_RELU) && e->pre.data &&
                       e->pre.type == c.type;
    return keeps ? e->pre : c;
}

extern "C" void un_cuda_gemm_finish(struct un_queue *q, struct un_mat c, struct un_mat to,
                                    const struct un_epilogue *e, bool biased) {
    const void *bias = biased ? NULL : e->bias;
    if (!bias && e->activation == UN_ACT_NONE) {
        if (e->codes) un_cuda_quantize(q, e->codes->to, {}, e->codes->amax, c, e->codes->scale);
        return;
    }
    const bool kept = to.data != c.data && !bias; /* z stands in pre already */
    const struct un_mat pre = kept ? un_mat(NULL, c.type, c.rows, c.cols) : e->pre;
    un_cuda_activate(q, c, to, pre, bias, e->bias ? e->bias_type : UN_F32, e->activation, e->codes);
}

extern "C" void un_cuda_linear_grad(struct un_queue *q, struct un_mat dw, float *dbias, struct un_mat dy,
                                    struct un_mat x) {
    un_cuda_gemm(q, dw, dy, true, x, false, 1.0f, NULL);
    if (dbias) un_cuda_col_sum(q, dbias, dy);
}
