/* VQA and SNLI-VE, on small made files of the original form, good and broken. */
#include "runtime/memory.h"
#include "tests/support/expect.h"
#include "tests/unit/io/convert/task_case.h"

static const struct un_task_how authors = {0};

#define ANSWER(text) "{\"answer\": \"" text "\", \"answer_confidence\": \"yes\", \"answer_id\": 1}"
#define TWICE(text)  ANSWER(text) ", " ANSWER(text)
#define QUESTION(id, image, text)                                                                            \
    "{\"image_id\": " image ", \"question\": \"" text "\", \"question_id\": " id "}"
#define ANNOTATION(id, image, kind, answers)                                                                 \
    "{\"question_type\": \"x\", \"multiple_choice_answer\": \"y\", \"answers\": [" answers                   \
    "], \"image_id\": " image ", \"answer_type\": " kind ", \"question_id\": " id "}"
#define QUESTIONS(list)                                                                                      \
    "{\"info\": {\"a\": [1]}, \"questions\": [" list                                                         \
    "], \"task_type\": \"Open-Ended\", \"data_subtype\": \"val2014\", \"license\": {}}"
#define TEN                                                                                                  \
    TWICE("Red.")                                                                                            \
    ", " ANSWER("the red") ", " TWICE("two") ", " TWICE("blue") ", " TWICE("green") ", " ANSWER("no")

static enum un_status vqa(const char *questions, const char *annotations, const struct un_task_how *names,
                          char *said) {
    struct un_answer_table table;
    struct un_task_source *source = NULL;
    char file[512] = "", *path = NULL;
    if (annotations) {
        snprintf(file, sizeof file, "%s", file_of("ann.json", annotations, strlen(annotations)));
        path = file;
    }
    expect_ok(
        un_answer_table_open(&table, FILE_OF("table.json", "{\"no\": 0, \"red\": 1, \"2\": 2, \"yes\": 3}")));
    enum un_status status =
        un_task_source_vqa(&source, file_of("que.json", questions, strlen(questions)), path, &table, names);
    status = say_source(source, status, said);
    un_answer_table_close(&table);
    return status;
}

static void test_vqa(void **state) {
    static const struct un_task_how vg = {.image = "vg_NUMBER"}, named = {.split = "train2014"};
    char said[2048];
    (void)state;
    const char *both = QUESTIONS(QUESTION("42001", "42", "Is it?") ", " QUESTION("42000", "42", "What?")),
               *answers = "{\"annotations\": [" ANNOTATION("42000", "42", "\"other\"", TEN) ", " ANNOTATION(
                   "42001", "42", "\"yes/no\"", ANSWER("yes")) "]}";
    expect_ok(vqa(both, answers, &authors, said));
    assert_string_equal(said, "42001 coco_val2014_000000000042 'Is it?' 3:1 k0 l0 r0;"
                              "42000 coco_val2014_000000000042 'What?' 1:0.9 2:0.6 0:0.3 k2 l0 r0;");
    expect_ok(vqa(both, NULL, &vg, said));
    assert_string_equal(said,
                        "42001 vg_000000000042 'Is it?' k-1 l0 r0;42000 vg_000000000042 'What?' k-1 l0 r0;");
    expect_ok(vqa("{\"data_subtype\": \"test-dev2015\", \"questions\": [" QUESTION("1", "\"9\"", "x") "]}",
                  NULL, &authors, said));
    assert_string_equal(said, "1 coco_test2015_000000000009 'x' k-1 l0 r0;");
    expect_ok(vqa(QUESTIONS(QUESTION("1", "9", "x")),
                  "{\"annotations\": [" ANNOTATION(
                      "1", "9", "null",
                      TWICE("a") ", " TWICE("b") ", " TWICE("c") ", " TWICE("d") ", " TWICE("e")) "]}",
                  &named, said)); /* nothing of it in the table: all zeros */
    assert_string_equal(said, "1 coco_train2014_000000000009 'x' k-1 l0 r0;");
}

