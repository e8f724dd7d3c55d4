/* What tests/unit/runtime/ops does not see of the card's LayerNorm: bf16 and mixed types, wide rows, many rows. Every case
 * runs in the harness's variations, so vectors and single elements, all orders of threads and all addresses
 * give the same bits. Tolerances: those of tests/unit/runtime/ops and one rounding; r must be exactly the CPU's, rounded.
 */
#include "tests/cards/emu/typed.h"

static void run_norm_fwd(struct un_harness *h, const void *context) {
    const struct un_typed_shape *s = context;
    struct un_oracle o = un_oracle_open();
    const struct un_mat none = {0};
    struct un_dropout d = un_harness_dropout(0.2), *drop = s->drop ? &d : NULL;
    struct un_mat x = un_typed_random(h, s->x, s->rows, s->cols, -1, 3);
    struct un_mat residual = s->extra ? un_typed_random(h, s->y, s->rows, s->cols, -2, 2) : none;
    struct un_mat y = un_harness_mat_of(h, s->y, s->rows, s->cols);
    struct un_mat r = s->in_place ? x : un_harness_mat_of(h, s->y, s->rows, s->cols);
    float *gamma = un_harness_random(h, s->cols, 0.5f, 2), *beta = un_harness_random(h, s->cols, -1, 1);
    float *mean = un_harness_poison(h, s->rows), *rstd = un_harness_poison(h, s->rows);
    float *want_mean = un_harness_poison(h, s->rows), *want_rstd = un_harness_poison(h, s->rows);
    struct un_mat xt = un_typed_twin(h, x), rest = s->extra ? un_typed_twin(h, residual) : none;
    struct un_mat want_y = un_typed_room(h, y), want_r = un_typed_room(h, r);
    o.ops->norm_fwd(o.q, want_y, want_r, want_mean, want_rstd, xt, rest, gamma, beta, drop);
    h->ops->norm_fwd(h->q, y, r, mean, rstd, x, residual, gamma, beta, drop);
    un_typed_exact("norm_fwd r", r, want_r);
    un_typed_near("norm_fwd mean", un_mat32(mean, 1, s->rows), un_mat32(want_mean, 1, s->rows),
                  (struct un_tolerance){5e-7, 1e-6});
    un_typed_near("norm_fwd rstd", un_mat32(rstd, 1, s->rows), un_mat32(want_rstd, 1, s->rows),
                  (struct un_tolerance){0, 3e-6});
    un_typed_near("norm_fwd y", y, want_y, (struct un_tolerance){4e-6, 3e-6});
    un_oracle_close(&o);
}

static void norm_forward(void **state) {
    (void)state;
    un_typed_each(run_norm_fwd);
}

static void run_norm_bwd(struct un_harness *h, const void *context) {
    const struct un_typed_shape *s = context;
    struct un_oracle o = un_oracle_open();
    int64_t n = s->rows, c = s->cols;
    struct un_dropout d = un_harness_dropout(0.2), *drop = s->drop ? &d : NULL;
    struct un_mat dy = un_typed_random(h, s->x, n, c, -1, 1), r = un_typed_random(h, s->y, n, c, -1, 3);
    float *gamma = un_harness_random(h, c, 0.5f, 2), *mean = un_harness_poison(h, n),
          *rstd = un_harness_poison(h, n);
    struct un_mat dyt = un_typed_twin(h, dy), rt = un_typed_twin(h, r), y_room = un_typed_room(h, r),
                  dr_room = un_typed_room(h, r);
    struct un_mat dx_room = un_typed_room(h, r);
    o.ops->norm_fwd(o.q, y_room, un_typed_room(h, r), mean, rstd, rt, (struct un_mat){0}, gamma, gamma, NULL);
    float *sums[3], *want[3], *before = NULL;
    for (int k = 0; k < 3; ++k) {
        sums[k] = un_harness_random(h, c, -1, 1);
        want[k] = un_harness_copy(h, sums[k], c);
        if (k == 2) before = un_harness_copy(h, sums[k], c);
    }
    struct un_mat dr = s->in_place ? dy : un_harness_mat_of(h, s->x, n, c);
    struct un_mat dx = s->extra ? un_harness_mat_of(h, s->y, n, c) : (struct un_mat){0};
    o.ops->norm_bwd(o.q, dr_room, s->extra ? dx_room : (struct un_mat){0}, want[0], want[1], want[2], dyt, rt,
                    mean, rstd, gamma, drop);
    h->ops->norm_bwd(h->q, dr, dx, sums[0], sums[1], sums[2], dy, r, mean, rstd, gamma, drop);
    if (c > 1) un_typed_near("norm_bwd dr", dr, dr_room, (struct un_tolerance){4e-6, 1e-5});
    if (c > 1 && s->extra) un_typed_near("norm_bwd dx", dx, dx_room, (struct un_tolerance){5e-6, 1e-5});
    un_typed_near("norm_bwd dgamma", un_mat32(sums[0], 1, c), un_mat32(want[0], 1, c),
                  (struct un_tolerance){3e-5, 3e-6});
    un_typed_near("norm_bwd dbeta", un_mat32(sums[1], 1, c), un_mat32(want[1], 1, c),
                  (struct un_tolerance){3e-5, 3e-6});
    un_typed_near_sums("norm_bwd dbias", sums[2], before, s->extra ? dx : dr);
    h->ops->col_sum(h->q, before, s->extra ? dx : dr);
    un_harness_same("norm_bwd dbias and col_sum", un_mat32(sums[2], 1, c), un_mat32(before, 1, c));
    un_oracle_close(&o);
}

static void norm_backward(void **state) {
    (void)state;
    un_typed_each(run_norm_bwd);
}

/* More rows than blocks of the least height: the blocks grow, and the last ones are shorter. */
static void many_rows(void **state) {
    (void)state;
    struct un_typed_shape s = {
        .rows = 13001, .cols = 9, .x = UN_BF16, .y = UN_BF16, .drop = true, .extra = true};
    if (un_typed_heavy(s.rows, s.cols)) return;
    un_harness_each(run_norm_bwd, &s);
    un_harness_each(run_norm_fwd, &s);
}

/* dbias NULL: the other sums are what they are with it. */
static void norm_without_bias(void **state) {
    (void)state;
    struct un_harness h;
    un_harness_open(&h, 1, NULL);
    int64_t n = 5, c = 40;
    struct un_mat dy = un_typed_random(&h, UN_BF16, n, c, -1, 1),
                  r = un_typed_random(&h, UN_BF16, n, c, -1, 1);
    struct un_mat first = un_harness_mat_of(&h, UN_BF16, n, c), second = un_harness_mat_of(&h, UN_BF16, n, c);
    float *gamma = un_harness_random(&h, c, 0.5f, 2), *stats = un_harness_random(&h, n, 0.5f, 1);
    float *a = un_harness_random(&h, 3 * c, -1, 1), *b = un_harness_copy(&h, a, 3 * c);
    h.ops->norm_bwd(h.q, first, (struct un_mat){0}, a, a + c, NULL, dy, r, stats, stats, gamma, NULL);
    h.ops->norm_bwd(h.q, second, (struct un_mat){0}, b, b + c, b + 2 * c, dy, r, stats, stats, gamma, NULL);
    un_typed_exact("norm_bwd dr", first, second);
    un_harness_same("norm_bwd sums", un_mat32(a, 1, 2 * c), un_mat32(b, 1, 2 * c));
    un_harness_close(&h);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(norm_forward),
        cmocka_unit_test(norm_backward),
        cmocka_unit_test(many_rows),
        cmocka_unit_test(norm_without_bias),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
