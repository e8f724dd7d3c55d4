/* The mixtures of the word-region alignment's gradient (runtime/cuda/transport_bwd.cu). */
#include "runtime/cuda/transport_bwd.cu"

#include "tests/cards/lanes/test_lanes.h"

namespace {

enum { OWN = 13, DEPTH = 21, INSIDE = 59 };

float plan[OWN * DEPTH];
int y[DEPTH][TASK_COLS];
alignas(16) un_bf16 bits[DEPTH][TASK_COLS];
float got[LANES][TASK_TILES][4];
bwd_room room;

/* 16 rows of one side, of which it has 13, over 21 of the other; the last columns are outside of the matrix. Weights of up to 12
 * bits need both of their bf16. */
void test_mix(void **state) {
    (void)state;
    uint32_t random = 3;
    for (int i = 0; i < OWN * DEPTH; ++i) plan[i] = (float)lanes_small(&random, 2000);
    for (int k = 0; k < DEPTH; ++k)
        for (int c = 0; c < TASK_COLS; ++c) {
            y[k][c] = lanes_small(&random, 9);
            bits[k][c] = lanes_to_bf16((float)y[k][c]);
        }
    for (int i = 0; i < OWN + DEPTH; ++i) room.inverse[i] = 1.0f;
    const side s = {OWN, DEPTH, 0, OWN, plan, DEPTH, 1, -1.0f};
    lanes_run([&] {
        float acc[TASK_TILES][4] = {};
        mix(acc, s, room, 0, &bits[0][0], TASK_COLS, INSIDE, true);
        memcpy(got[threadIdx.x], acc, sizeof acc);
    });
    for (int lane = 0; lane < LANES; ++lane)
        for (int u = 0; u < TASK_TILES; ++u)
            for (int i = 0; i < 4; ++i) {
                const int row = lane / 4 + (i < 2 ? 0 : 8), col = 8 * (lane % 4 * 2 + (i & 1)) + u;
                int want = 0;
                for (int k = 0; k < DEPTH && row < OWN && col < INSIDE; ++k)
                    want += (int)plan[row * DEPTH + k] * y[k][col];
                assert_int_equal((int)got[lane][u][i], want);
            }
}

} // namespace

const struct CMUnitTest lanes_transport_bwd = cmocka_unit_test(test_mix);
