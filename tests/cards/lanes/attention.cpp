/* Attention's fragments and tiles (runtime/cuda/attention_mma.cuh) against sums over plain matrices of small integers, which are exact
 * in bf16 and f32. */
#include "runtime/cuda/attention_mma.cuh"

#include "tests/cards/lanes/test_lanes.h"

namespace {

enum { ROWS = 48, TOKENS = 41, FIRST = 16, LEFT_TOKENS = 29 };

int x[ROWS][UN_HEAD], y[ROWS][UN_HEAD];
alignas(16) un_bf16 x_bits[ROWS][UN_HEAD], y_bits[ROWS][UN_HEAD], out[ROWS][UN_HEAD];
alignas(128) unsigned char tile[ROWS * UN_HEAD_BYTES];
float scores[LANES][2][4], sums[LANES][2];

void fill() {
    uint32_t state = 1;
    for (int r = 0; r < ROWS; ++r)
        for (int c = 0; c < UN_HEAD; ++c) {
            x[r][c] = lanes_small(&state, 1), y[r][c] = lanes_small(&state, 1);
            x_bits[r][c] = lanes_to_bf16((float)x[r][c]);
            y_bits[r][c] = lanes_to_bf16((float)y[r][c]);
            out[r][c] = lanes_to_bf16(-77.0f);
        }
}

/* Row r of a matrix of `tokens` rows: zeros behind them. */
int element(const int m[ROWS][UN_HEAD], int tokens, int r, int c) {
    return r < tokens ? m[r][c] : 0;
}

int score(int i, int j) {
    int sum = 0;
    for (int d = 0; d < UN_HEAD; ++d) sum += element(x, LEFT_TOKENS, FIRST + i, d) * element(y, TOKENS, j, d);
    return sum;
}

/* A row's scores with the rows [at, at + 16) of y, times those rows. */
int mixed(int at, int i, int c) {
    int sum = 0;
    for (int k = 0; k < UN_STEP; ++k) sum += score(i, at + k) * element(y, TOKENS, at + k, c);
    return sum;
}

void a_head(int at) {
    const float one[2] = {1.0f, 1.0f};
    uint32_t a[4][4], left[4];
    float c[2][4], sum[8][4] = {};
    for (int warp = 0; warp < 2; ++warp) { /* a block of two warps, whose second this one is, too */
        lanes_self.x += (unsigned)(warp * LANES);
        un_tile_fill(tile, &y_bits[0][0], UN_HEAD, TOKENS);
        lanes_self.x %= LANES;
    }
    un_fragment_load(a, &x_bits[0][0], UN_HEAD, FIRST, LEFT_TOKENS);
    __syncthreads();
    un_tile_scores(c, a, tile, at);
    memcpy(scores[threadIdx.x], c, sizeof c);
    un_fragment_left(left, c);
    un_tile_mix(sum, left, tile, at);
    const un_fragment f = un_fragment_of(sum, one);
    un_fragment_store(&out[0][0], UN_HEAD, FIRST, LEFT_TOKENS, f);
    float *own = sums[threadIdx.x];
    own[0] = 1.0f, own[1] = -1.0f;
    un_fragment_sum(own, f, FIRST, LEFT_TOKENS);
}

/* Of the rows that are stored; a lane has two neighbouring columns. */
void check_sums() {
    for (int c = 0; c < UN_HEAD; ++c) {
        float want = c % 2 ? -1.0f : 1.0f;
        for (int r = FIRST; r < FIRST + UN_STEP && r < LEFT_TOKENS; ++r)
            want += __uint_as_float((uint32_t)out[r][c].bits << 16);
        assert_float_equal(sums[c / 2][c % 2], want, 0);
    }
}

void test_attention(void **state) {
    (void)state;
    lanes_block.x = 2 * LANES;
    for (int at = 0; at < ROWS; at += UN_STEP) {
        fill();
        lanes_run([at] { a_head(at); });
        for (int lane = 0; lane < LANES; ++lane)
            for (int half = 0; half < 2; ++half)
                for (int i = 0; i < 4; ++i) {
                    const int row = lane / 4 + (i < 2 ? 0 : 8), col = at + 8 * half + lane % 4 * 2 + (i & 1);
                    assert_int_equal((int)scores[lane][half][i], score(row, col));
                }
        check_sums();
        for (int r = 0; r < ROWS; ++r)
            for (int c = 0; c < UN_HEAD; ++c) {
                const bool written = FIRST <= r && r < FIRST + UN_STEP && r < LEFT_TOKENS;
                const float want = written ? (float)mixed(at, r - FIRST, c) : -77.0f;
                assert_int_equal(out[r][c].bits, lanes_to_bf16(want).bits);
            }
    }
}

} // namespace

const struct CMUnitTest lanes_attention = cmocka_unit_test(test_attention);
