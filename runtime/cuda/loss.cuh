/* What the losses by rows share: matrices as their kernels take them, what they check, their grid. */
#ifndef UN_RUNTIME_CUDA_LOSS_CUH
#define UN_RUNTIME_CUDA_LOSS_CUH

#include "runtime/cuda/tile.cuh"

namespace {

/* A matrix as a kernel takes it. */
template <class T> struct view {
    T *data;
    int64_t stride;
};
template <class T> __device__ __forceinline__ T *row_of(view<T> m, int64_t row) {
    return m.data ? m.data + row * m.stride : m.data;
}

} // namespace

/* ---- host ---- */

/* The input is f32, the gradient, when wanted, f32 or bf16. */
static bool check_gradient(struct un_queue *q, const char *op, struct un_mat gradient, struct un_mat input) {
    if (input.type == UN_F32 && (!gradient.data || gradient.type == UN_F32 || gradient.type == UN_BF16))
        return true;
    un_cuda_fail(q, UN_INTERNAL, "%s: gradient of type %d of type %d, want f32 or bf16 of f32", op,
                 (int)gradient.type, (int)input.type);
    return false;
}

static bool is_tiled(struct un_mat gradient, struct un_mat input) {
    return input.cols % GROUP == 0 && un_is_wide(gradient) && un_is_wide(input);
}

template <class T> static view<T> view_of(struct un_mat m) {
    return view<T>{(T *)m.data, m.stride};
}

template <int WARPS> static unsigned team_blocks(int64_t rows) {
    return un_blocks(rows, team<WARPS>::TEAMS);
}

#endif
