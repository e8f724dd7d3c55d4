/* What a training pass at the width of the base model launches and moves, against trace.tsv; likewise in fp8, against
 * trace_fp8.tsv. The pass is recorded, not run: two layers of 768 columns would take minutes. UN_TRACE_RENEW=1 writes the tables
 * anew; their diff belongs into the commit that changed the pass. */
#include "model/scaling.h"
#include "tests/cards/emu/trace.h"
#include "tests/support/check.h"
#include "tests/support/draw.h"
#include "tests/support/net.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const tables[2] = {"tests/cards/emu/trace.tsv", "tests/cards/emu/trace_fp8.tsv"};
static const struct un_dims sizes = {.vocab_size = 1000,
                                     .hidden_size = 768,
                                     .num_hidden_layers = 2,
                                     .num_attention_heads = 12,
                                     .intermediate_size = 3072,
                                     .max_position_embeddings = 64,
                                     .type_vocab_size = 2,
                                     .img_dim = 2048,
                                     .img_label_dim = 1601,
                                     .dropout = 0.1};
static const struct factors factors = {{0.4, 0.3, 0.2, 0.6, 0.5}, 0.1};
static const struct wish wishes[] = {{UN_MLM, 17, 30, 3},
                                     {UN_MRFR, 11, 21, 4},
                                     {UN_ITM, 16, 14, 0},
                                     {UN_MRCKL, 9, 33, 6},
                                     {UN_ITM, 12, 40, 0}};
enum { SAMPLES = sizeof wishes / sizeof *wishes, MOST = 1 << 16 };

static void check(enum un_status status) {
    if (status != UN_OK) fail_msg("%s", un_error_get()->text);
}

/* All scales 1: fp8 from this pass on. */
static void begin_fp8(struct net *net) {
    static float scale[2 * UN_FP8_LAYER];
    assert_int_equal(un_model_fp8_tensors(&sizes), 2 * UN_FP8_LAYER);
    for (int t = 0; t < 2 * UN_FP8_LAYER; ++t) scale[t] = 1.0f;
    un_model_fp8_begin(net->model, net->q, scale);
}

/* The trace of one pass, forward and backward, in bf16 or in fp8. */
static const char *trace_pass(bool fp8) {
    struct un_model_setup setup = {.dims = sizes,
                                   .seed = 5,
                                   .train = true,
                                   .act = UN_BF16,
                                   .fp8 = fp8,
                                   .wra = {.solver = UN_SOLVER_IPOT, .iterations = 50, .beta = 0.5f}};
    struct drawn drawn;
    struct packed packed;
    struct net net;
    struct un_outputs out;
    struct un_graph *graph;
    draw_samples(&drawn, &sizes, wishes, SAMPLES, 3);
    samples_caps(&setup.caps, drawn.list, SAMPLES, sizes.vocab_size, sizes.img_dim, sizes.img_label_dim);
    check(net_open(&net, "cuda", 1, &setup));
    check(samples_pack(&packed, net.device, net.q, &setup.caps, drawn.list, SAMPLES, &factors));
    if (fp8) begin_fp8(&net);
    const struct un_ops *ops = net.device->ops;
    const struct un_device_ops *mem = net.device->mem;
    net.device->ops = un_trace_begin(ops);
    mem->graph_begin(net.q);
    check(un_model_pass(net.model, net.q, &packed.device, net.params, net.low, net.grads, true, &out, NULL));
    check(mem->graph_end(net.q, &graph));
    const char *text = un_trace_text();
    net.device->ops = ops;
    mem->graph_close(graph);
    packed_close(&packed);
    drawn_free(&drawn);
    net_close(&net);
    return text;
}

/* The line of `text` that begins with the words of `line` before its numbers, or NULL. */
static const char *find_line(const char *text, const char *line, size_t words) {
    for (; *text; text += strcspn(text, "\n"), text += *text == '\n')
        if (strncmp(text, line, words) == 0) return text;
    return NULL;
}

/* Bytes before the last two fields of a line. */
static size_t words_of(const char *line) {
    size_t at = strcspn(line, "\n");
    for (int fields = 0; at > 0 && fields < 2; --at) fields += line[at - 1] == '\t';
    return at + 1;
}

/* Every line of `a` that `b` has not, or has with other numbers. */
static int differences(const char *a, const char *b, const char *what) {
    int count = 0;
    for (; *a; a += strcspn(a, "\n"), a += *a == '\n') {
        const size_t length = strcspn(a, "\n");
        const char *other = find_line(b, a, words_of(a));
        if (other && strncmp(other, a, length + 1) == 0) continue;
        ++count;
        print_error("%s: %.*s\n", what, (int)length, a);
    }
    return count;
}

static void against_table(bool fp8) {
    static char before[MOST];
    const char *now = trace_pass(fp8), *table = tables[fp8];
    assert_true(strlen(now) > 500);
    if (getenv("UN_TRACE_RENEW")) {
        FILE *f = fopen(table, "w");
        assert_non_null(f);
        assert_true(fputs(now, f) >= 0 && fclose(f) == 0);
        return;
    }
    FILE *f = fopen(table, "r");
    assert_non_null(f);
    before[fread(before, 1, MOST - 1, f)] = '\0';
    assert_int_equal(fclose(f), 0);
    const int bad = differences(now, before, "now") + differences(before, now, "in the table");
    if (bad) fail_msg("if that is meant: UN_TRACE_RENEW=1, and the diff of %s into the commit", table);
}

static void test_pass(void **state) {
    (void)state;
    against_table(false);
}

static void test_pass_fp8(void **state) {
    (void)state;
    against_table(true);
}

/* The blocks of norm_bwd for a lane of 16,896 tokens: as many as a card of 132 multiprocessors holds at once, three for each
 * at 768 columns, two at 1,024. Nothing is run, so the matrices are nowhere. */
static void test_blocks(void **state) {
    static const struct {
        int64_t cols;
        const char *line;
    } widths[] = {{768, "kernel\tnorm_bwd\t(norm_grad_rows<T, 3, large, placed>)\t1\t393\n"},
                  {1024, "kernel\tnorm_bwd\t(norm_grad_rows<T, HELD, ahead, placed>)\t1\t264\n"}};
    const struct un_limits limits = {
        .max_tokens = 16896, .max_samples = 1, .max_width = 1024, .max_heads = 1, .max_params = 1};
    struct un_device *device;
    struct un_queue *q;
    struct un_graph *graph;
    void *nowhere = (void *)4096;
    (void)state;
    check(net_device_open("cuda", 1, &device));
    check(device->mem->queue_open(device, &limits, &q));
    for (size_t i = 0; i < sizeof widths / sizeof *widths; ++i) {
        const struct un_mat m = un_mat(nowhere, UN_BF16, 16896, widths[i].cols);
        const struct un_ops *traced = un_trace_begin(device->ops);
        device->mem->graph_begin(q);
        traced->norm_bwd(q, m, m, nowhere, nowhere, nowhere, m, m, nowhere, nowhere, nowhere, NULL);
        check(device->mem->graph_end(q, &graph));
        if (!strstr(un_trace_text(), widths[i].line)) fail_msg("%snot %s", un_trace_text(), widths[i].line);
        device->mem->graph_close(graph);
    }
    device->mem->queue_close(q);
    un_device_close(device);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_pass), cmocka_unit_test(test_pass_fp8),
                                       cmocka_unit_test(test_blocks)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
