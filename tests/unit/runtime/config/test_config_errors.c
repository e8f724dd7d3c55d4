/* Every class of error of the configuration, with its exact message and place; and allocations that fail. */
// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on
#include "config_tables.h"
#include "runtime/memory.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int clear_error(void **state) {
    (void)state;
    un_error_clear();
    un_memory_fail_at(0);
    return 0;
}

/* Loading `text` with at most one override fails as UN_USAGE with exactly this message. */
static void check_refused(const char *text, const char *override, const char *message) {
    un_error_clear();
    struct un_memory_counts before = un_memory_counts();
    struct un_config *config = NULL;
    struct all all;
    enum un_status status = config_load(&config, text, &override, override != NULL, &all);
    un_config_free(config);
    if (status != UN_USAGE || strcmp(un_error_get()->text, message) != 0)
        fail_msg("status %d, said:\n  %s\nexpected:\n  %s", (int)status, un_error_get()->text, message);
    assert_int_equal(un_memory_counts().live_blocks, before.live_blocks);
}

static void unknown_keys(void **state) {
    (void)state;
    check_refused("run:\n  dir: x\noptim:\n  lrr: 1\n", NULL,
                  "big.yaml:4:3: optim.lrr: unknown key; did you mean optim.lr?");
    check_refused("run: {dir: x}\noptm:\n  lr: 1\n", NULL,
                  "big.yaml:2:1: optm: unknown key; did you mean optim?");
    check_refused("run: {dir: x}\ntrain:\n  betas: [1, 2]\n", NULL,
                  "big.yaml:3:3: train.betas: unknown key; did you mean optim.betas?");
    check_refused("run: {dir: x}\nlanes: 3\n", NULL,
                  "big.yaml:2:1: lanes: unknown key; did you mean train.lanes?");
    check_refused("run: {dir: x}\nzebra: 3\n", NULL, "big.yaml:2:1: zebra: unknown key");
    check_refused("run: {dir: x}\ndata:\n  train:\n    - name: a\n    - {name: b, mixx: {mlm: 1}}\n", NULL,
                  "big.yaml:5:17: data.train[1].mixx: unknown key; did you mean data.train[1].mix?");
    check_refused("run: {dir: x}\n", "optim.lrr=1",
                  "command line: optim.lrr: unknown key; did you mean optim.lr?");
    check_refused("run: {dir: x}\ntrain: {tokens_per_lan: 2}\n", NULL,
                  "big.yaml:2:9: train.tokens_per_lan: unknown key; did you mean train.tokens_per_lane?");
    check_refused("run: {dir: x}\ntrain: {lanse: 2}\n", NULL,
                  "big.yaml:2:9: train.lanse: unknown key; did you mean train.lanes?");
}

static void duplicate_keys(void **state) {
    (void)state;
    check_refused("run: {dir: x}\noptim:\n  lr: 1\n  nesterov: no\n  lr: 2\n", NULL,
                  "big.yaml:5:3: optim.lr: given twice, first at line 3");
    check_refused("run: {dir: x}\noptim: {}\nrun: {}\n", NULL,
                  "big.yaml:3:1: run: given twice, first at line 1");
    check_refused("data:\n  train:\n    - {name: a, name: b}\n", NULL,
                  "big.yaml:3:17: data.train[0].name: given twice, first at line 3");
}

