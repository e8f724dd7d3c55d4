/* The authors' set-ups: a step of ours is one of theirs, texts of the file end no comment, memory that fails is told. */
// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on
#include "io/convert/setup/setup.h"
#include "runtime/config/config.h"
#include "runtime/memory.h"

#include <stdlib.h>
#include <string.h>

#define VQA "\"train_txt_db\":\"/t/vqa_a.db\",\"train_img_db\":\"/i/c/\""
#define ITM "\"train_txt_db\":\"/t/itm_a.db\",\"train_img_db\":\"/i/c/\""
#define RE  "\"train_txt_db\":\"/t/refcoco_a.db\",\"train_img_db\":\"/i/re_coco_gt\""

static enum un_status convert(struct un_text_out *yaml, const char *json, int64_t cards) {
    struct un_setup_counts counts;
    const struct un_setup_options options = {.cards = cards};
    *yaml = (struct un_text_out){0};
    return un_setup_convert(yaml, &counts, "a/x.json", json, strlen(json), &options);
}

/* The value behind "\n  key: ". */
static double value(const char *yaml, const char *key) {
    char front[64];
    snprintf(front, sizeof front, "\n  %s: ", key);
    const char *at = strstr(yaml, front);
    return at ? strtod(at + strlen(front), NULL) : -1;
}

static void steps(void **state) {
    (void)state;
    static const struct {
        const char *json;
        int64_t cards;
        double lanes, tokens, samples, scale;
    } cases[] = {
        {"{" VQA ",\"train_batch_size\":5120,\"gradient_accumulation_steps\":5}", 4, 16, 6400, -1, 5},
        {"{" VQA ",\"train_batch_size\":8192,\"gradient_accumulation_steps\":1}", 1, 1, 8192, -1, 1},
        {"{" VQA ",\"train_batch_size\":8193,\"gradient_accumulation_steps\":1}", 1, 2, 4097, -1, 1},
        {"{" VQA ",\"train_batch_size\":1000,\"gradient_accumulation_steps\":1}", 3, 2, 1500, -1, 1},
        {"{" VQA "}", 2, 32, 4096, -1, 16}, /* their defaults: 4096, 16 */
        {"{" RE ",\"train_batch_size\":128,\"gradient_accumulation_steps\":1}", 1, 4, 4096, 32, 1},
        {"{" RE ",\"train_batch_size\":100,\"gradient_accumulation_steps\":2}", 4, 32, 4096, 25, 0.25},
        {"{" ITM ",\"train_batch_size\":40,\"gradient_accumulation_steps\":4,\"negative_size\":1}", 8, 32,
         16384, 40, 4},
        {"{" ITM ",\"train_batch_size\":8,\"negative_size\":399,\"hard_neg_size\":31}", 16, 128, 12288, -1,
         2},
        {"{" ITM ",\"train_batch_size\":5,\"hard_neg_size\":15,\"max_bb\":50,\"max_txt_len\":20}", 3, 15,
         4096, -1, 2},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        struct un_text_out yaml;
        if (convert(&yaml, cases[i].json, cases[i].cards) != UN_OK)
            fail_msg("%zu: %s", i, un_error_get()->text);
        if (value(yaml.text, "lanes") != cases[i].lanes ||
            value(yaml.text, "tokens_per_lane") != cases[i].tokens ||
            value(yaml.text, "samples_per_lane") != cases[i].samples ||
            value(yaml.text, "loss_scale") != cases[i].scale)
            fail_msg("%zu:\n%s", i, yaml.text);
        un_free(yaml.text);
    }
}

/* A step never has fewer tokens than theirs, and lanes are as even as they can be. */
static void no_token_is_lost(void **state) {
    (void)state;
    char json[256];
    for (int64_t cards = 1; cards <= 24; cards += 1)
        for (int64_t passes = 1; passes <= 7; passes += 2)
            for (int64_t batch = 1000; batch <= 13000; batch += 2999) {
                struct un_text_out yaml;
                snprintf(json, sizeof json,
                         "{" VQA ",\"train_batch_size\":%lld,\"gradient_accumulation_steps\":%lld}",
                         (long long)batch, (long long)passes);
                assert_int_equal(convert(&yaml, json, cards), UN_OK);
                int64_t lanes = (int64_t)value(yaml.text, "lanes"),
                        tokens = (int64_t)value(yaml.text, "tokens_per_lane");
                int64_t total = cards * passes * batch;
                assert_in_range(lanes * tokens, total, total + lanes - 1);
                assert_int_equal(lanes & (lanes - 1), 0);
                assert_true(tokens <= 8192 &&
                            (tokens >= batch || tokens > 4096)); /* not cut finer than needed */
                un_free(yaml.text);
            }
}

