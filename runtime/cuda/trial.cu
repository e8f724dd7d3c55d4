/* What the choice among algorithms of a product needs on the card: operands that tell orders of summation
 * apart, and a digest of a result. Both are launched before training only. */
#include "runtime/cuda/kernel.cuh"

namespace {

enum { FILL_THREADS = 256, DIGEST_THREADS = 256, DIGEST_BLOCKS = 1024 };

__device__ __forceinline__ uint64_t mix(uint64_t x) { /* a bijection of 64 bits: shifts and odd factors */
    x ^= x >> 30;
    x *= 0xBF58476D1CE4E5B9ull;
    x ^= x >> 27;
    x *= 0x94D049BB133111EBull;
    return x ^ x >> 31;
}

/* Two bf16 in one word, each with a random sign and mantissa and an exponent of 2^-8 to 2^-1; read as f32 the
 * lower one is the end of the mantissa. So sums of another order differ in nearly every element of an f32
 * result, and in some of any large bf16 one. */
__global__ void fill_kernel(uint32_t *word, int64_t words, uint32_t mask) {
    for (int64_t i = (int64_t)blockIdx.x * FILL_THREADS + threadIdx.x; i < words;
         i += (int64_t)gridDim.x * FILL_THREADS) {
        const uint32_t r = (uint32_t)(mix((uint64_t)i + 1) >> 32);
        word[i] = mask & ((r & 0x807F807Fu) | (119u + (r >> 8 & 7u)) << 7 | (119u + (r >> 24 & 7u)) << 23);
    }
}

/* Sum over all elements of a mixed (place, bits): whole numbers, so any order gives the same. One thread an
 * element, rows in order; a block adds once. */
template <class T>
__global__ void digest_kernel(unsigned long long *digest, const T *x, int64_t rows, int64_t cols,
                              int64_t stride) {
    __shared__ unsigned long long part[DIGEST_THREADS];
    unsigned long long sum = 0;
    for (int64_t i = (int64_t)blockIdx.x * DIGEST_THREADS + threadIdx.x; i < rows * cols;
         i += (int64_t)gridDim.x * DIGEST_THREADS)
        sum += mix(mix((uint64_t)i + 1) ^ (uint64_t)x[i / cols * stride + i % cols]);
    part[threadIdx.x] = sum;
    for (int half = DIGEST_THREADS / 2; half > 0; half /= 2) {
        __syncthreads();
        if ((int)threadIdx.x < half) part[threadIdx.x] += part[threadIdx.x + half];
    }
    if (threadIdx.x == 0) atomicAdd(digest, part[0]);
}

unsigned digest_blocks(int64_t elements) {
    const int64_t blocks = (elements + DIGEST_THREADS - 1) / DIGEST_THREADS;
    return blocks < DIGEST_BLOCKS ? (unsigned)blocks : (unsigned)DIGEST_BLOCKS;
}

} // namespace

extern "C" void un_cuda_trial_fill(struct un_queue *q, void *memory, size_t bytes, bool fp8) {
    const int64_t words = (int64_t)(bytes / sizeof(uint32_t));
    if (words == 0) return;
    UN_LAUNCH(q, fill_kernel, digest_blocks(words), FILL_THREADS, 0, (uint32_t *)memory, words,
              fp8 ? 0xBFBFBFBFu : 0xFFFFFFFFu); /* no exponent of 2 and more: no NaN, no infinity */
}

extern "C" void un_cuda_trial_digest(struct un_queue *q, uint64_t *digest, struct un_mat m) {
    un_cuda_check(q, cudaMemsetAsync(digest, 0, sizeof *digest, q->stream), "digest");
    if (m.rows == 0 || m.cols == 0) return;
    const unsigned blocks = digest_blocks(m.rows * m.cols);
    unsigned long long *out = (unsigned long long *)digest;
    if (un_type_bytes(m.type) == 4)
        UN_LAUNCH(q, digest_kernel<uint32_t>, blocks, DIGEST_THREADS, 0, out, (const uint32_t *)m.data,
                  m.rows, m.cols, m.stride);
    else
        UN_LAUNCH(q, digest_kernel<uint16_t>, blocks, DIGEST_THREADS, 0, out, (const uint16_t *)m.data,
                  m.rows, m.cols, m.stride);
}
