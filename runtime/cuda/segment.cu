/* Sums of many rows into one. The sources of a segment are cut into pieces of PIECE; a piece is summed in
 * list order, the sums of the pieces are added in order, and their total to the destination. So the order
 * follows from the list alone, and it does not matter who computes a piece: one thread all of them, or one
 * each. */
#include "runtime/cuda/raw.cuh"

namespace {

/* A block owns up to SLOTS segments in a strip of STRIP columns. A slot is eight threads of eight columns
 * each. Segments of up to ALONE sources are each walked by one slot; for a longer one the slots take a piece
 * each, PIECE * SLOTS sources at a time, and STRIP threads add the pieces in order. */
enum { PIECE = 8, SLOT_LANES = 8, SLOTS = 64, ALONE = 4 * PIECE, STRIP = SLOT_LANES * UN_VEC };
enum { SEGMENT_THREADS = SLOTS * SLOT_LANES };
enum { SEGMENT_BLOCKS = 768 }; /* enough to fill a card: below, a block takes fewer segments */

__device__ __forceinline__ int least(int64_t a, int64_t b) {
    return (int)(a < b ? a : b);
}

/* sum += rows perm[0..n) of src, n <= PIECE, in order; src is at the thread's first column, of which there
 * are `left`. */
template <class S>
__device__ __forceinline__ void add_piece(float sum[UN_VEC], const S *src, int64_t stride,
                                          const int32_t *perm, int n, int64_t left, bool wide) {
    enum { READS = sizeof(S) == 2 ? PIECE : PIECE / 2 }; /* as many as registers allow */
    float piece[UN_VEC] = {};
    if (wide && left >= UN_VEC) {
#pragma unroll
        for (int first = 0; first < PIECE; first += READS) {
            un_raw8<S> r[READS];
#pragma unroll
            for (int u = 0; u < READS; ++u) {
                const int32_t from = first + u < n ? perm[first + u] : -1;
                un_raw_zero(r[u]);
                if (from >= 0) un_raw_read(r[u], src + from * stride);
            }
#pragma unroll
            for (int u = 0; u < READS; ++u) {
                float v[UN_VEC];
                un_raw_floats(v, r[u]);
#pragma unroll
                for (int i = 0; i < UN_VEC; ++i) piece[i] += v[i];
            }
        }
    } else {
        for (int u = 0; u < n; ++u) {
            float v[UN_VEC];
            if (perm[u] < 0) continue;
            un_load8(v, src + perm[u] * stride, left, false);
#pragma unroll
            for (int i = 0; i < UN_VEC; ++i) piece[i] += v[i];
        }
    }
#pragma unroll
    for (int i = 0; i < UN_VEC; ++i) sum[i] += piece[i];
}

/* Segment k, of `n` sources from `begin` on; n = 0 when there is none or it has no destination. */
struct segment {
    int32_t begin, n;
};
__device__ __forceinline__ struct segment segment_at(const un_segments &seg, int64_t k) {
    struct segment s = {0, 0};
    if (k >= seg.count || seg.id[k] < 0) return s;
    s.begin = seg.start[k];
    s.n = seg.start[k + 1] - s.begin;
    return s;
}
/* Bits j: is segment first + j * step one for the whole block? The same in all threads of all warps. */
__device__ __forceinline__ uint64_t long_segments(const un_segments &seg, int64_t first, int64_t step) {
    const int lane = (int)threadIdx.x % UN_WARP;
    const uint32_t low = __ballot_sync(0xFFFFFFFFu, segment_at(seg, first + lane * step).n > ALONE);
    const uint32_t high =
        __ballot_sync(0xFFFFFFFFu, segment_at(seg, first + (lane + UN_WARP) * step).n > ALONE);
    return (uint64_t)high << 32 | low;
}

/* Bytes: every source once, every destination in and out. */
template <class S>
__global__ void __launch_bounds__(SEGMENT_THREADS)
    segment_add_rows(float *dst, int64_t dst_stride, const S *src, int64_t src_stride, un_segments seg,
                     int64_t cols, bool wide) {
    __shared__ __align__(16) float part[SLOTS * STRIP];
    const int slot = (int)threadIdx.x / SLOT_LANES;
    const int64_t first = blockIdx.x, step = gridDim.x; /* neighbours go to different blocks */
    const int64_t strip = (int64_t)blockIdx.y * STRIP;
    const int64_t col = strip + (int64_t)(threadIdx.x % SLOT_LANES) * UN_VEC, left = cols - col;
    const int64_t mine = first + slot * step;
    const struct segment own = segment_at(seg, mine);
    if (own.n > 0 && own.n <= ALONE && left > 0) {
        float *d = dst + seg.id[mine] * dst_stride + col;
        float old[UN_VEC], sum[UN_VEC] = {};
        un_load8(old, d, left, wide);
        for (int i = 0; i < own.n; i += PIECE)
            add_piece(sum, src + col, src_stride, seg.perm + own.begin + i, least(own.n - i, PIECE), left,
                      wide);
#pragma unroll
        for (int i = 0; i < UN_VEC; ++i) old[i] += sum[i];
        un_store8(d, old, left, wide);
    }
    const uint64_t shared = long_segments(seg, first, step);
    for (int j = 0; j < SLOTS; ++j) {
        if (!(shared >> j & 1)) continue;
        const int64_t k = first + j * step;
        const struct segment s = segment_at(seg, k);
        const int column = (int)threadIdx.x; /* of the strip, when below STRIP */
        float total = 0.0f;
        for (int64_t at = 0; at < s.n; at += SLOTS * PIECE) {
            const int64_t i = at + slot * PIECE;
            float sum[UN_VEC] = {};
            if (i < s.n && left > 0)
                add_piece(sum, src + col, src_stride, seg.perm + s.begin + i, least(s.n - i, PIECE), left,
                          wide);
            un_store8(part + threadIdx.x * UN_VEC, sum, UN_VEC, true);
            __syncthreads();
            const int pieces = least((s.n - at + PIECE - 1) / PIECE, SLOTS);
            if (column < STRIP)
                for (int p = 0; p < pieces; ++p) total += part[p * STRIP + column];
            __syncthreads();
        }
        if (column < STRIP && strip + column < cols) dst[seg.id[k] * dst_stride + strip + column] += total;
    }
}

} // namespace

void un_cuda_segment_add_rows(struct un_queue *q, struct un_mat dst, struct un_mat src,
                              const struct un_segments *seg) {
    if (seg->count <= 0 || src.cols <= 0) return;
    if (dst.type != UN_F32 || (src.type != UN_F32 && src.type != UN_BF16)) {
        un_cuda_fail(q, UN_INTERNAL, "segment_add_rows: type %d into %d, want f32 or bf16 into f32",
                     (int)src.type, (int)dst.type);
        return;
    }
    const int64_t strips = (src.cols + STRIP - 1) / STRIP, spread = (SEGMENT_BLOCKS + strips - 1) / strips;
    const int64_t fewest = (seg->count + SLOTS - 1) / SLOTS;
    const int64_t blocks = seg->count < spread ? seg->count : fewest > spread ? fewest : spread;
    UN_BY_FLOAT(src.type, S,
                UN_LAUNCH(q, (segment_add_rows<S>), dim3((unsigned)blocks, (unsigned)strips), SEGMENT_THREADS,
                          0, (float *)dst.data, dst.stride, (const S *)src.data, src.stride, *seg, src.cols,
                          un_is_wide(dst) && un_is_wide(src)),
                (void)0);
}
