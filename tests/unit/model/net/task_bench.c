/* See task_bench.h. */
#include "tests/unit/model/net/task_bench.h"

#include "runtime/device.h"
#include "tests/support/check.h"

#include <string.h>

enum { MOST = 8, LABELS = 6, LONG = 16 };

static const int32_t labels[] = {1, 0, 0, 1}, members[] = {2, 0, 3}, wrong[] = {1, -1, -2};
const struct task_case task_cases[] = {
    {"vqa", UN_VQA, 1, 2, 3, 1, NULL, NULL, false},
    {"ve", UN_VE, 1, 2, 3, 1, NULL, NULL, false},
    {"nlvr2_triplet", UN_NLVR2_TRIPLET, 1, 3, 3, 1, labels, NULL, false},
    {"nlvr2_pair", UN_NLVR2_PAIR, 1, 3, 3, 2, labels, NULL, false},
    {"nlvr2_attn", UN_NLVR2_ATTN, 1, 3, 3, 2, labels, NULL, true},
    {"vcr", UN_VCR, 1, 4, 4, 1, labels, NULL, true},
    {"re", UN_RE, 1, 2, 3, 1, members, NULL, false},
    {"re, two layers", UN_RE, 2, 2, 3, 1, members, NULL, false},
    {"re_rank", UN_RE_RANK, 1, 2, 3, 1, members, wrong, true},
    {"itm_rank", UN_ITM_RANK, 1, 2, 2, 3, NULL, NULL, true},
    {"itm_hard", UN_ITM_HARD, 1, 2, 1, 5, NULL, NULL, true},
};
const int task_case_count = sizeof task_cases / sizeof *task_cases;

static const int32_t sizes_of[MOST][2] = {{7, 5}, {5, 6}, {6, 4}, {3, 5}, {6, 7}, {4, 5}, {8, 4}, {5, 9}};
/* Of tables with more than two rows: the last ones beside those of words and regions. */
static const int32_t words_of[2][LONG] = {{0, 0, 0, 0, 0, 0, 0, 0, 0}, {0, 0, 2, 2, 3, 3, 0, 2, 3}};
static const int32_t regions_of[LONG] = {1, 2, 1, 1, 2, 2, 1, 2, 1};
static const struct un_dims dims = {.vocab_size = 23,
                                    .hidden_size = 24,
                                    .num_hidden_layers = 2,
                                    .num_attention_heads = 3,
                                    .intermediate_size = 20,
                                    .max_position_embeddings = 20,
                                    .img_dim = 9,
                                    .img_label_dim = 5,
                                    .num_labels = LABELS,
                                    .dropout = 0.1};
static const float score[MOST * LABELS] = {0, 0.3f, 0, 1, 0, 0, 0.6f, 0, 0, 0.9f, 0, 0.3f, 0, 0, 1, 0, 0, 0};

static void check(enum un_status status) {
    if (status != UN_OK) fail_msg("%s", un_error_get()->text);
}

static struct un_model_setup setup_of(const struct task_case *of) {
    struct un_model_setup setup = {.dims = dims, .seed = 5, .train = true, .margin = 0.2};
    struct un_dims *d = &setup.dims;
    d->type_vocab_size = of->types;
    d->re_layers = of->re_layers;
    d->num_labels = of->objective == UN_VE ? 3 : LABELS;
    d->negatives = of->each - 1;
    d->heads = d->taught = un_objective_bit(of->objective);
    return setup;
}

static void draw(struct task_bench *b, const struct un_dims *d) {
    struct wish wishes[MOST] = {{UN_MLM, 0, 0, 0}};
    int64_t n = b->of->rows * b->of->each;
    for (int64_t s = 0; s < n; ++s)
        wishes[s] = (struct wish){b->of->objective, sizes_of[s][0], sizes_of[s][1], 0};
    draw_samples(&b->drawn, d, wishes, n, 11);
    for (int64_t s = 0; s < n && b->of->types > 2; ++s) {
        b->drawn.list[s].word_type = words_of[b->of->types > 3];
        b->drawn.list[s].region_type = regions_of;
    }
}

/* Step and lane of the dropout, on host and device. */
static void number(struct task_bench *b) {
    struct un_batch *host = &b->batch.host;
    const struct un_device_ops *mem = b->net.device->mem;
    un_batch_number(host, 3, 1);
    mem->copy_in(b->net.q, b->batch.block, host->block, host->block_bytes);
    check(mem->queue_wait(b->net.q));
    un_batch_rebase(&b->batch.device, host, b->batch.block);
}

static void open(struct task_bench *b, const struct task_case *of, int64_t more, float range,
                 enum un_type act) {
    struct un_model_setup setup = setup_of(of);
    setup.act = act;
    const struct un_dims *d = &setup.dims;
    *b = (struct task_bench){.of = of};
    b->factors.weight[of->objective] = 1.3;
    draw(b, d);
    samples_caps(&setup.caps, b->drawn.list, b->drawn.n, d->vocab_size, d->img_dim, d->img_label_dim);
    setup.caps.tokens += more;
    setup.caps.words += more;
    setup.caps.regions += more;
    setup.caps.samples += more;
    setup.caps.tasks = d->heads;
    setup.caps.num_labels = d->num_labels;
    setup.caps.typed = d->type_vocab_size > 2;
    b->caps = setup.caps;
    const struct task_rows rows = {of->objective, of->rows, of->each, of->target, of->wrong, score};
    check(net_open(&b->net, "cpu", 2, &setup));
    check(samples_pack_task(&b->batch, b->net.device, b->net.q, &b->caps, b->drawn.list, b->drawn.n, &rows,
                            &b->factors));
    number(b);
    b->values = un_alloc((size_t)b->net.table->total, sizeof(float), "values");
    b->grads = un_alloc((size_t)b->net.table->total, sizeof(float), "gradients");
    draw_values(b->net.table, b->values, 17, range);
    net_set(&b->net, b->values);
}

void task_bench_open(struct task_bench *b, const struct task_case *of, int64_t more, float range) {
    open(b, of, more, range, UN_F32);
}

void task_bench_open_as(struct task_bench *b, const struct task_case *of, float range, enum un_type act) {
    open(b, of, 0, range, act);
}

void task_bench_close(struct task_bench *b) {
    packed_close(&b->batch);
    drawn_free(&b->drawn);
    net_close(&b->net);
    un_free(b->values);
    un_free(b->grads);
}

void task_bench_run(struct task_bench *b) {
    check(net_run(&b->net, &b->batch, true, true));
    check(net_fetch(&b->net, b->grads, b->net.grads, b->net.table->total));
}
