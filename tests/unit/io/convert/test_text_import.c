/* The import of captions and the vocabulary, on small made files, good and broken. */
#include "io/convert/text/import.h"
#include "io/convert/token/vocab_train.h"
#include "io/data/file.h"
#include "runtime/memory.h"
#include "tests/support/expect.h"
#include "tests/unit/io/convert/text_case.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const char vocabulary[] = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\ncat\ndog\n##s\n";

static enum un_status import_text(const char *text, size_t bytes, const char *out,
                                  struct un_text_import how) {
    struct un_text_source *source = NULL;
    struct un_wordpiece *wordpiece;
    how.quiet = true;
    expect_ok(
        un_wordpiece_parse(&wordpiece, "v-vocab.txt", vocabulary, sizeof vocabulary - 1, UN_WORDPIECE_AUTO));
    enum un_status status = un_text_source_cc(&source, file_of("in.tsv", text, bytes));
    if (status == UN_OK) status = un_text_import(source, wordpiece, out, &how);
    un_text_source_close(source);
    un_wordpiece_close(wordpiece);
    return status;
}
#define IMPORT(text, out, ...) import_text(text, sizeof(text) - 1, out, (struct un_text_import){__VA_ARGS__})

static void remove_out(const char *out) {
    char list[600];
    snprintf(list, sizeof list, "%s.skipped.tsv", out);
    unlink(out);
    unlink(list);
}

static bool stop_at_once(void) {
    return true;
}

static void test_import(void **state) {
    struct un_text_file file;
    char sentence[64], list[600], *text;
    size_t bytes;
    (void)state;
    char out[512];
    snprintf(out, sizeof out, "%s", scratch("o.txt.h5"));
    expect_ok(IMPORT("a cats\thttp://h/x.jpg?1\n \tu\ndog dog dog\tw\na \xff\tq\ndog\thttp://h/y/", out,
                     .max_txt_len = 3, .by_url = true, .threads = 3));
    expect_ok(un_text_file_open(&file, out));
    assert_int_equal(file.texts, 3);
    assert_int_equal(file.token_offset[1], 3);
    assert_int_equal(file.token_offset[3], 7);
    assert_string_equal(file.image_ids, "x.jpg");
    assert_string_equal(file.image_ids + 2 * file.image_stride, "y");
    assert_string_equal(file.text_ids + file.text_stride, "3");
    assert_string_equal(file.vocab.tokenizer, "v");
    expect_ok(un_text_file_sentence(&file, 0, sentence, sizeof sentence));
    assert_string_equal(sentence, "a cats");
    un_text_file_close(&file);
    snprintf(list, sizeof list, "%s.skipped.tsv", out);
    FILE *skipped = fopen(list, "rb");
    assert_non_null(skipped);
    text = calloc(1, 512);
    bytes = fread(text, 1, 511, skipped);
    fclose(skipped);
    assert_true(bytes > 0);
    assert_string_equal(text, "line\ttext_id\timage_id\twhy\n2\t2\tu\tempty\n4\t4\tq\tnot UTF-8\n");
    free(text);
    expect_error(IMPORT("a\tu\n", out, .threads = 1), UN_USAGE, "exists");
    unlink(out);
    expect_error(IMPORT("a\tu\n", out, .threads = 1), UN_USAGE, "skipped.tsv exists");
    remove_out(out);
}

static void test_import_refused(void **state) {
    (void)state;
    char out[512]; /* scratch() keeps only the last few */
    const char *ids;
    snprintf(out, sizeof out, "%s", scratch("o.txt.h5"));
    expect_error(IMPORT(" \tu\n\tv\n", out, .threads = 1), UN_DATA, "no text is left of 2", "empty",
                 "line 1");
    expect_error(IMPORT("dog dog\tu\n", out, .max_txt_len = 1), UN_DATA, "max_txt_len");
    expect_error(IMPORT("a\tu\nb", out, .threads = 1), UN_DATA, "line 2");
    expect_error(IMPORT("a\tu\n", out, .stop = stop_at_once), UN_STOPPED, "stopped");
    expect_error(IMPORT("a\tu\n", out, .split = "train"), UN_USAGE, "split");
    ids = FILE_OF("ids.txt", "one\n");
    expect_error(IMPORT("a\tu\na\tv\n", out, .ids = ids), UN_DATA, "ids.txt", "more texts");
    ids = FILE_OF("ids.txt", "one\ntwo\n");
    expect_error(IMPORT("a\tu\n", out, .ids = ids), UN_DATA, "ids.txt", "more ids");
    assert_int_equal(access(out, F_OK), -1); /* nothing half-made */
    char path[600];
    snprintf(path, sizeof path, "%s.skipped.tsv.partial", out);
    assert_int_equal(access(path, F_OK), -1);
    expect_ok(IMPORT("a\tu\n", out, .ids = FILE_OF("ids.txt", "one\n")));
    struct un_text_file file;
    expect_ok(un_text_file_open(&file, out));
    assert_string_equal(file.image_ids, "one");
    un_text_file_close(&file);
    remove_out(out);
}

