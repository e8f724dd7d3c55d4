/* Measures on cases made by hand: ties, what is not known, nothing at all. */
#include "io/score/score.h"
#include "runtime/memory.h"
#include "tests/support/check.h"
#include <string.h>

static void highest_is_the_first(void **state) {
    (void)state;
    const float tie[] = {1, 3, 3, 2}, none[] = {NAN, -5, NAN, -4}, all[] = {NAN, NAN};
    assert_int_equal(un_score_highest(tie, 4), 1);
    assert_int_equal(un_score_highest(none, 4), 3);
    assert_int_equal(un_score_highest(all, 2), 0);
    assert_int_equal(un_score_highest(tie, 1), 0);
}

static void answers_earn_their_scores(void **state) {
    (void)state;
    const float logits[] = {0, 2, 1}, target[] = {1, 0.3f, 0.6f}, empty[] = {0, 0, 0};
    assert_true(un_score_answer(logits, target, 3) == 0.3f);
    assert_true(un_score_answer(logits, empty, 3) == 0); /* the table misses it */
    const float earned[] = {1, 0, 0.3f, 0.6f};
    const int32_t kind[] = {0, 2, 2, -1};
    struct un_answers_score s = un_score_answers(earned, kind, 4);
    assert_near(un_mean_of(s.all), 1.9 / 4, 1e-7);
    assert_near(un_mean_of(s.kind[0]), 1, 0);
    assert_int_equal(s.kind[1].n, 0);
    assert_true(isnan(un_mean_of(s.kind[1])));
    assert_near(un_mean_of(s.kind[2]), 0.15, 1e-7);
    assert_int_equal(un_score_answers(earned, NULL, 4).kind[0].n, 0);
    assert_int_equal(un_score_answers(NULL, NULL, 0).all.n, 0);
}

static void unknown_labels_count_nowhere(void **state) {
    (void)state;
    const int32_t said[] = {1, 1, 0, 2}, label[] = {1, 0, -1, 2};
    struct un_mean right = un_score_accuracy(said, label, 4);
    assert_int_equal(right.n, 3);
    assert_near(un_mean_of(right), 2.0 / 3, 1e-12);
    assert_int_equal(un_score_accuracy(said, label, 0).n, 0);
}

static void consistent_are_whole_sentences(void **state) {
    (void)state;
    const char *id[] = {"dev-1-0-0",  "dev-1-1-0",   "dev-1-0-1", "dev-1-1-1",
                        "dev-11-0-0", "test1-1-0-0", "dev-1-2-0"};
    const int32_t label[] = {1, 0, 1, 1, 0, 1, -1}, said[] = {1, 0, 1, 0, 0, 0, 0};
    struct un_mean share;
    assert_int_equal(un_score_consistency(id, said, label, 7, &share), UN_OK);
    assert_int_equal(share.n, 4); /* dev-1 0, dev-1 1, dev-11 0, test1-1 0 */
    assert_near(share.sum, 2, 0);
    assert_int_equal(un_score_consistency(id, said, label, 0, &share), UN_OK);
    assert_int_equal(share.n, 0);
}

static void identifiers_have_four_parts(void **state) {
    (void)state;
    const char *bad[] = {"", "dev-1-0", "dev-1-0-0-0", "dev--0-0", "-1-0-0", "dev-1-0-", "dev"};
    const int32_t one = 1;
    struct un_mean share;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; ++i) {
        assert_int_equal(un_score_consistency(&bad[i], &one, &one, 1, &share), UN_DATA);
        assert_non_null(strstr(un_error_get()->text, "split-set-pair-sentence"));
        un_error_clear();
    }
    const char *good = "dev-1-0-0";
    un_memory_fail_at(1);
    assert_int_equal(un_score_consistency(&good, &one, &one, 1, &share), UN_MEMORY);
    un_error_clear();
}

static void choices_are_judged_under_the_right_answer(void **state) {
    (void)state;
    float scores[3 * UN_VCR_SCORES] = {0};
    const int32_t answer[] = {2, 1, 0}, rationale[] = {3, 0, -1};
    scores[2] = 1;                      /* question 0: right answer */
    scores[4 + 4 * 2 + 3] = 1;          /* and right rationale under it */
    scores[UN_VCR_SCORES + 0] = 1;      /* question 1: wrong answer */
    scores[UN_VCR_SCORES + 4 + 1] = 9;  /* under an answer that is not right: does not matter */
    scores[2 * UN_VCR_SCORES + 3] = -1; /* question 2: a tie of three, the first is right */
    struct un_choices_score s = un_score_choices(scores, answer, rationale, 3);
    assert_int_equal(s.q_a.n, 3);
    assert_near(s.q_a.sum, 2, 0);
    assert_int_equal(s.qa_r.n, 2);
    assert_near(s.qa_r.sum, 2, 0); /* question 1: all four equal, the first is right */
    assert_near(s.q_ar.sum, 1, 0);
    assert_int_equal(un_score_choices(NULL, NULL, NULL, 0).q_a.n, 0);
}

