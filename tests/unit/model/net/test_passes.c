/* What a pass promises besides right gradients: the same bits for any number of threads, losses that do not
 * depend on the company a sample is packed with, spans reported when they are final, no allocation,
 * checked sizes. */
#include "runtime/device.h"
#include "tests/support/check.h"
#include "tests/support/draw.h"
#include "tests/support/net.h"

#include <stdlib.h>
#include <string.h>

/* Large enough that the ops share their work among threads; sizes that divide nothing. */
static const struct un_dims sizes = {.vocab_size = 1203,
                                     .hidden_size = 120,
                                     .num_hidden_layers = 3,
                                     .num_attention_heads = 5,
                                     .intermediate_size = 331,
                                     .max_position_embeddings = 40,
                                     .type_vocab_size = 2,
                                     .img_dim = 77,
                                     .img_label_dim = 45,
                                     .dropout = 0.1};
static const struct factors factors = {{0.4, 0.3, 0.2, 0.6, 0.5}, 0.1};
static const struct wish wishes[] = {{UN_MLM, 17, 30, 3},  {UN_MRFR, 11, 21, 4}, {UN_ITM, 16, 14, 0},
                                     {UN_MRC, 13, 25, 5},  {UN_MRCKL, 9, 33, 6}, {UN_ITM, 14, 25, 0},
                                     {UN_MLM, 25, 12, 5},  {UN_MRC, 24, 24, 3},  {UN_ITM, 8, 36, 0},
                                     {UN_MRFR, 30, 11, 2}, {UN_MRCKL, 3, 27, 1}, {UN_ITM, 4, 1, 0},
                                     {UN_MLM, 3, 1, 1}};
enum { SAMPLES = sizeof wishes / sizeof *wishes };

struct bench {
    struct net net;
    struct drawn drawn;
    struct packed batch;
    struct un_batch_caps caps;
    float *values, *grads;
};

static void check(enum un_status status) {
    if (status != UN_OK) fail_msg("%s", un_error_get()->text);
}

static struct un_model_setup setup_of(const struct un_batch_caps *caps, bool train) {
    return (struct un_model_setup){.dims = sizes,
                                   .caps = *caps,
                                   .seed = 5,
                                   .train = train,
                                   .wra = {.solver = UN_SOLVER_IPOT, .iterations = 50, .beta = 0.5f}};
}

static void open_bench(struct bench *b, int threads, bool train) {
    memset(b, 0, sizeof *b);
    draw_samples(&b->drawn, &sizes, wishes, SAMPLES, 3);
    samples_caps(&b->caps, b->drawn.list, SAMPLES, sizes.vocab_size, sizes.img_dim, sizes.img_label_dim);
    b->caps.words += 3; /* so that lists are not full */
    b->caps.regions += 2;
    struct un_model_setup setup = setup_of(&b->caps, train);
    check(net_open(&b->net, "cpu", threads, &setup));
    check(samples_pack(&b->batch, b->net.device, b->net.q, &b->caps, b->drawn.list, SAMPLES, &factors));
    b->values = un_alloc((size_t)b->net.table->total, sizeof(float), "values");
    b->grads = un_alloc((size_t)b->net.table->total, sizeof(float), "grads");
    draw_values(b->net.table, b->values, 17, 0.05f);
    net_set(&b->net, b->values);
}

static void close_bench(struct bench *b) {
    packed_close(&b->batch);
    drawn_free(&b->drawn);
    net_close(&b->net);
    un_free(b->values);
    un_free(b->grads);
}

static void run(struct bench *b, bool dropout) {
    check(net_run(&b->net, &b->batch, true, dropout));
    check(net_fetch(&b->net, b->grads, b->net.grads, b->net.table->total));
}

static void same_bits(const float *a, const float *b, int64_t n, const char *what) {
    for (int64_t i = 0; i < n; ++i)
        if (memcmp(a + i, b + i, sizeof *a))
            fail_msg("%s %lld: %.9g and %.9g", what, (long long)i, a[i], b[i]);
}

