/* The configuration: what is bound, overrides, origins, files, the help; see test_config_*.c for the rest. */
// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on
#include "config_tables.h"
#include "runtime/config/keys.h"
#include "runtime/memory.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int clear_error(void **state) {
    (void)state;
    un_error_clear();
    un_memory_fail_at(0);
    return 0;
}

static void every_type_is_bound(void **state) {
    (void)state;
    struct un_config *config;
    struct all all;
    assert_int_equal(config_load(&config, config_full, NULL, 0, &all), UN_OK);
    assert_int_equal(all.top.device, 1);
    assert_string_equal(all.run.dir, "runs/base");
    assert_int_equal(all.run.seed, 1000000);
    assert_string_equal(all.run.note, "");
    assert_int_equal(all.data.max_txt_len, 30);
    assert_true(all.data.conf_th == 0.2);
    assert_int_equal(all.data.train.n, 2);
    const struct set *set = all.data.train.items;
    assert_string_equal(set[0].name, "coco");
    assert_int_equal(set[0].text.n, 1);
    assert_string_equal(set[0].text.list[0], "data/coco_*.txt.h5");
    assert_true(set[0].mix[0] == 8 && set[0].mix[1] == 0 && set[0].mix[2] == 6.5);
    assert_true(set[0].ratio == 1);
    assert_string_equal(set[1].name, "vg");
    assert_int_equal(set[1].text.n, 2);
    assert_string_equal(set[1].text.list[1], "b: #.h5");
    assert_true(set[1].mix[0] == 1 && set[1].mix[2] == 0);
    assert_true(set[1].ratio == 0.25);
    assert_int_equal(all.data.valid.n, 0);
    assert_true(all.optim.lr == 1e-4 && all.optim.betas[0] == 0.8 && all.optim.betas[1] == 0.9);
    assert_true(all.optim.nesterov);
    assert_int_equal(all.train.lanes, 64);
    assert_int_equal(all.train.steps, 100);
    assert_int_equal(all.speed.tokens_per_lane, 200000);
    un_config_free(config);
}

/* The words of true and false, and numbers in their spellings. */
static void spellings(void **state) {
    (void)state;
    static const struct {
        const char *text;
        bool value;
    } known[] = {{"true", true},   {"yes", true}, {"on", true},   {"True", true},
                 {"false", false}, {"no", false}, {"off", false}, {"NO", false}};
    for (size_t i = 0; i < sizeof known / sizeof *known; ++i) {
        char text[64];
        snprintf(text, sizeof text, "run: {dir: x}\noptim: {nesterov: %s}\n", known[i].text);
        struct un_config *config;
        struct all all;
        assert_int_equal(config_load(&config, text, NULL, 0, &all), UN_OK);
        assert_int_equal(all.optim.nesterov, known[i].value);
        un_config_free(config);
    }
    static const struct {
        const char *text;
        int64_t value;
    } whole[] = {{"0", 0},
                 {"+5", 5},
                 {"-12", -12},
                 {"1e6", 1000000},
                 {"2.5e1", 25},
                 {"7.0", 7},
                 {"9223372036854775807", INT64_MAX}};
    for (size_t i = 0; i < sizeof whole / sizeof *whole; ++i) {
        char text[64];
        snprintf(text, sizeof text, "run: {dir: x}\ntrain: {steps: %s}\n", whole[i].text);
        struct un_config *config;
        struct all all;
        assert_int_equal(config_load(&config, text, NULL, 0, &all), UN_OK);
        assert_true(all.train.steps == whole[i].value);
        un_config_free(config);
    }
}

static void overrides(void **state) {
    (void)state;
    static const char *const given[] = {"optim.lr=1e-3",
                                        "train.lanes=4",
                                        "train.lanes=16",
                                        "data.train.0.mix={itm: 2}",
                                        "data.train[1].name=genome",
                                        "data.train.2.name=third",
                                        "data.valid.0.name=held",
                                        "run.note=a=b",
                                        "device=cuda",
                                        "optim.betas=[0.5, 0.6]",
                                        "data.train.1.mix.itm=3"};
    struct un_config *config;
    struct all all;
    assert_int_equal(config_load(&config, config_full, given, sizeof given / sizeof *given, &all), UN_OK);
    const struct set *set = all.data.train.items, *valid = all.data.valid.items;
    assert_true(all.optim.lr == 1e-3 && all.optim.betas[0] == 0.5 && all.optim.betas[1] == 0.6);
    assert_int_equal(all.train.lanes, 16);
    assert_int_equal(all.speed.tokens_per_lane, 200000);
    assert_int_equal(all.data.train.n, 3);
    assert_true(set[0].mix[0] == 0 && set[0].mix[2] == 2);
    assert_string_equal(set[0].name, "coco");
    assert_string_equal(set[1].name, "genome");
    assert_int_equal(set[1].text.n, 2);
    assert_true(set[1].mix[0] == 0 && set[1].mix[2] == 3);
    assert_string_equal(set[2].name, "third");
    assert_int_equal(all.data.valid.n, 1);
    assert_string_equal(valid[0].name, "held");
    assert_string_equal(all.run.note, "a=b");
    assert_int_equal(all.top.device, 2);
    un_config_free(config);
}

