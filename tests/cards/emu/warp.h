/* Warp operations, for code in kernels: shuffles, votes, __syncwarp, matrix loads and products. All lanes of
 * the mask must come to the same operation at the same line; each gives an operand and sees those of all.
 * Only __syncwarp orders memory between lanes (the others do not on the card either; TSan is told so). */
#ifndef UN_TESTS_CARDS_EMU_WARP_H
#define UN_TESTS_CARDS_EMU_WARP_H

#include "tests/cards/emu/block.h"

enum un_emu_warp_kind {
    UN_EMU_SYNC,
    UN_EMU_SHUFFLE,
    UN_EMU_VOTE,
    UN_EMU_REDUCE,
    UN_EMU_MMA,
    UN_EMU_LOAD_MATRIX
};
enum { UN_EMU_OPERAND = 64 }; /* bytes of one lane's operand at most */

/* Waits for all lanes of mask. Returns their operands, that of lane l at l * bytes, valid until this thread's
 * next operation or barrier. finish (may be NULL) is run once, on all operands, by the last lane to come.
 * Only for the emulator's own files: TSan may not see these operands. */
const unsigned char *un_emu_meet(enum un_emu_warp_kind kind, unsigned mask, const void *operand, int bytes,
                                 void (*finish)(unsigned char *operands), struct un_emu_site site);
/* *value becomes that of lane `source`, which must be in the mask. */
void un_emu_shuffle(unsigned mask, void *value, int bytes, int source, struct un_emu_site site);
/* all[l] becomes the value of lane l of the mask. */
void un_emu_gather(unsigned mask, uint32_t all[32], uint32_t value, struct un_emu_site site);

static inline int un_emu_lane() {
    return un_emu_self->rank & 31;
}

template <class T> static inline T un_emu_from(unsigned mask, T value, int source, struct un_emu_site site) {
    static_assert(sizeof(T) <= UN_EMU_OPERAND, "operand of a shuffle");
    un_emu_shuffle(mask, &value, (int)sizeof value, source, site);
    return value;
}

template <class T>
static inline T __shfl_sync(unsigned mask, T value, int source, int width = 32, UN_EMU_CALLER) {
    const int first = un_emu_lane() & ~(width - 1);
    return un_emu_from(mask, value, first | (source & (width - 1)), UN_EMU_HERE);
}
template <class T>
static inline T __shfl_xor_sync(unsigned mask, T value, int bits, int width = 32, UN_EMU_CALLER) {
    const int lane = un_emu_lane(), source = lane ^ bits, first = lane & ~(width - 1);
    return un_emu_from(mask, value, (source & ~(width - 1)) > first ? lane : source, UN_EMU_HERE);
}
template <class T>
static inline T __shfl_down_sync(unsigned mask, T value, unsigned delta, int width = 32, UN_EMU_CALLER) {
    const int lane = un_emu_lane(), at = (lane & (width - 1)) + (int)delta;
    return un_emu_from(mask, value, at < width ? lane + (int)delta : lane, UN_EMU_HERE);
}
template <class T>
static inline T __shfl_up_sync(unsigned mask, T value, unsigned delta, int width = 32, UN_EMU_CALLER) {
    const int lane = un_emu_lane(), at = (lane & (width - 1)) - (int)delta;
    return un_emu_from(mask, value, at >= 0 ? lane - (int)delta : lane, UN_EMU_HERE);
}

static inline void __syncwarp(unsigned mask = 0xFFFFFFFFu, UN_EMU_CALLER) {
    un_emu_meet(UN_EMU_SYNC, mask, nullptr, 0, nullptr, UN_EMU_HERE);
}

unsigned un_emu_ballot(unsigned mask, bool vote, struct un_emu_site site);
static inline unsigned __ballot_sync(unsigned mask, int vote, UN_EMU_CALLER) {
    return un_emu_ballot(mask, vote != 0, UN_EMU_HERE);
}
static inline int __any_sync(unsigned mask, int vote, UN_EMU_CALLER) {
    return un_emu_ballot(mask, vote != 0, UN_EMU_HERE) != 0;
}
static inline int __all_sync(unsigned mask, int vote, UN_EMU_CALLER) {
    return un_emu_ballot(mask, vote != 0, UN_EMU_HERE) == mask;
}

/* Integers only, as on the card. */
template <class T, class F>
static inline T un_emu_reduce(unsigned mask, T value, F both, struct un_emu_site site) {
    static_assert(sizeof(T) == 4 && (T)1.5 == 1, "a 32-bit integer");
    uint32_t all[32];
    un_emu_gather(mask, all, (uint32_t)value, site);
    bool first = true;
    for (int lane = 0; lane < 32; ++lane) {
        if (!(mask >> lane & 1u)) continue;
        const T other = (T)all[lane];
        value = first ? other : both(value, other);
        first = false;
    }
    return value;
}
template <class T> static inline T __reduce_add_sync(unsigned mask, T value, UN_EMU_CALLER) {
    return un_emu_reduce(
        mask, value, [](T a, T b) { return (T)((unsigned)a + (unsigned)b); }, UN_EMU_HERE);
}
template <class T> static inline T __reduce_max_sync(unsigned mask, T value, UN_EMU_CALLER) {
    return un_emu_reduce(
        mask, value, [](T a, T b) { return a > b ? a : b; }, UN_EMU_HERE);
}
template <class T> static inline T __reduce_min_sync(unsigned mask, T value, UN_EMU_CALLER) {
    return un_emu_reduce(
        mask, value, [](T a, T b) { return a < b ? a : b; }, UN_EMU_HERE);
}

/* ---- the tensor cores' part of machine.cuh ---- */

void un_emu_mma_bf16(float d[4], const uint32_t a[4], const uint32_t b[2], struct un_emu_site site);
void un_emu_load_matrix(uint32_t r[4], const void *row, bool transposed, struct un_emu_site site);

static inline void un_mma_bf16(float d[4], const uint32_t a[4], const uint32_t b[2], UN_EMU_CALLER) {
    un_emu_mma_bf16(d, a, b, UN_EMU_HERE);
}
static inline void un_load_matrix(uint32_t r[4], const void *row, UN_EMU_CALLER) {
    un_emu_load_matrix(r, row, false, UN_EMU_HERE);
}
static inline void un_load_matrix_t(uint32_t r[4], const void *row, UN_EMU_CALLER) {
    un_emu_load_matrix(r, row, true, UN_EMU_HERE);
}

#endif