static void wrong_types(void **state) {
    (void)state;
    static const struct {
        const char *text, *message;
    } known[] = {
        {"train:\n  lanes: many\n", "big.yaml:2:10: train.lanes: \"many\" is not a whole number"},
        {"train:\n  lanes: 1.5\n", "big.yaml:2:10: train.lanes: \"1.5\" is not a whole number"},
        {"train:\n  lanes: 1e-1\n", "big.yaml:2:10: train.lanes: \"1e-1\" is not a whole number"},
        {"train:\n  lanes: 0x10\n", "big.yaml:2:10: train.lanes: \"0x10\" is not a whole number"},
        {"train:\n  lanes: 12k\n", "big.yaml:2:10: train.lanes: \"12k\" is not a whole number"},
        {"train:\n  steps: 1e300\n", "big.yaml:2:10: train.steps: \"1e300\" is not a whole number"},
        {"train:\n  steps: 9223372036854775808\n",
         "big.yaml:2:10: train.steps: \"9223372036854775808\" is not a whole number"},
        {"train:\n  lanes: \"8\"\n", "big.yaml:2:10: train.lanes: \"8\" in quotes is not a whole number"},
        {"train:\n  lanes: [8]\n", "big.yaml:2:10: train.lanes: a list is not a whole number"},
        {"train:\n  lanes:\n",
         "big.yaml:2:9: train.lanes: no value is given; leave the key out to have its default"},
        {"optim: {lr: fast}\n", "big.yaml:1:13: optim.lr: \"fast\" is not a number"},
        {"optim: {lr: nan}\n", "big.yaml:1:13: optim.lr: \"nan\" is not a number"},
        {"optim: {lr: inf}\n", "big.yaml:1:13: optim.lr: \"inf\" is not a number"},
        {"optim: {lr: 0x1p-3}\n", "big.yaml:1:13: optim.lr: \"0x1p-3\" is not a number"},
        {"optim: {lr: 1e999}\n", "big.yaml:1:13: optim.lr: \"1e999\" is not a number"},
        {"optim: {lr: 1e-3e}\n", "big.yaml:1:13: optim.lr: \"1e-3e\" is not a number"},
        {"optim: {lr: {a: 1}}\n", "big.yaml:1:13: optim.lr: a mapping is not a number"},
        {"optim: {nesterov: 1}\n", "big.yaml:1:19: optim.nesterov: \"1\" is neither true nor false"},
        {"optim: {nesterov: 'on'}\n",
         "big.yaml:1:19: optim.nesterov: \"on\" in quotes is neither true nor false"},
        {"optim: {betas: 0.9}\n", "big.yaml:1:16: optim.betas: \"0.9\" is not a list of 2 numbers"},
        {"optim: {betas: [0.9]}\n", "big.yaml:1:16: optim.betas: a list of 1 where 2 numbers are wanted"},
        {"optim: {betas: [0.9, x]}\n", "big.yaml:1:22: optim.betas[1]: \"x\" is not a number"},
        {"device: gpu\n", "big.yaml:1:9: device: \"gpu\" is none of auto, cpu, cuda; did you mean cpu?"},
        {"device: somewhere\n", "big.yaml:1:9: device: \"somewhere\" is none of auto, cpu, cuda"},
        {"device: [cpu]\n", "big.yaml:1:9: device: a list is not a word"},
        {"optim: 3\n", "big.yaml:1:8: optim: \"3\" is not a section of keys"},
        {"optim: [1]\n", "big.yaml:1:8: optim: a list is not a section of keys"},
        {"data: {train: {name: a}}\n", "big.yaml:1:15: data.train: a mapping is not a list of mappings"},
        {"data: {train: coco}\n", "big.yaml:1:15: data.train: \"coco\" is not a list of mappings"},
        {"data: {train: [coco]}\n", "big.yaml:1:16: data.train[0]: \"coco\" is not a mapping of keys"},
        {"data: {train: [{name: a, text: {b: c}}]}\n",
         "big.yaml:1:32: data.train[0].text: a mapping is neither a text nor a list of texts"},
        {"data: {train: [{name: a, text: [[b]]}]}\n",
         "big.yaml:1:33: data.train[0].text[0]: a list is not a text"},
        {"data: {train: [{name: a, mix: [1]}]}\n",
         "big.yaml:1:31: data.train[0].mix: a list is not a mapping of names to numbers"},
        {"data: {train: [{name: a, mix: {mml: 1}}]}\n",
         "big.yaml:1:32: data.train[0].mix: \"mml\" is none of mlm, mrfr, itm; did you mean mlm?"},
        {"data: {train: [{name: a, mix: {mlm: x}}]}\n",
         "big.yaml:1:37: data.train[0].mix.mlm: \"x\" is not a number"},
        {"data: {train: [{name: [a]}]}\n", "big.yaml:1:23: data.train[0].name: a list is not a text"},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; ++i)
        check_refused(known[i].text, "run.dir=x", known[i].message);
}