static void test_vocab(void **state) {
    struct un_vocab_words words;
    const struct un_vocab_train how = {.size = 100, .min_count = 2, .alphabet = 100};
    char *text;
    size_t bytes;
    (void)state;
    static const char *const corpus[] = {"hug", "hug", "hugs", "pug", "bun", "hug", "[MASK]"};
    expect_ok(un_vocab_words_open(&words, 100));
    for (size_t i = 0; i < 7; ++i) un_vocab_words_add(&words, corpus[i], (int)strlen(corpus[i]));
    expect_ok(words.status);
    assert_int_equal(words.n, 4);
    assert_int_equal(words.total, 6);
    expect_ok(un_vocab_build(&words, &how, &text, &bytes));
    /* ug 5 times, then hug 4 */
    assert_string_equal(text, "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nb\nh\np\n##g\n##n\n##s\n##u\n##ug\nhug\n");
    un_free(text);
    struct un_vocab_train small = how;
    small.size = 12;
    expect_ok(un_vocab_build(&words, &small, &text, &bytes));
    assert_string_equal(text, "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nb\nh\np\n##g\n##n\n##s\n##u\n");
    un_free(text);
    small.size = 11;
    expect_error(un_vocab_build(&words, &small, &text, &bytes), UN_USAGE, "size=11", "12 lines");
    small = how;
    small.alphabet = 3; /* g u h: pug, bun and hugs have others */
    expect_ok(un_vocab_build(&words, &small, &text, &bytes));
    assert_string_equal(text, "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nh\n##g\n##u\nhu\nhug\n");
    un_free(text);
    un_vocab_words_close(&words);
}

/* Beyond its limit the table forgets the rarest; runs of one letter are joined without end. */
static void test_vocab_limits(void **state) {
    struct un_vocab_words words;
    const struct un_vocab_train how = {.size = 60, .min_count = 1, .alphabet = 100};
    char word[100], *text;
    size_t bytes;
    (void)state;
    expect_ok(un_vocab_words_open(&words, 64));
    for (int i = 0; i < 200; ++i) {
        un_vocab_words_add(&words, "kept", 4);
        un_vocab_words_add(&words, word, sprintf(word, "w%d", i));
    }
    expect_ok(words.status);
    assert_true(words.n <= 64);
    assert_true(words.forgotten > 100);
    assert_int_equal(words.word[0].count, 200);
    un_vocab_words_close(&words);
    expect_ok(un_vocab_words_open(&words, 64));
    memset(word, 'a', sizeof word);
    un_vocab_words_add(&words, word, 100);
    expect_ok(un_vocab_build(&words, &how, &text, &bytes));
    struct un_wordpiece *wordpiece;
    expect_ok(un_wordpiece_parse(&wordpiece, "made", text, bytes, UN_WORDPIECE_AUTO));
    assert_int_equal(un_wordpiece_encode(wordpiece, word, 100, NULL, 0),
                     1); /* the whole word became a piece */
    un_wordpiece_close(wordpiece);
    un_free(text);
    un_vocab_words_close(&words);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_import, no_memory_held),
        cmocka_unit_test_teardown(test_import_refused, no_memory_held),
        cmocka_unit_test_teardown(test_vocab, no_memory_held),
        cmocka_unit_test_teardown(test_vocab_limits, no_memory_held),
    };
    return cmocka_run_group_tests(tests, NULL, remove_scratch);
}
