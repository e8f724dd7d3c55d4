/* What the instruction of AMX can do (bench_product.h). */
#include "tests/bench/bench_product.h"

#ifdef __x86_64__
#include "runtime/clock.h"
#include "runtime/cpu/product.h"
#include "runtime/memory.h"

#include <immintrin.h>
#include <stdlib.h>

enum { SET = 256 << 10, STEP = 4096, TILE = 1024, TIMES = 400000, LINE = 64 };

static void work(const unsigned char *set) {
    for (int64_t i = 0; i < TIMES; ++i) {
        const unsigned char *at = set + i * STEP % SET;
        _tile_loadd(4, at, LINE);
        _tile_loadd(5, at + TILE, LINE);
        _tile_loadd(6, at + 2 * TILE, LINE);
        _tile_loadd(7, at + 3 * TILE, LINE);
        _tile_dpbf16ps(0, 4, 6);
        _tile_dpbf16ps(1, 4, 7);
        _tile_dpbf16ps(2, 5, 6);
        _tile_dpbf16ps(3, 5, 7);
    }
}

double bench_product_peak(int threads) {
    if (!un_product_amx.able()) return 0;
    double best = 0;
    for (int round = 0; round < 5; ++round) {
        const double start = un_clock();
#pragma omp parallel num_threads(threads)
        {
            unsigned char *set = un_alloc(SET, 1, "factors");
            if (!set) exit(71);
            const unsigned mode = un_product_amx.enter();
            _tile_zero(0);
            _tile_zero(1);
            _tile_zero(2);
            _tile_zero(3);
            work(set);
            un_product_amx.leave(mode);
            un_free(set);
        }
        const double rate = threads * (4.0 * 2 * 16 * 16 * 32) * TIMES / (un_clock() - start) * 1e-9;
        if (rate > best) best = rate;
    }
    return best;
}
#else
double bench_product_peak(int threads) {
    (void)threads;
    return 0;
}
#endif
