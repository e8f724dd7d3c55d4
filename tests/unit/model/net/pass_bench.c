#include "tests/unit/model/net/pass_bench.h"

#include <string.h>

/* Large enough that the ops share their work among threads; sizes that divide nothing. */
const struct un_dims pass_dims = {.vocab_size = 1203,
                                  .hidden_size = 120,
                                  .num_hidden_layers = 3,
                                  .num_attention_heads = 5,
                                  .intermediate_size = 331,
                                  .max_position_embeddings = 40,
                                  .type_vocab_size = 2,
                                  .img_dim = 77,
                                  .img_label_dim = 45,
                                  .dropout = 0.1};
const struct factors pass_factors = {{0.4, 0.3, 0.2, 0.6, 0.5}, 0.1};
static const struct wish wishes[] = {{UN_MLM, 17, 30, 3},  {UN_MRFR, 11, 21, 4}, {UN_ITM, 16, 14, 0},
                                     {UN_MRC, 13, 25, 5},  {UN_MRCKL, 9, 33, 6}, {UN_ITM, 14, 25, 0},
                                     {UN_MLM, 25, 12, 5},  {UN_MRC, 24, 24, 3},  {UN_ITM, 8, 36, 0},
                                     {UN_MRFR, 30, 11, 2}, {UN_MRCKL, 3, 27, 1}, {UN_ITM, 4, 1, 0},
                                     {UN_MLM, 3, 1, 1}};
_Static_assert(sizeof wishes / sizeof *wishes == PASS_SAMPLES, "a wish for each sample");

void pass_check(enum un_status status) {
    if (status != UN_OK) fail_msg("%s", un_error_get()->text);
}

struct un_model_setup pass_setup(const struct un_batch_caps *caps, bool train) {
    return (struct un_model_setup){.dims = pass_dims,
                                   .caps = *caps,
                                   .seed = 5,
                                   .train = train,
                                   .wra = {.solver = UN_SOLVER_IPOT, .iterations = 50, .beta = 0.5f}};
}

static void open(struct pass_bench *b, int threads, bool train, const struct wish *list, int64_t n,
                 enum un_type act) {
    memset(b, 0, sizeof *b);
    draw_samples(&b->drawn, &pass_dims, list, n, 3);
    samples_caps(&b->caps, b->drawn.list, n, pass_dims.vocab_size, pass_dims.img_dim,
                 pass_dims.img_label_dim);
    b->caps.words += 3; /* so that lists are not full */
    b->caps.regions += 2;
    struct un_model_setup setup = pass_setup(&b->caps, train);
    setup.act = act;
    pass_check(net_open(&b->net, "cpu", threads, &setup));
    pass_check(samples_pack(&b->batch, b->net.device, b->net.q, &b->caps, b->drawn.list, n, &pass_factors));
    b->values = un_alloc((size_t)b->net.table->total, sizeof(float), "values");
    b->grads = un_alloc((size_t)b->net.table->total, sizeof(float), "grads");
    draw_values(b->net.table, b->values, 17, 0.05f);
    net_set(&b->net, b->values);
}

void pass_open_with(struct pass_bench *b, int threads, bool train, const struct wish *list, int64_t n) {
    open(b, threads, train, list, n, UN_F32);
}

void pass_open_as(struct pass_bench *b, enum un_type act) {
    open(b, 1, true, wishes, PASS_SAMPLES, act);
}

void pass_open(struct pass_bench *b, int threads, bool train) {
    pass_open_with(b, threads, train, wishes, PASS_SAMPLES);
}

void pass_close(struct pass_bench *b) {
    packed_close(&b->batch);
    drawn_free(&b->drawn);
    net_close(&b->net);
    un_free(b->values);
    un_free(b->grads);
}

void pass_run(struct pass_bench *b, bool dropout) {
    pass_check(net_run(&b->net, &b->batch, true, dropout));
    pass_check(net_fetch(&b->net, b->grads, b->net.grads, b->net.table->total));
}

void pass_same_bits(const float *a, const float *b, int64_t n, const char *what) {
    for (int64_t i = 0; i < n; ++i)
        if (memcmp(a + i, b + i, sizeof *a))
            fail_msg("%s %lld: %.9g and %.9g", what, (long long)i, a[i], b[i]);
}
