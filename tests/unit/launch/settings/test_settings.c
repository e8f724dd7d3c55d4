/* What programs learn of the configuration and the command line: every key once, as people see it. */
// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on
#include "launch/settings/config.h"
#include "launch/settings/options.h"

#include <stdlib.h>
#include <string.h>

enum { MOST = 400 };

struct seen {
    char name[MOST][128];
    int n, stop_at;
};

static enum un_status note(void *context, const struct un_key_words *w) {
    struct seen *s = context;
    assert_in_range(s->n, 0, MOST - 1);
    snprintf(s->name[s->n++], sizeof s->name[0], "%s", w->name);
    assert_true(w->type[0] && w->fallback[0] && w->key->meaning[0]);
    size_t section = strlen(w->section);
    assert_memory_equal(w->name, w->section, section);
    assert_string_equal(w->name + section + (section > 0), w->key->name);
    if (w->key->type == UN_KEY_CHOICE)
        for (int i = 0; w->key->choices[i]; ++i) assert_non_null(strstr(w->range, w->key->choices[i]));
    return s->n == s->stop_at ? UN_STOPPED : UN_OK;
}

static bool has(const struct seen *s, const char *name) {
    for (int i = 0; i < s->n; ++i)
        if (strcmp(s->name[i], name) == 0) return true;
    return false;
}

static void every_key_once(void **state) {
    (void)state;
    static const char *const wanted[] = {
        "run.dir",          "run.threads", "device",          "data.train[].mix", "data.valid[].name",
        "train.precision",  "wra.beta",    "optim.lr",        "comm.backend",     "valid.every",
        "checkpoint.every", "log.every",   "loader.cache_mb", "model.preset"};
    struct seen *s = calloc(1, sizeof *s);
    assert_int_equal(un_run_config_keys(note, s), UN_OK);
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; ++i)
        if (!has(s, wanted[i])) fail_msg("%s is missing", wanted[i]);
    for (int i = 0; i < s->n; ++i)
        for (int k = 0; k < i; ++k) assert_string_not_equal(s->name[i], s->name[k]);
    free(s);
}

static void a_visitor_ends_the_walk(void **state) {
    (void)state;
    struct seen *s = calloc(1, sizeof *s);
    for (s->stop_at = 1; s->stop_at < 40; s->stop_at += 13, s->n = 0) {
        assert_int_equal(un_run_config_keys(note, s), UN_STOPPED);
        assert_int_equal(s->n, s->stop_at);
    }
    free(s);
}

/* The table of --help-config is made of the same walk. */
static enum un_status find(void *context, const struct un_key_words *w) {
    const char *text = context;
    char row[192];
    snprintf(row, sizeof row, "\n%s ", w->name);
    const char *line = strstr(text, row);
    if (!line) fail_msg("%s is not in --help-config", w->name);
    const char *end = strchr(line + 1, '\n');
    char *copy = strndup(line + 1, (size_t)(end - line - 1));
    assert_non_null(strstr(copy, w->type));
    assert_non_null(strstr(copy, w->fallback));
    assert_non_null(strstr(copy, w->range));
    assert_non_null(strstr(copy, w->key->meaning));
    free(copy);
    return UN_OK;
}

static void help_has_every_key(void **state) {
    (void)state;
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    un_run_config_help(out);
    fclose(out);
    assert_int_equal(un_run_config_keys(find, text), UN_OK);
    free(text);
}

static void options_and_exit_codes(void **state) {
    (void)state;
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    un_run_options_help(out);
    fclose(out);
    int n = 0;
    for (const struct un_run_option *o = un_run_options; o->name; ++o, ++n)
        assert_non_null(strstr(text, o->name));
    assert_in_range(n, 9, 40);
    for (const struct un_exit_code *e = un_exit_codes; e->meaning; ++e) {
        char line[160];
        snprintf(line, sizeof line, "\n  %2d  %s\n", e->code, e->meaning);
        assert_non_null(strstr(text, line));
    }
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
        assert_in_range(strlen(line), 0, 110);
    free(text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_key_once),
        cmocka_unit_test(a_visitor_ends_the_walk),
        cmocka_unit_test(help_has_every_key),
        cmocka_unit_test(options_and_exit_codes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
