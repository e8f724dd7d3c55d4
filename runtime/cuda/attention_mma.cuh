/* Attention with matrix instructions: tiles of heads of 64 columns in shared memory, fragments, and the two
 * products that forward and backward are made of.
 *
 * In fragments, lane = 4 g + q: it holds rows g and g + 8 and, of every 8 columns, 2 q and 2 q + 1 (four
 * lanes of one g, a quad, hold whole rows). A head's row is 128 bytes, 8 chunks of 16; chunk c of row r lies
 * at c ^ un_turn(r): eight rows of one chunk, which is what a matrix load reads, lie in all banks, and so do
 * four neighbouring chunks of two rows, which is what eight lanes read at once.
 *
 * A sum over the columns of a head may take them in any order as long as both factors do. Lane q takes chunks q
 * and 4 + q whole, 16 bytes at once: step 2 i + j of the four steps of a product has columns 4 j to 4 j + 3 of
 * chunks 4 i to 4 i + 3. So fragments come from memory as they are, without an exchange between lanes. */
#ifndef UN_RUNTIME_CUDA_ATTENTION_MMA_CUH
#define UN_RUNTIME_CUDA_ATTENTION_MMA_CUH

#include "runtime/cuda/attention.cuh"

enum {
    UN_HEAD = 64,                        /* columns */
    UN_HEAD_BYTES = 2 * UN_HEAD,         /* a row in shared memory */
    UN_HEAD_CHUNKS = UN_HEAD_BYTES / 16, /* of 16 bytes: 8 elements */
    UN_STEP = 16,                        /* rows a warp owns; rows a product goes on by */
    UN_SHORT_TOKENS = 160                /* longer samples have a launch of their own */
};
/* 1 / sqrt(64), which is exact. Probabilities are powers of 2, so scores and lse are scaled by log2(e). */
#define UN_SCORE_SCALE 0.125f
#define UN_LOG2E       1.4426950408889634f

__host__ __device__ __forceinline__ int un_padded(int tokens) {
    return (tokens + UN_STEP - 1) / UN_STEP * UN_STEP;
}

/* ---- tiles ---- */

/* What the chunks of a row are turned by: 0, 4, 1, 5, 2, 6, 3, 7. */
__device__ __forceinline__ int un_turn(int row) {
    return (row & 1) << 2 | (row & 7) >> 1;
}

/* Starts the copy of a head's rows to a tile of whole steps, zeros behind the sample. All threads; a thread's
 * rows are a multiple of 8 apart, so its place within a row stays. */
__device__ __forceinline__ void un_tile_fill(unsigned char *tile, const un_bf16 *head, int64_t stride,
                                             int tokens) {
    const int apart = (int)blockDim.x / UN_HEAD_CHUNKS;
    int row = (int)threadIdx.x / UN_HEAD_CHUNKS;
    const int chunk = (int)threadIdx.x % UN_HEAD_CHUNKS;
    unsigned char *to = tile + row * UN_HEAD_BYTES + ((chunk ^ un_turn(row)) << 4);
    const un_bf16 *from = head + row * (int)stride + chunk * UN_VEC;
    for (; row < un_padded(tokens); row += apart) {
        un_copy_async(to, row < tokens ? from : head, row < tokens ? 16 : 0);
        to += apart * UN_HEAD_BYTES;
        from += apart * (int)stride;
    }
}

/* c = a y^T, rows [row, row + 16) of y: c[0] is of the first eight of them. a as un_fragment_load gives it. */
__device__ __forceinline__ void un_tile_scores(float c[2][4], const uint32_t a[4][4], const unsigned char *y,
                                               int row) {
    const int lane = (int)threadIdx.x % UN_WARP, g = lane / 4, q = lane % 4;
    const unsigned char *at = y + (row + g) * UN_HEAD_BYTES;
#pragma unroll
    for (int i = 0; i < 4; ++i) c[0][i] = c[1][i] = 0.0f;
#pragma unroll
    for (int i = 0; i < 2; ++i)
#pragma unroll
        for (int half = 0; half < 2; ++half) {
            const uint4 v =
                *(const uint4 *)(at + 8 * half * UN_HEAD_BYTES + (((4 * i + q) ^ un_turn(g)) << 4));
            const uint32_t b[4] = {v.x, v.y, v.z, v.w};
            un_mma_bf16(c[half], a[2 * i], b);
            un_mma_bf16(c[half], a[2 * i + 1], b + 2);
        }
}

