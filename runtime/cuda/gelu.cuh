/* GELU and its slope by the normal law's tail: tail(a) = erfc(a / sqrt 2) / 2 = e^(-a^2/2) G, G = 1/2 + u
 * P(u), u = a / (1 + 0.325 a), with this project's own minimax fits. erff would cost more than twice the
 * instructions and, in the slope, a second exponential. */
#ifndef UN_RUNTIME_CUDA_GELU_CUH
#define UN_RUNTIME_CUDA_GELU_CUH

#include "runtime/cuda/kernel.cuh"

/* The normal law at distance a = min(|z|, 13) from its middle, beyond which all is rounding. NaN stays. */
struct un_normal {
    float a, density, tail; /* density: e^(-a^2/2) */
};

/* 17 instructions, 2 of them of the special unit; absolute error of the tail <= 1.2e-7. */
__device__ __forceinline__ un_normal un_normal_of(float z) {
    float a = fabsf(z) > 13.0f ? 13.0f : fabsf(z);
    float u = a * un_reciprocal(1.0f + 0.325f * a);
    float p = -1.78581303e-5f;
    p = p * u + 1.06369825e-4f;
    p = p * u + 2.01435406e-4f;
    p = p * u + -1.59885343e-3f;
    p = p * u + -1.26290772e-2f;
    p = p * u + 1.20344717e-1f;
    p = p * u + -3.98942239e-1f;
    float e = un_exp2(a * a * -0.721347520f);
    return {a, e, e * (p * u + 0.5f)};
}

/* z/2 (1 + erf(z / sqrt 2)) = max(z, 0) - |z| tail. */
__device__ __forceinline__ float un_gelu(float z) {
    const un_normal n = un_normal_of(z);
    return (z < 0.0f ? 0.0f : z) - n.a * n.tail;
}

/* The derivative, Phi(z) + z phi(z). */
__device__ __forceinline__ float un_gelu_slope(float z) {
    const un_normal n = un_normal_of(z);
    float s = n.tail - n.a * (n.density * 0.398942280f);
    return z < 0.0f ? s : 1.0f - s;
}

#endif
