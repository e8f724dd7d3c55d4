/* Vocabularies as they come: capitals that do not count, marks anywhere, a byte order mark, JSON. */
#include "io/convert/token/wordpiece.h"
#include "runtime/memory.h"
#include "tests/support/expect.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define MARKS "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n"

static struct un_wordpiece *parse(const char *name, const char *text, enum un_wordpiece_case how) {
    struct un_wordpiece *w;
    expect_ok(un_wordpiece_parse(&w, name, text, strlen(text), how));
    return w;
}

static void expect_case(const char *text, enum un_wordpiece_case how, bool cased) {
    struct un_wordpiece *w = parse("v.txt", text, how);
    if (un_wordpiece_cased(w) != cased) fail_msg("cased is %d for: %.200s", !cased, text);
    assert_string_equal(un_wordpiece_vocab(w).letters, cased ? "cased" : "uncased");
    un_wordpiece_close(w);
    assert_int_equal(live_blocks(), 0);
}

/* MARKS, then `small` words of small letters and `capital` ones of capitals. */
static void expect_share(int small, int capital, bool cased) {
    char text[8192] = MARKS;
    size_t used = strlen(text);
    for (int i = 0; i < small + capital; ++i)
        used += (size_t)snprintf(text + used, sizeof text - used, "%c%d\n", i < small ? 'a' : 'A', i);
    expect_case(text, UN_WORDPIECE_AUTO, cased);
}

static void test_case(void **state) {
    (void)state;
    expect_case(MARKS "<S>\n<T>\n[V_1]\n[Unused1]\na\n##b\n", UN_WORDPIECE_AUTO, false);
    expect_case(MARKS "a\nB\n", UN_WORDPIECE_AUTO, true);
    expect_case(MARKS "a\n\xc3\x9c\n", UN_WORDPIECE_AUTO, true);         /* U with dots */
    expect_case(MARKS "1\n.\n\xe4\xb8\xad\n", UN_WORDPIECE_AUTO, false); /* no letters of two cases */
    expect_case(MARKS "\xe4\xb8\xad\n\xe5\x9b\xbd\na\nB\n", UN_WORDPIECE_AUTO, true);
    expect_share(98, 2, true); /* one in fifty */
    expect_share(99, 1, false);
    expect_share(500, 9, false);
    expect_case(MARKS "<S>\na\n", UN_WORDPIECE_CASED, true);
    expect_case(MARKS "a\nB\n", UN_WORDPIECE_UNCASED, false);
}

static void expect_range(const char *text, int64_t low, int64_t high, int64_t mask) {
    struct un_wordpiece *w = parse("v.txt", text, UN_WORDPIECE_AUTO);
    struct un_vocab v = un_wordpiece_vocab(w);
    assert_int_equal(v.random_lo, low);
    assert_int_equal(v.random_hi, high);
    assert_int_equal(v.mask_id, mask);
    un_wordpiece_close(w);
}

static void test_range(void **state) {
    (void)state;
    expect_range(MARKS "a\nb\n", 5, 7, 4);
    expect_range(MARKS "a\nb\n[unused0]\n[unused1]\n", 5, 7, 4);
    expect_range("a\nb\nc\n" MARKS, 0, 3, 7);
    expect_range("a\n" MARKS "b\nc\n[unused1]\nd\n", 6, 8, 5);
    expect_range("a\nb\n" MARKS "c\nd\n", 0, 2, 6); /* the first of equal ones */
}

static void test_mark(void **state) {
    (void)state;
    int32_t id;
    struct un_wordpiece *w = parse("v.txt", "\xef\xbb\xbf" MARKS "a\n", UN_WORDPIECE_AUTO);
    assert_string_equal(un_wordpiece_piece(w, 0), "[PAD]");
    assert_int_equal(un_wordpiece_encode(w, "A", 1, &id, 1), 1);
    assert_int_equal(id, 5);
    un_wordpiece_close(w);
    assert_int_equal(live_blocks(), 0);
}

#define ENTRIES        "\"[PAD]\":0,\"[UNK]\":1,\"[CLS]\":2,\"[SEP]\":3,\"[MASK]\":4,\"##s\":6,\"dog\":5"
#define MODEL(entries) "\"model\":{\"type\":\"WordPiece\",\"vocab\":{" entries "}}"

static void expect_json(const char *name, const char *text, bool cased, int64_t size, const char *tokenizer) {
    struct un_wordpiece *w = parse(name, text, UN_WORDPIECE_AUTO);
    int32_t ids[2];
    assert_int_equal(un_wordpiece_vocab(w).vocab_size, size);
    assert_int_equal(un_wordpiece_cased(w), cased);
    assert_string_equal(un_wordpiece_vocab(w).tokenizer, tokenizer);
    assert_int_equal(un_wordpiece_encode(w, "dogs", 4, ids, 2), 2);
    assert_int_equal(ids[0], 5);
    assert_int_equal(ids[1], 6);
    un_wordpiece_close(w);
    assert_int_equal(live_blocks(), 0);
}