/* sum += a y, a of 16 columns, rows [row, row + 16) of y. */
__device__ __forceinline__ void un_tile_mix(float sum[8][4], const uint32_t a[4], const unsigned char *y,
                                            int row) {
    const int lane = (int)threadIdx.x % UN_WARP;
    const unsigned char *at = y + (row + (lane & 15)) * UN_HEAD_BYTES;
    const int chunk = (lane >> 4) ^ un_turn(lane);
#pragma unroll
    for (int c = 0; c < UN_HEAD_CHUNKS; c += 2) {
        uint32_t b[4];
        un_load_matrix_t(b, at + ((chunk ^ c) << 4));
        un_mma_bf16(sum[c], a, b);
        un_mma_bf16(sum[c + 1], a, b + 2);
    }
}

/* ---- fragments ---- */

/* a = rows [row, row + 16) of a head, zeros behind the sample: the left operand of un_tile_scores. */
__device__ __forceinline__ void un_fragment_load(uint32_t a[4][4], const un_bf16 *head, int64_t stride,
                                                 int row, int tokens) {
    const int lane = (int)threadIdx.x % UN_WARP, g = lane / 4, q = lane % 4;
#pragma unroll
    for (int half = 0; half < 2; ++half)
#pragma unroll
        for (int i = 0; i < 2; ++i) {
            const int r = row + g + 8 * half;
            const bool there = r < tokens;
            const uint4 v = *(const uint4 *)(head + (there ? r : 0) * (int)stride + (4 * i + q) * UN_VEC);
            const uint32_t w[4] = {v.x, v.y, v.z, v.w};
#pragma unroll
            for (int c = 0; c < 4; ++c) a[2 * i + c / 2][half + 2 * (c % 2)] = there ? w[c] : 0u;
        }
}

/* 16 rows of results as they are stored: factor * sum. factor[1] is for rows g + 8. */
struct un_fragment {
    uint32_t w[2][8]; /* rows g and g + 8; a word: columns 2 q and 2 q + 1 of every eight */
};
__device__ __forceinline__ un_fragment un_fragment_of(const float sum[8][4], const float factor[2]) {
    un_fragment f;
#pragma unroll
    for (int half = 0; half < 2; ++half)
#pragma unroll
        for (int c = 0; c < 8; ++c)
            f.w[half][c] = un_pack_bf16(sum[c][2 * half] * factor[half], sum[c][2 * half + 1] * factor[half]);
    return f;
}

/* Rows [row, row + 16) of a head = f, those of the sample. Of two neighbouring chunks, even lanes store the first and odd
 * ones the second, 8 bytes each: a quad writes 32 bytes in one piece. */
__device__ __forceinline__ void un_fragment_store(un_bf16 *head, int64_t stride, int row, int tokens,
                                                  const un_fragment &f) {
    const int lane = (int)threadIdx.x % UN_WARP, g = lane / 4, q = lane % 4;
#pragma unroll
    for (int half = 0; half < 2; ++half) {
        const int r = row + g + 8 * half;
        un_bf16 *to = head + r * (int)stride + (q & 1) * UN_VEC + (q & 2) * 2;
#pragma unroll
        for (int c = 0; c < UN_HEAD_CHUNKS; c += 2) {
            const uint32_t first = f.w[half][c], second = f.w[half][c + 1];
            const uint32_t got = __shfl_xor_sync(0xFFFFFFFFu, q & 1 ? first : second, 1);
            if (r < tokens)
                *(uint2 *)(to + c * UN_VEC) = q & 1 ? make_uint2(got, second) : make_uint2(first, got);
        }
    }
}

/* Codes from the first row and column of a part on. */
__device__ __forceinline__ un_code_sink un_code_part(un_code_sink s, const un_attention_part &p) {
    if (s.to) s.to += p.first * s.stride + p.head * UN_HEAD;
    return s;
}

