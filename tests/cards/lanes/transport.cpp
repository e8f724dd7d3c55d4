/* The products of the word-region alignment (runtime/cuda/transport.cu). */
#include "runtime/cuda/transport.cu"

#include "tests/cards/lanes/test_lanes.h"

namespace {

enum { WORDS = 13, REGIONS = 19, COLS = 28, STRIDE = 32 };

int v[WORDS + REGIONS][COLS];
alignas(16) un_bf16 bits[WORDS + REGIONS][STRIDE];
float got[LANES][DOT_TILES][4];

/* All products of words and regions over columns that are no multiple of 8, by one warp: behind the last word, region and column
 * lie numbers that must not count. */
void test_dots(void **state) {
    (void)state;
    uint32_t random = 7;
    for (int r = 0; r < WORDS + REGIONS; ++r)
        for (int c = 0; c < STRIDE; ++c) {
            const int value = lanes_small(&random, 9);
            bits[r][c] = lanes_to_bf16((float)value);
            if (c < COLS) v[r][c] = value;
        }
    const un_pair<un_bf16> pair = {WORDS, REGIONS, 0, &bits[0][0], 0};
    const un_token_rows<const un_bf16> rows = {&bits[0][0], STRIDE, COLS, true};
    lanes_run([&] {
        float acc[DOT_TILES][4] = {};
        const cost_tile c = {0, 0, DOT_TILES};
        dots(acc, pair, c, rows);
        memcpy(got[threadIdx.x], acc, sizeof acc);
    });
    for (int lane = 0; lane < LANES; ++lane)
        for (int u = 0; u < DOT_TILES; ++u)
            for (int i = 0; i < 4; ++i) {
                const int word = lane / 4 + (i < 2 ? 0 : 8), region = 8 * u + lane % 4 * 2 + (i & 1);
                int want = 0;
                for (int k = 0; k < COLS && word < WORDS && region < REGIONS; ++k)
                    want += v[word][k] * v[WORDS + region][k];
                assert_int_equal((int)got[lane][u][i], want);
            }
}

} // namespace

const struct CMUnitTest lanes_transport = cmocka_unit_test(test_dots);
