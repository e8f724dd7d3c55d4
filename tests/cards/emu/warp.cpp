/* Warp operations: lanes that come with the same mask meet in a slot of their warp. The last to come wakes
 * the others; a slot is free again when all have looked. */
#include "tests/cards/emu/warp.h"
#include "tests/cards/emu/state.h"

#include <bit>

namespace {

enum { SLOTS = 64 }; /* at most 32 that wait and 32 that are being left */

struct slot {
    unsigned mask, here, left;
    enum un_emu_warp_kind kind;
    struct un_emu_site site;
    alignas(64) unsigned char operand[32 * UN_EMU_OPERAND];
};

struct warp {
    uint64_t open, used; /* slots: somebody is still to come; somebody is still to look */
    struct slot slot[SLOTS];
};

struct warp warps[UN_EMU_WARPS];

/* No call of memcpy, which TSan looks into. Sizes are multiples of 4 or below. */
void copy(void *to, const void *from, int bytes) {
    unsigned char *t = (unsigned char *)to;
    const unsigned char *f = (const unsigned char *)from, *const end = f + bytes;
    for (; end - f >= 4; f += 4, t += 4) {
        __builtin_memcpy(t, f, 4);
        __asm__ volatile("" ::: "memory");
    }
    for (; f < end; ++f, ++t) {
        *t = *f;
        __asm__ volatile("" ::: "memory");
    }
}

unsigned ended_lanes(int warp) {
    unsigned ended = 0;
    for (int lane = 0; lane < 32; ++lane) {
        const int rank = warp * 32 + lane;
        if (rank >= un_emu_block.threads || un_emu_block.thread[rank].wait == UN_EMU_ENDED)
            ended |= 1u << lane;
    }
    return ended;
}

struct slot *join(struct warp *w, enum un_emu_warp_kind kind, unsigned mask, unsigned bit,
                  struct un_emu_site site) {
    for (uint64_t left = w->open; left != 0; left &= left - 1) {
        struct slot *s = &w->slot[std::countr_zero(left)];
        if (s->mask != mask || (s->here & bit)) continue;
        if (s->kind != kind || !un_emu_same_site(s->site, site))
            un_emu_die("lanes of one mask %#x come to different warp operations: %s:%d and %s:%d", mask,
                       site.file, site.line, s->site.file, s->site.line);
        return s;
    }
    const int k = std::countr_one(w->used);
    if (k >= SLOTS) un_emu_die("more than %d warp operations of one warp are under way", (int)SLOTS);
    struct slot *s = &w->slot[k];
    s->mask = mask;
    s->here = s->left = 0;
    s->kind = kind;
    s->site = site;
    w->open |= 1ull << k;
    w->used |= 1ull << k;
    return s;
}

void wake_others(int warp, unsigned lanes) {
    for (; lanes != 0; lanes &= lanes - 1)
        un_emu_wake(&un_emu_block.thread[warp * 32 + std::countr_zero(lanes)]);
}

} // namespace

void un_emu_warp_start(int threads) {
    for (int i = 0; i < (threads + 31) / 32; ++i) warps[i].open = warps[i].used = 0;
}

void un_emu_warp_end(int rank) {
    const struct warp *w = &warps[rank / 32];
    for (uint64_t left = w->open; left != 0; left &= left - 1) {
        const struct slot *s = &w->slot[std::countr_zero(left)];
        if (s->mask >> (rank & 31) & 1u)
            un_emu_die("thread %d ended, but the warp operation of %s:%d waits for it (mask %#x)", rank,
                       s->site.file, s->site.line, s->mask);
    }
}

const unsigned char *un_emu_meet(enum un_emu_warp_kind kind, unsigned mask, const void *operand, int bytes,
                                 void (*finish)(unsigned char *operands), struct un_emu_site site) {
    const int rank = un_emu_self->rank, lane = rank & 31;
    const unsigned bit = 1u << lane;
    struct warp *w = &warps[rank / 32];
    if (!(mask & bit))
        un_emu_die("%s:%d: lane %d is not in its own mask %#x", site.file, site.line, lane, mask);
    if (un_emu_block.live < un_emu_block.threads || un_emu_block.threads % 32 != 0) {
        const unsigned ended = mask & ended_lanes(rank / 32);
        if (ended)
            un_emu_die("%s:%d: mask %#x names lanes that have ended or never were: %#x", site.file, site.line,
                       mask, ended);
    }
    struct slot *s = join(w, kind, mask, bit, site);
    const uint64_t slot_bit = 1ull << (s - w->slot);
    copy(s->operand + lane * bytes, operand, bytes);
    s->here |= bit;
    if (kind == UN_EMU_SYNC) un_fiber_release(s);
    if (s->here == mask) {
        w->open &= ~slot_bit;
        if (finish) finish(s->operand);
        wake_others(rank / 32, mask & ~bit);
    } else {
        un_emu_sleep(UN_EMU_AT_WARP, site);
    }
    if (kind == UN_EMU_SYNC) un_fiber_acquire(s);
    s->left |= bit;
    if (s->left == mask) w->used &= ~slot_bit;
    return s->operand;
}

