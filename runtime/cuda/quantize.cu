/* Rounding to fp8 in a pass of its own: of weights, and of what no op writes with its codes (codes.cuh).
 *
 * A block owns 64 x 64 elements; a thread takes eight neighbouring ones of a row twice. The transpose goes through shared
 * memory, so that both sides are written in words of eight bytes. Bytes an element at bf16: 2 read, 1 written for each of
 * the two forms. The largest is found in the warp, then by one atomic maximum of a block, on whole numbers. */
#include "runtime/cuda/codes.cuh"

namespace {

enum { SIDE = 64, THREADS = 256, ROWS_AT_ONCE = THREADS / (SIDE / UN_VEC), LINE = SIDE + 8 };

struct quantize_args {
    struct un_mat y, yt, x;
    uint32_t *amax;
    const float *scale;
    bool wide_x, wide_y, wide_yt; /* rows that begin at multiples of 16 and 8 bytes */
};

/* From shared memory: column `row` of the tile is a row of the transpose. */
__device__ __forceinline__ void put_transposed(const quantize_args &a, const uint8_t (*tile)[LINE],
                                               int64_t row0, int64_t col0) {
    const int first = (int)threadIdx.x % (SIDE / UN_VEC) * UN_VEC;
    for (int c = (int)threadIdx.x / (SIDE / UN_VEC); c < SIDE && col0 + c < a.x.cols; c += ROWS_AT_ONCE) {
        const int64_t n = a.x.rows - row0 - first;
        uint2 w = {0, 0};
#pragma unroll
        for (int i = 0; i < 4; ++i) {
            w.x |= (uint32_t)tile[first + i][c] << 8 * i;
            w.y |= (uint32_t)tile[first + 4 + i][c] << 8 * i;
        }
        un_put_codes8((uint8_t *)a.yt.data + (col0 + c) * a.yt.stride + row0 + first, w, n < 0 ? 0 : n,
                      a.wide_yt);
    }
}

template <class T> __global__ void __launch_bounds__(THREADS) quantize_kernel(quantize_args a, bool e4m3) {
    __shared__ __align__(8) uint8_t tile[SIDE][LINE];
    __shared__ uint32_t part[THREADS / UN_WARP];
    const int64_t row0 = (int64_t)blockIdx.x * SIDE, col0 = (int64_t)blockIdx.y * SIDE;
    const int first = (int)threadIdx.x % (SIDE / UN_VEC) * UN_VEC;
    const bool written = a.y.data || a.yt.data;
    const float scale = written ? *a.scale : 1.0f;
    uint32_t most = 0;
    for (int r = (int)threadIdx.x / (SIDE / UN_VEC); r < SIDE && row0 + r < a.x.rows; r += ROWS_AT_ONCE) {
        const int64_t left = a.x.cols - col0 - first, n = left < 0 ? 0 : left;
        const int64_t at = (row0 + r) * a.x.stride + col0 + first;
        float v[UN_VEC] = {};
        if (n > 0) un_load8(v, (const T *)a.x.data + at, n, a.wide_x);
        const uint32_t here = un_most8(v);
        const uint2 codes = un_codes8(v, scale, e4m3, here);
        most = here > most ? here : most;
        if (a.yt.data) *(uint2 *)&tile[r][first] = codes;
        if (a.y.data)
            un_put_codes8((uint8_t *)a.y.data + (row0 + r) * a.y.stride + col0 + first, codes, n, a.wide_y);
    }
    un_amax(a.amax, most, part, THREADS / UN_WARP); /* with the barrier behind the tile */
    if (a.yt.data) put_transposed(a, tile, row0, col0);
}

bool words_of_8(const struct un_mat &m) {
    return !m.data || (((uintptr_t)m.data | (uintptr_t)m.stride) & 7u) == 0;
}

} // namespace

extern "C" void un_cuda_quantize(struct un_queue *q, struct un_mat y, struct un_mat yt, uint32_t *amax,
                                 struct un_mat x, const float *scale) {
    const enum un_type type = y.data ? y.type : yt.data ? yt.type : UN_E4M3;
    if (!un_fp8_is(type) || (y.data && yt.data && y.type != yt.type)) {
        un_cuda_fail(q, UN_INTERNAL, "quantize: into types %d, %d", (int)y.type, (int)yt.type);
        return;
    }
    UN_ASSERT((!y.data || (y.rows == x.rows && y.cols == x.cols)) &&
              (!yt.data || (yt.rows == x.cols && yt.cols == x.rows)));
    if (x.rows == 0 || x.cols == 0) return;
    quantize_args a = {};
    a.y = y, a.yt = yt, a.x = x, a.amax = amax, a.scale = scale;
    a.wide_x = un_is_wide(x), a.wide_y = words_of_8(y), a.wide_yt = words_of_8(yt);
    const dim3 grid(un_blocks(x.rows, SIDE), un_blocks(x.cols, SIDE), 1);
    UN_BY_FLOAT(x.type, T, UN_LAUNCH(q, quantize_kernel<T>, grid, THREADS, 0, a, type == UN_E4M3),
                un_cuda_fail(q, UN_INTERNAL, "quantize: rows of type %d, want f32 or bf16", (int)x.type));
}