static void test_vqa_refused(void **state) {
    static const struct un_task_how odd = {.image = "x_SPLIT"};
    char said[2048];
    (void)state;
    const char *one = QUESTIONS(QUESTION("1", "9", "x"));
#define WITH(list) "{\"annotations\": [" list "]}"
#define GOOD(id)   ANNOTATION(id, "9", "\"other\"", ANSWER("red"))
    expect_error(vqa(one, WITH(GOOD("2")), &authors, said), UN_DATA, "que.json: row 1",
                 "question_id 1 is not in", "ann.json");
    expect_error(vqa(one, WITH(GOOD("1") ", " GOOD("2")), &authors, said), UN_DATA, "ann.json: row 2",
                 "question_id 2 is not in", "que.json");
    expect_error(vqa(one, WITH(GOOD("1") ", " GOOD("1")), &authors, said), UN_DATA, "ann.json: rows 1 and 2",
                 "question_id 1");
    expect_error(vqa(one, WITH(ANNOTATION("1", "8", "\"other\"", ANSWER("red"))), &authors, said), UN_DATA,
                 "que.json: row 1", "image 9", "row 1", "of 8");
    expect_error(vqa(one, WITH(ANNOTATION("1", "9", "\"what\"", ANSWER("red"))), &authors, said), UN_DATA,
                 "ann.json: row 1", "answer_type");
    expect_error(vqa(one, WITH(ANNOTATION("1", "9", "\"other\"", TWICE("red"))), &authors, said), UN_DATA,
                 "ann.json: row 1", "ten answers");
    expect_error(vqa(one, WITH(ANNOTATION("1", "9", "\"other\"", "{\"answer\": 3}")), &authors, said),
                 UN_DATA, "ann.json: row 1", "without its text");
    expect_error(vqa(one, WITH("{\"question_id\": 1, \"question_id\": 2}"), &authors, said), UN_DATA,
                 "ann.json", "duplicate");
    expect_error(vqa(one, WITH("7"), &authors, said), UN_DATA, "ann.json: row 1", "object");
    expect_error(vqa(one, "{\"x\": []}", &authors, said), UN_DATA, "ann.json", "annotations");
    expect_error(vqa(one, "{\"annotations\": [{", &authors, said), UN_DATA, "ann.json", "cut short");
    expect_error(vqa(QUESTIONS("{\"image_id\": 1, \"question_id\": 1}"), NULL, &authors, said), UN_DATA,
                 "que.json: row 1: question");
    expect_error(vqa(QUESTIONS("{\"image_id\": 1, \"question\": \"x\", \"question_id\": \"a\"}"), NULL,
                     &authors, said),
                 UN_DATA, "que.json: row 1: question_id", "whole number");
    expect_error(vqa(QUESTIONS(QUESTION("1", "null", "x")), NULL, &authors, said), UN_DATA,
                 "row 1: image_id");
    expect_error(vqa(QUESTIONS(QUESTION("1", "\"ab\"", "x")), NULL, &authors, said), UN_DATA, "row 1",
                 "NUMBER");
    expect_error(vqa("{\"questions\": [" QUESTION("1", "9", "x") "]}", NULL, &authors, said), UN_DATA,
                 "row 1", "SPLIT");
    expect_error(vqa(one, NULL, &odd, said), UN_USAGE, "x_SPLIT", "NUMBER or NAME");
    expect_error(vqa("{\"data_subtype\": \"v\"}", NULL, &authors, said), UN_DATA, "que.json", "questions");
    struct un_task_source *source;
    struct un_answer_table table = {0};
    expect_error(un_task_source_vqa(&source, scratch("absent.json"), NULL, &table, &authors), UN_IO,
                 "absent.json");
}