/* The codes of two numbers of bf16, in the lower bytes; they count for the amax where `there`. */
__device__ __forceinline__ uint32_t un_codes2(uint32_t &most, float scale, bool e4m3, uint32_t word,
                                              bool there) {
    const float low = un_float_of(word << 16), high = un_float_of(word & 0xFFFF0000u);
    const uint32_t a = word << 16 & 0x7FFFFFFFu, b = word & 0x7FFF0000u, here = a > b ? a : b;
    if (there && here > most) most = here;
    uint32_t w = e4m3 ? un_pack_e4m3(low * scale, high * scale) : un_pack_e5m2(low * scale, high * scale);
    if (low != low) w = (w & 0xFF00u) | 0x7Fu; /* as un_codes8 */
    if (high != high) w = (w & 0xFFu) | 0x7F00u;
    return w;
}

/* The codes of rows [row, row + 16) of a head, whose columns begin at `column` of s.to, as un_fragment_store has them: 4 bytes
 * a lane, 16 a quad. *block, in shared memory, takes their amax: the products leave no register to keep it in. */
__device__ __forceinline__ void un_fragment_code(uint32_t *block, const un_code_sink &s, int column, int row,
                                                 int tokens, const un_fragment &f) {
    const int lane = (int)threadIdx.x % UN_WARP, g = lane / 4, q = lane % 4;
    const float scale = un_coder_of(s).scale;
    uint32_t most = 0;
#pragma unroll
    for (int half = 0; half < 2; ++half) {
        const int r = row + g + 8 * half;
        const bool there = r < tokens;
        uint8_t *to = s.to + (r * s.stride + column + (q & 1) * UN_VEC + (q & 2) * 2);
#pragma unroll
        for (int i = 0; i < UN_HEAD_CHUNKS; i += 2) {
            const uint32_t both = un_codes2(most, scale, s.e4m3, f.w[half][i], there) |
                                  un_codes2(most, scale, s.e4m3, f.w[half][i + 1], there) << 16;
            const uint32_t got = __shfl_xor_sync(0xFFFFFFFFu, both, 1);
            if (s.to && there)
                *(uint32_t *)(to + i * UN_VEC) =
                    q & 1 ? got >> 16 | (both & 0xFFFF0000u) : (both & 0xFFFFu) | got << 16;
        }
    }
    most = un_warp_most(most);
    if (lane == 0) atomicMax(block, most);
}

/* Lanes whose g differs by `left` add up; of 2 left eights of columns each keeps left. */
template <int left> __device__ __forceinline__ void un_fragment_fold(float v[8][2]) {
    const bool upper = threadIdx.x & 4 * left;
#pragma unroll
    for (int i = 0; i < 2 * left; ++i) {
        float &low = v[i / 2][i % 2], &high = v[i / 2 + left][i % 2];
        const float give = upper ? low : high, keep = upper ? high : low;
        low = keep + __shfl_xor_sync(0xFFFFFFFFu, give, 4 * left);
    }
}

/* to += the sums of the columns 2 lane and 2 lane + 1 over rows [row, row + 16), those of the sample. Rows g and g + 8
 * first, then a tree over g: neighbours four, two and one apart. Each exchange halves the columns a lane has. */
__device__ __forceinline__ void un_fragment_sum(float to[2], const un_fragment &f, int row, int tokens) {
    const int lane = (int)threadIdx.x % UN_WARP, g = lane / 4;
    const uint32_t there[2] = {row + g < tokens ? ~0u : 0u, row + g + 8 < tokens ? ~0u : 0u};
    float v[8][2];
#pragma unroll
    for (int c = 0; c < 8; ++c) {
        const uint32_t a = f.w[0][c] & there[0], b = f.w[1][c] & there[1];
        v[c][0] = un_float_of(a << 16) + un_float_of(b << 16);
        v[c][1] = un_float_of(a & 0xFFFF0000u) + un_float_of(b & 0xFFFF0000u);
    }
    un_fragment_fold<4>(v);
    un_fragment_fold<2>(v);
    un_fragment_fold<1>(v);
    to[0] += v[0][0];
    to[1] += v[0][1];
}

