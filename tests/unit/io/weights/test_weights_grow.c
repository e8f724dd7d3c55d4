/* What a network of a task makes of a file of pretraining: types, words, ranks that grow, a head made anew. */
#include "runtime/memory.h"
#include "tests/support/expect.h"
#include "tests/unit/io/weights/task_case.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define TYPES "uniter.embeddings.token_type_embeddings.weight"
#define TABLE "uniter.embeddings.word_embeddings.weight"

static void expect_types(const struct loaded *l, const int64_t *rows, int64_t n) {
    int64_t count;
    const float *v = values_of(l, TYPES, &count);
    assert_int_equal(count, n * WIDTH);
    for (int64_t r = 0; r < n; ++r)
        for (int64_t k = 0; k < WIDTH; ++k)
            assert_true(v[r * WIDTH + k] == weights_value(TYPES, rows[r] * WIDTH + k));
}

static void test_types(void **state) {
    (void)state;
    static const int64_t two[] = {0, 1}, three[] = {0, 1, 1}, four[] = {0, 1, 0, 0};
    static const struct kind of_three[] = {
        {UN_NLVR2_TRIPLET, 0, 3, 0, 0}, {UN_NLVR2_PAIR, 0, 3, 0, 0}, {UN_NLVR2_ATTN, 0, 3, 0, 0}};
    struct loaded l;
    uint64_t live = live_blocks();
    const char *path = file_of("pretrained", pretrained, same_name, NULL);
    for (int i = 0; i < 3; ++i) {
        expect_ok(load(&l, of_three[i], path));
        expect_types(&l, three, 3);
        expect_whole(&l, "uniter.pooler.dense.weight");
        expect_part(&l, "nlvr2_output.weight", "", 0, 0);
        assert_int_equal(l.plan.grown, 1);
        expect_told(&l, "1 grown, 0 made anew", "grown: " TYPES ": rows 0, 1, 1 of the file's",
                    "missing: nlvr2_output.weight", "ignored (heads of pretraining): region_classifier.*",
                    "0 unexpected");
        unload(&l);
    }
    expect_ok(load(&l, vcr, path));
    expect_types(&l, four, 4);
    unload(&l);
    expect_ok(load(&l, vqa, path));
    expect_types(&l, two, 2);
    assert_int_equal(l.plan.grown, 0);
    unload(&l);
    /* no rule, and no way back */
    expect_error(load(&l, (struct kind){.task = -1, .types = 5}, path), UN_USAGE, TYPES, "[2,8]", "[5,8]");
    unload(&l);
    expect_error(load(&l, pretrained, file_of("three", triplet, same_name, NULL)), UN_USAGE, TYPES, "[3,8]");
    unload(&l);
    expect_error(load(&l, vcr, file_of("three", triplet, same_name, NULL)), UN_USAGE, TYPES, "[3,8]");
    unload(&l);
    assert_int_equal(live_blocks(), live);
}

static void no_words(const char *ours, char theirs[256]) {
    same_name(ours, theirs);
    if (strcmp(ours, TABLE) == 0 || strcmp(ours, "cls.predictions.bias") == 0) theirs[0] = '\0';
}

static void test_words(void **state) {
    (void)state;
    static const struct weights_entry padded[] = {
        {TABLE, NULL, {24, WIDTH}, 2}, {"cls.predictions.decoder.weight", TABLE, {24, WIDTH}, 2}, {0}};
    struct loaded l;
    expect_ok(load(&l, vcr, file_of("pretrained", pretrained, same_name, NULL)));
    expect_part(&l, TABLE, TABLE, 0, WORDS * WIDTH);
    expect_told(&l, "grown: " TABLE ": 21 rows of the file's, 81 new ones",
                "missing: vcr_output.* (6 tensors)");
    unload(&l);
    /* 21 words padded to 24: the first person is not the first row of padding */
    expect_ok(load(&l, vcr, file_of("padded", pretrained, no_words, padded)));
    expect_part(&l, TABLE, TABLE, 0, WORDS * WIDTH);
    expect_told(&l, "21 rows of the file's, 81 new ones", "3 words of padding are dropped");
    unload(&l);
    /* of a run: the whole vocabulary of the second stage */
    expect_ok(load(&l, vcr, file_of("second", second_stage, same_name, NULL)));
    expect_whole(&l, TABLE);
    expect_types(&l, (const int64_t[]){0, 1, 2, 3}, 4);
    assert_int_equal(l.plan.grown, 0);
    unload(&l);
    /* only where people get words */
    expect_error(load(&l, (struct kind){UN_VQA, WORDS + PERSONS, 0, 9, 0},
                      file_of("pretrained", pretrained, same_name, NULL)),
                 UN_USAGE, "a vocabulary of 21 words", "is 102");
    unload(&l);
    expect_error(load(&l, (struct kind){UN_VCR, WORDS - 8, 4, 0, 0},
                      file_of("pretrained", pretrained, same_name, NULL)),
                 UN_USAGE, "a vocabulary of 21 words", "is 13");
    unload(&l);
}