/* The article is the empty answer; the file calls that label as people did. */
static void test_empty_answer(void **state) {
    struct un_answer_table table;
    struct un_task_source *source = NULL;
    char questions[512], said[512];
    (void)state;
    snprintf(questions, sizeof questions, "%s", FILE_OF("que.json", QUESTIONS(QUESTION("1", "9", "Which?"))));
    expect_ok(un_answer_table_open(&table, FILE_OF("table.json", "{\"yes\": 0, \"\": 1}")));
    expect_ok(un_task_source_vqa(&source, questions,
                                 FILE_OF("ann.json", WITH(ANNOTATION("1", "9", "null", ANSWER("A")))), &table,
                                 &authors));
    assert_int_equal(source->num_answers, 2);
    assert_string_equal(source->answer_names[0], "yes");
    assert_string_equal(source->answer_names[1], "a");
    expect_ok(say_source(source, UN_OK, said));
    assert_string_equal(said, "1 coco_val2014_000000000009 'Which?' 1:1 k-1 l0 r0;");
    un_answer_table_close(&table);
}

#define PAIR(id, label, key, image)                                                                          \
    "{\"annotator_labels\": [\"neutral\"], \"captionID\": \"1.jpg#2\", \"gold_label\": \"" label             \
    "\", \"pairID\": \"" id "\", \"sentence1\": \"A man.\", \"sentence2\": \"A person.\", \"" key            \
    "\": " image "}\n"

static enum un_status ve(const char *text, char *said) {
    struct un_task_source *source = NULL;
    enum un_status status = un_task_source_ve(&source, file_of("ve.jsonl", text, strlen(text)), &authors);
    return say_source(source, status, said);
}

static void test_ve(void **state) {
    char said[2048];
    (void)state;
    expect_ok(ve(
        PAIR("1.jpg#2r1e", "entailment", "Flikr30kID", "\"4705552913.jpg\"")
            PAIR("b", "-", "Flikr30kID", "\"7.jpg\"") "\n" PAIR("c", "contradiction", "Flickr30K_ID", "\"7\"")
                PAIR("d", "neutral", "Flickr30K_ID", "8"),
        said));
    assert_string_equal(said, "1.jpg#2r1e flickr30k_004705552913 'A person.' 1:1 k-1 l0 r0;"
                              "b flickr30k_000000000007 'A person.' k-1 l0 r0 left out: gold_label is \"-\";"
                              "c flickr30k_000000000007 'A person.' 0:1 k-1 l0 r0;"
                              "d flickr30k_000000000008 'A person.' 2:1 k-1 l0 r0;");
    const char *good = PAIR("a", "neutral", "Flikr30kID", "\"7\"");
    char two[1024];
    snprintf(two, sizeof two, "%s%s", good, PAIR("b", "maybe", "Flikr30kID", "\"7\""));
    expect_error(ve(two, said), UN_DATA, "ve.jsonl: row 2", "gold_label", "maybe");
    expect_error(ve(PAIR("", "neutral", "Flikr30kID", "\"7\""), said), UN_DATA, "row 1: pairID");
    expect_error(ve(PAIR("a", "neutral", "image", "\"7\""), said), UN_DATA, "row 1: Flikr30kID");
    expect_error(ve(PAIR("a", "neutral", "Flikr30kID", "\"x\""), said), UN_DATA, "row 1", "NUMBER");
    expect_error(ve("{\"pairID\": \"a\"}", said), UN_DATA, "row 1: sentence2");
    snprintf(two, sizeof two, "%s", good);
    two[strlen(two) / 2] = '\0';
    expect_error(ve(two, said), UN_DATA, "ve.jsonl: row 1, byte");
    expect_error(ve("[1]", said), UN_DATA, "row 1", "object");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_vqa, no_memory_held),
        cmocka_unit_test_teardown(test_vqa_refused, no_memory_held),
        cmocka_unit_test_teardown(test_empty_answer, no_memory_held),
        cmocka_unit_test_teardown(test_ve, no_memory_held),
    };
    return cmocka_run_group_tests(tests, NULL, remove_scratch);
}
