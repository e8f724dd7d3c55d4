/* The configuration written back: origins, the round trip, notes. */
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

/* What un_config_write prints; freed by the caller with free. */
static char *written(const struct un_config *config) {
    char *text = NULL;
    size_t size = 0;
    FILE *file = open_memstream(&text, &size);
    assert_non_null(file);
    assert_int_equal(un_config_write(config, file), UN_OK);
    fclose(file);
    return text;
}

static void writing_names_origins(void **state) {
    (void)state;
    static const char *const given[] = {"optim.lr=1e-3", "data.train.0.mix.mrfr=2"};
    static const char expected[] =
        "# The configuration in effect; behind each value stands where it comes from.\n"
        "device: cpu  # big.yaml:1\n"
        "run:\n"
        "  dir: runs/base  # big.yaml:2\n"
        "  seed: 1e6  # big.yaml:2\n"
        "  note: \"\"  # default\n"
        "data:\n"
        "  max_txt_len: 31  # worked out from the data\n"
        "  conf_th: 0.2  # default\n"
        "  train:\n"
        "    - name: coco  # big.yaml:6\n"
        "      text: \"data/coco_*.txt.h5\"  # big.yaml:6\n"
        "      mix: {mlm: 8, itm: 6.5, mrfr: 2}  # big.yaml:6, command line\n"
        "      ratio: 1  # default\n"
        "    - name: vg  # big.yaml:7\n"
        "      text: [a.h5, \"b: #.h5\"]  # big.yaml:8\n"
        "      mix: {mlm: 1}  # default\n"
        "      ratio: 0.25  # big.yaml:9\n"
        "  valid: []  # default\n"
        "optim:\n"
        "  lr: 1e-3  # command line\n"
        "  betas: [0.8, 9e-1]  # big.yaml:12\n"
        "  nesterov: on  # big.yaml:13\n"
        "train:\n"
        "  lanes: 64  # big.yaml:14\n"
        "  steps: 100  # default\n"
        "  tokens_per_lane: 200000  # big.yaml:14\n";
    struct un_config *config;
    struct all all;
    assert_int_equal(config_load(&config, config_full, given, 2, &all), UN_OK);
    assert_int_equal(un_config_note(config, "data.max_txt_len", "31", "worked out from the data"), UN_OK);
    char *text = written(config);
    assert_string_equal(text, expected);
    free(text);
    un_config_free(config);
}

/* Without comments: the second writing has other origins. */
static void strip_comments(char *text) {
    char *out = text;
    for (char *in = text; *in != '\0'; ++in) {
        if (in[0] == ' ' && in[1] == ' ' && in[2] == '#') in += strcspn(in, "\n");
        *out++ = *in;
    }
    *out = '\0';
}

/* Written and read back: the same structs, and the same text again. */
static void check_round_trip(const char *text, const char *const *given, int n) {
    struct un_config *first, *second;
    struct all a, b;
    if (config_load(&first, text, given, n, &a) != UN_OK) fail_msg("%s", un_error_get()->text);
    char *once = written(first);
    if (config_load(&second, once, NULL, 0, &b) != UN_OK) fail_msg("%s\n%s", un_error_get()->text, once);
    assert_true(config_same(&a, &b));
    char *twice = written(second);
    strip_comments(once);
    strip_comments(twice);
    assert_string_equal(once, twice);
    free(once);
    free(twice);
    un_config_free(first);
    un_config_free(second);
}

static void round_trips(void **state) {
    (void)state;
    check_round_trip("run: {dir: x}\n", NULL, 0);
    check_round_trip(config_full, NULL, 0);
    static const char *const given[] = {"data.valid.0.name=held", "optim.lr=.5", "optim.betas=[+0.1, 0.]"};
    check_round_trip(config_full, given, 3);
    static const char *const hard[] = {"\"-\"",
                                       "\"null\"",
                                       "\"~\"",
                                       "'#x'",
                                       "\"a\\tb\\nc\\\\d\\\"e\"",
                                       "\"\\x07\\x1b\"",
                                       "\"\\x85\\u2028\"",
                                       "\"\\ufeff\"",
                                       "d\xc3\xa9j\xc3\xa0",
                                       "\"\\U0001F600 \\xA0\"",
                                       "'it''s: [x]'",
                                       "|\n    two\n    lines\n",
                                       ">-\n    folded\n    text\n",

                                       "yes",
                                       "12",
                                       "a b  c",
                                       "\"[\"",
                                       "-x",
                                       "'...'",
                                       "---x",
                                       "\"a\\ \\ #b\"",
                                       "\"%x\"",
                                       "\"@x\""};
    for (size_t i = 0; i < sizeof hard / sizeof *hard; ++i) {
        char text[128];
        snprintf(text, sizeof text, "run:\n  dir: x\n  note: %s\n", hard[i]);
        check_round_trip(text, NULL, 0);
    }
}

static void notes_are_read_back(void **state) {
    (void)state;
    struct un_config *config;
    struct all all;
    assert_int_equal(config_load(&config, "run: {dir: x}\n", NULL, 0, &all), UN_OK);
    assert_int_equal(un_config_note(config, "train.lanes", "12", "two\nlines \xc3\xa9"), UN_OK);
    char *text = written(config);
    assert_non_null(strstr(text, "  lanes: 12  # two?lines ??\n"));
    un_config_free(config);
    assert_int_equal(config_load(&config, text, NULL, 0, &all), UN_OK);
    assert_int_equal(all.train.lanes, 12);
    free(text);
    un_config_free(config);
}

static void a_full_disk_is_noticed(void **state) {
    (void)state;
    FILE *disk = fopen("/dev/full", "w");
    if (disk == NULL) skip();
    struct un_config *config;
    struct all all;
    assert_int_equal(config_load(&config, config_full, NULL, 0, &all), UN_OK);
    assert_int_equal(un_config_write(config, disk), UN_IO);
    assert_non_null(strstr(un_error_get()->text, "No space left"));
    fclose(disk);
    un_config_free(config);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(writing_names_origins, clear_error),
        cmocka_unit_test_setup(round_trips, clear_error),
        cmocka_unit_test_setup(notes_are_read_back, clear_error),
        cmocka_unit_test_setup(a_full_disk_is_noticed, clear_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
