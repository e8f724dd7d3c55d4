/* The exact plan of transport against a second solver, against all permutations, and its promises. */
#include "model/transport/exact.h"
#include "runtime/rng.h"
#include "tests/support/check.h"
#include "tests/unit/model/transport/paths.h"

#include <string.h>

enum { MOST = 60 * 100 };

enum kind { COSINES, FEW_VALUES, EQUAL, SMALL, NEGATIVE, KINDS };

static void draw(float *cost, int64_t count, enum kind kind, uint32_t which) {
    for (int64_t i = 0; i < count; ++i) {
        struct un_rng4 r = un_rng(7, UN_RNG_TEST, which, (uint32_t)kind, 0, (uint32_t)i);
        float unit = un_rng_unit(r.v[0]);
        switch (kind) {
        case COSINES: cost[i] = 2 * unit; break;
        case FEW_VALUES: cost[i] = (float)(r.v[0] % 3); break;
        case EQUAL: cost[i] = 0.75f; break;
        case SMALL: cost[i] = 1e-20f * unit; break;
        default: cost[i] = unit - 0.5f; break;
        }
    }
}

/* Sums, how many, no plan shorter by the dual. */
static struct un_exact solve(double *plan, const float *cost, int64_t n, int64_t m) {
    struct un_exact told;
    assert_int_equal(un_exact_plan(plan, &told, cost, n, m), UN_OK);
    struct un_plan_worth worth = un_plan_judge(plan, cost, n, m);
    assert_true(worth.row_error < 1e-12 && worth.column_error < 1e-12);
    assert_true(told.entries <= n + m - 1 && told.entries >= (n > m ? n : m));
    assert_int_equal(worth.entries, told.entries);
    for (int64_t i = 0; i < n * m; ++i) assert_true(plan[i] >= 0);
    assert_true(fabs(worth.distance - told.distance) < 1e-12);
    assert_true(told.distance - told.bound < 1e-9 && told.distance - told.bound > -1e-12);
    return told;
}

static void as_the_second_solver(void **state) {
    (void)state;
    static const int64_t size[][2] = {{1, 1}, {1, 9},   {9, 1},   {2, 2},   {3, 4},   {5, 5},
                                      {7, 6}, {12, 36}, {36, 12}, {13, 17}, {20, 20}, {60, 100}};
    static float cost[MOST];
    static double plan[MOST];
    for (uint32_t s = 0; s < sizeof size / sizeof *size; ++s)
        for (int kind = 0; kind < KINDS; ++kind) {
            int64_t n = size[s][0], m = size[s][1];
            if (n * m == MOST && kind != COSINES && kind != FEW_VALUES) continue; /* seconds */
            draw(cost, n * m, (enum kind)kind, s);
            double scale = kind == SMALL ? 1e20 : 1;
            assert_true(fabs(solve(plan, cost, n, m).distance - paths_distance(cost, n, m)) * scale < 1e-9);
        }
}

/* As many rows as columns: some permutation is a best plan. */
static double best_permutation(const float *cost, int n, unsigned used, int row) {
    double least = INFINITY;
    if (row == n) return 0;
    for (int j = 0; j < n; ++j) {
        if (used & 1u << j) continue;
        double sum = (double)cost[row * n + j] + best_permutation(cost, n, used | 1u << j, row + 1);
        least = sum < least ? sum : least;
    }
    return least;
}

static void as_the_best_permutation(void **state) {
    (void)state;
    float cost[36];
    double plan[36];
    for (int n = 1; n <= 6; ++n)
        for (uint32_t which = 0; which < 20; ++which) {
            draw(cost, n * n, which % 2 ? FEW_VALUES : COSINES, 100 + which);
            double best = best_permutation(cost, n, 0, 0) / n;
            assert_true(fabs(solve(plan, cost, n, n).distance - best) < 1e-12);
        }
}

/* Every pivot of equal costs is degenerate: it ends, and after about as many pivots as there are nodes. */
static void ends_at_the_largest(void **state) {
    (void)state;
    enum { SIDE = 256 };
    static float cost[SIDE * SIDE];
    static double plan[SIDE * SIDE];
    for (int kind = COSINES; kind <= EQUAL; ++kind) {
        draw(cost, SIDE * SIDE, (enum kind)kind, 9);
        assert_true(solve(plan, cost, SIDE, SIDE).pivots < 20 * 2 * SIDE);
    }
}

static void judges(void **state) {
    (void)state;
    const float cost[4] = {1, 2, 3, 4};
    const double plan[4] = {0.5, 0.1, 0, 0.5};
    struct un_plan_worth worth = un_plan_judge(plan, cost, 2, 2);
    assert_true(fabs(worth.distance - 2.7) < 1e-6 && fabs(worth.row_error - 0.2) < 1e-12);
    assert_true(fabs(worth.column_error - 0.2) < 1e-12);
    assert_int_equal(worth.entries, 3);
}

static void refuses(void **state) {
    (void)state;
    float cost[4] = {1, 2, NAN, 4};
    double plan[4];
    struct un_exact told;
    assert_int_equal(un_exact_plan(plan, &told, cost, 2, 2), UN_DATA);
    assert_non_null(strstr(un_error_get()->text, "from 1 to 0"));
    cost[2] = INFINITY;
    assert_int_equal(un_exact_plan(plan, &told, cost, 2, 2), UN_DATA);
    assert_int_equal(un_exact_plan(plan, &told, cost, 0, 2), UN_USAGE);
    assert_int_equal(un_exact_plan(plan, &told, cost, 1, UN_EXACT_MOST + 1), UN_USAGE);
    un_error_clear();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_the_second_solver),
        cmocka_unit_test(as_the_best_permutation),
        cmocka_unit_test(ends_at_the_largest),
        cmocka_unit_test(judges),
        cmocka_unit_test(refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
