/* The kernel of AMX: 32 rows of 32 columns, four tiles of sums. TDPBF16PS is THE ORDER itself: a tile of sums goes on
 * from where the piece of k before it ended. */
#include "runtime/cpu/product.h"
#include "runtime/cpu/product_pairs.h"

#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { SIDE = 32, TILE = 16, TILE_BYTES = 1024, LINE = 64 };

_Static_assert(UN_PRODUCT_ROWS % SIDE == 0 && (int)SIDE <= (int)UN_PRODUCT_COLS, "panels fill tiles");

/* Eight tiles of 16 rows of 64 bytes. Not on the stack: gcc's intrinsic names 8 of the 64 bytes as read, and drops
 * stores to the others. */
static const struct {
    uint8_t palette, start, none[14];
    uint16_t bytes[16];
    uint8_t rows[16];
} tiles = {1,
           0,
           {0},
           {LINE, LINE, LINE, LINE, LINE, LINE, LINE, LINE},
           {TILE, TILE, TILE, TILE, TILE, TILE, TILE, TILE}};

/* The system keeps the tiles of a process that has asked; of all its threads. */
static bool permitted(void) {
    enum { ASK_PERMISSION = 0x1023, TILE_DATA = 18, BF16 = 1 << 22, TILES = 1 << 24 };
    unsigned a, b, c, d;
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return false;
    return (d & BF16) && (d & TILES) && __builtin_cpu_supports("avx2") &&
           syscall(SYS_arch_prctl, ASK_PERMISSION, TILE_DATA) == 0;
}

static unsigned enter(void) {
    _tile_loadconfig(&tiles);
    return 0;
}
static void leave(unsigned mode) {
    (void)mode;
    _tile_release();
}

static void block_of(float *acc, int64_t stride, const unsigned char *left, const unsigned char *right,
                     int64_t blocks) {
    const int64_t bytes = stride * (int64_t)sizeof(float);
    float *below = acc + TILE * stride;
    _tile_loadd(0, acc, bytes);
    _tile_loadd(1, acc + TILE, bytes);
    _tile_loadd(2, below, bytes);
    _tile_loadd(3, below + TILE, bytes);
    for (int64_t b = 0; b < blocks; ++b, left += 2 * TILE_BYTES, right += 2 * TILE_BYTES) {
        _tile_loadd(4, left, LINE);
        _tile_loadd(6, right, LINE);
        _tile_dpbf16ps(0, 4, 6);
        _tile_loadd(7, right + TILE_BYTES, LINE);
        _tile_dpbf16ps(1, 4, 7);
        _tile_loadd(5, left + TILE_BYTES, LINE);
        _tile_dpbf16ps(2, 5, 6);
        _tile_dpbf16ps(3, 5, 7);
    }
    _tile_stored(0, acc, bytes);
    _tile_stored(1, acc + TILE, bytes);
    _tile_stored(2, below, bytes);
    _tile_stored(3, below + TILE, bytes);
}

static void multiply(float *acc, int64_t stride, const void *left, int64_t panels, const void *right,
                     int64_t depth) {
    const int64_t blocks = (depth + UN_PRODUCT_BLOCK - 1) / UN_PRODUCT_BLOCK;
    for (int64_t p = 0; p < panels; ++p)
        block_of(acc + p * SIDE * stride, stride, (const unsigned char *)left + p * blocks * 2 * TILE_BYTES,
                 right, blocks);
}

/* For a block: rows 0 to 15 of the panel, 64 bytes each, then rows 16 to 31. */
static void pack_left(void *panel, const struct un_product_factor *a, const struct un_product_piece *piece) {
    for (int64_t i = 0; i < piece->high; i += TILE)
        for (int64_t b = 0; b < piece->blocks; ++b) {
            const int64_t at = (i / SIDE * piece->blocks + b) * 2 + i / TILE % 2;
            un_pairs_by_outer((struct un_pairs_square *)panel + at, a, piece->first + i,
                              piece->k + b * UN_PRODUCT_BLOCK);
        }
}

/* For a block: columns 0 to 15 as rows of pairs, then columns 16 to 31. */
static void pack_right(void *panel, const struct un_product_factor *b, const struct un_product_piece *piece) {
    for (int64_t i = 0; i < piece->blocks; ++i)
        for (int64_t j = 0; j < 2; ++j)
            un_pairs_by_k((struct un_pairs_square *)panel + 2 * i + j, b, piece->first + j * TILE,
                          piece->k + i * UN_PRODUCT_BLOCK);
}

const struct un_product_kernel un_product_amx = {.name = "amx",
                                                 .rows = SIDE,
                                                 .cols = SIDE,
                                                 .element = sizeof(uint16_t),
                                                 .able = permitted,
                                                 .pack_left = pack_left,
                                                 .pack_right = pack_right,
                                                 .enter = enter,
                                                 .multiply = multiply,
                                                 .leave = leave};
