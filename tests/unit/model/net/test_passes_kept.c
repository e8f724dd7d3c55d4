/* What a pass keeps for who looks at a network: scores and costs are those of the losses and distances, probabilities of
 * attention add up, and nothing that is trained changes by a bit. */
#include "model/net/trunk.h"
#include "runtime/device.h"
#include "tests/unit/model/net/pass_bench.h"

#include <string.h>

enum { ROWS = 40 };

struct seen {
    const struct pass_bench *bench;
    int64_t layers;
    double worst; /* |sum of a row of probabilities - 1| */
};

static double product(const float *a, const float *b, int64_t n) {
    double sum = 0;
    for (int64_t i = 0; i < n; ++i) sum += (double)a[i] * (double)b[i];
    return sum;
}

/* The device is the CPU and has run what was queued. */
static void on_attended(void *context, int64_t layer, struct un_mat qkv, const float *lse) {
    struct seen *s = context;
    const struct un_batch *b = &s->bench->batch.host;
    const int64_t heads = pass_dims.num_attention_heads, wide = pass_dims.hidden_size / heads;
    const float *q = qkv.data, *k = q + pass_dims.hidden_size;
    assert_int_equal(layer, s->layers++);
    assert_true(qkv.rows == b->tokens && qkv.cols == 3 * pass_dims.hidden_size);
    for (int64_t sample = 0; sample < b->samples; ++sample)
        for (int64_t t = b->start[sample]; t < b->start[sample + 1]; ++t)
            for (int64_t h = 0; h < heads; ++h) {
                double sum = 0;
                for (int64_t u = b->start[sample]; u < b->start[sample + 1]; ++u)
                    sum += exp(product(q + t * qkv.stride + h * wide, k + u * qkv.stride + h * wide, wide) /
                                   sqrt((double)wide) -
                               (double)lse[t * heads + h]);
                if (fabs(sum - 1) > s->worst) s->worst = fabs(sum - 1);
            }
}

static void attention_adds_up(void **state) {
    (void)state;
    struct pass_bench b;
    pass_open(&b, 1, false);
    struct seen seen = {.bench = &b};
    const struct un_pass_hooks hooks = {.attended = on_attended, .context = &seen};
    pass_check(un_model_pass(b.net.model, b.net.q, &b.batch.device, b.net.params, NULL, NULL, false,
                             &b.net.out, &hooks));
    assert_int_equal(seen.layers, pass_dims.num_hidden_layers);
    assert_near(seen.worst, 0, 1e-5);
    pass_close(&b);
}

/* -ln of the probability of the target is the loss of the row. */
static void scores_are_of_the_losses(const struct pass_bench *b, enum un_objective t, int64_t cols) {
    const struct un_rows *rows = &b->batch.host.rows[t];
    struct un_mat kept = b->net.out.score[t];
    assert_true(rows->n > 1 && rows->n <= ROWS && kept.cols == cols);
    for (int64_t i = 0; i < rows->n; ++i) {
        const float *score = (const float *)kept.data + i * kept.stride;
        double sum = 0;
        for (int64_t c = 0; c < cols; ++c) sum += exp((double)score[c] - (double)score[rows->target[i]]);
        assert_near(log(sum), b->net.host.row_loss[t][i], 1e-5);
    }
}

static void kept_are_those_of_the_losses(void **state) {
    (void)state;
    struct pass_bench b;
    pass_open(&b, 2, false);
    pass_check(un_model_keep(b.net.model, ROWS));
    pass_check(net_run(&b.net, &b.batch, false, false));
    scores_are_of_the_losses(&b, UN_MLM, pass_dims.vocab_size);
    scores_are_of_the_losses(&b, UN_MRC, pass_dims.img_label_dim);
    const struct un_batch *host = &b.batch.host;
    for (int64_t i = 0; i < host->rows[UN_ITM].n; ++i) {
        int64_t at = host->plan_start[i];
        assert_near(product(b.net.out.cost + at, b.net.out.plan + at, host->plan_start[i + 1] - at),
                    b.net.host.distance[i], 1e-5);
    }
    pass_close(&b);
}

static void training_is_the_same(void **state) {
    (void)state;
    struct pass_bench b;
    pass_open(&b, 2, true);
    pass_run(&b, true);
    int64_t total = b.net.table->total, n = b.batch.host.rows[UN_MLM].n;
    float *grads = un_alloc((size_t)total, sizeof *grads, "test"), loss[ROWS];
    memcpy(grads, b.grads, (size_t)total * sizeof *grads);
    memcpy(loss, b.net.host.row_loss[UN_MLM], (size_t)n * sizeof *loss);
    pass_check(un_model_keep(b.net.model, ROWS));
    pass_run(&b, true);
    pass_same_bits(b.grads, grads, total, "gradient");
    pass_same_bits(b.net.host.row_loss[UN_MLM], loss, n, "loss");
    un_free(grads);
    pass_close(&b);
}

static void too_many_rows(void **state) {
    (void)state;
    struct pass_bench b;
    pass_open(&b, 1, false);
    pass_check(un_model_keep(b.net.model, b.batch.host.rows[UN_MLM].n - 1));
    assert_int_equal(net_run(&b.net, &b.batch, false, false), UN_INTERNAL);
    assert_non_null(strstr(un_error_get()->text, "rows to be kept"));
    un_error_clear();
    pass_close(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(attention_adds_up),
        cmocka_unit_test(kept_are_those_of_the_losses),
        cmocka_unit_test(training_is_the_same),
        cmocka_unit_test(too_many_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
