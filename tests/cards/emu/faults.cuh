/* Kernels with one fault each that the emulator reports by itself, or that leaves NaNs. */
#ifndef UN_TESTS_CARDS_EMU_FAULTS_CUH
#define UN_TESTS_CARDS_EMU_FAULTS_CUH

#include "tests/cards/emu/kernels.cuh"

namespace {

__global__ void divergent_barrier(float *out) {
    if (threadIdx.x < 32)
        __syncthreads();
    else
        __syncthreads();
    out[threadIdx.x] = 1;
}

__global__ void skipped_barrier(float *out) {
    if (threadIdx.x != 40) __syncthreads();
    out[threadIdx.x] = 1;
}

__global__ void early_end(float *out) {
    if (threadIdx.x == 3) return;
    __syncthreads();
    out[threadIdx.x] = 1;
}

__global__ void barrier_or_shuffle(float *out) {
    if (threadIdx.x == 0)
        __syncthreads();
    else
        out[threadIdx.x] = __shfl_xor_sync(FULL, 1.0f, 1);
}

__global__ void not_in_mask(float *out) {
    out[threadIdx.x] = __shfl_xor_sync(0xFFFFu, 1.0f, 1);
}

__global__ void from_outside_mask(float *out) {
    if (threadIdx.x < 16) out[threadIdx.x] = __shfl_sync(0xFFFFu, 1.0f, 20);
}

__global__ void mask_of_ended(float *out) {
    if (threadIdx.x >= 16) return;
    out[threadIdx.x] = __shfl_xor_sync(FULL, 1.0f, 1);
}

__global__ void masks_differ(float *out) {
    out[threadIdx.x] = __shfl_xor_sync(threadIdx.x % 32 < 8 ? 0xFFFu : FULL, 1.0f, 1);
}

__global__ void two_places(float *out) {
    const float one = 1;
    if (threadIdx.x % 2)
        out[threadIdx.x] = __shfl_sync(FULL, one, 0);
    else
        out[threadIdx.x] = __shfl_sync(FULL, one, 1);
}

__global__ void missing_wait(float *out, const float *in) {
    __shared__ float4 first[ALL], second[ALL];
    const int i = (int)threadIdx.x;
    un_copy_async(&first[i], in + 4 * i, 16);
    un_copy_commit();
    un_copy_async(&second[i], in + 4 * i, 16);
    un_copy_commit();
    un_copy_wait<1>();
    out[i] = second[i].x;
    out[ALL + i] = first[i].x;
}

__global__ void missing_commit(float *out, const float *in) {
    __shared__ float4 part[ALL];
    const int i = (int)threadIdx.x;
    un_copy_async(&part[i], in + 4 * i, 16);
    un_copy_wait<0>();
    out[i] = part[i].x;
}

__global__ void copy_not_aligned(float *out, const float *in) {
    __shared__ float4 part[ALL];
    un_copy_async(&part[threadIdx.x], in + 4 * threadIdx.x + 1, 16);
    out[0] = 0;
}

__global__ void copy_to_global(float *out, const float *in) {
    un_copy_async(out + 4 * threadIdx.x, in, 16);
}

__global__ void matrix_not_aligned(float *out) {
    UN_DYNAMIC_SHARED(bytes);
    uint32_t r[4];
    un_load_matrix(r, bytes + 16 * threadIdx.x + 8);
    out[threadIdx.x] = (float)r[0];
}

/* A byte beyond the launched size, or before the start. */
__global__ void overrun(int64_t at) {
    UN_DYNAMIC_SHARED(bytes);
    if (threadIdx.x == ALL - 1) bytes[at] = 1;
}

/* Each block adds what the block before has left. */
__global__ void race_between_blocks(float *out) {
    const unsigned b = blockIdx.x;
    if (threadIdx.x == 0) out[b] = 1 + (b > 0 ? out[b - 1] : 0);
}

__global__ void not_written(float *out) {
    __shared__ float part[ALL];
    UN_DYNAMIC_SHARED(bytes);
    if (threadIdx.x > 0) part[threadIdx.x] = 1;
    __syncthreads();
    out[threadIdx.x] = part[threadIdx.x] + ((float *)bytes)[threadIdx.x];
}

template <int N> __global__ void static_in_template(float *out, int written) {
    __shared__ float part[N];
    if ((int)threadIdx.x < written) part[threadIdx.x] = 1;
    out[threadIdx.x] = part[threadIdx.x];
}

__global__ void nothing(float *) {}

} // namespace

#endif
