/* The tokenizer against the reference lines, by hand-made cases, and on broken input. */
#include "io/convert/token/wordpiece.h"
#include "io/convert/workers.h"
#include "io/disk/files.h"
#include "runtime/memory.h"
#include "tests/support/expect.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char head[] = "[PAD]\n[unused0]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n";
enum { UNK = 2, FIRST = 6 };

/* The words as lines after the head; ids count from FIRST. */
static struct un_wordpiece *small(const char *lines, enum un_wordpiece_case how) {
    struct un_wordpiece *w;
    char *text = un_format("%s%s", head, lines);
    expect_ok(un_wordpiece_parse(&w, "small-vocab.txt", text, strlen(text), how));
    un_free(text);
    return w;
}

static void expect_ids(const struct un_wordpiece *w, const char *text, size_t bytes, const char *ids) {
    int32_t got[256];
    char said[2048] = "";
    int64_t n = un_wordpiece_encode(w, text, bytes, got, 256);
    assert_true(n <= 256);
    for (int64_t i = 0; i < n; ++i) sprintf(said + strlen(said), "%s%d", i ? " " : "", got[i]);
    assert_string_equal(said, ids);
    assert_int_equal(un_wordpiece_encode(w, text, bytes, NULL, 0), n);
}
#define EXPECT(w, text, ids) expect_ids(w, text, sizeof text - 1, ids)

static void test_cases(void **state) {
    (void)state;
    struct un_wordpiece *w = small("un\n##aff\n##able\na\nb\n.\n,\n\xe4\xb8\xad\ncafe\n\xcf\x83\n\xcf\x82\n##"
                                   "\xcf\x82\n##\xcf\x83\ni\n[\n]\n##b\n'\n",
                                   UN_WORDPIECE_AUTO);
    assert_false(un_wordpiece_cased(w));
    EXPECT(w, "unaffable", "6 7 8");
    EXPECT(w, "UNAFFABLE  a\t\nb", "6 7 8 9 10");
    EXPECT(w, "a,b.", "9 12 10 11");
    EXPECT(w, "ab", "9 22");
    EXPECT(w, "abx", "2"); /* one part unknown */
    EXPECT(w,
           "a\xe4\xb8\xad"
           "b",
           "9 13 10");
    EXPECT(w, "Caf\xc3\xa9 cafe\xcc\x81", "14 14");
    EXPECT(w, "\xce\xa3 \xce\xa3\xce\xa3",
           "15 15 17"); /* a capital sigma is final only after a letter, at the end */
    EXPECT(w, "\xc4\xb0 I", "19 19");
    EXPECT(w, "[MASK] [UNK]a[SEP]", "5 20 2 21 9 20 2 21"); /* special only as a token of its own */
    EXPECT(w,
           "a\xc2\xad"
           "b \x01 a\x7f"
           "b",
           "9 22 9 22"); /* soft hyphen and controls vanish */
    EXPECT(w, "a\xff\xc3(b", "9 2 10" + 0 * UNK);
    EXPECT(w, "", "");
    EXPECT(w, " \t\xe2\x80\xa8\xef\xbf\xbd", "");
    EXPECT(w, "a\0b", "9 22");
    EXPECT(w, "[MA\xc2\xadSK]", "5");
    un_wordpiece_close(w);
    w = small("A\na\n##\xcc\x81\n\xce\xa3\n", UN_WORDPIECE_AUTO);
    assert_true(un_wordpiece_cased(w));
    EXPECT(w, "A a a\xcc\x81 \xce\xa3", "6 7 7 8 9");
    un_wordpiece_close(w);
    assert_int_equal(live_blocks(), 0);
}

static void test_lengths(void **state) {
    (void)state;
    struct un_wordpiece *w = small("a\n##a\n", UN_WORDPIECE_UNCASED);
    char text[302];
    int32_t ids[4] = {-7, -7, -7, -7};
    memset(text, 'a', sizeof text);
    assert_int_equal(un_wordpiece_encode(w, text, 100, NULL, 0), 100);
    assert_int_equal(un_wordpiece_encode(w, text, 101, ids, 4), 1);
    assert_int_equal(ids[0], UNK);
    assert_int_equal(un_wordpiece_encode(w, text, 100, ids, 3), 100); /* writes no more than there is room */
    assert_int_equal(ids[0], 6);
    assert_int_equal(ids[2], 7);
    assert_int_equal(ids[3], -7);
    for (int i = 0; i < 150; ++i)
        memcpy(text + 2 * i, "\xc3\xa1", 2); /* counted in characters, after stripping */
    assert_int_equal(un_wordpiece_encode(w, text, 200, NULL, 0), 100);
    assert_int_equal(un_wordpiece_encode(w, text, 202, NULL, 0), 1);
    un_wordpiece_close(w);
}

static void test_vocabulary(void **state) {
    (void)state;
    struct un_wordpiece *w = small("x\n[y]\nz\n[\n", UN_WORDPIECE_AUTO);
    struct un_vocab v = un_wordpiece_vocab(w);
    assert_int_equal(v.vocab_size, 10);
    assert_int_equal(v.unk_id, 2);
    assert_int_equal(v.cls_id, 3);
    assert_int_equal(v.sep_id, 4);
    assert_int_equal(v.mask_id, 5);
    assert_int_equal(v.random_lo, 8);
    assert_int_equal(v.random_hi, 10);
    assert_string_equal(v.tokenizer, "small");
    assert_string_equal(un_wordpiece_piece(w, 6), "x");
    assert_null(un_wordpiece_piece(w, 10));
    assert_null(un_wordpiece_piece(w, -1));
    un_wordpiece_close(w);
}

