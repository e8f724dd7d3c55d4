/* What a pass computes besides right gradients: the same bits for any number of threads, losses that do not
 * depend on the company a sample is packed with. */
#include "tests/unit/model/net/pass_bench.h"

#include <stdlib.h>
#include <string.h>

static void same_losses(const struct pass_bench *a, const struct pass_bench *b) {
    for (int t = 0; t < UN_OBJECTIVE_COUNT; ++t) {
        int64_t n = a->batch.host.rows[t].n;
        pass_same_bits(a->net.host.row_loss[t], b->net.host.row_loss[t], n, un_objective_names[t]);
        if (t != UN_MRFR) pass_same_bits(a->net.host.hit[t], b->net.host.hit[t], n, "hit");
    }
    pass_same_bits(a->net.host.distance, b->net.host.distance, a->batch.host.rows[UN_ITM].n, "distance");
}

static void threads_do_not_matter(void **state) {
    (void)state;
    struct pass_bench one, more;
    pass_open(&one, 1, true);
    pass_run(&one, true);
    for (int threads = 2; threads <= 3; ++threads) {
        pass_open(&more, threads, true);
        assert_int_equal(more.net.device->threads, threads);
        pass_run(&more, true);
        same_losses(&one, &more);
        pass_same_bits(one.grads, more.grads, one.net.table->total, "gradient");
        pass_close(&more);
    }
    pass_close(&one);
}

static void passes_repeat(void **state) {
    (void)state;
    struct pass_bench a, b;
    pass_open(&a, 2, true);
    pass_open(&b, 2, true);
    pass_run(&a, true);
    pass_run(&b, false); /* leaves other activations behind */
    assert_true(memcmp(a.grads, b.grads, (size_t)a.net.table->total * sizeof(float)) != 0);
    pass_run(&b, true);
    same_losses(&a, &b);
    pass_same_bits(a.grads, b.grads, a.net.table->total, "gradient");
    un_batch_number(&b.batch.device, b.batch.device.step, 1); /* another lane, other masks */
    pass_run(&b, true);
    assert_true(memcmp(a.grads, b.grads, (size_t)a.net.table->total * sizeof(float)) != 0);
    pass_close(&a);
    pass_close(&b);
}

/* Losses of sample s run by itself equal its part of the packed run. first[t]: its first row of objective t. */
static void compare_alone(struct pass_bench *all, int64_t s, int64_t first[UN_OBJECTIVE_COUNT]) {
    struct packed alone;
    struct net *net = &all->net;
    struct un_host_outputs *host = &net->host;
    enum un_objective t = all->drawn.list[s].objective;
    float want[64], distance = host->distance[t == UN_ITM ? first[t] : 0];
    pass_check(samples_pack(&alone, net->device, net->q, &all->caps, all->drawn.list + s, 1, &pass_factors));
    int64_t n = alone.host.rows[t].n;
    assert_true(n > 0 && n <= 64);
    memcpy(want, host->row_loss[t] + first[t], (size_t)n * sizeof *want);
    pass_check(net_run(net, &alone, false, false));
    for (int64_t i = 0; i < n; ++i)
        assert_near(host->row_loss[t][i], want[i], 1e-6 * fmax(1, fabsf(want[i])));
    if (t == UN_ITM) assert_near(host->distance[0], distance, 1e-6);
    packed_close(&alone);
    first[t] += n;
}

static void company_does_not_matter(void **state) {
    (void)state;
    struct pass_bench b;
    int64_t first[UN_OBJECTIVE_COUNT] = {0};
    pass_open(&b, 2, true);
    for (int64_t s = 0; s < PASS_SAMPLES; ++s) {
        pass_check(net_run(&b.net, &b.batch, false, false));
        compare_alone(&b, s, first);
    }
    pass_close(&b);
}

static void forward_only_model(void **state) {
    (void)state;
    struct pass_bench train, plain;
    pass_open(&train, 2, true);
    pass_open(&plain, 2, false);
    pass_run(&train, false);
    pass_check(net_run(&plain.net, &plain.batch, false, false));
    same_losses(&train, &plain);
    assert_int_equal(un_model_pass(plain.net.model, plain.net.q, &plain.batch.device, plain.net.params, NULL,
                                   plain.net.grads, false, &plain.net.out, NULL),
                     UN_INTERNAL);
    un_error_clear();
    pass_close(&train);
    pass_close(&plain);
}

/* Losses equal but for the rounding of products with another number of rows: the BLAS takes the last rows of
 * a product with other kernels than its full blocks, on processors of the Haswell kind with other bits. */
static void near_losses(const struct pass_bench *a, const struct pass_bench *b) {
    for (int t = 0; t < UN_OBJECTIVE_COUNT; ++t)
        for (int64_t i = 0; i < a->batch.host.rows[t].n; ++i) {
            float x = a->net.host.row_loss[t][i];
            assert_near(b->net.host.row_loss[t][i], x, 1e-6 * fmax(1, fabsf(x)));
        }
    for (int64_t i = 0; i < a->batch.host.rows[UN_ITM].n; ++i)
        assert_near(b->net.host.distance[i], a->net.host.distance[i], 1e-6);
}

/* Lists filled up with "no row" change nothing. */
static void fillers(void **state) {
    (void)state;
    struct pass_bench plain, filled;
    pass_open(&plain, 2, true);
    pass_open(&filled, 2, true);
    pass_run(&plain, true);
    struct un_batch *d = &filled.batch.device;
    struct un_rows *mlm = &d->rows[UN_MLM], *kl = &d->rows[UN_MRCKL], *mrfr = &d->rows[UN_MRFR];
    mlm->row[mlm->n] = mlm->target[mlm->n] = -1;
    mlm->n++;
    mrfr->row[mrfr->n] = mrfr->region[mrfr->n] = -1;
    mrfr->n++;
    kl->row[kl->n] = kl->region[kl->n] = -1;
    kl->n++; /* its soft labels are zero: no loss, no gradient */
    d->masked_region[d->masked_count++] = -1;
    pass_run(&filled, true);
    near_losses(&plain, &filled);
    for (int64_t i = 0; i < plain.net.table->total; ++i)
        assert_near(filled.grads[i], plain.grads[i], 1e-6); /* sums are cut into blocks at other rows */
    pass_close(&plain);
    pass_close(&filled);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(threads_do_not_matter),
                                       cmocka_unit_test(passes_repeat),
                                       cmocka_unit_test(company_does_not_matter),
                                       cmocka_unit_test(forward_only_model), cmocka_unit_test(fillers)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
