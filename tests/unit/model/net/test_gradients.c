/* Finite differences of the whole network: all objectives of pretraining in one micro-batch, dropout on.
 *
 * The transport plan is a constant of the backward, so its part of the loss is taken from the hidden states
 * with the plan of the undisturbed parameters, in double. */
#include "runtime/device.h"
#include "tests/support/check.h"
#include "tests/support/draw.h"
#include "tests/support/net.h"
#include "tests/unit/model/net/differences.h"

#include <stdlib.h>
#include <string.h>

static const struct un_dims sizes = {.vocab_size = 23,
                                     .hidden_size = 24,
                                     .num_hidden_layers = 2,
                                     .num_attention_heads = 3,
                                     .intermediate_size = 20,
                                     .max_position_embeddings = 20,
                                     .type_vocab_size = 2,
                                     .img_dim = 9,
                                     .img_label_dim = 5,
                                     .dropout = 0.1};

struct bench {
    struct net net;
    struct drawn drawn;
    struct packed batch;
    struct factors factors;
    float *base, *moved, *grads, *plan, *hidden;
};

static void check(enum un_status status) {
    if (status != UN_OK) fail_msg("%s", un_error_get()->text);
}

static void open_bench(struct bench *b, const struct wish *wishes, int64_t n) {
    struct un_model_setup setup = {.dims = sizes,
                                   .seed = 5,
                                   .train = true,
                                   .wra = {.solver = UN_SOLVER_IPOT, .iterations = 50, .beta = 0.5f}};
    memset(b, 0, sizeof *b);
    b->factors =
        (struct factors){{0.9, 1.1, 0.8, 1.3, 0.7}, 2.0}; /* the transport counts as much as the rest */
    draw_samples(&b->drawn, &sizes, wishes, n, 11);
    samples_caps(&setup.caps, b->drawn.list, n, sizes.vocab_size, sizes.img_dim, sizes.img_label_dim);
    check(net_open(&b->net, "cpu", 1, &setup));
    check(samples_pack(&b->batch, b->net.device, b->net.q, &setup.caps, b->drawn.list, n, &b->factors));
    un_batch_number(&b->batch.device, 3, 0);
    b->batch.device.lane = b->batch.host.lane = 1;
    size_t p = (size_t)b->net.table->total;
    b->base = un_alloc(p, sizeof(float), "base");
    b->moved = un_alloc(p, sizeof(float), "moved");
    b->grads = un_alloc(p, sizeof(float), "grads");
    b->plan = un_alloc((size_t)setup.caps.plan + 1, sizeof(float), "plan");
    b->hidden = un_alloc((size_t)(setup.caps.tokens * sizes.hidden_size), sizeof(float), "hidden");
    draw_values(b->net.table, b->base, 17, 0.3f);
    memcpy(b->moved, b->base, p * sizeof(float));
    net_set(&b->net, b->base);
    check(net_run(&b->net, &b->batch, true, true));
    check(net_fetch(&b->net, b->grads, b->net.grads, b->net.table->total));
    memcpy(b->plan, b->net.host.plan, (size_t)setup.caps.plan * sizeof(float));
}

static void close_bench(struct bench *b) {
    packed_close(&b->batch);
    drawn_free(&b->drawn);
    net_close(&b->net);
    un_free(b->base);
    un_free(b->moved);
    un_free(b->grads);
    un_free(b->plan);
    un_free(b->hidden);
}

static double cosine(const float *x, const float *y, int64_t n) {
    double xy = 0, xx = 0, yy = 0;
    for (int64_t i = 0; i < n; ++i) {
        xy += (double)x[i] * y[i];
        xx += (double)x[i] * x[i];
        yy += (double)y[i] * y[i];
    }
    return xy / sqrt(xx * yy);
}

/* sum_b +-lambda / pairs * sum_ij (1 - cos) plan_ij with the plan of the undisturbed parameters. */
static double transport_loss(struct bench *b) {
    const struct un_batch *host = &b->batch.host;
    const struct un_rows *pairs = &host->rows[UN_ITM];
    int64_t h = sizes.hidden_size;
    double loss = 0;
    check(net_fetch(&b->net, b->hidden, b->net.out.hidden.data, host->tokens * h));
    for (int64_t k = 0; k < pairs->n; ++k) {
        const float *words = b->hidden + host->pair_first[k] * h, *regions = words + host->pair_words[k] * h;
        const float *plan = b->plan + host->plan_start[k];
        double distance = 0;
        for (int32_t i = 0; i < host->pair_words[k]; ++i)
            for (int32_t j = 0; j < host->pair_regions[k]; ++j)
                distance +=
                    (1 - cosine(words + i * h, regions + j * h, h)) * plan[i * host->pair_regions[k] + j];
        loss += (pairs->target[k] == 1 ? 1 : -1) * distance;
    }
    return pairs->n ? b->factors.weight[UN_ITM] * b->factors.ot_lambda * loss / (double)pairs->n : 0;
}