static void same_losses(const struct bench *a, const struct bench *b) {
    for (int t = 0; t < UN_OBJECTIVE_COUNT; ++t) {
        int64_t n = a->batch.host.rows[t].n;
        same_bits(a->net.host.row_loss[t], b->net.host.row_loss[t], n, un_objective_names[t]);
        if (t != UN_MRFR) same_bits(a->net.host.hit[t], b->net.host.hit[t], n, "hit");
    }
    same_bits(a->net.host.distance, b->net.host.distance, a->batch.host.rows[UN_ITM].n, "distance");
}

static void threads_do_not_matter(void **state) {
    (void)state;
    struct bench one, more;
    open_bench(&one, 1, true);
    run(&one, true);
    for (int threads = 2; threads <= 3; ++threads) {
        open_bench(&more, threads, true);
        assert_int_equal(more.net.device->threads, threads);
        run(&more, true);
        same_losses(&one, &more);
        same_bits(one.grads, more.grads, one.net.table->total, "gradient");
        close_bench(&more);
    }
    close_bench(&one);
}

static void passes_repeat(void **state) {
    (void)state;
    struct bench a, b;
    open_bench(&a, 2, true);
    open_bench(&b, 2, true);
    run(&a, true);
    run(&b, false); /* leaves other activations behind */
    assert_true(memcmp(a.grads, b.grads, (size_t)a.net.table->total * sizeof(float)) != 0);
    run(&b, true);
    same_losses(&a, &b);
    same_bits(a.grads, b.grads, a.net.table->total, "gradient");
    un_batch_number(&b.batch.device, b.batch.device.step, 1); /* another lane, other masks */
    run(&b, true);
    assert_true(memcmp(a.grads, b.grads, (size_t)a.net.table->total * sizeof(float)) != 0);
    close_bench(&a);
    close_bench(&b);
}

/* Losses of sample s run by itself equal its part of the packed run. first[t]: its first row of objective t. */
static void compare_alone(struct bench *all, int64_t s, int64_t first[UN_OBJECTIVE_COUNT]) {
    struct packed alone;
    struct net *net = &all->net;
    struct un_host_outputs *host = &net->host;
    enum un_objective t = all->drawn.list[s].objective;
    float want[64], distance = host->distance[t == UN_ITM ? first[t] : 0];
    check(samples_pack(&alone, net->device, net->q, &all->caps, all->drawn.list + s, 1, &factors));
    int64_t n = alone.host.rows[t].n;
    assert_true(n > 0 && n <= 64);
    memcpy(want, host->row_loss[t] + first[t], (size_t)n * sizeof *want);
    check(net_run(net, &alone, false, false));
    for (int64_t i = 0; i < n; ++i)
        assert_near(host->row_loss[t][i], want[i], 1e-6 * fmax(1, fabsf(want[i])));
    if (t == UN_ITM) assert_near(host->distance[0], distance, 1e-6);
    packed_close(&alone);
    first[t] += n;
}

static void company_does_not_matter(void **state) {
    (void)state;
    struct bench b;
    int64_t first[UN_OBJECTIVE_COUNT] = {0};
    open_bench(&b, 2, true);
    for (int64_t s = 0; s < SAMPLES; ++s) {
        check(net_run(&b.net, &b.batch, false, false));
        compare_alone(&b, s, first);
    }
    close_bench(&b);
}

static void forward_only_model(void **state) {
    (void)state;
    struct bench train, plain;
    open_bench(&train, 2, true);
    open_bench(&plain, 2, false);
    run(&train, false);
    check(net_run(&plain.net, &plain.batch, false, false));
    same_losses(&train, &plain);
    assert_int_equal(un_model_pass(plain.net.model, plain.net.q, &plain.batch.device, plain.net.params, NULL,
                                   plain.net.grads, false, &plain.net.out, NULL),
                     UN_INTERNAL);
    un_error_clear();
    close_bench(&train);
    close_bench(&plain);
}

/* Losses equal but for the rounding of products with another number of rows: the BLAS takes the last rows of
 * a product with other kernels than its full blocks, on processors of the Haswell kind with other bits. */
