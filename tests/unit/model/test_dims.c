/* Sizes: presets, checks, keys, and the work of a pass counted against a count by hand. */
#include "model/dims.h"
#include "tests/support/check.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static struct un_dims data_sizes(void) {
    return (struct un_dims){.vocab_size = 28996, .img_dim = 2048, .img_label_dim = 1601, .dropout = 0.1};
}

static void presets(void **state) {
    (void)state;
    const int64_t want[3][4] = {{128, 2, 2, 512}, {768, 12, 12, 3072}, {1024, 24, 16, 4096}};
    for (int preset = 0; preset < 3; ++preset) {
        struct un_dims d = data_sizes();
        assert_int_equal(un_dims_resolve(&d, preset), UN_OK);
        assert_int_equal(d.hidden_size, want[preset][0]);
        assert_int_equal(d.num_hidden_layers, want[preset][1]);
        assert_int_equal(d.num_attention_heads, want[preset][2]);
        assert_int_equal(d.intermediate_size, want[preset][3]);
        assert_int_equal(d.max_position_embeddings, 512);
        assert_int_equal(d.type_vocab_size, 2);
    }
}

static void given_sizes_win(void **state) {
    (void)state;
    struct un_dims d = {.hidden_size = 256, .num_hidden_layers = 4, .num_attention_heads = 4};
    assert_int_equal(un_dims_resolve(&d, 1), UN_OK);
    assert_int_equal(d.hidden_size, 256);
    assert_int_equal(d.num_hidden_layers, 4);
    assert_int_equal(d.intermediate_size, 3072);
    assert_int_equal(d.vocab_size, 0); /* known from the data later */
}

static void refuses(struct un_dims d, const char *word) {
    assert_int_equal(un_dims_resolve(&d, 1), UN_USAGE);
    assert_non_null(strstr(un_error_get()->text, word));
    un_error_clear();
}

static void bad_sizes(void **state) {
    (void)state;
    refuses((struct un_dims){.hidden_size = 256}, "num_attention_heads"); /* 12 heads of base */
    refuses((struct un_dims){.type_vocab_size = 1}, "type_vocab_size");
    refuses((struct un_dims){.dropout = 1}, "dropout");
    refuses((struct un_dims){.dropout = NAN}, "dropout");
}

static enum un_status bind(const char *text, struct un_model_keys *keys) {
    struct un_config *config = NULL;
    enum un_status status = un_config_parse(&config, "test.yaml", text, NULL, 0);
    if (status == UN_OK) status = un_config_bind(config, &un_model_key_table, keys);
    un_config_free(config);
    return status;
}

static void keys_bind(void **state) {
    (void)state;
    struct un_model_keys k;
    assert_int_equal(bind("run: {}\n", &k), UN_OK);
    assert_int_equal(k.preset, 1);
    assert_int_equal(k.dims.hidden_size, UN_AUTO);
    const char *zero[UN_DIMS_SIZES];
    assert_int_equal(un_dims_zeros(&k.dims, zero), 0);
    assert_int_equal(k.dims.type_vocab_size, UN_AUTO);
    assert_int_equal(un_dims_resolve(&k.dims, k.preset), UN_OK);
    assert_int_equal(k.dims.hidden_size, 768);
    assert_int_equal(k.dims.max_position_embeddings, 512);
    const char *const sizes[] = {"hidden_size",       "num_hidden_layers",       "num_attention_heads",
                                 "intermediate_size", "max_position_embeddings", "type_vocab_size"};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; ++i) {
        char text[80];
        snprintf(text, sizeof text, "model: {%s: 0}\n", sizes[i]);
        assert_int_equal(bind(text, &k), UN_OK); /* as in the config.yaml of an earlier run */
        assert_int_equal(un_dims_zeros(&k.dims, zero), 1);
        assert_string_equal(zero[0], sizes[i]);
    }
    assert_int_equal(bind("model: {type_vocab_size: 0, hidden_size: 0, num_hidden_layers: 1}\n", &k), UN_OK);
    assert_int_equal(un_dims_zeros(&k.dims, zero), 2);
    assert_string_equal(zero[0], "hidden_size");
    assert_string_equal(zero[1], "type_vocab_size");
    assert_int_equal(bind("run: {}\n", &k), UN_OK);
    assert_near(k.dims.dropout, 0.1, 0);
    assert_near(k.dims.initializer_range, 0.02, 0);
    assert_string_equal(k.init, "");
    assert_int_equal(
        bind("model: {preset: large, hidden_size: 512, dropout: 0.0, init: a.safetensors}\n", &k), UN_OK);
    assert_int_equal(k.preset, 2);
    assert_int_equal(k.dims.hidden_size, 512);
    assert_near(k.dims.dropout, 0, 0);
    assert_string_equal(k.init, "a.safetensors");
    assert_int_equal(bind("model: {preset: huge}\n", &k), UN_USAGE);
    un_error_clear();
    assert_int_equal(bind("model: {dropout: 0.95}\n", &k), UN_USAGE);
    un_error_clear();
}

/* One product [m,k] x [k,n]. */
static double product(double m, double k, double n) {
    return 2 * m * k * n;
}

static void work_by_hand(void **state) {
    (void)state;
    struct un_dims d = {.vocab_size = 50,
                        .hidden_size = 8,
                        .num_hidden_layers = 2,
                        .num_attention_heads = 2,
                        .intermediate_size = 24,
                        .img_dim = 20,
                        .img_label_dim = 6};
    /* Samples of 5 and 7 tokens, 7 words and 5 regions. */
    struct un_work w = {
        .tokens = 12, .words = 7, .regions = 5, .sum_sq = 25 + 49, .mlm = 3, .mrfr = 2, .mrc = 4, .pairs = 1};
    double layer = product(12, 8, 24) + product(12, 8, 8) + product(12, 8, 24) + product(12, 24, 8);
    for (int head = 0; head < 2; ++head) /* q k^T and p v, width 4 */
        layer += product(5, 4, 5) + product(5, 5, 4) + product(7, 4, 7) + product(7, 7, 4);
    double heads = product(3, 8, 8) + product(3, 8, 50) + product(2, 8, 8) + product(2, 8, 20) +
                   product(4, 8, 8) + product(4, 8, 6) + product(1, 8, 8) + product(1, 8, 2);
    double inputs = product(5, 20, 8) + product(5, 7, 8);
    assert_near(un_dims_flop(&d, &w), 3 * (2 * layer + heads) + 2 * inputs, 1e-6);
}

/* What the design's 523 MFLOP a token stands for: base, samples of 16 words and 40 regions, a few masked
 * rows. */
static void work_of_base(void **state) {
    (void)state;
    struct un_dims d = data_sizes();
    assert_int_equal(un_dims_resolve(&d, 1), UN_OK);
    struct un_work w = {.tokens = 36 * 56, .words = 36 * 16, .regions = 36 * 40, .sum_sq = 36 * 56 * 56};
    w.mlm = 13 * 2;
    w.mrfr = w.mrc = 7 * 6;
    w.pairs = 9;
    double mflop = un_dims_flop(&d, &w) / (double)w.tokens * 1e-6;
    print_message("base: %.1f MFLOP a token\n", mflop);
    assert_true(mflop > 515 && mflop < 531);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(presets),      cmocka_unit_test(given_sizes_win),
                                       cmocka_unit_test(bad_sizes),    cmocka_unit_test(keys_bind),
                                       cmocka_unit_test(work_by_hand), cmocka_unit_test(work_of_base)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
