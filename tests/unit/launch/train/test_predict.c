/* Predictions by hand: their order over a gather, the two questions of a text as one, the measures of each task. */
#include "launch/train/predict.h"
#include "runtime/memory.h"
#include "tests/support/check.h"
#include <string.h>

static struct un_comm *comm;

static int open_comm(void **state) {
    (void)state;
    return un_comm_open_self(&comm) == UN_OK ? 0 : -1;
}

static int close_comm(void **state) {
    (void)state;
    un_comm_close(comm);
    return 0;
}

static struct un_predictions copy_of(const struct un_prediction *list, int64_t n) {
    struct un_predictions p = {.n = n, .room = n};
    p.list = un_alloc((size_t)n, sizeof *list, "predictions");
    assert_non_null(p.list);
    memcpy(p.list, list, (size_t)n * sizeof *list);
    return p;
}

static void gathered_in_the_order_of_texts(void **state) {
    (void)state;
    const struct un_prediction list[] = {{.text = 5, .dataset = 1, .objective = UN_VE},
                                         {.text = 2, .dataset = 1, .objective = UN_VE},
                                         {.text = 9, .dataset = 0, .objective = UN_VE},
                                         {.text = 9, .dataset = 0, .objective = UN_VQA}};
    struct un_predictions p = copy_of(list, 4);
    assert_int_equal(un_predictions_gather(&p, comm), UN_OK);
    assert_int_equal(p.n, 4);
    const int64_t text[] = {9, 9, 2, 5};
    for (int i = 0; i < 4; ++i) assert_int_equal(p.list[i].text, text[i]);
    assert_int_equal(p.list[0].objective, UN_VQA);
    assert_int_equal(un_predictions_end(&p, 0, false), 1);
    assert_int_equal(un_predictions_end(&p, 1, true), 2);
    assert_int_equal(un_predictions_end(&p, 1, false), 4);
    un_predictions_free(&p);
    assert_int_equal(un_predictions_gather(&p, comm), UN_OK); /* nothing at all */
    assert_int_equal(p.n, 0);
}

static void questions_of_a_text_become_one(void **state) {
    (void)state;
    struct un_prediction list[4] = {0};
    for (int i = 0; i < 4; ++i)
        list[i] =
            (struct un_prediction){.text = i / 2, .objective = UN_VCR, .variant = 1 - i % 2, .right = {1, 2}};
    list[1].value[1] = 3;         /* text 0: the right answer */
    list[0].value[4 + 4 + 2] = 4; /* and the right rationale under it */
    list[3].value[0] = 3;         /* text 1: a wrong answer, with a wrong rationale under the right one */
    list[2].value[4 + 4 + 0] = 4;
    struct un_predictions p = copy_of(list, 4);
    struct un_measured m;
    assert_int_equal(un_predictions_gather(&p, comm), UN_OK);
    assert_int_equal(p.n, 2);
    assert_true(p.list[0].value[1] == 3 && p.list[0].value[10] == 4);
    assert_int_equal(un_predictions_measure(p.list, p.n, NULL, &m), UN_OK);
    assert_int_equal(m.n, 3);
    for (int i = 0; i < 3; ++i) assert_near(un_mean_of(m.value[i]), 0.5, 0);
    assert_string_equal(m.name[0], "vcr_q_ar");
    un_predictions_free(&p);
}

static void answers_by_kind(void **state) {
    (void)state;
    struct un_prediction list[3] = {{.objective = UN_VQA, .right = {4, 0}, .value = {1}},
                                    {.objective = UN_VQA, .right = {-1, 2}, .value = {0}},
                                    {.objective = UN_VQA, .right = {2, 2}, .value = {0.6f}}};
    struct un_measured m;
    assert_int_equal(un_predictions_measure(list, 3, NULL, &m), UN_OK);
    assert_int_equal(m.n, 3); /* no question after a number */
    assert_near(un_mean_of(m.value[0]), 1.6 / 3, 1e-7);
    assert_string_equal(m.name[1], "vqa_yes_no");
    assert_near(un_mean_of(m.value[2]), 0.3, 1e-7);
    list[0].right[0] = list[2].right[0] = -1; /* a test set: nobody tells the answers */
    assert_int_equal(un_predictions_measure(list, 3, NULL, &m), UN_OK);
    assert_int_equal(m.value[0].n, 0);
}

static void statements_with_and_without_identifiers(void **state) {
    (void)state;
    const struct un_prediction list[] = {{.objective = UN_NLVR2_PAIR, .said = 1, .right = {1, -1}},
                                         {.objective = UN_NLVR2_PAIR, .said = 1, .right = {0, -1}},
                                         {.objective = UN_NLVR2_PAIR, .said = 0, .right = {0, -1}},
                                         {.objective = UN_NLVR2_PAIR, .said = 0, .right = {-1, -1}}};
    const char *id[] = {"dev-0-0-0", "dev-0-1-0", "dev-0-0-1", "dev-0-1-1"};
    struct un_measured m;
    assert_int_equal(un_predictions_measure(list, 4, NULL, &m), UN_OK);
    assert_int_equal(m.n, 1);
    assert_int_equal(m.value[0].n, 3);
    assert_int_equal(un_predictions_measure(list, 4, id, &m), UN_OK);
    assert_int_equal(m.n, 2);
    assert_near(un_mean_of(m.value[1]), 0.5, 0);
    id[2] = "nonsense";
    assert_int_equal(un_predictions_measure(list, 4, id, &m), UN_DATA);
    un_error_clear();
}

static void boxes_and_pairs(void **state) {
    (void)state;
    const struct un_prediction place[] = {
        {.objective = UN_RE, .right = {-1, -1}, .value = {0, 0, 10, 10, 0, 0, 10, 10}},
        {.objective = UN_RE, .right = {-1, -1}, .value = {0, 0, 10, 10, 20, 0, 10, 10}}};
    const struct un_prediction pair[] = {{.objective = UN_ITM_RANK, .said = 1, .right = {1, -1}},
                                         {.objective = UN_ITM_RANK, .said = 0, .right = {1, -1}}};
    struct un_measured m;
    assert_int_equal(un_predictions_measure(place, 2, NULL, &m), UN_OK);
    assert_near(un_mean_of(m.value[0]), 0.5, 0);
    assert_int_equal(un_predictions_measure(pair, 2, NULL, &m), UN_OK);
    assert_near(un_mean_of(m.value[0]), 0.5, 0);
    assert_int_equal(un_predictions_measure(pair, 0, NULL, &m), UN_OK);
    assert_int_equal(m.n, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gathered_in_the_order_of_texts),
        cmocka_unit_test(questions_of_a_text_become_one),
        cmocka_unit_test(answers_by_kind),
        cmocka_unit_test(statements_with_and_without_identifiers),
        cmocka_unit_test(boxes_and_pairs),
    };
    return cmocka_run_group_tests(tests, open_comm, close_comm);
}
