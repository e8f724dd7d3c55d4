/* Plans of one pair: IPOT (Xie et al., UAI 2019) and Sinkhorn in the log domain, in the order of operations
 * of runtime/cpu/transport.c.
 *
 * Law: warp w owns rows w, w + WARPS, ..., lane l of it the columns l, l + UN_WARP, ... of those rows. A sum
 * along a row stays in its warp, a sum down a column goes through shared memory: each warp writes its part,
 * and after one barrier every warp adds the parts of its columns in the order of the warps. Two buffers take
 * turns, so an iteration has that one barrier: whoever writes a buffer has passed the barrier that follows
 * the last reading of it.
 *
 * Up to 64 words and 128 regions kernel and plan stay in registers (a ROWS x COLS piece a lane); beyond, the
 * plan lies in its output and the kernel is computed anew in each iteration (transport_long.cuh). */
#ifndef UN_RUNTIME_CUDA_TRANSPORT_SOLVE_CUH
#define UN_RUNTIME_CUDA_TRANSPORT_SOLVE_CUH

#include "runtime/cuda/transport.cuh"

#define UN_TRANSPORT_NO_MASS 1e30f /* scaled cost of padding: its exponent underflows and stays finite */

static constexpr int UN_SOLVE_COLS = 128;                                /* most regions in registers */
static constexpr int UN_SOLVE_PART = UN_TRANSPORT_WARPS * UN_SOLVE_COLS; /* one part of each warp */
static constexpr int UN_DOT_ROWS = 16, UN_DOT_COLS = 64;                 /* a tile of the cost */
/* 8 more, so that a warp's fragments fall into different banks */
static constexpr int UN_DOT_STRIDE = UN_DOT_COLS + 8;
static constexpr int UN_ROOM_PART = UN_TRANSPORT_WARPS * UN_DOT_ROWS * UN_DOT_STRIDE;
static_assert(UN_ROOM_PART >= 4 * UN_SOLVE_PART &&
                  UN_ROOM_PART >= 2 * UN_TRANSPORT_WARPS * UN_TRANSPORT_TOKENS,
              "two buffers of two parts; for long pairs one of two");

/* Shared memory of a block: 43 KiB, so that two blocks and 140 KiB of cache share a multiprocessor. */
struct un_transport_room {
    float part[UN_ROOM_PART];           /* what warps add up, one part a warp */
    float inverse[UN_TRANSPORT_TOKENS]; /* of the lengths */
    float row[2][UN_TRANSPORT_TOKENS];  /* long pairs: the words' dual and the one being computed */
    float col[UN_TRANSPORT_TOKENS];     /* long pairs: the regions' dual */
    double sum[UN_WARP];
    float off[2][UN_TRANSPORT_WARPS]; /* largest marginal error of a warp's rows */
};

/* This thread's share of a pair whose kernel is in registers. */
struct un_share {
    int warp, lane, n, m, start; /* start: of the pair in plan and cost */
};
__device__ __forceinline__ int un_share_row(const un_share &s, int r) {
    return s.warp + r * UN_TRANSPORT_WARPS;
}
__device__ __forceinline__ int un_share_col(const un_share &s, int c) {
    return s.lane + c * UN_WARP;
}
__device__ __forceinline__ int un_share_at(const un_share &s, int r, int c) {
    return s.start + un_share_row(s, r) * s.m + un_share_col(s, c);
}
__device__ __forceinline__ bool un_share_inside(const un_share &s, int r, int c) {
    return un_share_row(s, r) < s.n && un_share_col(s, c) < s.m;
}

/* The sum, or the largest, of each of ROWS values over the warp. A lane gets that of row lane / (UN_WARP /
 * ROWS): while more than one row is left, half the lanes hand on the half of the rows they will not keep, so
 * that 8 rows cost 9 exchanges rather than 40, and what follows is computed for a row once rather than by
 * all lanes. */
