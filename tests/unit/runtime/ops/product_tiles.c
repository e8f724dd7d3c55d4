/* The kernel of AMX on a processor without: its own code, with the tile instructions in C. What this cannot show is that
 * the instruction computes what is written here; test_product runs the kernel itself where the processor has it. */
#include "tests/unit/runtime/ops/product_tiles.h"

#ifdef __x86_64__
#include <immintrin.h>
#include <math.h>
#include <string.h>

static _Thread_local struct tile { unsigned char row[16][64]; } tiles_now[8];
static _Thread_local bool configured;

static void tile_config(const void *config) {
    const unsigned char *c = config;
    configured = c[0] == 1;
    for (int t = 0; t < 8; ++t) configured &= c[16 + 2 * t] == 64 && c[48 + t] == 16;
}
static void tile_load(int t, const void *from, int64_t stride) {
    for (int r = 0; r < 16; ++r) memcpy(tiles_now[t].row[r], (const unsigned char *)from + r * stride, 64);
}
static void tile_store(int t, void *to, int64_t stride) {
    for (int r = 0; r < 16 && configured; ++r)
        memcpy((unsigned char *)to + r * stride, tiles_now[t].row[r], 64);
}
static float flushed(float x) {
    return fpclassify(x) == FP_SUBNORMAL ? copysignf(0.0f, x) : x;
}
static float widened(const struct tile *t, int row, int member) {
    uint16_t half;
    memcpy(&half, t->row[row] + 2 * member, sizeof half);
    const uint32_t bits = (uint32_t)half << 16;
    float f;
    memcpy(&f, &bits, sizeof f);
    return flushed(f);
}

/* TDPBF16PS; tiny as in THE ORDER. */
static float add(float x, float y, float sum) {
    const float z = fmaf(x, y, sum);
    const double s = (double)x * y + sum;
    return fabsf(z) == 0x1p-126f && fabs(s) < 0x1p-126 - 0x1p-151 ? copysignf(0.0f, z) : flushed(z);
}
static void tile_multiply(int c, int a, int b) {
    for (int m = 0; m < 16; ++m)
        for (int n = 0; n < 16; ++n) {
            float sum[2] = {0, 0}, acc;
            for (int k = 0; k < 32; ++k)
                sum[k % 2] = add(widened(&tiles_now[a], m, k), widened(&tiles_now[b], k / 2, 2 * n + k % 2),
                                 sum[k % 2]);
            memcpy(&acc, tiles_now[c].row[m] + 4 * n, sizeof acc);
            acc = flushed(flushed(acc) + flushed(sum[0] + sum[1]));
            memcpy(tiles_now[c].row[m] + 4 * n, &acc, sizeof acc);
        }
}
static void tile_release(void) {
    configured = false;
}

#undef _tile_loadd
#undef _tile_stored
#undef _tile_dpbf16ps
#define _tile_loadconfig tile_config
#define _tile_loadd      tile_load
#define _tile_stored     tile_store
#define _tile_dpbf16ps   tile_multiply
#define _tile_release    tile_release
#define un_product_amx   un_product_tiles
#include "runtime/cpu/product_amx.c"

static bool pairs_run_here(void) {
    (void)permitted;
    return __builtin_cpu_supports("avx2");
}

struct un_product_kernel un_product_tiles_here(void) {
    struct un_product_kernel kernel = un_product_tiles;
    kernel.name = "tiles in C";
    kernel.able = pairs_run_here;
    return kernel;
}
#else
struct un_product_kernel un_product_tiles_here(void) {
    return un_product_plain;
}
#endif
