/* Micro-batches with fillers: few shapes, the host's entries and counts untouched, the same losses and
 * gradients; the spans hold all that a device needs; and features that are read from a store change no bit. */
#include "runtime/device.h"
#include "tests/support/check.h"
#include "tests/support/draw.h"
#include "tests/support/net.h"
#include "tests/unit/model/net/fill_send.h"

#include <stdlib.h>
#include <string.h>

static const struct un_dims sizes = {.vocab_size = 603,
                                     .hidden_size = 40,
                                     .num_hidden_layers = 2,
                                     .num_attention_heads = 5,
                                     .intermediate_size = 91,
                                     .max_position_embeddings = 40,
                                     .type_vocab_size = 2,
                                     .img_dim = 37,
                                     .img_label_dim = 25,
                                     .dropout = 0.1};
static const struct factors factors = {{0.4, 0.3, 0.2, 0.6, 0.5}, 0.1};
static const struct wish wishes[] = {
    {UN_MLM, 17, 30, 3},  {UN_MRFR, 11, 21, 4}, {UN_ITM, 16, 14, 0},  {UN_MRC, 13, 25, 5},
    {UN_MRCKL, 9, 33, 6}, {UN_ITM, 14, 25, 0},  {UN_MRFR, 30, 11, 2}, {UN_MRCKL, 3, 27, 1},
};
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

