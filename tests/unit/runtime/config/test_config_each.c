/* The values of bound keys as text: what means the same looks the same. */
// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on
#include "config_tables.h"
#include <stddef.h>
#include <stdio.h>
#include <string.h>

static enum un_status append(void *context, const char *key, const char *value) {
    char *text = context;
    size_t used = strlen(text);
    snprintf(text + used, 4096 - used, "%s=%s\n", key, value);
    return UN_OK;
}

static const size_t offsets[] = {offsetof(struct all, top),   offsetof(struct all, run),
                                 offsetof(struct all, data),  offsetof(struct all, optim),
                                 offsetof(struct all, train), offsetof(struct all, speed)};

static void list(char text[4096], const char *yaml, const char *const *overrides, int n) {
    struct un_config *config;
    struct all all;
    text[0] = '\0';
    assert_int_equal(config_load(&config, yaml, overrides, n, &all), UN_OK);
    for (int i = 0; i < CONFIG_TABLES; ++i)
        assert_int_equal(un_config_each(config_tables[i], (const char *)&all + offsets[i], append, text),
                         UN_OK);
    un_config_free(config);
}

static void all_types_are_listed(void **state) {
    (void)state;
    static const char *const given[] = {"optim.lr=0.0001", "optim.betas=[0.9, 0.98]", "run.seed=7",
                                        "data.train.0.text=[a.h5, b.h5]", "data.train.0.mix={mlm: 2}"};
    char text[4096];
    list(text, config_full, given, 5);
    static const char *const lines[] = {
        "optim.lr=0.0001\n",          "optim.betas=0.9, 0.98\n",    "run.seed=7\n",
        "data.train.0.text.0=a.h5\n", "data.train.0.text.1=b.h5\n", "data.train.0.mix.mlm=2\n"};
    for (size_t i = 0; i < sizeof lines / sizeof *lines; ++i)
        if (!strstr(text, lines[i])) fail_msg("%s is not in\n%s", lines[i], text);
    assert_null(strstr(text, "data.train.0.mix.mrfr")); /* a share of 0 is as one that is not there */
}

static void the_same_value_looks_the_same(void **state) {
    (void)state;
    static const char *const one[] = {"optim.lr=1e-4", "data.train.0.text=a.h5", "train.steps=1e3"};
    static const char *const other[] = {"optim.lr=0.0001", "data.train.0.text=[a.h5]", "train.steps=1000"};
    static const char *const next[] = {"optim.lr=0.00010000000000000002"};
    char a[4096], b[4096], c[4096];
    list(a, config_full, one, 3);
    list(b, config_full, other, 3);
    assert_string_equal(a, b);
    list(c, config_full, next, 1); /* one bit of a double is another value */
    assert_null(strstr(c, "optim.lr=0.0001\n"));
}

static enum un_status stop(void *context, const char *key, const char *value) {
    (void)key, (void)value;
    return ++*(int *)context == 2 ? un_fail(UN_DATA, "enough") : UN_OK;
}

static void a_visit_may_end_it(void **state) {
    (void)state;
    struct un_config *config;
    struct all all;
    int n = 0;
    assert_int_equal(config_load(&config, config_full, NULL, 0, &all), UN_OK);
    assert_int_equal(un_config_each(config_tables[1], &all.run, stop, &n), UN_DATA);
    assert_int_equal(n, 2);
    un_error_clear();
    un_config_free(config);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_types_are_listed),
        cmocka_unit_test(the_same_value_looks_the_same),
        cmocka_unit_test(a_visit_may_end_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
