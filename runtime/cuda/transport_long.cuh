/* Plans of pairs too large for registers: the plan lies in its output, the kernel is computed anew from the
 * cost whenever it is needed, the duals are in shared memory. Meant to be right, not fast: pairs of more than
 * 64 words or 128 regions are rare.
 *
 * Law: ownership as in transport_solve.cuh, so what a thread reads of the plan it wrote itself. */
#ifndef UN_RUNTIME_CUDA_TRANSPORT_LONG_CUH
#define UN_RUNTIME_CUDA_TRANSPORT_LONG_CUH

#include "runtime/cuda/transport_solve.cuh"

/* A long pair and this thread's place in it. */
struct un_long {
    int warp, lane, n, m;
    float *plan;
    const float *cost;
};

/* One iteration as un_ipot_iterate has it. The parts are read between the two barriers. */
__device__ __forceinline__ void un_long_ipot_iterate(const un_long &p, float beta, un_transport_room &room) {
    float *part = room.part + p.warp * UN_TRANSPORT_TOKENS, *sigma = room.row[0], *delta = room.col;
    for (int j = p.lane; j < p.m; j += UN_WARP) {
        float sum = 0.0f;
        for (int i = p.warp; i < p.n; i += UN_TRANSPORT_WARPS) {
            const float q = expf(-p.cost[i * p.m + j] / beta) * p.plan[i * p.m + j];
            p.plan[i * p.m + j] = q;
            sum += sigma[i] * q;
        }
        part[j] = sum;
    }
    __syncthreads();
    for (int j = (int)threadIdx.x; j < p.m; j += UN_TRANSPORT_THREADS)
        delta[j] = 1.0f / ((float)p.m * un_parts_sum(room.part, UN_TRANSPORT_TOKENS, j));
    __syncthreads();
    for (int i = p.warp; i < p.n; i += UN_TRANSPORT_WARPS) {
        float sum = 0.0f, *t = p.plan + (int64_t)i * p.m;
        for (int j = p.lane; j < p.m; j += UN_WARP) sum += t[j] * delta[j];
        const float s = 1.0f / ((float)p.n * un_warp_sum(sum));
        for (int j = p.lane; j < p.m; j += UN_WARP) t[j] = s * t[j] * delta[j];
        if (p.lane == 0) sigma[i] = s;
    }
    __syncwarp();
}

__device__ __forceinline__ void un_long_ipot(const un_long &p, struct un_transport how,
                                             un_transport_room &room) {
    for (int i = p.warp; i < p.n; i += UN_TRANSPORT_WARPS) {
        for (int j = p.lane; j < p.m; j += UN_WARP) p.plan[i * p.m + j] = 1.0f;
        if (p.lane == 0) room.row[0][i] = 1.0f / (float)p.n;
    }
    __syncwarp();
    for (int it = 0; it < how.iterations; ++it) un_long_ipot_iterate(p, how.beta, room);
}

/* The words' dual from g, and the largest marginal error of this warp's rows. */
__device__ __forceinline__ float un_long_words(float *next, const un_long &p, float epsilon, const float *f,
                                               const float *g) {
    const float log_n = logf((float)p.n);
    float worst = 0.0f;
    for (int i = p.warp; i < p.n; i += UN_TRANSPORT_WARPS) {
        const float *c = p.cost + (int64_t)i * p.m;
        float largest = -UN_TRANSPORT_NO_MASS, sum = 0.0f;
        for (int j = p.lane; j < p.m; j += UN_WARP) largest = fmaxf(largest, g[j] - c[j] / epsilon);
        largest = un_warp_max(largest);
        for (int j = p.lane; j < p.m; j += UN_WARP) sum += expf(g[j] - c[j] / epsilon - largest);
        const float value = -log_n - (largest + logf(un_warp_sum(sum)));
        worst = fmaxf(worst, fabsf(expm1f(f[i] - value)));
        if (p.lane == 0) next[i] = value;
    }
    __syncwarp();
    return worst;
}

/* This warp's parts of the regions' dual. */
__device__ __forceinline__ void un_long_parts(float *part, float *most, const un_long &p, float epsilon,
                                              const float *f) {
    for (int j = p.lane; j < p.m; j += UN_WARP) {
        float largest = -UN_TRANSPORT_NO_MASS, sum = 0.0f;
        for (int i = p.warp; i < p.n; i += UN_TRANSPORT_WARPS)
            largest = fmaxf(largest, f[i] - p.cost[i * p.m + j] / epsilon);
        for (int i = p.warp; i < p.n; i += UN_TRANSPORT_WARPS)
            sum += expf(f[i] - p.cost[i * p.m + j] / epsilon - largest);
        part[j] = sum, most[j] = largest;
    }
}

__device__ __forceinline__ void un_long_sinkhorn(const un_long &p, struct un_transport how,
                                                 un_transport_room &room) {
    float *part = room.part, *most = part + UN_TRANSPORT_WARPS * UN_TRANSPORT_TOKENS, *g = room.col;
    const int own = p.warp * UN_TRANSPORT_TOKENS;
    int now = 0; /* room.row[now]: the words' dual */
    for (int i = (int)threadIdx.x; i < UN_TRANSPORT_TOKENS; i += UN_TRANSPORT_THREADS)
        room.row[0][i] = 0.0f, g[i] = 0.0f;
    __syncthreads();
    for (int it = 0; it < how.iterations; ++it) {
        float *next = room.row[1 - now], *off = room.off[0];
        const float worst = un_long_words(next, p, how.epsilon, room.row[now], g);
        if (p.lane == 0) off[p.warp] = worst;
        un_long_parts(part + own, most + own, p, how.epsilon, next);
        __syncthreads();
        if (it > 0 && how.tolerance > 0.0f && un_warps_worst(off) < how.tolerance) break;
        now = 1 - now;
        for (int j = (int)threadIdx.x; j < p.m; j += UN_TRANSPORT_THREADS)
            g[j] = -logf((float)p.m) - un_parts_log_sum(part, most, UN_TRANSPORT_TOKENS, j);
        __syncthreads();
    }
    for (int i = p.warp; i < p.n; i += UN_TRANSPORT_WARPS)
        for (int j = p.lane; j < p.m; j += UN_WARP)
            p.plan[i * p.m + j] = expf(room.row[now][i] + g[j] - p.cost[i * p.m + j] / how.epsilon);
}

/* un_solve for any size. */
static __device__ __attribute__((noinline)) double un_solve_long(float *plan, const float *cost, int n, int m,
                                                                 struct un_transport how,
                                                                 un_transport_room &room) {
    const un_long p = {(int)threadIdx.x / UN_WARP, (int)threadIdx.x % UN_WARP, n, m, plan, cost};
    double distance = 0.0;
    if (how.solver == UN_SOLVER_IPOT)
        un_long_ipot(p, how, room);
    else
        un_long_sinkhorn(p, how, room);
    for (int i = p.warp; i < n; i += UN_TRANSPORT_WARPS) {
        float sum = 0.0f;
        for (int j = p.lane; j < m; j += UN_WARP) sum += cost[i * m + j] * plan[i * m + j];
        distance += (double)sum;
    }
    return distance;
}

#endif