static void outside_of_ranges(void **state) {
    (void)state;
    check_refused("train: {lanes: 0}\n", "run.dir=x", "big.yaml:1:16: train.lanes: 0 is outside 1 .. 65536");
    check_refused("train: {lanes: 65537}\n", "run.dir=x",
                  "big.yaml:1:16: train.lanes: 65537 is outside 1 .. 65536");
    check_refused("optim: {lr: -1e-9}\n", "run.dir=x", "big.yaml:1:13: optim.lr: -1e-9 is outside 0 .. 1");
    check_refused("optim: {betas: [0.9, 1]}\n", "run.dir=x",
                  "big.yaml:1:22: optim.betas[1]: 1 is outside 0 .. 0.999999");
    check_refused("train: {tokens_per_lane: 0}\n", "run.dir=x",
                  "big.yaml:1:26: train.tokens_per_lane: 0 is below 1");
    check_refused("data: {train: [{name: a, mix: {itm: 101}}]}\n", "run.dir=x",
                  "big.yaml:1:37: data.train[0].mix.itm: 101 is outside 0 .. 100");
    struct un_config *config;
    struct all all; /* the limits themselves are allowed */
    assert_int_equal(
        config_load(&config, "run: {dir: x}\ntrain: {lanes: 65536}\noptim: {lr: 0}\n", NULL, 0, &all), UN_OK);
    un_config_free(config);
}

static void missing_keys(void **state) {
    (void)state;
    check_refused("", NULL, "big.yaml: run.dir: required, but not given: folder of the run");
    check_refused("optim: {}\nrun:\n  seed: 1\n", NULL,
                  "big.yaml:2:1: run.dir: required, but not given: folder of the run");
    check_refused("run: {dir: x}\ndata:\n  train:\n    - text: a\n", NULL,
                  "big.yaml:4:7: data.train[0].name: required, but not given: of the dataset");
}

static void too_long(void **state) {
    (void)state;
    char text[600], word[300];
    memset(word, 'x', sizeof word);
    word[256] = '\0';
    snprintf(text, sizeof text, "run:\n  dir: %s\n", word);
    check_refused(text, NULL, "big.yaml:2:8: run.dir: a text of 256 bytes; at most 255 fit");
    word[255] = '\0';
    snprintf(text, sizeof text, "run:\n  dir: %s\n", word);
    struct un_config *config;
    struct all all;
    assert_int_equal(config_load(&config, text, NULL, 0, &all), UN_OK);
    assert_string_equal(all.run.dir, word);
    un_config_free(config);
}

static void not_our_yaml(void **state) {
    (void)state;
    check_refused("run: {dir: *x}\n", NULL,
                  "big.yaml:1:12: *x: no value above has this name (&x); a text with a star goes in quotes");
    check_refused("run: {dir: !!str x}\n", NULL, "big.yaml:1:12: tags (!name) are not supported");
    check_refused("a: 1\n---\nb: 1\n", NULL,
                  "big.yaml:2:1: a second document (---); a configuration is one document");
    check_refused("- a\n- b\n", NULL, "big.yaml:1:1: a configuration is a mapping of sections, not a list");
    check_refused("hello\n", NULL, "big.yaml:1:1: a configuration is a mapping of sections, not \"hello\"");
    check_refused("? [a]\n: 1\n", NULL, "big.yaml:1:3: a key must be a word");
    check_refused("run: {dir: \"a\\0b\"}\n", NULL, "big.yaml:1:12: a zero byte inside a text");
    check_refused(
        "run:\n  dir: [a\n", NULL,
        "big.yaml:3:1: not YAML: did not find expected ',' or ']', while parsing a flow sequence that starts "
        "at line 2");
    check_refused(
        "run:\n\tdir: a\n", NULL,
        "big.yaml:2:1: not YAML: found character that cannot start any token, while scanning for the next "
        "token that starts at line 2");
    check_refused("run: \xff\n", NULL, "big.yaml: not YAML: invalid leading UTF-8 octet at byte 5");
}

static void too_deep_and_too_many(void **state) {
    (void)state;
    char deep[200];
    memset(deep, '[', sizeof deep);
    deep[sizeof deep - 1] = '\0';
    struct un_config *config;
    struct all all;
    assert_int_equal(config_load(&config, deep, NULL, 0, &all), UN_USAGE);
    assert_non_null(strstr(un_error_get()->text, "nested deeper than 32"));
    un_error_clear();
    enum { MANY = 40000 };
    char *many = malloc(MANY + 1);
    assert_non_null(many);
    for (int i = 0; i < MANY; i += 2) memcpy(many + i, i == 0 ? " [" : "1,", 2);
    many[MANY] = '\0';
    assert_int_equal(config_load(&config, many, NULL, 0, &all), UN_USAGE);
    assert_non_null(strstr(un_error_get()->text, "too many values"));
    free(many);
}

