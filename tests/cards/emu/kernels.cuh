/* Kernels for the tests of the emulator: some without fault, and some that miss a barrier, which shows in
 * their results and to ThreadSanitizer. */
#ifndef UN_TESTS_CARDS_EMU_KERNELS_CUH
#define UN_TESTS_CARDS_EMU_KERNELS_CUH

#include "tests/cards/emu/emu.h"

namespace {

enum { ALL = 64 }; /* threads of most kernels here: two warps */
const unsigned FULL = 0xFFFFFFFFu;

/* ---- kernels without fault ---- */

/* out[i] = in[i] of the thread `by` further, through dynamic and static shared memory. */
__global__ void rotate(float *out, const float *in, int by) {
    UN_DYNAMIC_SHARED(bytes);
    __shared__ float second[ALL];
    float *first = (float *)bytes;
    const int i = (int)threadIdx.x;
    first[i] = in[i];
    __syncthreads();
    second[i] = first[(i + by) % ALL];
    __syncthreads();
    out[i] = second[i];
}

__global__ void where(unsigned *out) {
    const unsigned block = blockIdx.x + gridDim.x * (blockIdx.y + gridDim.y * blockIdx.z);
    const unsigned thread = threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z);
    out[block * blockDim.x * blockDim.y * blockDim.z + thread] += 1 + thread + 1000 * block;
}

struct lanes {
    int rotated, swapped, down, up, narrow;
    unsigned odd, some;
    int any, all, count, sum;
};
__global__ void shuffle(struct lanes *out) {
    const int lane = (int)threadIdx.x;
    struct lanes r;
    r.rotated = __shfl_sync(FULL, lane, lane + 5);
    r.swapped = __shfl_xor_sync(FULL, lane, 3);
    r.down = __shfl_down_sync(FULL, lane, 4u);
    r.up = __shfl_up_sync(FULL, lane, 4u, 8);
    r.narrow = __shfl_sync(FULL, lane, 1, 8);
    r.odd = __ballot_sync(FULL, lane & 1);
    r.some = lane < 7 ? __ballot_sync(0x7Fu, lane != 2) : 0;
    r.any = __any_sync(FULL, lane == 9);
    r.all = __all_sync(FULL, lane < 31);
    r.count = __syncthreads_count(lane % 3 == 0);
    r.sum = __reduce_add_sync(FULL, lane);
    out[lane] = r;
}

/* d = a b over the fragments of mma.m16n8k16, a and b^T loaded with ldmatrix from shared memory. */
__global__ void product(float *d, const uint16_t *a, const uint16_t *b) {
    UN_DYNAMIC_SHARED(bytes);
    uint16_t(*left)[16] = (uint16_t(*)[16])bytes,
    (*right)[16] = left + 16; /* 16 x 16; b as 16 x 16, half used */
    const int lane = (int)threadIdx.x;
    un_copy_async(&left[lane / 2][lane % 2 * 8], a + lane * 8, 16);
    un_copy_async(&right[lane / 2][lane % 2 * 8], b + lane * 8, lane == 31 ? 6 : 16);
    un_copy_commit();
    un_copy_wait<0>();
    __syncwarp();
    uint32_t x[4], y[4];
    un_load_matrix(x, &left[lane % 16][lane / 16 * 8]);
    un_load_matrix_t(y, &right[lane % 16][lane / 16 * 8]);
    float sum[4] = {1, 1, 1, 1};
    un_mma_bf16(sum, x, y);
    for (int q = 0; q < 4; ++q) d[(lane / 4 + q / 2 * 8) * 8 + lane % 4 * 2 + q % 2] = sum[q];
}

/* ---- planted faults ---- */

__global__ void missing_barrier(float *out) {
    __shared__ float part[ALL];
    const int i = (int)threadIdx.x;
    part[i] = (float)i;
    out[i] = part[ALL - 1 - i];
}

/* The second pass overwrites what a slow thread still reads. */
__global__ void missing_second_barrier(float *out) {
    __shared__ float part[ALL];
    const int i = (int)threadIdx.x;
    out[i] = 0;
    for (int pass = 0; pass < 2; ++pass) {
        part[i] = (float)(i + pass);
        __syncthreads();
        out[i] += part[ALL - 1 - i];
    }
}

__global__ void missing_syncwarp(float *out) {
    __shared__ float part[32];
    const int i = (int)threadIdx.x;
    part[i] = (float)i;
    out[i] = part[i ^ 1];
}

} // namespace

#endif