static double loss_at(void *context, const float *values) {
    struct bench *b = context;
    struct factors rows = b->factors;
    rows.ot_lambda = 0;
    net_set(&b->net, values);
    check(net_run(&b->net, &b->batch, false, true));
    return net_loss(&b->net, &b->batch, &rows) + transport_loss(b);
}

static struct differences differences_of(struct bench *b) {
    return (struct differences){
        .base = b->base, .grads = b->grads, .moved = b->moved, .loss = loss_at, .context = b};
}

static const struct wish mixed[] = {{UN_MLM, 7, 5, 3},  {UN_MRFR, 5, 6, 2},  {UN_ITM, 6, 4, 0},
                                    {UN_MRC, 3, 5, 2},  {UN_MRCKL, 6, 3, 2}, {UN_ITM, 4, 5, 0},
                                    {UN_MLM, 5, 2, 1},  {UN_MRC, 4, 4, 1},   {UN_ITM, 3, 1, 0},
                                    {UN_MRFR, 4, 1, 1}, {UN_MRCKL, 3, 7, 3}};

static void every_tensor(void **state) {
    (void)state;
    struct bench b;
    open_bench(&b, mixed, sizeof mixed / sizeof *mixed);
    struct differences d = differences_of(&b);
    for (int64_t k = 0; k < b.net.table->n; ++k) {
        const struct un_param *p = &b.net.table->list[k];
        double size = 0;
        for (int64_t i = 0; i < p->count; ++i) size += fabs(b.grads[p->offset + i]);
        bool flat = strstr(p->name, "key.bias") != NULL; /* softmax does not see it */
        if (!flat && size == 0) fail_msg("%s got no gradient at all", p->name);
        differences_check(&d, p, (uint32_t)k);
    }
    print_message("worst difference: %.2f of what is allowed\n", d.worst);
    close_bench(&b);
}

/* More rows than a chunk of the heads (256): the joints between chunks. */
static void many_rows(void **state) {
    (void)state;
    enum { N = 60 };
    struct wish wishes[N];
    for (int s = 0; s < N; ++s)
        wishes[s] = (struct wish){s < 30 ? UN_MLM : s < 45 ? UN_MRC : UN_MRFR, 12, 19, 19};
    struct bench b;
    open_bench(&b, wishes, N);
    assert_true(b.batch.host.rows[UN_MLM].n > 256 && b.batch.host.rows[UN_MRC].n > 256);
    assert_true(b.batch.host.rows[UN_MRFR].n > 256);
    const char *const names[] = {
        "cls.predictions.bias",           "uniter.embeddings.word_embeddings.weight",
        "feat_regress.net.0.weight",      "uniter.img_embeddings.img_linear.weight",
        "region_classifier.net.3.weight", "uniter.encoder.layer.1.output.dense.weight"};
    struct differences d = differences_of(&b);
    for (uint32_t i = 0; i < sizeof names / sizeof *names; ++i)
        differences_check(&d, &b.net.table->list[un_params_find(b.net.table, names[i])], i);
    close_bench(&b);
}

/* Word 0 is the padding of the lookup: it gets gradient from the tied decoder only. Row 0 of the mask table
 * and type rows nobody uses get none. */
static void rows_without_gradient(void **state) {
    (void)state;
    const struct wish pairs[] = {{UN_ITM, 6, 4, 0}, {UN_ITM, 4, 5, 0}};
    struct bench b;
    open_bench(&b, pairs, 2);
    int64_t h = sizes.hidden_size, word = b.net.table->list[0].offset;
    b.batch.device.word_id[2] = b.batch.device.word_id[7] = 0; /* the CPU's device memory is the host's */
    struct un_batch *d = &b.batch.device;
    int32_t old = d->by_word_id[0];
    d->by_word_id[0] = 0; /* whoever was first in the list now stands for word 0 */
    assert_true(old > 0);
    check(net_run(&b.net, &b.batch, true, false));
    check(net_fetch(&b.net, b.grads, b.net.grads, b.net.table->total));
    for (int64_t i = 0; i < h; ++i) assert_true(b.grads[word + i] == 0);
    const struct un_param *mask =
        &b.net.table->list[un_params_find(b.net.table, "uniter.img_embeddings.mask_embedding.weight")];
    for (int64_t i = 0; i < mask->count; ++i)
        assert_true(b.grads[mask->offset + i] == 0); /* nothing is masked */
    close_bench(&b);
    open_bench(&b, mixed, 1);
    for (int64_t i = 0; i < h; ++i) assert_true(b.grads[b.net.table->list[0].offset + i] != 0); /* decoder */
    close_bench(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_tensor), cmocka_unit_test(many_rows),
                                       cmocka_unit_test(rows_without_gradient)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