static void empty_text_by_override(void **state) {
    (void)state;
    const char *given = "run.note=";
    struct un_config *config;
    struct all all;
    assert_int_equal(config_load(&config, "run: {dir: x, note: y}\n", &given, 1, &all), UN_OK);
    assert_string_equal(all.run.note, "");
    un_config_free(config);
}

static void origins(void **state) {
    (void)state;
    const char *given = "optim.lr=1e-3";
    struct un_config *config;
    struct all all;
    assert_int_equal(config_load(&config, config_full, &given, 1, &all), UN_OK);
    assert_true(un_config_given(config, "optim.lr"));
    assert_true(un_config_given(config, "data.train.1.ratio"));
    assert_true(un_config_given(config, "data.train[1].ratio"));
    assert_true(un_config_given(config, "device"));
    assert_false(un_config_given(config, "data.train.0.ratio"));
    assert_false(un_config_given(config, "data.train.2.name"));
    assert_false(un_config_given(config, "run.note"));
    assert_false(un_config_given(config, "nowhere.at.all"));
    assert_string_equal(un_config_where(config, "optim.lr"), "command line");
    assert_string_equal(un_config_where(config, "optim.betas"), "big.yaml:12:10");
    assert_string_equal(un_config_where(config, "run.note"), "default");
    char both[512]; /* one message may name two places */
    snprintf(both, sizeof both, "%s and %s", un_config_where(config, "device"),
             un_config_where(config, "data.train.1.ratio"));
    assert_string_equal(both, "big.yaml:1:9 and big.yaml:9:14");
    un_config_free(config);
}

static void files(void **state) {
    (void)state;
    char path[] = "/tmp/un_test_configXXXXXX";
    int handle = mkstemp(path);
    assert_true(handle >= 0);
    FILE *file = fdopen(handle, "w");
    fputs(config_full, file);
    fclose(file);
    struct un_config *config;
    struct all all = {0};
    assert_int_equal(un_config_read(&config, path, NULL, 0), UN_OK);
    assert_int_equal(config_bind_all(config, &all), UN_OK);
    assert_int_equal(all.train.lanes, 64);
    un_config_free(config);
    assert_int_equal(truncate(path, 3 << 20), 0);
    assert_int_equal(un_config_read(&config, path, NULL, 0), UN_USAGE);
    assert_non_null(strstr(un_error_get()->text, "too many for a configuration"));
    unlink(path);
    un_error_clear();
    assert_int_equal(un_config_read(&config, "nowhere/big.yaml", NULL, 0), UN_USAGE);
    assert_string_equal(un_error_get()->text,
                        "nowhere/big.yaml: cannot open the configuration: No such file or directory");
    un_error_clear();
    assert_int_equal(un_config_read(&config, "/", NULL, 0), UN_USAGE);
    assert_string_equal(un_error_get()->text, "/: cannot read the configuration: Is a directory");
}

