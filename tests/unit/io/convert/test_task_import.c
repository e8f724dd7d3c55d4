/* The import of a task's texts: the file, what is left out, and nothing left behind. */
#include "io/convert/task/import.h"
#include "io/data/file.h"
#include "runtime/memory.h"
#include "tests/support/expect.h"
#include "tests/unit/io/convert/task_case.h"

#include <unistd.h>

static const char vocabulary[] = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\ncat\ndog\n##s\n";
static const struct un_task_how authors = {0};

static enum un_status import_of(enum un_task task, const char *text, const char *out, bool (*stop)(void)) {
    struct un_task_source *source = NULL;
    struct un_wordpiece *wordpiece;
    const struct un_task_import how = {.quiet = true, .stop = stop};
    const char *path = file_of("in.jsonl", text, strlen(text));
    expect_ok(
        un_wordpiece_parse(&wordpiece, "v-vocab.txt", vocabulary, sizeof vocabulary - 1, UN_WORDPIECE_AUTO));
    enum un_status status = task == UN_TASK_VE ? un_task_source_ve(&source, path, &authors)
                                               : un_task_source_vcr(&source, path, NULL, &authors);
    if (status == UN_OK) status = un_task_import(source, wordpiece, out, &how);
    un_task_source_close(source);
    un_wordpiece_close(wordpiece);
    return status;
}

static void remove_out(const char *out) {
    char list[600];
    snprintf(list, sizeof list, "%s.skipped.tsv", out);
    unlink(out);
    unlink(list);
}

static bool stop_at_once(void) {
    return true;
}

#define PAIR(id, label, text)                                                                                \
    "{\"pairID\": \"" id "\", \"gold_label\": \"" label "\", \"sentence2\": \"" text                         \
    "\", \"Flikr30kID\": 7}\n"

static void test_import(void **state) {
    struct un_text_file file;
    char out[512], list[600], text[512] = "", sentence[64];
    (void)state;
    snprintf(out, sizeof out, "%s", scratch("o.txt.h5"));
    expect_ok(import_of(UN_TASK_VE,
                        PAIR("x", "neutral", "a cats") PAIR("y", "-", "a") PAIR("z", "neutral", " ")
                            PAIR("w", "entailment", "dog"),
                        out, NULL));
    expect_ok(un_text_file_open(&file, out));
    assert_int_equal(file.texts, 2);
    assert_int_equal(file.token_offset[1], 3);
    assert_int_equal(file.vocab.vocab_size, 9);
    assert_string_equal(file.text_ids + file.text_stride, "w");
    assert_string_equal(file.image_ids, "flickr30k_000000000007");
    expect_ok(un_text_file_sentence(&file, 0, sentence, sizeof sentence));
    assert_string_equal(sentence, "a cats");
    un_text_file_close(&file);
    snprintf(list, sizeof list, "%s.skipped.tsv", out);
    FILE *skipped = fopen(list, "rb");
    assert_non_null(skipped);
    assert_true(fread(text, 1, sizeof text - 1, skipped) > 0);
    fclose(skipped);
    assert_string_equal(text,
                        "line\ttext_id\timage_id\twhy\n2\ty\tflickr30k_000000000007\tgold_label is \"-\"\n"
                        "3\tz\tflickr30k_000000000007\tempty\n");
    expect_error(import_of(UN_TASK_VE, PAIR("x", "neutral", "a"), out, NULL), UN_USAGE, "exists");
    unlink(out);
    expect_error(import_of(UN_TASK_VE, PAIR("x", "neutral", "a"), out, NULL), UN_USAGE, "skipped.tsv exists");
    remove_out(out);
}

#define CHOICES(word) "[[\"a\"], [\"a\"], [\"" word "\"], [\"a\"]]"
#define VCR(id, word)                                                                                        \
    "{\"annot_id\": \"" id "\", \"img_fn\": \"x.jpg\", \"objects\": [], \"question\": [\"cat\"], "           \
    "\"answer_choices\": " CHOICES("dog") ", \"rationale_choices\": " CHOICES(word) "}\n"

/* A question whose choice has no words is left out whole; people have words behind the vocabulary. */
static void test_parts(void **state) {
    struct un_text_file file;
    char out[512];
    (void)state;
    snprintf(out, sizeof out, "%s", scratch("o.txt.h5"));
    expect_ok(import_of(UN_TASK_VCR, VCR("val-0", " ") VCR("val-1", "cat"), out, NULL));
    expect_ok(un_text_file_open(&file, out));
    assert_int_equal(file.texts, 1);
    assert_string_equal(file.text_ids, "val-1");
    assert_int_equal(file.vocab.vocab_size, 9 + 81);
    assert_int_equal(file.vocab.random_hi, 9);
    un_text_file_close(&file);
    remove_out(out);
    expect_error(import_of(UN_TASK_VCR, VCR("val-0", " "), out, NULL), UN_DATA, "no text is left of 1",
                 "an empty answer or rationale (first: line 1)");
}

static void test_import_refused(void **state) {
    char out[512], path[600];
    (void)state;
    snprintf(out, sizeof out, "%s", scratch("o.txt.h5"));
    const char *good = PAIR("x", "neutral", "a");
    expect_error(import_of(UN_TASK_VE, good, out, stop_at_once), UN_STOPPED, "stopped after 0 texts");
    expect_error(import_of(UN_TASK_VE, PAIR("x", "-", "a") PAIR("y", "odd", "a"), out, NULL), UN_DATA,
                 "row 2");
    expect_error(import_of(UN_TASK_VE, PAIR("x", "neutral", "a") PAIR("x", "neutral", "a"), out, NULL),
                 UN_DATA, "text_id x stands twice", "rows 0 and 1");
    expect_error(import_of(UN_TASK_VE, PAIR("x", "-", "a"), out, NULL), UN_DATA, "no text is left of 1");
    expect_error(import_of(UN_TASK_VE, "\n", out, NULL), UN_DATA, "no texts in it");
    assert_int_equal(access(out, F_OK), -1); /* nothing half-made */
    snprintf(path, sizeof path, "%s.skipped.tsv.partial", out);
    assert_int_equal(access(path, F_OK), -1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_import, no_memory_held),
        cmocka_unit_test_teardown(test_parts, no_memory_held),
        cmocka_unit_test_teardown(test_import_refused, no_memory_held),
    };
    return cmocka_run_group_tests(tests, NULL, remove_scratch);
}
