/* Forced into the test of fragments: a warp of 32 threads of this machine, which meet at a barrier, and the three instructions
 * that spread matrices over lanes, as the tables of the PTX manual have them (mma.m16n8k16, ldmatrix.x4). Knows nothing of the
 * emulated card, of which it takes CUDA's words alone; so the kernels' index maps are held against the manual a second time. */
#ifndef UN_TESTS_CARDS_LANES_LANES_H
#define UN_TESTS_CARDS_LANES_LANES_H

#include "tests/cards/emu/intrinsics.h"
#include "tests/cards/emu/types.h"

#include <array>
#include <barrier>
#include <cstdlib>
#include <functional>
#include <thread>
#include <vector>

enum { LANES = 32 };

inline std::barrier<> lanes_all(LANES);
inline uint64_t lanes_post[LANES][8];
inline thread_local uint3 lanes_self;
inline thread_local unsigned char *lanes_dynamic;
inline dim3 lanes_block(LANES); /* a test may say more, and be several threads one after the other */
static const dim3 lanes_grid(1);

#define threadIdx lanes_self
#define blockIdx  (uint3{0, 0, 0})
#define blockDim  lanes_block
#define gridDim   lanes_grid

#define UN_LAUNCH(q, kernel, ...)       ((void)(q))
#define UN_SHARED_MOST(q, kernel, most) ((void)(q))
#define UN_DYNAMIC_SHARED(name)         unsigned char *const name = lanes_dynamic

/* f as lane 0 to 31 of warp 0. */
static inline void lanes_run(const std::function<void()> &f) {
    std::vector<std::thread> threads;
    for (unsigned lane = 0; lane < LANES; ++lane)
        threads.emplace_back([&f, lane] {
            lanes_self = {lane, 0, 0};
            f();
        });
    for (std::thread &t : threads) t.join();
}

/* What every lane brings. */
template <class T> static inline std::array<T, LANES> lanes_meet(T mine) {
    static_assert(sizeof(T) <= sizeof lanes_post[0]);
    std::array<T, LANES> all;
    memcpy(lanes_post[lanes_self.x], &mine, sizeof mine);
    lanes_all.arrive_and_wait();
    for (int lane = 0; lane < LANES; ++lane) memcpy(&all[lane], lanes_post[lane], sizeof mine);
    lanes_all.arrive_and_wait();
    return all;
}

/* Masks of a part of the warp are not known here. */
static inline void lanes_whole(unsigned mask) {
    if (mask != 0xFFFFFFFFu) abort();
}
static inline void __syncthreads() {
    lanes_all.arrive_and_wait();
}
static inline void __syncwarp(unsigned mask = 0xFFFFFFFFu) {
    lanes_whole(mask);
    lanes_all.arrive_and_wait();
}
template <class T> static inline T __shfl_xor_sync(unsigned mask, T value, int bits) {
    lanes_whole(mask);
    return lanes_meet(value)[lanes_self.x ^ (unsigned)bits];
}
template <class T> static inline T __shfl_sync(unsigned mask, T value, int source) {
    lanes_whole(mask);
    return lanes_meet(value)[source & 31];
}

/* Copies are done at once: when they may be read is not what is tested. */
static inline void un_copy_async(void *shared, const void *global, int bytes) {
    memset(shared, 0, 16);
    memcpy(shared, global, (size_t)bytes);
}
static inline void un_copy_commit() {}
template <int left> static inline void un_copy_wait() {}

struct lanes_operands {
    float d[4];
    uint32_t a[4], b[2];
};

static inline float lanes_bf16(uint32_t pair, int upper) {
    return __uint_as_float(upper ? pair & 0xFFFF0000u : pair << 16);
}

/* Of the manual's fragments: element i of a lane, groupID = lane / 4, threadID_in_group = lane % 4.
 *   a_i: row = groupID for 0 <= i < 2 and 4 <= i < 6, else groupID + 8; col = 2 threadID + (i & 1), + 8 for i >= 4
 *   b_i: row = 2 threadID + (i & 1), + 8 for i >= 2; col = groupID
 *   c_i: row = groupID for i < 2, else groupID + 8; col = 2 threadID + (i & 1) */
static inline void un_mma_bf16(float d[4], const uint32_t a[4], const uint32_t b[2]) {
    struct lanes_operands mine;
    memcpy(mine.d, d, sizeof mine.d);
    memcpy(mine.a, a, sizeof mine.a);
    memcpy(mine.b, b, sizeof mine.b);
    const std::array<lanes_operands, LANES> all = lanes_meet(mine);
    float left[16][16], right[16][8];
    for (int lane = 0; lane < LANES; ++lane) {
        const int group = lane / 4, thread = lane % 4;
        for (int i = 0; i < 8; ++i) {
            const int row = i < 2 || (4 <= i && i < 6) ? group : group + 8;
            left[row][thread * 2 + (i & 1) + (i >= 4 ? 8 : 0)] = lanes_bf16(all[lane].a[i / 2], i % 2);
        }
        for (int i = 0; i < 4; ++i)
            right[thread * 2 + (i & 1) + (i >= 2 ? 8 : 0)][group] = lanes_bf16(all[lane].b[i / 2], i % 2);
    }
    for (int i = 0; i < 4; ++i) {
        const int row = (int)lanes_self.x / 4 + (i < 2 ? 0 : 8), col = (int)lanes_self.x % 4 * 2 + (i & 1);
        for (int k = 0; k < 16; ++k) d[i] += left[row][k] * right[k][col];
    }
}

/* Threads 8 m to 8 m + 7 hold the addresses of the rows of matrix m; of each matrix, lane l gets elements 2 (l % 4) and + 1 of
 * row l / 4, which with .trans are elements of a column. */
static inline void lanes_load_matrix(uint32_t r[4], const void *row, bool transposed) {
    const std::array<const void *, LANES> address = lanes_meet(row);
    const int group = (int)lanes_self.x / 4, thread = (int)lanes_self.x % 4;
    for (int m = 0; m < 4; ++m) {
        uint16_t pair[2];
        for (int e = 0; e < 2; ++e) {
            const int of_row = transposed ? 2 * thread + e : group,
                      of_col = transposed ? group : 2 * thread + e;
            pair[e] = ((const uint16_t *)address[8 * m + of_row])[of_col];
        }
        r[m] = pair[0] | (uint32_t)pair[1] << 16;
    }
}
static inline void un_load_matrix(uint32_t r[4], const void *row) {
    lanes_load_matrix(r, row, false);
}
static inline void un_load_matrix_t(uint32_t r[4], const void *row) {
    lanes_load_matrix(r, row, true);
}

#endif