/* Two neighbouring 16 x 8 results as the left operand of un_tile_mix. */
__device__ __forceinline__ void un_fragment_left(uint32_t a[4], const float c[2][4]) {
#pragma unroll
    for (int i = 0; i < 4; ++i) a[i] = un_pack_bf16(c[i / 2][i % 2 * 2], c[i / 2][i % 2 * 2 + 1]);
}

/* ---- dropout: one bit a pair of query and key, 1 = kept ---- */

/* Bytes a query: whole 64-bit words. */
__host__ __device__ __forceinline__ int un_keep_stride(int tokens) {
    return (tokens + 63) / 64 * 8;
}

/* keep[query * stride + key / 8], bit key % 8. A Philox call decides the eight keys of a byte, so n tokens
 * need n * ceil(n / 8) of them, about 90 integer instructions each, and no shuffles; they run while the
 * tiles are on their way. Bytes past the last key and rows past the last query are left as they were: their
 * probabilities are zero. All threads. */
__device__ __forceinline__ void un_keep_draw(unsigned char *keep, const un_attention &c,
                                             const un_attention_part &p) {
    const int stride = un_keep_stride(p.tokens), groups = (p.tokens + 7) / 8;
    if (c.drop.threshold == 0) {
        for (int i = (int)threadIdx.x; i < un_padded(p.tokens) * stride / 8; i += (int)blockDim.x)
            ((uint2 *)keep)[i] = make_uint2(~0u, ~0u);
        return;
    }
    const uint32_t step = c.drop.at[0], lane = c.drop.at[1], threshold = c.drop.threshold << 16;
    const uint32_t key0 = un_rng_key0(c.drop.seed), key1 = un_rng_key1(c.drop.seed, UN_RNG_DROPOUT);
    for (int row = (int)threadIdx.x / 8; row < p.tokens; row += (int)blockDim.x / 8) {
        const uint32_t first = un_attention_group(c, p.first + row, p.head);
        for (int g = (int)threadIdx.x % 8; g < groups; g += 8) {
            const un_rng4 r =
                un_philox((first + (uint32_t)g) & 0x1FFFFFFFu, c.drop.site, lane, step, key0, key1);
            uint32_t bits = 0;
#pragma unroll
            for (int i = 0; i < 4; ++i) { /* un_dropout_bits of elements 2 i and 2 i + 1, shifted by 16 */
                bits |= r.v[i] << 16 < threshold ? 0u : 1u << 2 * i;
                bits |= r.v[i] < threshold ? 0u : 2u << 2 * i;
            }
            keep[row * stride + g] = (unsigned char)bits;
        }
    }
}

/* The amax of a block that un_fragment_code has filled, to where it is wanted. All threads. */
__device__ __forceinline__ void un_block_amax(uint32_t *amax, const uint32_t *block) {
    __syncthreads();
    if (amax && threadIdx.x == 0) atomicMax(amax, *block);
}

/* Rows behind the last sample = 0 in a head's columns. */
__device__ __forceinline__ void un_tail_zero(un_bf16 *head, int64_t stride, const un_attention_part &p) {
    const int threads = (int)blockDim.x / UN_HEAD_CHUNKS;
    for (int64_t row = p.tail * threads + (int)threadIdx.x / UN_HEAD_CHUNKS; row < p.tokens;
         row += UN_ATTENTION_TAIL * threads)
        *(uint4 *)(head + row * stride + (int)threadIdx.x % UN_HEAD_CHUNKS * UN_VEC) = make_uint4(0, 0, 0, 0);
}
/* Their codes. */
__device__ __forceinline__ void un_tail_zero_codes(const un_code_sink &s, int column,
                                                   const un_attention_part &p) {
    const int threads = (int)blockDim.x / UN_HEAD_CHUNKS;
    for (int64_t row = p.tail * threads + (int)threadIdx.x / UN_HEAD_CHUNKS; s.to && row < p.tokens;
         row += UN_ATTENTION_TAIL * threads)
        *(uint2 *)(s.to + row * s.stride + column + (int)threadIdx.x % UN_HEAD_CHUNKS * UN_VEC) =
            make_uint2(0, 0);
}

#endif
