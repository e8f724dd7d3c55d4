/* What the inside of the CUDA backend takes from the CUDA runtime, for the emulated card: a stream runs its
 * work at once, copies are memcpy. Meanings as in NVIDIA's header of this name. */
#ifndef UN_TESTS_CARDS_EMU_INCLUDE_CUDA_RUNTIME_API_H
#define UN_TESTS_CARDS_EMU_INCLUDE_CUDA_RUNTIME_API_H

#include <stddef.h>

typedef void *cudaStream_t;
typedef enum { cudaSuccess = 0, cudaErrorInvalidValue = 1 } cudaError_t;
enum cudaMemcpyKind {
    cudaMemcpyHostToHost,
    cudaMemcpyHostToDevice,
    cudaMemcpyDeviceToHost,
    cudaMemcpyDeviceToDevice,
    cudaMemcpyDefault
};

#ifdef __cplusplus
extern "C" {
#endif
cudaError_t cudaMemcpyAsync(void *dst, const void *src, size_t bytes, enum cudaMemcpyKind kind,
                            cudaStream_t stream);
cudaError_t cudaMemsetAsync(void *dst, int value, size_t bytes, cudaStream_t stream);
const char *cudaGetErrorString(cudaError_t error);
#ifdef __cplusplus
}
#endif
#endif