static void expect_refused(const char *text, const char *word, const char *other) {
    struct un_wordpiece *w;
    expect_error(un_wordpiece_parse(&w, "v.txt", text, strlen(text), UN_WORDPIECE_AUTO), UN_DATA, "v.txt",
                 word, other);
    assert_null(w);
    assert_int_equal(live_blocks(), 0);
}

static void test_refused(void **state) {
    (void)state;
    struct un_wordpiece *w;
    expect_refused("", "empty", "");
    expect_refused("[UNK]\n[CLS]\n[SEP]\na\n", "[MASK]", "not a BERT vocabulary");
    expect_refused("[UNK]\n[CLS]\n[SEP]\n[MASK]\n", "no piece but reserved ones", "");
    expect_refused("[UNK]\n[CLS]\n\n[SEP]\n[MASK]\na\n", "line 3 is empty", "");
    expect_refused("[UNK]\n[CLS]\n[SEP]\n[MASK]\na\nb\na\n", "line 7", "line 5");
    expect_refused("[UNK]\n[CLS]\n[SEP]\n[MASK]\na\xff\n", "line 5", "UTF-8");
    expect_error(un_wordpiece_parse(&w, "v.txt", "[UNK]\na\0b\n", 10, UN_WORDPIECE_AUTO), UN_DATA, "line 2",
                 "zero byte");
    expect_error(un_wordpiece_open(&w, scratch("none.txt"), UN_WORDPIECE_AUTO), UN_IO, "none.txt");
    static const char crlf[] = "[UNK]\r\n[CLS]\r\n[SEP]\r\n[MASK]\r\na";
    expect_ok(un_wordpiece_parse(&w, "v", crlf, sizeof crlf - 1, UN_WORDPIECE_AUTO));
    EXPECT(w, "a", "4");
    un_wordpiece_close(w);
}

/* ---- the reference's lines
 * ---------------------------------------------------------------------------------- */

struct lines {
    const struct un_wordpiece *w;
    char **line;
    size_t *bytes;
    int64_t n;
};

static enum un_status check_line(void *context, int thread, int64_t i) {
    (void)thread;
    const struct lines *l = context;
    char *line = l->line[i], *tab = memrchr(line, '\t', l->bytes[i]);
    if (!tab) return un_fail(UN_DATA, "line %lld: no tab", (long long)i + 1);
    int32_t ids[4096];
    int64_t n = un_wordpiece_encode(l->w, line, (size_t)(tab - line), ids, 4096), k = 0;
    for (char *at = tab + 1, *end; *at; at = end, ++k) {
        long id = strtol(at, &end, 10);
        if (end == at) break;
        if (k >= n || ids[k] != id)
            return un_fail(UN_DATA, "line %lld: piece %lld is %d, not %ld: %.200s", (long long)i + 1,
                           (long long)k, k < n ? ids[k] : -1, id, line);
    }
    return k == n ? UN_OK
                  : un_fail(UN_DATA, "line %lld: %lld pieces, not %lld: %.200s", (long long)i + 1,
                            (long long)n, (long long)k, line);
}

static void check_reference(const char *vocab, const char *tsv, bool cased, int64_t random_lo, int64_t size) {
    struct un_wordpiece *w;
    char *text;
    size_t bytes;
    if (un_wordpiece_open(&w, vocab, UN_WORDPIECE_AUTO) != UN_OK) {
        un_error_clear();
        skip();
    }
    assert_int_equal(un_wordpiece_cased(w), cased);
    assert_int_equal(un_wordpiece_vocab(w).random_lo, random_lo);
    assert_int_equal(un_wordpiece_vocab(w).random_hi, size);
    expect_ok(un_files_read(tsv, 1 << 24, &text, &bytes));
    struct lines l = {.w = w, .line = un_alloc(bytes + 1, sizeof(char *), "lines")};
    l.bytes = un_alloc(bytes + 1, sizeof *l.bytes, "lines");
    for (char *at = text; at < text + bytes;) { /* texts hold no newline, but may hold anything else */
        char *end = memchr(at, '\n', (size_t)(text + bytes - at));
        if (!end) end = text + bytes;
        *end = '\0';
        l.bytes[l.n] = (size_t)(end - at);
        l.line[l.n++] = at;
        at = end + 1;
    }
    assert_true(l.n > 100);
    expect_ok(un_workers_run(3, 0, l.n, check_line, &l));
    print_message("%s: %lld lines\n", tsv, (long long)l.n);
    un_free(l.bytes);
    un_free(l.line);
    un_free(text);
    un_wordpiece_close(w);
}

static void test_reference_cased(void **state) {
    (void)state;
    check_reference("../shared/data/vocab/bert-base-cased-vocab.txt",
                    "../shared/reference/tokenizer/wordpiece_cased.tsv", true, 106, 28996);
}
static void test_reference_uncased(void **state) {
    (void)state;
    check_reference("../shared/data/vocab/bert-base-uncased-vocab.txt",
                    "../shared/reference/tokenizer/wordpiece_uncased.tsv", false, 999, 30522);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),           cmocka_unit_test(test_lengths),
        cmocka_unit_test(test_vocabulary),      cmocka_unit_test(test_refused),
        cmocka_unit_test(test_reference_cased), cmocka_unit_test(test_reference_uncased),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