void un_emu_shuffle(unsigned mask, void *value, int bytes, int source, struct un_emu_site site) {
    const unsigned char *all = un_emu_meet(UN_EMU_SHUFFLE, mask, value, bytes, nullptr, site);
    if (!(mask >> source & 1u))
        un_emu_die("%s:%d: a shuffle from lane %d, which is not in the mask %#x", site.file, site.line,
                   source, mask);
    copy(value, all + source * bytes, bytes);
}

void un_emu_gather(unsigned mask, uint32_t all[32], uint32_t value, struct un_emu_site site) {
    copy(all, un_emu_meet(UN_EMU_REDUCE, mask, &value, (int)sizeof value, nullptr, site), 32 * 4);
}

unsigned un_emu_ballot(unsigned mask, bool vote, struct un_emu_site site) {
    const unsigned char mine = vote;
    const unsigned char *all = un_emu_meet(UN_EMU_VOTE, mask, &mine, 1, nullptr, site);
    unsigned votes = 0;
    for (int lane = 0; lane < 32; ++lane)
        if ((mask >> lane & 1u) && all[lane]) votes |= 1u << lane;
    return votes;
}

/* ---- matrices: fragments as in the PTX manual, mma.m16n8k16 and ldmatrix.x4 ---- */

namespace {

struct fragments {
    float d[4];
    uint32_t a[4], b[2];
};

float bf16(uint32_t pair, int half) {
    const uint32_t bits = half ? pair & 0xFFFF0000u : pair << 16;
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

/* The whole product at once. Lane l holds rows l / 4 and l / 4 + 8 of a and d, column l / 4 of b. Sums go
 * over k in order, in f32; the card's order is not documented. */
void multiply(unsigned char *operands) {
    struct fragments lane[32];
    float a[16][16], b[16][8], d[16][8];
    copy(lane, operands, (int)sizeof lane);
    for (int l = 0; l < 32; ++l)
        for (int half = 0; half < 2; ++half) {
            const int row = l / 4, k = l % 4 * 2 + half;
            a[row][k] = bf16(lane[l].a[0], half);
            a[row + 8][k] = bf16(lane[l].a[1], half);
            a[row][k + 8] = bf16(lane[l].a[2], half);
            a[row + 8][k + 8] = bf16(lane[l].a[3], half);
            b[k][row] = bf16(lane[l].b[0], half);
            b[k + 8][row] = bf16(lane[l].b[1], half);
            d[row][k] = lane[l].d[half];
            d[row + 8][k] = lane[l].d[2 + half];
        }
    for (int i = 0; i < 16; ++i)
        for (int k = 0; k < 16; ++k)
            for (int j = 0; j < 8; ++j) d[i][j] += a[i][k] * b[k][j];
    for (int l = 0; l < 32; ++l)
        for (int half = 0; half < 2; ++half) {
            lane[l].d[half] = d[l / 4][l % 4 * 2 + half];
            lane[l].d[2 + half] = d[l / 4 + 8][l % 4 * 2 + half];
        }
    copy(operands, lane, (int)sizeof lane);
}

} // namespace

void un_emu_mma_bf16(float d[4], const uint32_t a[4], const uint32_t b[2], struct un_emu_site site) {
    struct fragments mine;
    memcpy(mine.d, d, sizeof mine.d);
    memcpy(mine.a, a, sizeof mine.a);
    memcpy(mine.b, b, sizeof mine.b);
    const unsigned char *all = un_emu_meet(UN_EMU_MMA, 0xFFFFFFFFu, &mine, (int)sizeof mine, multiply, site);
    copy(d, all + (size_t)un_emu_lane() * sizeof mine, (int)sizeof mine.d);
}

void un_emu_load_matrix(uint32_t r[4], const void *row, bool transposed, struct un_emu_site site) {
    enum { ROW = 16 };
    if ((uintptr_t)row % ROW != 0 || !un_emu_is_shared(row, ROW))
        un_emu_die("%s:%d: a row of a matrix load is not 16 aligned bytes of shared memory", site.file,
                   site.line);
    un_fiber_reads(row, ROW);
    const unsigned char *all = un_emu_meet(UN_EMU_LOAD_MATRIX, 0xFFFFFFFFu, row, ROW, nullptr, site);
    const int lane = un_emu_lane();
    for (int m = 0; m < 4; ++m) {
        uint16_t matrix[8][8];
        copy(matrix, all + m * 8 * ROW, (int)sizeof matrix);
        const int i = lane / 4, j = lane % 4 * 2;
        const uint32_t low = transposed ? matrix[j][i] : matrix[i][j];
        const uint32_t high = transposed ? matrix[j + 1][i] : matrix[i][j + 1];
        r[m] = low | high << 16;
    }
}