static void bad_overrides(void **state) {
    (void)state;
    check_refused(config_full, "optim.lr", "command line: \"optim.lr\" is not of the form section.key=value");
    check_refused(config_full, "=3", "command line: \"=3\" is not of the form section.key=value");
    check_refused(config_full, ".lr=3", "command line: \".lr=3\" is not of the form section.key=value");
    check_refused(config_full, "a b=3", "command line: \"a b=3\" is not of the form section.key=value");
    check_refused(config_full, "optim.lr=fast", "command line: optim.lr: \"fast\" is not a number");
    check_refused(config_full, "optim.lr=", "command line: optim.lr: \"\" is not a number");
    check_refused(config_full, "train.lanes=0", "command line: train.lanes: 0 is outside 1 .. 65536");
    check_refused(config_full, "optim.lr.x=3",
                  "command line: optim.lr is \"1.0e-4\" (big.yaml:11:7): it has no \"x\" in it");
    check_refused(
        config_full, "data.train.5.name=x",
        "command line: data.train is a list of 2 (big.yaml:6:5): \"5\" is not one of its indices, which "
        "count from 0");
    check_refused(
        config_full, "data.train.name=x",
        "command line: data.train is a list of 2 (big.yaml:6:5): \"name\" is not one of its indices, which "
        "count from 0");
    check_refused(
        config_full, "optim.betas=[0.9",
        "command line (optim.betas=[0.9):2:1: not YAML: did not find expected ',' or ']', while parsing a "
        "flow sequence that starts at line 1");
    char text[128];
    snprintf(text, sizeof text, "optim.%0100d=3", 0);
    check_refused(config_full, text, "command line: a key of 100 bytes is longer than any");
    check_refused(config_full, "optim=3", "command line: optim: \"3\" is not a section of keys");
}

/* Each allocation of the whole way fails once: UN_MEMORY every time, nothing leaks, nothing crashes. */
static void every_allocation_may_fail(void **state) {
    (void)state;
    static const char *const given[] = {"optim.lr=1e-3", "data.train.2.name=third"};
    struct un_memory_counts before = un_memory_counts();
    enum un_status status = UN_MEMORY;
    uint64_t n = 0;
    while (status != UN_OK) {
        un_error_clear();
        un_memory_fail_at(++n);
        struct un_config *config = NULL;
        struct all all;
        status = config_load(&config, config_full, given, 2, &all);
        if (status == UN_OK) status = un_config_note(config, "train.lanes", "12", "note");
        un_config_free(config);
        if (status != UN_OK && status != UN_MEMORY)
            fail_msg("allocation %d: %s", (int)n, un_error_get()->text);
        assert_int_equal(un_memory_counts().live_blocks, before.live_blocks);
    }
    assert_true(n > 100);
}

static void a_default_that_does_not_fit_is_ours(void **state) {
    (void)state;
    static const struct un_key keys[] = {
        {"size", UN_KEY_INT, .offset = 0, .fallback = "0", .min = 1, .max = 2, .meaning = "wrong"}};
    static const struct un_key_table table = {"own", keys, 1, sizeof(int64_t)};
    struct un_config *config;
    int64_t value;
    assert_int_equal(un_config_parse(&config, "big.yaml", "", NULL, 0), UN_OK);
    assert_int_equal(un_config_bind(config, &table, &value), UN_INTERNAL);
    assert_non_null(strstr(un_error_get()->text, "key own.size: its default \"0\" does not fit"));
    un_config_free(config);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(unknown_keys, clear_error),
        cmocka_unit_test_setup(duplicate_keys, clear_error),
        cmocka_unit_test_setup(wrong_types, clear_error),
        cmocka_unit_test_setup(outside_of_ranges, clear_error),
        cmocka_unit_test_setup(missing_keys, clear_error),
        cmocka_unit_test_setup(too_long, clear_error),
        cmocka_unit_test_setup(not_our_yaml, clear_error),
        cmocka_unit_test_setup(too_deep_and_too_many, clear_error),
        cmocka_unit_test_setup(bad_overrides, clear_error),
        cmocka_unit_test_setup(every_allocation_may_fail, clear_error),
        cmocka_unit_test_setup(a_default_that_does_not_fit_is_ours, clear_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