/* A copy of fewer words than its partner is compared as far as it goes. */
static void test_short_copy(void **state) {
    (void)state;
    static const struct weights_entry more[] = {{"cls.predictions.decoder.weight", TABLE, {5, WIDTH}, 2},
                                                {0}};
    struct loaded l;
    expect_ok(load(&l, vcr, file_of("short", pretrained, same_name, more)));
    expect_part(&l, TABLE, TABLE, 0, WORDS * WIDTH);
    assert_int_equal(l.plan.copies, 1);
    unload(&l);
}

/* ---- the second stage ---- */

static void test_second_stage(void **state) {
    (void)state;
    static const char *const anew[] = {"cls.predictions.bias", "cls.predictions.transform.dense.weight",
                                       "cls.predictions.transform.dense.bias",
                                       "cls.predictions.transform.LayerNorm.weight",
                                       "cls.predictions.transform.LayerNorm.bias"};
    struct loaded l;
    expect_ok(load(&l, second_stage, file_of("pretrained", pretrained, same_name, NULL)));
    for (int i = 0; i < 5; ++i) expect_part(&l, anew[i], "", 0, 0);
    expect_whole(&l, "feat_regress.net.0.weight");
    expect_whole(&l, "itm_output.weight");
    assert_int_equal(l.plan.anew, 5);
    assert_int_equal(l.plan.missing, 0);
    expect_told(&l, "2 grown, 5 made anew", "made anew: cls.* (5 tensors)");
    unload(&l);
    /* what goes on with the second stage keeps its head */
    expect_ok(load(&l, second_stage, file_of("second", second_stage, same_name, NULL)));
    for (int i = 0; i < 5; ++i) expect_whole(&l, anew[i]);
    assert_int_equal(l.plan.anew, 0);
    unload(&l);
}

/* The law of what is made anew: uniform in +-1/sqrt(H), weight and bias, and a bias of zeros over the words. */
static void test_drawn_as_torch(void **state) {
    (void)state;
    struct un_dims dims = weights_dims;
    struct un_params table = {0};
    dims.hidden_size = 64;
    dims.type_vocab_size = 4;
    expect_ok(un_model_params_build(&table, &dims));
    float *values = un_alloc((size_t)table.total, sizeof *values, "test");
    un_params_init(&table, values, 3, 0.02f);
    static const char *const names[] = {"cls.predictions.transform.dense.weight",
                                        "cls.predictions.transform.dense.bias"};
    for (int n = 0; n < 2; ++n) {
        const struct un_param *p = &table.list[un_params_find(&table, names[n])];
        double least = 1, most = -1, sum = 0;
        for (int64_t i = 0; i < p->count; ++i) {
            double v = values[p->offset + i];
            least = fmin(least, v);
            most = fmax(most, v);
            sum += v * v;
        }
        double variance = sum / (double)p->count * 64 * 3; /* of 1/sqrt(64): a third of 1/64 */
        assert_true(least >= -0.125 && least < -0.1 && most <= 0.125 && most > 0.1);
        assert_true(variance > 0.6 && variance < 1.4);
    }
    const struct un_param *bias = &table.list[un_params_find(&table, "cls.predictions.bias")];
    for (int64_t i = 0; i < bias->count; ++i) assert_true(values[bias->offset + i] == 0);
    un_free(values);
    un_params_free(&table);
}

/* ---- ranks ---- */

static void no_rank_bias(const char *ours, char theirs[256]) {
    same_name(ours, theirs);
    if (strcmp(ours, "rank_output.weight") == 0) theirs[0] = '\0';
}

static void test_rank(void **state) {
    (void)state;
    struct loaded l;
    const struct kind kinds[] = {retrieval, hard};
    for (int i = 0; i < 2; ++i) {
        expect_ok(load(&l, kinds[i], file_of("pretrained", pretrained, same_name, NULL)));
        expect_part(&l, "rank_output.weight", "itm_output.weight", WIDTH, WIDTH);
        expect_part(&l, "rank_output.bias", "itm_output.bias", 1, 1);
        expect_whole(&l, "itm_output.weight");
        expect_whole(&l, "itm_output.bias");
        assert_int_equal(l.plan.missing, 0);
        assert_int_equal(l.plan.grown, 2);
        expect_told(&l, "grown: rank_output.weight: row 1 of itm_output.weight");
        unload(&l);
    }
    /* its own, once it has one */
    expect_ok(load(&l, hard, file_of("ranked", retrieval, same_name, NULL)));
    expect_whole(&l, "rank_output.weight");
    expect_whole(&l, "rank_output.bias");
    assert_int_equal(l.plan.grown, 0);
    unload(&l);
    /* half of one counts as none */
    expect_ok(load(&l, retrieval, file_of("half", retrieval, no_rank_bias, NULL)));
    expect_part(&l, "rank_output.bias", "itm_output.bias", 1, 1);
    expect_told(&l, "ignored (heads of itm_rank): rank_output.bias");
    unload(&l);
}

static int teardown(void **state) {
    (void)state;
    scratch_remove();
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_types),          cmocka_unit_test(test_words),
        cmocka_unit_test(test_short_copy),     cmocka_unit_test(test_second_stage),
        cmocka_unit_test(test_drawn_as_torch), cmocka_unit_test(test_rank),
    };
    return cmocka_run_group_tests_name("weights_grow", tests, NULL, teardown);
}
