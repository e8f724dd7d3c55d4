/* Passes replayed as graphs on the emulated card: whatever differs between micro-batches of one shape stands
 * in device memory, so a replay gives the bits of the launches; other shapes get graphs of their own. */
#include "model/net/replay.h"
#include "tests/support/check.h"
#include "tests/support/draw.h"
#include "tests/support/net.h"

#include <stdlib.h>
#include <string.h>

static const struct un_dims sizes = {.vocab_size = 203,
                                     .hidden_size = 24,
                                     .num_hidden_layers = 1,
                                     .num_attention_heads = 3,
                                     .intermediate_size = 48,
                                     .max_position_embeddings = 40,
                                     .type_vocab_size = 2,
                                     .img_dim = 37,
                                     .img_label_dim = 25,
                                     .dropout = 0.1};
static const struct factors factors = {{0.4, 0.3, 0.2, 0.6, 0.5}, 0.1};
static const struct wish wishes[] = {
    {UN_MLM, 17, 30, 3}, {UN_MRFR, 11, 21, 4}, {UN_ITM, 16, 14, 0}, {UN_MRCKL, 9, 33, 6}};
enum { SAMPLES = sizeof wishes / sizeof *wishes, BATCHES = 3, LAYERS = 2, ROUNDS = 12 };

struct bench {
    struct net net;
    struct drawn drawn[BATCHES];
    struct packed batch
        [BATCHES]; /* the last one of fewer samples, LAYERS shapes for the layers; all are sent to the block of the first */
    struct un_replay replay;
    float *plain, *replayed;
};

static void check(enum un_status status) {
    if (status != UN_OK) fail_msg("%s", un_error_get()->text);
}

static void open_bench(struct bench *b, enum un_type act) {
    struct un_model_setup setup = {.dims = sizes,
                                   .seed = 5,
                                   .train = true,
                                   .act = act,
                                   .wra = {.solver = UN_SOLVER_IPOT, .iterations = 50, .beta = 0.5f}};
    memset(b, 0, sizeof *b);
    for (int i = 0; i < BATCHES; ++i) draw_samples(&b->drawn[i], &sizes, wishes, SAMPLES, 3 + (uint32_t)i);
    samples_caps(&setup.caps, b->drawn[0].list, SAMPLES, sizes.vocab_size, sizes.img_dim,
                 sizes.img_label_dim);
    check(net_open(&b->net, "cuda", 1, &setup));
    for (int i = 0; i < BATCHES; ++i)
        check(samples_pack(&b->batch[i], b->net.device, b->net.q, &setup.caps, b->drawn[i].list,
                           i + 1 < BATCHES ? SAMPLES : SAMPLES - 1, &factors));
    const size_t total = (size_t)b->net.table->total;
    b->plain = un_alloc(total, sizeof(float), "gradients");
    b->replayed = un_alloc(total, sizeof(float), "gradients");
    draw_values(b->net.table, b->plain, 17, 0.05f);
    net_set(&b->net, b->plain);
}

static void close_bench(struct bench *b) {
    un_replay_close(&b->replay, b->net.device);
    for (int i = 0; i < BATCHES; ++i) {
        packed_close(&b->batch[i]);
        drawn_free(&b->drawn[i]);
    }
    net_close(&b->net);
    un_free(b->plain);
    un_free(b->replayed);
}

/* Losses of the pass, as bits, and its gradients. */
static void fetch(struct bench *b, const struct packed *batch, const struct un_outputs *out, float *grads,
                  float losses[64]) {
    int64_t n = 0;
    un_host_outputs_fetch(&b->net.host, out, &batch->host, b->net.device, b->net.q);
    check(net_fetch(&b->net, grads, b->net.grads, b->net.table->total));
    for (int t = 0; t < UN_OBJECTIVE_COUNT; ++t)
        for (int64_t i = 0; i < batch->host.rows[t].n && n < 64; ++i)
            losses[n++] = b->net.host.row_loss[t][i];
    assert_true(n > 5);
}