static void boxes_have_both_edges_inside(void **state) {
    (void)state;
    const float a[] = {0, 0, 10, 10}, beside[] = {10, 0, 10, 10}, edge[] = {9, 0, 10, 10},
                half[] = {0, 0, 10, 5};
    const float nothing[] = {3, 3, 0, 0};
    assert_near(un_score_iou(a, a), 1, 0);
    assert_near(un_score_iou(a, beside), 0, 0);
    assert_near(un_score_iou(a, edge), 0, 0); /* one column in common: x1 < x2 does not hold */
    assert_near(un_score_iou(a, half), 0.5, 0);
    assert_near(un_score_iou(nothing, nothing), 0, 0);
    float found[8], target[8];
    for (int i = 0; i < 4; ++i) {
        found[i] = target[i] = target[4 + i] = a[i];
        found[4 + i] = half[i]; /* exactly one half is not enough */
    }
    struct un_mean share = un_score_boxes(found, target, 2);
    assert_int_equal(share.n, 2);
    assert_near(share.sum, 1, 0);
    assert_int_equal(un_score_boxes(NULL, NULL, 0).n, 0);
}

static void recalls_of_a_small_matrix(void **state) {
    (void)state;
    /* three images, the last without a text; four texts */
    const float score[] = {
        5, 1, 0, /* of 0: first */
        2, 2, 2, /* of 1: a tie, image 0 goes before */
        9, 0, 9, /* of 0: a tie with image 2, which comes after */
        1, 3, 4, /* of 1: second */
    };
    const int32_t owner[] = {0, 1, 0, 1};
    struct un_retrieval_score s;
    assert_int_equal(un_score_retrieval(score, owner, 4, 3, &s), UN_OK);
    assert_int_equal(s.image[0].n, 4);
    assert_near(s.image[0].sum, 2, 0);
    assert_near(s.image[1].sum, 4, 0);
    assert_int_equal(s.text[0].n, 2);
    assert_near(s.text[0].sum, 2, 0); /* text 2 is the highest of image 0, text 3 of image 1 */
    assert_int_equal(un_score_retrieval(score, owner, 0, 3, &s), UN_OK);
    assert_true(isnan(un_mean_of(s.image[0])));
}

static void ties_of_a_column_go_to_the_lower_text(void **state) {
    (void)state;
    const float score[] = {1, 2, 1, 2}; /* [2,2]: each image scores its two texts alike */
    const int32_t owner[] = {0, 1};
    struct un_retrieval_score s;
    assert_int_equal(un_score_retrieval(score, owner, 2, 2, &s), UN_OK);
    assert_near(s.text[0].sum, 1, 0); /* image 0 has text 0 in front; image 1 does not have text 1 */
    assert_near(s.text[1].sum, 2, 0);
}

static void rows_of_a_retrieval_are_checked(void **state) {
    (void)state;
    const float bad[] = {1, NAN}, good[] = {1, 2};
    const int32_t owner = 0, outside = 2, unknown = -1;
    struct un_retrieval_score s;
    assert_int_equal(un_score_retrieval(bad, &owner, 1, 2, &s), UN_DATA);
    assert_non_null(strstr(un_error_get()->text, "text 0 with image 1"));
    un_error_clear();
    assert_int_equal(un_score_retrieval(good, &outside, 1, 2, &s), UN_DATA);
    un_error_clear();
    assert_int_equal(un_score_retrieval(good, &unknown, 1, 2, &s), UN_DATA);
    un_error_clear();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(highest_is_the_first),
        cmocka_unit_test(answers_earn_their_scores),
        cmocka_unit_test(unknown_labels_count_nowhere),
        cmocka_unit_test(consistent_are_whole_sentences),
        cmocka_unit_test(identifiers_have_four_parts),
        cmocka_unit_test(choices_are_judged_under_the_right_answer),
        cmocka_unit_test(boxes_have_both_edges_inside),
        cmocka_unit_test(recalls_of_a_small_matrix),
        cmocka_unit_test(ties_of_a_column_go_to_the_lower_text),
        cmocka_unit_test(rows_of_a_retrieval_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