/* Line ends of every kind and YAML's own characters in keys, values and paths. */
static void texts_stay_texts(void **state) {
    (void)state;
    struct un_text_out yaml;
    struct un_config *config = NULL;
    assert_int_equal(convert(&yaml,
                             "{" VQA ",\"output_dir\":\"a\\nrun: {dir: b}\",\"new\\u2028key\":\"\\n- "
                             "x\",\"checkpoint\":\"/p/a \\\"b\\\\.pt\","
                             "\"model_config\":\"base\\u0085: {\"}",
                             1),
                     UN_OK);
    assert_int_equal(un_config_parse(&config, "x.yaml", yaml.text, NULL, 0), UN_OK);
    assert_null(strstr(yaml.text, "\nrun: {"));
    assert_non_null(strstr(yaml.text, "init: \"weights/a \\\"b\\\\.safetensors\""));
    assert_non_null(strstr(yaml.text, "#   CHECK new???key"));
    un_config_free(config);
    un_free(yaml.text);
    static const char *const bad[] = {"{\"train_txt_db\":\"/t/vqa_\\u0001.db\",\"train_img_db\":\"c\"}",
                                      "{\"train_txt_db\":\"/t/vqa_$HOME.db\",\"train_img_db\":\"c\"}",
                                      "{\"train_txt_db\":\"/t/vqa_*.db\",\"train_img_db\":\"c\"}",
                                      "{\"train_txt_db\":\"vqa_a\",\"train_img_db\":\";\"}",
                                      "{" VQA ",\"checkpoint\":\"a\\nb.pt\"}",
                                      "[1]",
                                      "{" VQA ",\"seed\":1,\"seed\":2}",
                                      "{" VQA ",\"seed\":1e999}",
                                      ""};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; ++i) {
        assert_int_equal(convert(&yaml, bad[i], 1), UN_DATA);
        assert_non_null(strstr(un_error_get()->text, "a/x.json:"));
        un_error_clear();
        un_free(yaml.text);
    }
}

/* A mix holds every task once, and all of them or none. */
static void mixes(void **state) {
    (void)state;
    static const char set[] = "\"name\":\"a\",\"db\":[\"/t/a.db\"],\"img\":[\"/i/a\"]";
    char json[4096], tasks[1024] = "", ratios[512] = "", text[64];
    struct un_text_out yaml;
    snprintf(json, sizeof json,
             "{\"train_datasets\":[{%s,\"tasks\":[\"mlm\",\"itm\",\"mlm\"],\"mix_ratio\":[2,1,1]}]}", set);
    assert_int_equal(convert(&yaml, json, 1), UN_DATA);
    assert_non_null(strstr(un_error_get()->text, "a/x.json: train_datasets: a task that stands twice"));
    un_error_clear();
    un_free(yaml.text);
    for (int i = 0; i < 60; ++i) {
        snprintf(text, sizeof text, "%s\"task_%c%c\"", i ? "," : "", 'a' + i / 26, 'a' + i % 26);
        strcat(tasks, text);
        strcat(ratios, i ? ",1" : "1");
    }
    snprintf(json, sizeof json, "{\"train_datasets\":[{%s,\"tasks\":[%s],\"mix_ratio\":[%s]}]}", set, tasks,
             ratios);
    assert_int_equal(convert(&yaml, json, 1), UN_DATA);
    assert_non_null(strstr(un_error_get()->text, "a/x.json: train_datasets: a set with too many tasks"));
    un_error_clear();
    un_free(yaml.text);
}

static void every_allocation_may_fail(void **state) {
    (void)state;
    static const char json[] = "{" VQA ",\"seed\":3,\"checkpoint\":\"/p/u.pt\"}";
    for (uint64_t n = 1; n < 200; ++n) {
        struct un_text_out yaml;
        un_memory_fail_at(n);
        enum un_status status = convert(&yaml, json, 1);
        un_memory_fail_at(0);
        un_free(yaml.text);
        un_error_clear();
        if (status == UN_OK) {
            assert_true(n > 1);
            return;
        }
        assert_int_equal(status, UN_MEMORY);
    }
    fail_msg("no end of allocations");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(steps),
        cmocka_unit_test(no_token_is_lost),
        cmocka_unit_test(texts_stay_texts),
        cmocka_unit_test(mixes),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