template <int ROWS, bool LARGEST> __device__ __forceinline__ float un_rows_fold(const float row[ROWS]) {
    const int lane = (int)threadIdx.x % UN_WARP;
    float v[ROWS];
    int width = UN_WARP / 2;
#pragma unroll
    for (int r = 0; r < ROWS; ++r) v[r] = row[r];
#pragma unroll
    for (int half = ROWS / 2; half > 0; half /= 2, width /= 2)
#pragma unroll
        for (int r = 0; r < half; ++r) {
            const bool upper = (lane & width) != 0;
            const float kept = upper ? v[r + half] : v[r], sent = upper ? v[r] : v[r + half],
                        got = __shfl_xor_sync(0xFFFFFFFFu, sent, width);
            v[r] = LARGEST ? fmaxf(kept, got) : kept + got;
        }
#pragma unroll
    for (; width > 0; width /= 2) {
        const float got = __shfl_xor_sync(0xFFFFFFFFu, v[0], width);
        v[0] = LARGEST ? fmaxf(v[0], got) : v[0] + got;
    }
    return v[0];
}

/* row[r] = what the lanes of row r have, as un_rows_fold leaves it. */
template <int ROWS> __device__ __forceinline__ void un_rows_spread(float row[ROWS], float mine) {
#pragma unroll
    for (int r = 0; r < ROWS; ++r) row[r] = __shfl_sync(0xFFFFFFFFu, mine, r * (UN_WARP / ROWS));
}

/* Is the row that un_rows_fold gives this lane one of the pair's? */
template <int ROWS> __device__ __forceinline__ bool un_rows_mine(const un_share &s) {
    return un_share_row(s, s.lane / (UN_WARP / ROWS)) < s.n;
}

/* Sum over the warps of part[warp][col]. */
__device__ __forceinline__ float un_parts_sum(const float *part, int stride, int col) {
    float sum = part[col];
#pragma unroll
    for (int w = 1; w < UN_TRANSPORT_WARPS; ++w) sum += part[w * stride + col];
    return sum;
}

/* ln of the sum over the warps of part[warp][col] e^(most[warp][col]). */
__device__ __forceinline__ float un_parts_log_sum(const float *part, const float *most, int stride, int col) {
    float largest = most[col], sum = 0.0f;
#pragma unroll
    for (int w = 1; w < UN_TRANSPORT_WARPS; ++w) largest = fmaxf(largest, most[w * stride + col]);
#pragma unroll
    for (int w = 0; w < UN_TRANSPORT_WARPS; ++w)
        sum += part[w * stride + col] * expf(most[w * stride + col] - largest);
    return largest + logf(sum);
}

/* q = a t in place of t; delta_j = 1 / (m sum_i sigma_i q_ij); sigma_i = 1 / (n sum_j q_ij delta_j);
 * t = sigma q delta. Padding has a = 0 and duals of 0. */
template <int ROWS, int COLS>
__device__ __forceinline__ void un_ipot_iterate(float t[ROWS][COLS], const float a[ROWS][COLS],
                                                float sigma[ROWS], const un_share &s, float *part) {
    float delta[COLS];
#pragma unroll
    for (int c = 0; c < COLS; ++c) {
        float sum = 0.0f;
#pragma unroll
        for (int r = 0; r < ROWS; ++r) {
            t[r][c] *= a[r][c];
            sum += sigma[r] * t[r][c];
        }
        part[s.warp * UN_SOLVE_COLS + un_share_col(s, c)] = sum;
    }
    __syncthreads();
#pragma unroll
    for (int c = 0; c < COLS; ++c) {
        const float sum = un_parts_sum(part, UN_SOLVE_COLS, un_share_col(s, c));
        delta[c] = un_share_col(s, c) < s.m ? 1.0f / ((float)s.m * sum) : 0.0f;
    }
#pragma unroll
    for (int r = 0; r < ROWS; ++r) {
        sigma[r] = 0.0f;
#pragma unroll
        for (int c = 0; c < COLS; ++c) sigma[r] += t[r][c] * delta[c];
    }
    const float sum = un_rows_fold<ROWS, false>(sigma);
    un_rows_spread<ROWS>(sigma, un_rows_mine<ROWS>(s) ? 1.0f / ((float)s.n * sum) : 0.0f);
#pragma unroll
    for (int r = 0; r < ROWS; ++r)
#pragma unroll
        for (int c = 0; c < COLS; ++c) t[r][c] = sigma[r] * t[r][c] * delta[c];
}

