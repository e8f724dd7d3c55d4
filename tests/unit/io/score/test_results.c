/* Files of results: their forms, what must be escaped, and that nothing is left of one that fails. */
#include "io/disk/files.h"
#include "io/score/results.h"
#include "runtime/memory.h"
#include "tests/support/check.h"
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char folder[] = "/tmp/un_results_XXXXXX";
static char path[UN_PATH_MAX];

static int make_folder(void **state) {
    (void)state;
    if (!mkdtemp(folder)) return -1;
    return un_files_join(path, folder, "file");
}

static int remove_folder(void **state) {
    (void)state;
    return un_files_remove_folder(folder, NULL);
}

static void expect_file(const char *want) {
    char *text;
    size_t bytes;
    assert_int_equal(un_files_read(path, 1 << 20, &text, &bytes), UN_OK);
    assert_string_equal(text, want);
    un_free(text);
}

static void answers(void **state) {
    (void)state;
    const char *id[] = {"262144005", "007", "a\"b", "0"},
               *answer[] = {"yes", "caf\xC3\xA9", "\\\t\x7F", "\xFF\xC3"};
    assert_int_equal(un_results_answers(path, id, answer, 4), UN_OK);
    expect_file("[\n{\"answer\": \"yes\", \"question_id\": 262144005},\n"
                "{\"answer\": \"caf\xC3\xA9\", \"question_id\": \"007\"},\n"
                "{\"answer\": \"\\\\\\u0009\\u007f\", \"question_id\": \"a\\\"b\"},\n"
                "{\"answer\": \"\xEF\xBF\xBD\xEF\xBF\xBD\", \"question_id\": 0}\n]\n");
    assert_int_equal(un_results_answers(path, id, answer, 0), UN_OK);
    expect_file("[\n]\n");
}

static void labels(void **state) {
    (void)state;
    const char *id[] = {"4705552913.jpg#2r1n", "x"}, *label[] = {"neutral", "entailment"};
    assert_int_equal(un_results_labels(path, id, label, 2), UN_OK);
    expect_file("{\n\"4705552913.jpg#2r1n\": \"neutral\",\n\"x\": \"entailment\"\n}\n");
}

static void statements(void **state) {
    (void)state;
    const char *id[] = {"test1-0-1-0", "test1-0-0-1"}, *bad[] = {"a", "b,c"}, *empty[] = {""};
    const int32_t said[] = {1, 0};
    assert_int_equal(un_results_statements(path, id, said, 2), UN_OK);
    expect_file("test1-0-1-0,True\ntest1-0-0-1,False\n");
    assert_int_equal(un_results_statements(path, bad, said, 2), UN_DATA);
    assert_non_null(strstr(un_error_get()->text, "text 1"));
    un_error_clear();
    assert_int_equal(un_results_statements(path, empty, said, 1), UN_DATA);
    un_error_clear();
    expect_file("test1-0-1-0,True\ntest1-0-0-1,False\n"); /* the older one stays */
}

static void choices_sorted_by_number(void **state) {
    (void)state;
    const char *id[] = {"test-10", "odd", "test-9", "test-010"};
    float scores[4 * UN_VCR_SCORES] = {0};
    char *text, *at;
    size_t bytes;
    for (int i = 0; i < 4; ++i) scores[i * UN_VCR_SCORES] = (float)i + 0.1f;
    assert_int_equal(un_results_choices(path, id, scores, 4), UN_OK);
    assert_int_equal(un_files_read(path, 1 << 20, &text, &bytes), UN_OK);
    static const char head[] = "annot_id,answer_0,answer_1,answer_2,answer_3,rationale_conditioned_on_a0_0,";
    assert_int_equal(strncmp(text, head, sizeof head - 1), 0);
    const char *rows[] = {",rationale_conditioned_on_a3_3\ntest-9,2.0999999,0,", "\ntest-10,0.100000001,0,",
                          "\ntest-010,3.0999999,0,", "\nodd,1.10000002,0,"};
    at = text;
    for (int i = 0; i < 4; ++i) {
        at = strstr(at, rows[i]);
        assert_non_null(at);
    }
    un_free(text);
}

static void boxes(void **state) {
    (void)state;
    const char *id[] = {"12"};
    const float found[] = {1.5f, 2, 3, 4}, target[] = {0, 0, 10, NAN};
    assert_int_equal(un_results_boxes(path, id, found, target, 1), UN_OK);
    expect_file("[\n{\"sent_id\": 12, \"pred_box\": [1.5, 2, 3, 4], \"tgt_box\": [0, 0, 10, null]}\n]\n");
}

static void recalls(void **state) {
    (void)state;
    struct un_retrieval_score s = {.image = {{1, 4}, {2, 4}, {3, 4}}, .text = {{1, 2}, {2, 2}, {2, 2}}};
    assert_int_equal(un_results_recalls(path, &s), UN_OK);
    expect_file(
        "{\"txt_r1\": 0.5, \"txt_r5\": 1, \"txt_r10\": 1, \"txt_r_mean\": 0.833333333, \"img_r1\": 0.25, "
        "\"img_r5\": 0.5, \"img_r10\": 0.75, \"img_r_mean\": 0.5, \"r_mean\": 0.666666667}\n");
}

static void measures(void **state) {
    (void)state;
    const struct un_measure list[] = {{"accuracy", {2, 3}}, {"number", {0, 0}}};
    const struct un_evaluated e = {"dev", "vqa", 7, 3, list, 2};
    assert_int_equal(un_results_measures(path, &e), UN_OK);
    expect_file("{\"set\": \"dev\", \"task\": \"vqa\", \"step\": 7, \"texts\": 3,\n"
                "\"measures\": {\"accuracy\": 0.666666667, \"number\": null},\n"
                "\"counts\": {\"accuracy\": 3, \"number\": 0}}\n");
}

static void nothing_is_left_of_a_failure(void **state) {
    (void)state;
    const char *id[] = {"1"}, *answer[] = {"yes"};
    char nowhere[UN_PATH_MAX];
    assert_int_equal(un_files_join(nowhere, folder, "none/file"), UN_OK);
    assert_int_equal(un_results_answers(nowhere, id, answer, 1), UN_IO);
    un_error_clear();
    unlink(path);
    for (uint64_t at = 1;; ++at) {
        un_memory_fail_at(at);
        enum un_status status = un_results_answers(path, id, answer, 1);
        un_memory_fail_at(0);
        if (status == UN_OK) {
            assert_true(at > 1);
            break;
        }
        assert_int_equal(status, UN_MEMORY);
        un_error_clear();
        assert_int_not_equal(access(path, F_OK), 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers),    cmocka_unit_test(labels),
        cmocka_unit_test(statements), cmocka_unit_test(choices_sorted_by_number),
        cmocka_unit_test(boxes),      cmocka_unit_test(recalls),
        cmocka_unit_test(measures),   cmocka_unit_test(nothing_is_left_of_a_failure),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