static void test_json(void **state) {
    (void)state;
    expect_json("bert-base/tokenizer.json", "{" MODEL(ENTRIES) "}", false, 7, "bert-base");
    expect_json("/x/small/vocab.json", " {\n" ENTRIES "}", false, 7, "small");
    expect_json("tokenizer.json", "\xef\xbb\xbf{" ENTRIES "}", false, 7, "tokenizer");
    expect_json("a/bert-vocab.json", "{" ENTRIES "}", false, 7, "bert");
    /* the normalizer decides, whatever the pieces are */
    expect_json("t", "{\"normalizer\":{\"type\":\"BertNormalizer\",\"lowercase\":false}," MODEL(ENTRIES) "}",
                true, 7, "t");
    expect_json("t", "{\"normalizer\":{\"lowercase\":true}," MODEL(ENTRIES ",\"A\":7,\"B\":8") "}", false, 9,
                "t");
    expect_json("t",
                "{\"normalizer\":{\"normalizers\":[{\"type\":\"NFC\"},{\"type\":\"Lowercase\"}]}," MODEL(
                    ENTRIES ",\"A\":7,\"B\":8") "}",
                false, 9, "t");
    expect_json("t", "{" MODEL(ENTRIES ",\"A\":7,\"B\":8") "}", true, 9, "t");
    /* added tokens stand in the vocabulary already, or behind it */
    expect_json(
        "t",
        "{\"added_tokens\":[{\"id\":1,\"content\":\"[UNK]\"},{\"id\":7,\"content\":\"[DET]\"}]," MODEL(
            ENTRIES) "}",
        false, 8, "t");
}

static void expect_refused(const char *text, const char *word, const char *other) {
    struct un_wordpiece *w;
    expect_error(un_wordpiece_parse(&w, "v.json", text, strlen(text), UN_WORDPIECE_AUTO), UN_DATA, "v.json",
                 word, other);
    assert_null(w);
    assert_int_equal(live_blocks(), 0);
}

static void test_refused(void **state) {
    (void)state;
    expect_refused("\xef\xbb\xbf", "empty", "");
    expect_refused("\xff\xfe[", "UTF-16", "iconv");
    expect_refused("[PAD]\t0\n[UNK]\t1\n", "line 1", "tab");
    expect_refused("{\"<s>\":0,\"</s>\":1}", "RoBERTa", "WordPiece");
    expect_refused("{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0}}}", "BPE", "WordPiece");
    expect_refused("{\"model\":{\"continuing_subword_prefix\":\"_\",\"vocab\":{\"a\":0}}}", "\"_\"", "##");
    expect_refused("{\"model\":{\"vocab\":[1]}}", "model.vocab", "");
    expect_refused("{\"a\":", "not JSON", "");
    expect_refused("{\"a\":0,\"a\":1}", "not JSON", "duplicate");
    expect_refused("{\"a\":0,\"b\":0}", "id 0 is both", "");
    expect_refused("{" ENTRIES ",\"x\":9}", "\"x\"", "id 9");
    expect_refused("{" ENTRIES ",\"x\":-1}", "\"x\"", "whole number");
    expect_refused("{" ENTRIES ",\"x\":\"7\"}", "\"x\"", "whole number");
    expect_refused("{" ENTRIES ",\"x\\ny\":7}", "id 7", "white space");
    expect_refused("{" ENTRIES ",\"\":7}", "id 7", "empty");
    expect_refused("{\"added_tokens\":[{\"id\":8,\"content\":\"[X]\"},{\"id\":8,\"content\":\"[X]\"}]," MODEL(
                       ENTRIES) "}",
                   "no piece has the id 7", "");
    expect_refused("{\"added_tokens\":[{\"id\":7}]," MODEL(ENTRIES) "}", "added_tokens", "content");
}

/* Texts made with and without capitals do not go together; those that do not say it go with both. */
static void test_agree(void **state) {
    (void)state;
    struct un_wordpiece *w = parse("v.txt", MARKS "a\n", UN_WORDPIECE_UNCASED);
    struct un_vocab small = un_wordpiece_vocab(w), large = small, old = small;
    snprintf(large.letters, sizeof large.letters, "cased");
    old.letters[0] = '\0';
    expect_ok(un_vocab_agree(&small, "one", &small, "other"));
    expect_ok(un_vocab_agree(&small, "one", &old, "other"));
    expect_ok(un_vocab_agree(&old, "one", &large, "other"));
    expect_error(un_vocab_agree(&small, "one", &large, "other"), UN_DATA, "one", "uncased", "other is cased");
    un_wordpiece_close(w);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_case), cmocka_unit_test(test_range),   cmocka_unit_test(test_mark),
        cmocka_unit_test(test_json), cmocka_unit_test(test_refused), cmocka_unit_test(test_agree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
