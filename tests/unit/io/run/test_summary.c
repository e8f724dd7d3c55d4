/* The summary of a start: what is told, first, last and best. */
#include "io/run/summary.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static char *printed(const struct un_summary *s) {
    char *text = NULL;
    size_t size;
    FILE *f = open_memstream(&text, &size);
    assert_non_null(f);
    un_summary_print(s, f);
    fclose(f);
    return text;
}

static void first_last_and_best(void **state) {
    (void)state;
    struct un_summary s = {0};
    const double loss[] = {5, 3, NAN, 4}, right[] = {0.1, 0.7, 0.6, 0.5};
    for (int i = 0; i < 4; ++i) {
        un_summary_note(&s, 10 * (i + 1), "loss", loss[i]);
        un_summary_note(&s, 10 * (i + 1), "valid/mlm_acc", right[i]);
    }
    assert_int_equal(s.n, 2);
    assert_true(s.row[0].first == 5 && s.row[0].last == 4 && s.row[0].best == 3 && s.row[0].best_step == 20);
    assert_true(s.row[1].first == 0.1 && s.row[1].last == 0.5 && s.row[1].best == 0.7 &&
                s.row[1].best_step == 20);
    char *text = printed(&s);
    assert_non_null(
        strstr(text, "loss                                    5            4            3  (update 20)"));
    free(text);
}

static void what_is_left_out(void **state) {
    (void)state;
    struct un_summary s = {0};
    const char *const keys[] = {"lr",
                                "grad_norm",
                                "loss/mlm",
                                "loss/mlm_coco",
                                "loss/itm",
                                "loss/itm_ot_pos",
                                "valid/itm_ot_neg",
                                "valid/align_chance",
                                "valid/align_acc",
                                "ms/step"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; ++i) un_summary_note(&s, 1, keys[i], 1);
    assert_int_equal(s.n, 3);
    assert_string_equal(s.row[0].key, "loss/mlm");
    assert_string_equal(s.row[1].key, "loss/itm");
    assert_string_equal(s.row[2].key, "valid/align_acc");
    for (int i = 0; i < 100; ++i) {
        char key[40];
        snprintf(key, sizeof key, "valid/measure_%d", i);
        un_summary_note(&s, 1, key, 1);
    }
    assert_int_equal(s.n, UN_SUMMARY_ROWS);
}

static void nothing_noted(void **state) {
    (void)state;
    struct un_summary s = {0};
    char *text = printed(&s);
    assert_string_equal(text, "");
    free(text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_last_and_best),
        cmocka_unit_test(what_is_left_out),
        cmocka_unit_test(nothing_noted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