/* more: room behind the real entries of every list. samples: of the wishes. */
static void open_bench(struct bench *b, int64_t more, int64_t samples, int64_t store_rows) {
    memset(b, 0, sizeof *b);
    draw_samples(&b->drawn, &sizes, wishes, samples, 3);
    samples_caps(&b->caps, b->drawn.list, samples, sizes.vocab_size, sizes.img_dim, sizes.img_label_dim);
    b->caps.tokens += more;
    b->caps.words += more;
    b->caps.regions += more;
    b->caps.samples += more;
    b->caps.store_rows = store_rows;
    b->caps.soft_labels = true;
    struct un_model_setup setup = {.dims = sizes,
                                   .caps = b->caps,
                                   .seed = 5,
                                   .train = true,
                                   .wra = {.solver = UN_SOLVER_IPOT, .iterations = 50, .beta = 0.5f}};
    check(net_open(&b->net, "cpu", 2, &setup));
    check(samples_pack(&b->batch, b->net.device, b->net.q, &b->caps, b->drawn.list, samples, &factors));
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

static void run(struct bench *b) {
    check(net_run(&b->net, &b->batch, true, true));
    check(net_fetch(&b->net, b->grads, b->net.grads, b->net.table->total));
}

static void near_runs(const struct bench *a, const struct bench *b) {
    for (int t = 0; t < UN_OBJECTIVE_COUNT; ++t)
        for (int64_t i = 0; i < a->batch.host.rows[t].n; ++i) {
            float x = a->net.host.row_loss[t][i];
            assert_near(b->net.host.row_loss[t][i], x, 1e-6 * fmax(1, fabsf(x)));
        }
    for (int64_t i = 0; i < a->batch.host.rows[UN_ITM].n; ++i)
        assert_near(b->net.host.distance[i], a->net.host.distance[i], 1e-6);
    for (int64_t i = 0; i < a->net.table->total; ++i) /* sums are cut into blocks at other rows */
        assert_near(b->grads[i], a->grads[i], 1e-6 * fmax(1, fabsf(a->grads[i])));
}

static void same_runs(const struct bench *a, const struct bench *b) {
    for (int t = 0; t < UN_OBJECTIVE_COUNT; ++t)
        assert_memory_equal(a->net.host.row_loss[t], b->net.host.row_loss[t],
                            (size_t)a->batch.host.rows[t].n * sizeof(float));
    assert_memory_equal(a->grads, b->grads, (size_t)a->net.table->total * sizeof(float));
}

static void check_counts(const struct un_batch *p, const struct un_batch *host,
                         const struct un_batch_caps *caps) {
    assert_int_equal(p->tokens, caps->tokens);
    assert_true(p->words % 64 == 0 || p->words == caps->words);
    assert_true(p->regions % 64 == 0 || p->regions == caps->regions);
    assert_true(p->samples % 64 == 0 || p->samples == caps->samples);
    assert_true(p->longest >= host->longest && p->longest % 32 == 0);
    assert_true(p->words >= host->words && p->regions >= host->regions && p->samples >= host->samples);
    for (int t = 0; t < UN_OBJECTIVE_COUNT; ++t) {
        int64_t n = p->rows[t].n, real = host->rows[t].n, cap = un_batch_row_cap(caps, (enum un_objective)t);
        assert_true(real == 0 ? n == 0 : n >= real && n <= cap && (n % 128 == 0 || n == cap));
    }
    assert_int_equal(p->start[p->samples], host->tokens);
    assert_int_equal(p->plan_start[p->rows[UN_ITM].n], host->plan_start[host->rows[UN_ITM].n]);
    assert_int_equal(p->by_word.start[p->by_word.count], host->words);
    assert_int_equal(p->by_position.start[p->by_position.count], host->words);
}

/* Some fillers stand behind others that would do: each is there all the same. */
static void check_fillers(const struct un_batch *p, const struct un_batch *host) {
    for (int64_t i = host->regions; i < p->regions; ++i)
        assert_true(p->region_row[i] == -1 && p->masked[i] == 1 &&
                    (!p->feature_row || p->feature_row[i] == -1));
    for (int64_t i = host->rows[UN_ITM].n; i < p->rows[UN_ITM].n; ++i) {
        assert_true(p->pair_first[i] == -1 && p->pair_words[i] == 0 && p->pair_regions[i] == 0);
        assert_true(p->ot_coef[i] == 0 && p->rows[UN_ITM].row[i] == -1);
    }
    for (int64_t i = host->by_word.count; i < p->by_word.count; ++i)
        assert_true(p->by_word.id[i] == -1 && p->by_word.start[i] == p->by_word.start[i + 1]);
}

/* With much room, with little, and with none; a second time over a device that holds another micro-batch. */
static void fillers_change_nothing(void **state) {
    (void)state;
    struct bench plain;
    open_bench(&plain, 0, SAMPLES, 0);
    run(&plain);
    const int64_t room[] = {500, 130, 7, 0};
    for (size_t i = 0; i < sizeof room / sizeof *room; ++i) {
        struct bench filled;
        struct un_batch padded, before;
        open_bench(&filled, room[i], SAMPLES, 0);
        before = filled.batch.host;
        fill_send(&filled.net, &filled.batch, &filled.caps, &padded);
        assert_memory_equal(&before, &filled.batch.host, sizeof before);
        check_counts(&padded, &filled.batch.host, &filled.caps);
        check_fillers(&padded, &filled.batch.host);
        if (room[i] == 500) assert_true(padded.words - before.words > 0 && padded.rows[UN_ITM].n == 128);
        run(&filled);
        near_runs(&plain, &filled);
        fill_send(&filled.net, &filled.batch, &filled.caps,
                  &padded); /* the activations of the first pass are there now */
        run(&filled);
        near_runs(&plain, &filled);
        close_bench(&filled);
    }
    close_bench(&plain);
}

/* Micro-batches of different content have the same shapes. */
static void few_shapes(void **state) {
    (void)state;
    struct bench a, b;
    struct un_batch pa, pb;
    open_bench(&a, 600, SAMPLES, 0);
    open_bench(&b, 0, SAMPLES - 1, 0);
    un_batch_fill(&pa, &a.batch.host, &a.caps);
    struct packed other;
    check(samples_pack(&other, a.net.device, a.net.q, &a.caps, b.drawn.list, SAMPLES - 1, &factors));
    un_batch_fill(&pb, &other.host, &a.caps);
    assert_true(a.batch.host.words != other.host.words);
    assert_int_equal(pa.tokens, pb.tokens);
    assert_int_equal(pa.words, pb.words);
    assert_int_equal(pa.samples, pb.samples);
    assert_int_equal(pa.longest, pb.longest);
    assert_int_equal(pa.masked_count, pb.masked_count);
    assert_int_equal(pa.by_word.count, pb.by_word.count);
    assert_int_equal(pa.by_position.count, pb.by_position.count);
    for (int t = 0; t < UN_OBJECTIVE_COUNT; ++t) assert_int_equal(pa.rows[t].n, pb.rows[t].n);
    packed_close(&other);
    close_bench(&a);
    close_bench(&b);
}

/* An empty micro-batch stays empty but for its tokens. */
static void nothing_to_fill(void **state) {
    (void)state;
    struct bench b;
    struct un_batch padded;
    open_bench(&b, 100, SAMPLES, 0);
    struct packed empty;
    check(samples_pack(&empty, b.net.device, b.net.q, &b.caps, b.drawn.list, 0, &factors));
    un_batch_fill(&padded, &empty.host, &b.caps);
    assert_int_equal(padded.words + padded.regions + padded.samples + padded.masked_count, 0);
    packed_close(&empty);
    close_bench(&b);
}

/* Half of the images are in the store since earlier, in another order; the rest is new. */
static void store_is_the_same(void **state) {
    (void)state;
    struct bench plain, stored;
    struct un_batch padded;
    open_bench(&plain, 130, SAMPLES, 0);
    open_bench(&stored, 130, SAMPLES, 1000);
    fill_send(&plain.net, &plain.batch, &plain.caps, &padded);
    run(&plain);
    struct un_batch *host = &stored.batch.host;
    int64_t f = sizes.img_dim, n = host->regions;
    float *store = un_alloc((size_t)(1000 * f), sizeof *store, "store"), *feature = host->feature;
    for (int64_t i = 0; i < n; ++i) { /* 3 divides neither 1000 nor the number of regions */
        host->feature_row[i] = (int32_t)((7 + 3 * i) % 1000);
        if (i < n / 2) {
            memcpy(store + host->feature_row[i] * f, feature + i * f, (size_t)f * sizeof *store);
            continue;
        }
        host->fresh_row[host->fresh] = host->feature_row[i];
        memmove(feature + host->fresh++ * f, feature + i * f, (size_t)f * sizeof *store);
    }
    for (int64_t i = 0; i < host->rows[UN_MRFR].n; ++i)
        host->rows[UN_MRFR].stored[i] = host->feature_row[host->rows[UN_MRFR].region[i]];
    fill_send(&stored.net, &stored.batch, &stored.caps, &padded);
    struct un_batch *d = &stored.batch.device;
    d->store = store;
    d->store_rows = 1000;
    stored.net.device->ops->scatter_rows(stored.net.q, un_mat(store, UN_F32, 1000, f),
                                         un_mat(d->feature, UN_F32, d->fresh, f), d->fresh_row);
    check_fillers(&padded, host);
    run(&stored);
    same_runs(&plain, &stored);
    un_free(store);
    close_bench(&plain);
    close_bench(&stored);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(fillers_change_nothing), cmocka_unit_test(few_shapes),
                                       cmocka_unit_test(nothing_to_fill),
                                       cmocka_unit_test(store_is_the_same)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