static void near_losses(const struct bench *a, const struct bench *b) {
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
    struct bench plain, filled;
    open_bench(&plain, 2, true);
    open_bench(&filled, 2, true);
    run(&plain, true);
    struct un_batch *d = &filled.batch.device;
    struct un_rows *mlm = &d->rows[UN_MLM], *kl = &d->rows[UN_MRCKL], *mrfr = &d->rows[UN_MRFR];
    mlm->row[mlm->n] = mlm->target[mlm->n] = -1;
    mlm->n++;
    mrfr->row[mrfr->n] = mrfr->region[mrfr->n] = -1;
    mrfr->n++;
    kl->row[kl->n] = kl->region[kl->n] = -1;
    kl->n++; /* its soft labels are zero: no loss, no gradient */
    d->masked_region[d->masked_count++] = -1;
    run(&filled, true);
    near_losses(&plain, &filled);
    for (int64_t i = 0; i < plain.net.table->total; ++i)
        assert_near(filled.grads[i], plain.grads[i], 1e-6); /* sums are cut into blocks at other rows */
    close_bench(&plain);
    close_bench(&filled);
}

/* ---- spans ---- */

struct spans {
    const struct bench *bench;
    float *at_ready; /* gradients as they were when their span was reported */
    int64_t low, calls;
};

static void on_ready(void *context, int64_t begin, int64_t end) {
    struct spans *s = context;
    assert_int_equal(end, s->low);
    assert_true(begin < end && begin % UN_PARAM_ALIGN == 0);
    memcpy(s->at_ready + begin, s->bench->net.grads + begin, (size_t)(end - begin) * sizeof(float));
    s->low = begin;
    s->calls++;
}

static void spans_are_final(void **state) {
    (void)state;
    struct bench b;
    open_bench(&b, 2, true);
    int64_t total = b.net.table->total;
    struct spans spans = {
        .bench = &b, .low = total, .at_ready = un_alloc((size_t)total, sizeof(float), "spans")};
    const struct un_pass_hooks hooks = {.ready = on_ready, .context = &spans};
    check(un_model_pass(b.net.model, b.net.q, &b.batch.device, b.net.params, NULL, b.net.grads, true,
                        &b.net.out, &hooks));
    check(b.net.device->mem->queue_wait(b.net.q));
    assert_int_equal(spans.low, 0);
    assert_int_equal(spans.calls, sizes.num_hidden_layers + 2);
    same_bits(spans.at_ready, b.net.grads, total, "gradient");
    un_free(spans.at_ready);
    close_bench(&b);
}

/* Parameters that arrive one span after the other. */
struct arrival {
    const struct bench *bench;
    const float *values;
    int64_t high;
};

static void on_need(void *context, int64_t begin, int64_t end) {
    struct arrival *a = context;
    assert_true(begin == a->high && end > begin);
    memcpy(a->bench->net.params + begin, a->values + begin, (size_t)(end - begin) * sizeof(float));
    a->high = end;
}

/* No parameter is read before its span is asked for: until then it is not a number. */
static void parameters_in_time(void **state) {
    (void)state;
    struct bench b;
    open_bench(&b, 2, true);
    run(&b, true);
    int64_t total = b.net.table->total;
    float *values = un_alloc((size_t)total, sizeof *values, "parameters");
    memcpy(values, b.net.params, (size_t)total * sizeof *values);
    for (int64_t i = 0; i < total; ++i) b.net.params[i] = NAN;
    memset(b.net.grads, 0, (size_t)total * sizeof *b.net.grads);
    struct arrival arrival = {.bench = &b, .values = values};
    const struct un_pass_hooks hooks = {.need = on_need, .context = &arrival};
    check(un_model_pass(b.net.model, b.net.q, &b.batch.device, b.net.params, NULL, b.net.grads, true,
                        &b.net.out, &hooks));
    check(b.net.device->mem->queue_wait(b.net.q));
    assert_int_equal(arrival.high, total);
    same_bits(b.net.grads, b.grads, total, "gradient");
    un_free(values);
    close_bench(&b);
}