static void nearest_words(void **state) {
    (void)state;
    static const char *const known[] = {"lr", "betas", "weight_decay", "warmup_steps", "grad_norm"};
    static const struct {
        const char *word, *nearest;
    } cases[] = {{"lrr", "lr"},
                 {"rl", "lr"},
                 {"beta", "betas"},
                 {"baets", "betas"},
                 {"weightdecay", "weight_decay"},
                 {"wamrup_step", "warmup_steps"},
                 {"grad_nrm", "grad_norm"},
                 {"momentum", NULL},
                 {"x", NULL},
                 {"", NULL},
                 {"lr", "lr"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        const char *found = un_config_nearest(cases[i].word, known, 5);
        if (cases[i].nearest == NULL)
            assert_null(found);
        else {
            assert_non_null(found);
            assert_string_equal(found, cases[i].nearest);
        }
    }
    char word[200];
    memset(word, 'l', sizeof word);
    word[sizeof word - 1] = '\0';
    assert_null(un_config_nearest(word, known, 5));
    assert_null(un_config_nearest("lr", known, 0));
}

static void origins_and_texts(void **state) {
    (void)state;
    static const char *const given[] = {"optim.lr=0.25"};
    struct un_config *config;
    struct all all;
    assert_int_equal(config_load(&config, config_full, given, 1, &all), UN_OK);
    assert_string_equal(un_config_origin(config, "optim.lr"), "command line");
    assert_string_equal(un_config_text(config, "optim.lr"), "0.25");
    assert_string_equal(un_config_origin(config, "data.max_txt_len"), "big.yaml:4");
    assert_string_equal(un_config_origin(config, "data.train.0.mix.itm"), "big.yaml:6");
    assert_string_equal(un_config_origin(config, "data.train.0.mix.mrfr"), "big.yaml:6"); /* of the mapping */
    assert_string_equal(un_config_origin(config, "data.train.1.mix.mlm"), "default");
    assert_null(un_config_text(config, "data.train.0.mix")); /* no scalar */
    assert_null(un_config_text(config, "optim"));
    assert_null(un_config_text(config, "optim.nothing"));
    assert_int_equal(un_config_note(config, "train.lanes", "3", "counted"), UN_OK);
    assert_string_equal(un_config_origin(config, "train.lanes"), "counted");
    assert_string_equal(un_config_text(config, "train.lanes"), "3");
    un_config_free(config);
}

static void help_is_a_table(void **state) {
    (void)state;
    char *text = NULL;
    size_t size = 0;
    FILE *file = open_memstream(&text, &size);
    un_config_help(file, config_tables, CONFIG_TABLES);
    fclose(file);
    static const char expected[] =
        "key                    type              default      range              meaning\n"
        "\n"
        "device                 one of            auto         auto | cpu | cuda  where to compute\n"
        "\n"
        "run.dir                text              required                        folder of the run\n"
        "run.seed               whole number      42           >= 0               of all random numbers\n"
        "run.note               text              \"\"                              free text\n"
        "\n"
        "data.max_txt_len       whole number      60           1 .. 510 words     longer texts are cut\n"
        "data.conf_th           number            0.2          -1 .. 1            threshold\n"
        "data.train             list of sections  []                              training sets\n"
        "data.train[].name      text              required                        of the dataset\n"
        "data.train[].text      text or list      \"\"                              files or globs\n"
        "data.train[].mix       shares            {mlm: 1}     mlm | mrfr | itm   shares of the objectives\n";
    if (strncmp(text, expected, sizeof expected - 1) != 0) fail_msg("the help reads\n%s", text);
    assert_non_null(strstr(text, "\n\ntrain.lanes "));
    assert_non_null(strstr(text, "updates\ntrain.tokens_per_lane ")); /* one section, two tables */
    assert_non_null(strstr(text, ">= 1 tokens"));
    free(text);
}

/* Keys of a table taken in by another stand at its place and in its section, and end in the member. */
static void a_table_takes_in_another(void **state) {
    (void)state;
    struct inner {
        int64_t threads;
        bool quiet;
    };
    struct outer {
        int64_t first;
        struct inner inner;
        int64_t last;
    } out;
    static const struct un_key inner_keys[] = {
        UN_KEY_INT(inner, threads, "2", 1, 8, "threads", "of a rank"),
        UN_KEY_BOOL(inner, quiet, "false", "says nothing"),
    };
    static const struct un_key_table inner_table = UN_KEY_TABLE("", inner, inner_keys);
    static const struct un_key outer_keys[] = {
        UN_KEY_INT(outer, first, "1", 0, 0, "", "before"),
        UN_KEY_PART(outer, inner, inner_table),
        UN_KEY_INT(outer, last, "3", 0, 0, "", "after"),
    };
    static const struct un_key_table table = UN_KEY_TABLE("tool", outer, outer_keys), *const tables[] = {
                                                                                          &table};
    struct un_config *config;
    assert_int_equal(un_config_parse(&config, "big.yaml", "tool: {threads: 4, last: 7}", NULL, 0), UN_OK);
    assert_int_equal(un_config_bind(config, &table, &out), UN_OK);
    assert_int_equal(un_config_finish(config), UN_OK);
    assert_true(out.first == 1 && out.inner.threads == 4 && !out.inner.quiet && out.last == 7);
    un_config_free(config);
    assert_int_equal(un_config_parse(&config, "big.yaml", "tool: {thread: 4}", NULL, 0), UN_OK);
    assert_int_equal(un_config_bind(config, &table, &out), UN_OK);
    assert_int_equal(un_config_finish(config), UN_USAGE);
    assert_string_equal(un_error_get()->text,
                        "big.yaml:1:8: tool.thread: unknown key; did you mean tool.threads?");
    un_config_free(config);
    char *text = NULL;
    size_t size = 0;
    FILE *file = open_memstream(&text, &size);
    un_config_help(file, tables, 1);
    fclose(file);
    assert_string_equal(text, "key           type           default  range           meaning\n"
                              "\n"
                              "tool.first    whole number   1                        before\n"
                              "tool.threads  whole number   2        1 .. 8 threads  of a rank\n"
                              "tool.quiet    true or false  false                    says nothing\n"
                              "tool.last     whole number   3                        after\n");
    free(text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(every_type_is_bound, clear_error),
        cmocka_unit_test_setup(spellings, clear_error),
        cmocka_unit_test_setup(overrides, clear_error),
        cmocka_unit_test_setup(empty_text_by_override, clear_error),
        cmocka_unit_test_setup(origins, clear_error),
        cmocka_unit_test_setup(files, clear_error),
        cmocka_unit_test_setup(nearest_words, clear_error),
        cmocka_unit_test_setup(origins_and_texts, clear_error),
        cmocka_unit_test_setup(help_is_a_table, clear_error),
        cmocka_unit_test_setup(a_table_takes_in_another, clear_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