template <int ROWS, int COLS>
__device__ __forceinline__ void un_ipot_solve(float t[ROWS][COLS], const float *cost, const un_share &s,
                                              const struct un_transport &how, un_transport_room &room) {
    float a[ROWS][COLS], sigma[ROWS];
#pragma unroll
    for (int r = 0; r < ROWS; ++r) {
        sigma[r] = un_share_row(s, r) < s.n ? 1.0f / (float)s.n : 0.0f;
#pragma unroll
        for (int c = 0; c < COLS; ++c) {
            a[r][c] = 0.0f, t[r][c] = 1.0f;
            if (un_share_inside(s, r, c)) a[r][c] = expf(-cost[un_share_at(s, r, c)] / how.beta);
        }
    }
    for (int it = 0; it < how.iterations; ++it)
        un_ipot_iterate<ROWS, COLS>(t, a, sigma, s, room.part + (it & 1) * UN_SOLVE_PART);
}

/* Sinkhorn: duals f of the words, g of the regions, kept divided by epsilon; a = cost / epsilon. */
template <int ROWS, int COLS> struct un_sinkhorn {
    float a[ROWS][COLS], f[ROWS], g[COLS];
    float mine; /* f of the row that un_rows_fold gives this lane */
};

/* -ln n - ln sum_j e^(g_j - a_ij) for the lane's row i, 0 for padding. */
template <int ROWS, int COLS>
__device__ __forceinline__ float un_sinkhorn_words(const un_sinkhorn<ROWS, COLS> &k, const un_share &s) {
    float largest[ROWS], sum[ROWS];
#pragma unroll
    for (int r = 0; r < ROWS; ++r) {
        largest[r] = k.g[0] - k.a[r][0];
#pragma unroll
        for (int c = 1; c < COLS; ++c) largest[r] = fmaxf(largest[r], k.g[c] - k.a[r][c]);
    }
    const float most = un_rows_fold<ROWS, true>(largest);
    un_rows_spread<ROWS>(largest, most);
#pragma unroll
    for (int r = 0; r < ROWS; ++r) {
        sum[r] = 0.0f;
#pragma unroll
        for (int c = 0; c < COLS; ++c) sum[r] += expf(k.g[c] - k.a[r][c] - largest[r]);
    }
    const float f = -logf((float)s.n) - (most + logf(un_rows_fold<ROWS, false>(sum)));
    return un_rows_mine<ROWS>(s) ? f : 0.0f;
}

/* The warp's parts of g_j = -ln m - ln sum_i e^(f_i - a_ij): its largest exponent and its sum. */
template <int ROWS, int COLS>
__device__ __forceinline__ void un_sinkhorn_parts(float *part, float *most, const float f[ROWS],
                                                  const un_sinkhorn<ROWS, COLS> &k, const un_share &s) {
#pragma unroll
    for (int c = 0; c < COLS; ++c) {
        float largest = f[0] - k.a[0][c], sum = 0.0f;
#pragma unroll
        for (int r = 1; r < ROWS; ++r) largest = fmaxf(largest, f[r] - k.a[r][c]);
#pragma unroll
        for (int r = 0; r < ROWS; ++r) sum += expf(f[r] - k.a[r][c] - largest);
        part[s.warp * UN_SOLVE_COLS + un_share_col(s, c)] = sum;
        most[s.warp * UN_SOLVE_COLS + un_share_col(s, c)] = largest;
    }
}

