/* The instructions of the card that C++ has no word for, each behind a small function, and the launch of a
 * kernel. Only here stands PTX. Tests without a card compile the kernels with a C++ compiler and bring their
 * own meaning of everything in this file (see tests/cards/emu). */
#ifndef UN_RUNTIME_CUDA_MACHINE_CUH
#define UN_RUNTIME_CUDA_MACHINE_CUH

#include "runtime/cuda/cuda.h"
#include "runtime/fp8.h"

#ifdef __CUDACC__

/* kernel<<<grid, block, bytes of dynamic shared memory>>>(...) on the queue's stream. The kernel in
 * parentheses when its name has a comma. Kernels that need more than 48 KiB call UN_SHARED_MOST before. */
#define UN_LAUNCH(q, kernel, grid, block, bytes, ...)                                                        \
    do {                                                                                                     \
        kernel<<<(grid), (block), (bytes), (q)->stream>>>(__VA_ARGS__);                                      \
        un_cuda_check((q), cudaGetLastError(), #kernel);                                                     \
    } while (0)
/* Allows `bytes` of dynamic shared memory to a kernel. */
#define UN_SHARED_MOST(q, kernel, bytes)                                                                     \
    un_cuda_check((q),                                                                                       \
                  cudaFuncSetAttribute((kernel), cudaFuncAttributeMaxDynamicSharedMemorySize, (int)(bytes)), \
                  #kernel)
/* unsigned char name[]: the dynamic shared memory of the block, 128-byte aligned. */
#define UN_DYNAMIC_SHARED(name) extern __shared__ __align__(128) unsigned char name[]

/* Two floats as bf16, rounded to nearest even; lo in the lower half. */
__device__ __forceinline__ uint32_t un_pack_bf16(float lo, float hi) {
    uint32_t d;
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(d) : "f"(hi), "f"(lo));
    return d;
}
__device__ __forceinline__ float un_unpack_f16(uint16_t h) {
    float f;
    asm("cvt.f32.f16 %0, %1;" : "=f"(f) : "h"(h));
    return f;
}
__device__ __forceinline__ uint16_t un_pack_f16(float f) {
    uint16_t h;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(h) : "f"(f));
    return h;
}

/* Two floats as e4m3 or e5m2 (fp8.h), lo in the lower byte; of NaN, some NaN. */
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 890
__device__ __forceinline__ uint32_t un_pack_e4m3(float lo, float hi) {
    uint16_t d;
    asm("cvt.rn.satfinite.e4m3x2.f32 %0, %1, %2;" : "=h"(d) : "f"(hi), "f"(lo));
    return d;
}
__device__ __forceinline__ uint32_t un_pack_e5m2(float lo, float hi) {
    uint16_t d;
    asm("cvt.rn.satfinite.e5m2x2.f32 %0, %1, %2;" : "=h"(d) : "f"(hi), "f"(lo));
    return d;
}
#else
__device__ __forceinline__ uint32_t un_pack_e4m3(float lo, float hi) {
    return un_fp8_to_e4m3(lo) | (uint32_t)un_fp8_to_e4m3(hi) << 8;
}
__device__ __forceinline__ uint32_t un_pack_e5m2(float lo, float hi) {
    return un_fp8_to_e5m2(lo) | (uint32_t)un_fp8_to_e5m2(hi) << 8;
}
#endif

/* 2^x and 1 / x by the special unit: errors of 2^-22 and 1 ulp; results and operands below 2^-126 are zero. */
__device__ __forceinline__ float un_exp2(float x) {
    float y;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
}
__device__ __forceinline__ float un_reciprocal(float x) {
    float y;
    asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
}

/* 16 bytes from global to shared memory, both 16-byte aligned, complete after commit and wait. `bytes` 0..16
 * are read, the rest is zero. */
__device__ __forceinline__ void un_copy_async(void *shared, const void *global, int bytes) {
    asm volatile(
        "cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"((uint32_t)__cvta_generic_to_shared(shared)),
        "l"(global), "r"(bytes)
        : "memory");
}
__device__ __forceinline__ void un_copy_commit() {
    asm volatile("cp.async.commit_group;" ::: "memory");
}
/* Until at most `left` of this thread's newest groups are under way; then a barrier is still needed. */
template <int left> __device__ __forceinline__ void un_copy_wait() {
    asm volatile("cp.async.wait_group %0;" ::"n"(left) : "memory");
}

/* d = a b + d: a 16 x 16 (row major), b 16 x 8 (column major) bf16, d 16 x 8 f32, spread over the warp as the
 * PTX manual has it for mma.m16n8k16. */
__device__ __forceinline__ void un_mma_bf16(float d[4], const uint32_t a[4], const uint32_t b[2]) {
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3},{%4,%5,%6,%7},{%8,%9},"
                 "{%0,%1,%2,%3};"
                 : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
/* Four 8 x 8 matrices of 16-bit elements; lane l gives the address of row l % 8 of matrix l / 8. */
__device__ __forceinline__ void un_load_matrix(uint32_t r[4], const void *row) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3},[%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"((uint32_t)__cvta_generic_to_shared(row))
                 : "memory");
}
/* The same, each matrix transposed. */
__device__ __forceinline__ void un_load_matrix_t(uint32_t r[4], const void *row) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3},[%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"((uint32_t)__cvta_generic_to_shared(row))
                 : "memory");
}

#endif
#endif