/* another: the shape of the pass is a new one each time, that of its layers is not. */
static void round_of(struct bench *b, int round, bool another) {
    struct packed *from = &b->batch[round % BATCHES];
    float first[64] = {0}, second[64] = {0};
    struct un_batch batch;
    struct un_outputs out;
    const struct un_device_ops *mem = b->net.device->mem;
    un_batch_number(&from->host, (uint32_t)round + 1, 2);
    float *feature = from->host.feature; /* other contents of the same shape */
    for (int64_t i = 0; i < from->host.regions * sizes.img_dim; ++i) feature[i] *= 1.01f;
    from->host.scale[UN_MLM] *= 0.9f;
    mem->copy_in(b->net.q, b->batch[0].block, from->host.block, from->host.block_bytes);
    un_batch_rebase(&batch, &from->host, b->batch[0].block);
    if (another) batch.longest_words += round; /* the kernels only choose by it */

    check(un_model_pass(b->net.model, b->net.q, &batch, b->net.params, b->net.low, b->net.grads, true, &out,
                        NULL));
    fetch(b, from, &out, b->plain, first);
    check(un_replay_pass(&b->replay, b->net.model, b->net.device, b->net.q, &batch, b->net.params, b->net.low,
                         b->net.grads, &out));
    fetch(b, from, &out, b->replayed, second);
    assert_memory_equal(first, second, sizeof first);
    assert_memory_equal(b->plain, b->replayed, (size_t)b->net.table->total * sizeof(float));
}

static void replays(enum un_type act) {
    struct bench b;
    open_bench(&b, act);
    for (int round = 0; round < ROUNDS; ++round) round_of(&b, round, false);
    assert_int_equal(b.replay.whole.n, BATCHES); /* shapes */
    assert_int_equal(b.replay.layers.n, LAYERS);
    /* of each shape the first pass is plain, the second captured */
    assert_int_equal(b.replay.passes, ROUNDS);
    assert_int_equal(b.replay.replayed, ROUNDS - 2 * BATCHES);
    assert_int_equal(b.replay.layered, 0);
    close_bench(&b);
}

static void replays_in_fp32(void **state) {
    (void)state;
    replays(UN_F32);
}

static void replays_in_bf16(void **state) {
    (void)state;
    replays(UN_BF16);
}

/* No pass is like another, but their layers are: two graphs for each shape of layers, with the bits of the launches. */
static void layers_are_replayed(void **state) {
    (void)state;
    for (int low = 0; low < 2; ++low) {
        struct bench b;
        open_bench(&b, low ? UN_BF16 : UN_F32);
        for (int round = 0; round < ROUNDS; ++round) round_of(&b, round, true);
        assert_int_equal(b.replay.whole.n, ROUNDS);
        assert_int_equal(b.replay.replayed, 0);
        assert_int_equal(b.replay.layers.n, LAYERS);
        assert_int_equal(b.replay.layered, 2 * (ROUNDS - 2 * LAYERS));
        close_bench(&b);
    }
}

/* More shapes than are kept: the one unused for longest makes room, and comes back as new. */
static void few_are_kept(void **state) {
    (void)state;
    struct bench b;
    open_bench(&b, UN_F32);
    struct un_outputs out;
    for (int i = 0; i < UN_REPLAY_SHAPES + 3; ++i) {
        struct un_batch batch = b.batch[0].device;
        batch.longest += i; /* part of the shape; the kernels only choose by it */
        check(un_replay_pass(&b.replay, b.net.model, b.net.device, b.net.q, &batch, b.net.params, b.net.low,
                             b.net.grads, &out));
    }
    assert_int_equal(b.replay.whole.n, UN_REPLAY_SHAPES);
    assert_int_equal(b.replay.layers.n, UN_REPLAY_SHAPES);
    assert_int_equal(b.replay.replayed, 0);
    struct un_batch batch = b.batch[0].device;
    for (int i = 0; i < 3; ++i)
        check(un_replay_pass(&b.replay, b.net.model, b.net.device, b.net.q, &batch, b.net.params, b.net.low,
                             b.net.grads, &out));
    assert_int_equal(b.replay.replayed, 1);
    close_bench(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(replays_in_fp32), cmocka_unit_test(replays_in_bf16),
                                       cmocka_unit_test(layers_are_replayed), cmocka_unit_test(few_are_kept)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