__device__ __forceinline__ float un_warps_worst(const float *off) {
    float worst = off[0];
#pragma unroll
    for (int w = 1; w < UN_TRANSPORT_WARPS; ++w) worst = fmaxf(worst, off[w]);
    return worst;
}

/* The marginal error after an iteration shows when the next one begins: max_i |n sum_j e^(f_i + g_j - a_ij) -
 * 1|, and that sum times n is e^(old f_i - new f_i). The new f is then not adopted. */
template <int ROWS, int COLS>
__device__ __forceinline__ void un_sinkhorn_solve(float t[ROWS][COLS], const float *cost, const un_share &s,
                                                  const struct un_transport &how, un_transport_room &room) {
    un_sinkhorn<ROWS, COLS> k;
    float next[ROWS];
    const float log_m = logf((float)s.m);
    k.mine = 0.0f;
#pragma unroll
    for (int r = 0; r < ROWS; ++r) {
        k.f[r] = 0.0f;
#pragma unroll
        for (int c = 0; c < COLS; ++c) {
            k.a[r][c] = UN_TRANSPORT_NO_MASS, k.g[c] = 0.0f;
            if (un_share_inside(s, r, c)) k.a[r][c] = cost[un_share_at(s, r, c)] / how.epsilon;
        }
    }
    for (int it = 0; it < how.iterations; ++it) {
        float *part = room.part + (it & 1) * 2 * UN_SOLVE_PART, *most = part + UN_SOLVE_PART,
              *off = room.off[it & 1];
        const float f = un_sinkhorn_words<ROWS, COLS>(k, s), worst = un_warp_max(fabsf(expm1f(k.mine - f)));
        un_rows_spread<ROWS>(next, f);
        if (s.lane == 0) off[s.warp] = worst;
        un_sinkhorn_parts<ROWS, COLS>(part, most, next, k, s);
        __syncthreads();
        if (it > 0 && how.tolerance > 0.0f && un_warps_worst(off) < how.tolerance) break;
#pragma unroll
        for (int r = 0; r < ROWS; ++r) k.f[r] = next[r];
        k.mine = f;
#pragma unroll
        for (int c = 0; c < COLS; ++c) {
            const int col = un_share_col(s, c);
            const float g = -log_m - un_parts_log_sum(part, most, UN_SOLVE_COLS, col);
            k.g[c] = col < s.m ? g : 0.0f;
        }
    }
#pragma unroll
    for (int r = 0; r < ROWS; ++r)
#pragma unroll
        for (int c = 0; c < COLS; ++c) t[r][c] = expf(k.f[r] + k.g[c] - k.a[r][c]);
}

/* Plan from cost, both [n, m] at `start`; returns this thread's part of the distance. */
template <int ROWS, int COLS>
__device__ __forceinline__ double un_solve(float *plan, const float *cost, int start, int n, int m,
                                           const struct un_transport &how, un_transport_room &room) {
    const un_share s = {(int)threadIdx.x / UN_WARP, (int)threadIdx.x % UN_WARP, n, m, start};
    float t[ROWS][COLS];
    double distance = 0.0;
    if (how.solver == UN_SOLVER_IPOT)
        un_ipot_solve<ROWS, COLS>(t, cost, s, how, room);
    else
        un_sinkhorn_solve<ROWS, COLS>(t, cost, s, how, room);
#pragma unroll
    for (int r = 0; r < ROWS; ++r) {
        float sum = 0.0f;
#pragma unroll
        for (int c = 0; c < COLS; ++c)
            if (un_share_inside(s, r, c)) {
                const int at = un_share_at(s, r, c);
                plan[at] = t[r][c];
                sum += cost[at] * t[r][c];
            }
        distance += (double)sum;
    }
    return distance;
}

#endif
