/* The best checkpoint: it is remembered, linked to, and never pruned. */
#include "io/checkpoint/best.h"
#include "io/checkpoint/folder.h"
#include "tests/support/checkpoint_case.h"
#include "tests/support/expect.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static const char *in_ckpt(const char *name) {
    static char path[1024];
    snprintf(path, sizeof path, "%s/ckpt/%s", case_run, name);
    return path;
}

static struct un_checkpoint_best read_best(void) {
    struct un_checkpoint_best best;
    expect_ok(un_checkpoint_best_read(case_run, &best));
    return best;
}

static void save_best(struct checkpoint_case *k, int64_t step, int64_t keep, double measure) {
    k->c.best = true;
    k->c.measure = measure;
    case_save(k, step, keep);
    k->c.best = false;
}

static void best_is_never_pruned(void **state) {
    (void)state;
    struct checkpoint_case k;
    char link[64] = "";
    case_open(&k, 3, 0, 1);
    assert_int_equal(read_best().step, -1);
    save_best(&k, 10, 2, 0.5);
    for (int64_t step = 20; step <= 50; step += 10) case_save(&k, step, 2);
    assert_int_equal(read_best().step, 10);
    assert_true(read_best().measure == 0.5);
    assert_int_equal(access(case_file(10, "manifest.json"), F_OK), 0);
    assert_int_not_equal(access(case_file(20, "manifest.json"), F_OK), 0);
    assert_int_not_equal(access(case_file(30, "manifest.json"), F_OK), 0);
    assert_true(readlink(in_ckpt("best"), link, sizeof link - 1) > 0);
    assert_string_equal(link, "step_00000010");
    char path[1024];
    strcpy(path, in_ckpt("best"));
    assert_string_equal(case_find(&k, path), path);
    assert_int_equal(k.c.step, 10);
    save_best(&k, 60, 2, 1.0 / 3);
    assert_int_equal(read_best().step, 60);
    assert_true(read_best().measure == 1.0 / 3);
    assert_int_not_equal(access(case_file(10, "manifest.json"), F_OK), 0); /* the older best goes */
    case_expect_newest(&k, 60);
    case_close(&k);
}

static void broken_best_is_refused(void **state) {
    (void)state;
    static const char *const bad[] = {"",
                                      "{",
                                      "[]",
                                      "{\"step\": 60}",
                                      "{\"step\": -1, \"measure\": 1}",
                                      "{\"step\": 60, \"measure\": \"high\"}",
                                      "{\"step\": 6.5, \"measure\": 1}"};
    struct un_checkpoint_best best;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; ++i) {
        case_overwrite(in_ckpt("best.json"), bad[i], strlen(bad[i]));
        expect_error(un_checkpoint_best_read(case_run, &best), UN_DATA, "best.json");
        expect_error(un_checkpoint_folder_prune(case_run, 1, 0, 60), UN_DATA, "best.json"); /* nothing goes */
    }
    assert_int_equal(access(case_file(50, "manifest.json"), F_OK), 0);
    best = (struct un_checkpoint_best){50, NAN};
    expect_error(un_checkpoint_best_mark(case_run, &best), UN_INTERNAL, "best.json");
}

static void best_without_its_folder_is_none(void **state) {
    (void)state;
    static const char gone[] = "{\"step\": 70, \"measure\": 1}";
    case_overwrite(in_ckpt("best.json"), gone, sizeof gone - 1);
    assert_int_equal(read_best().step, -1);
    expect_ok(un_files_replace(in_ckpt("best.tmp"), "x", 1)); /* what a kill may have left */
    const struct un_checkpoint_best best = {60, 1};
    expect_ok(un_checkpoint_best_mark(case_run, &best));
    assert_int_equal(read_best().step, 60);
    struct stat st;
    assert_int_equal(stat(in_ckpt("best/manifest.json"), &st), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(best_is_never_pruned),
        cmocka_unit_test(broken_best_is_refused),
        cmocka_unit_test(best_without_its_folder_is_none),
    };
    return cmocka_run_group_tests(tests, case_run_open, case_run_close);
}