/* Gradients are added to what is there, and gaps between tensors stay zero. */
static void gradients_accumulate(void **state) {
    (void)state;
    struct bench b;
    open_bench(&b, 2, true);
    run(&b, true);
    int64_t end = 0;
    for (int64_t k = 0; k < b.net.table->n; ++k) {
        for (int64_t i = end; i < b.net.table->list[k].offset; ++i) assert_true(b.grads[i] == 0);
        end = b.net.table->list[k].offset + b.net.table->list[k].count;
    }
    check(un_model_pass(b.net.model, b.net.q, &b.batch.device, b.net.params, NULL, b.net.grads, true,
                        &b.net.out, NULL));
    check(b.net.device->mem->queue_wait(b.net.q));
    for (int64_t i = 0; i < b.net.table->total; ++i)
        assert_near(b.net.grads[i], 2.0 * b.grads[i], 1e-6 + 1e-5 * fabsf(b.grads[i]));
    close_bench(&b);
}

/* ---- memory and sizes ---- */

static void nothing_allocated(void **state) {
    (void)state;
    struct bench b;
    open_bench(&b, 2, true);
    uint64_t before = un_memory_counts().frozen_allocs;
    un_memory_freeze(true);
    check(un_model_pass(b.net.model, b.net.q, &b.batch.device, b.net.params, NULL, b.net.grads, true,
                        &b.net.out, NULL));
    check(b.net.device->mem->queue_wait(b.net.q));
    un_memory_freeze(false);
    assert_int_equal(un_memory_counts().frozen_allocs - before, 0);
    close_bench(&b);
}

static void refuse(struct bench *b, int64_t *count, int64_t value, const char *word) {
    int64_t kept = *count;
    *count = value;
    assert_int_equal(net_run(&b->net, &b->batch, false, false), UN_INTERNAL);
    assert_non_null(strstr(un_error_get()->text, word));
    un_error_clear();
    *count = kept;
}

static void sizes_are_checked(void **state) {
    (void)state;
    struct bench b;
    open_bench(&b, 1, true);
    struct un_batch *d = &b.batch.device;
    refuse(&b, &d->tokens, b.caps.tokens + 1, "tokens");
    refuse(&b, &d->samples, b.caps.samples + 1, "samples");
    refuse(&b, &d->words, b.caps.words + 1, "words");
    refuse(&b, &d->regions, b.caps.regions + 1, "regions");
    refuse(&b, &d->longest, UN_MAX_SAMPLE_TOKENS + 1, "one sample");
    refuse(&b, &d->rows[UN_ITM].n, b.caps.samples + 1, "itm");
    struct un_model_setup setup = setup_of(&b.caps, true);
    struct un_model *model;
    setup.caps.img_dim++;
    assert_int_equal(un_model_open(&model, b.net.device, &setup), UN_INTERNAL);
    un_error_clear();
    close_bench(&b);
}

/* A failing allocation anywhere while opening leaves nothing behind. */
static void opening_fails_cleanly(void **state) {
    (void)state;
    struct bench b;
    open_bench(&b, 1, true);
    struct un_model_setup setup = setup_of(&b.caps, true);
    uint64_t live = un_memory_counts().live_blocks, failures = 0;
    for (uint64_t n = 1; n < 100; ++n) {
        struct un_model *model;
        un_memory_fail_at(n);
        enum un_status status = un_model_open(&model, b.net.device, &setup);
        un_memory_fail_at(0);
        if (status == UN_OK) {
            un_model_close(model);
            break;
        }
        failures++;
        assert_int_equal(status, UN_MEMORY);
        assert_null(model);
        un_error_clear();
        assert_int_equal(un_memory_counts().live_blocks, live);
    }
    assert_true(failures >= 5);
    assert_int_equal(un_memory_counts().live_blocks, live);
    close_bench(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(threads_do_not_matter),
                                       cmocka_unit_test(passes_repeat),
                                       cmocka_unit_test(company_does_not_matter),
                                       cmocka_unit_test(forward_only_model),
                                       cmocka_unit_test(fillers),
                                       cmocka_unit_test(spans_are_final),
                                       cmocka_unit_test(parameters_in_time),
                                       cmocka_unit_test(gradients_accumulate),
                                       cmocka_unit_test(nothing_allocated),

                                       cmocka_unit_test(sizes_are_checked),
                                       cmocka_unit_test(opening_fails_cleanly)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
