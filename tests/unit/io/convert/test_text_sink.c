/* The text sink: what is added is read back through io/data/file.h, bad records are named, ids that stand
 * twice are found however their rows lie, and no failure leaves a file behind. */
#include "io/convert/text/sink.h"
#include "io/data/file.h"
#include "io/inspect/inspect.h"
#include "runtime/memory.h"
#include "tests/support/expect.h"

#include <dirent.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { VOCABULARY = 1000, MOST = 40 };

static struct un_text_sink_setup setup_of(bool sentences, bool aligned) {
    return (struct un_text_sink_setup){.vocab = {VOCABULARY, 1, 2, 3, 4, 5, VOCABULARY, "made-up", "cased"},
                                       .source = "a test",
                                       .sentences = sentences,
                                       .aligned = aligned};
}

/* Everything about text i is a function of i. */
struct text {
    char text_id[64], image_id[300], sentence[4096];
    int32_t token[MOST], align_token[MOST], align_region[MOST];
    int64_t tokens, aligned, bytes;
};
static void make_text(struct text *t, int64_t i) {
    t->tokens = 1 + i * 7 % MOST;
    t->aligned = i % 3 == 0 ? 0 : 1 + i * 5 % t->tokens;
    snprintf(t->text_id, sizeof t->text_id, "text_%0*lld", (int)(i % 9 + 1), (long long)i);
    snprintf(t->image_id, sizeof t->image_id, "image_%0*lld", (int)(i % 211 + 1), (long long)(i / 5));
    for (int64_t k = 0; k < t->tokens; ++k) t->token[k] = (int32_t)((i * 31 + k * 17) % VOCABULARY);
    for (int64_t k = 0; k < t->aligned; ++k) {
        t->align_token[k] = (int32_t)(k * 3 % t->tokens);
        t->align_region[k] = (int32_t)(i + k);
    }
    t->bytes = i % 4 == 1 ? 0 : i * 37 % (int64_t)sizeof t->sentence;
    for (int64_t k = 0; k < t->bytes; ++k) t->sentence[k] = (char)('a' + (i + k) % 26);
}
static struct un_text_record record_of(const struct text *t, const struct un_text_sink_setup *setup) {
    return (struct un_text_record){.text_id = t->text_id,
                                   .image_id = t->image_id,
                                   .token = t->token,
                                   .tokens = t->tokens,
                                   .sentence = setup->sentences ? t->sentence : NULL,
                                   .sentence_bytes = setup->sentences ? t->bytes : 0,
                                   .align_token = setup->aligned ? t->align_token : NULL,
                                   .align_region = setup->aligned ? t->align_region : NULL,
                                   .aligned = setup->aligned ? t->aligned : 0};
}

static enum un_status add_texts(struct un_text_sink *sink, const struct un_text_sink_setup *setup,
                                int64_t n) {
    struct text t;
    for (int64_t i = 0; i < n; ++i) {
        make_text(&t, i);
        struct un_text_record r = record_of(&t, setup);
        UN_TRY(un_text_sink_add(sink, &r));
        memset(&t, 'x', sizeof t); /* everything is copied */
    }
    return UN_OK;
}

static enum un_status write_texts(const char *out, const struct un_text_sink_setup *setup, int64_t n) {
    struct un_text_sink *sink;
    UN_TRY(un_text_sink_open(&sink, out, setup));
    enum un_status status = add_texts(sink, setup, n);
    if (status == UN_OK) status = un_text_sink_commit(sink);
    un_text_sink_close(sink);
    return status;
}

static int files_in_scratch(void) {
    DIR *dir = opendir(scratch_folder());
    int n = 0;
    assert_non_null(dir);
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;)
        n += entry->d_name[0] != '.' || entry->d_name[1] == 'u';
    closedir(dir);
    return n;
}

static void check_text(const struct un_text_file *f, int64_t i) {
    struct text t;
    int32_t numbers[MOST];
    char sentence[sizeof t.sentence + 1];
    make_text(&t, i);
    assert_string_equal(f->text_ids + i * f->text_stride, t.text_id);
    assert_string_equal(f->image_ids + i * f->image_stride, t.image_id);
    assert_int_equal(f->token_offset[i + 1] - f->token_offset[i], t.tokens);
    expect_ok(un_column_read(&f->token, f->token_offset[i], t.tokens, numbers));
    assert_memory_equal(numbers, t.token, (size_t)t.tokens * 4);
    if (f->has_sentence) {
        expect_ok(un_text_file_sentence(f, i, sentence, sizeof sentence));
        assert_int_equal(strlen(sentence), t.bytes);
        assert_memory_equal(sentence, t.sentence, (size_t)t.bytes);
    }
    if (!f->aligned) return;
    assert_int_equal(f->align_offset[i + 1] - f->align_offset[i], t.aligned);
    expect_ok(un_column_read(&f->align_token, f->align_offset[i], t.aligned, numbers));
    assert_memory_equal(numbers, t.align_token, (size_t)t.aligned * 4);
    expect_ok(un_column_read(&f->align_region, f->align_offset[i], t.aligned, numbers));
    assert_memory_equal(numbers, t.align_region, (size_t)t.aligned * 4);
}

static void round_trip(bool sentences, bool aligned, int64_t n) {
    const char *out = scratch("round.txt.h5");
    const struct un_text_sink_setup setup = setup_of(sentences, aligned);
    struct un_text_file f;
    uint64_t before = live_blocks();
    FILE *nowhere = fopen("/dev/null", "w");
    expect_ok(write_texts(out, &setup, n));
    expect_ok(un_text_file_open(&f, out));
    assert_int_equal(f.texts, n);
    assert_int_equal(f.aligned, aligned);
    assert_int_equal(f.has_sentence, sentences);
    assert_string_equal(f.vocab.tokenizer, setup.vocab.tokenizer);
    assert_string_equal(f.vocab.letters, "cased");
    expect_ok(un_vocab_agree(&f.vocab, "file", &setup.vocab, "setup"));
    for (int64_t i = 0; i < n; ++i) check_text(&f, i);
    un_text_file_close(&f);
    expect_ok(un_verify(out, nowhere, NULL));
    assert_int_equal(live_blocks(), before);
    expect_error(write_texts(out, &setup, n), UN_USAGE, out, "exists; it is not overwritten");
    assert_int_equal(files_in_scratch(), 1);
    fclose(nowhere);
    remove(out);
}

static void test_round_trip(void **state) {
    (void)state;
    round_trip(false, false, 1);
    round_trip(true, false, 2);
    round_trip(true, true, 777);
    round_trip(false, true, 130);
    round_trip(false, false, 9001); /* more than two blocks of ids, more than a buffer of everything */
}

static void test_bad_records(void **state) {
    (void)state;
    const char *out = scratch("bad.txt.h5");
    const struct un_text_sink_setup setup = setup_of(true, true);
    struct un_text_sink *sink;
    struct text t;
    char long_id[300];
    memset(long_id, 'i', sizeof long_id);
    long_id[256] = '\0';
    make_text(&t, 1);
    const struct un_text_record good = record_of(&t, &setup);
    struct un_text_record bad[9];
    for (int i = 0; i < 9; ++i) bad[i] = good;
    const int32_t outside[] = {5, VOCABULARY}, below[] = {-1}, no_word[] = {(int32_t)t.tokens}, one[] = {0};
    bad[0].text_id = "";
    bad[1].image_id = long_id;
    bad[2].tokens = 0;
    bad[3].token = outside;
    bad[3].tokens = 2;
    bad[4].token = below;
    bad[4].tokens = 1;
    bad[5].sentence = NULL;
    bad[6].align_token = no_word;
    bad[6].align_region = one;
    bad[6].aligned = 1;
    bad[7].align_region = below;
    bad[7].aligned = 1;
    bad[8].text_id = NULL;
    static const char *const say[] = {"text_id is empty",
                                      "image_id is longer than 255 bytes",
                                      "has no tokens",
                                      "token 1 is 1000",
                                      "token 0 is -1, outside [0, vocab_size 1000)",
                                      "has no sentence, other texts have one",
                                      "aligned word",
                                      "region -1",
                                      "text_id is empty"};
    for (int i = 0; i < 9; ++i) {
        expect_ok(un_text_sink_open(&sink, out, &setup));
        expect_ok(un_text_sink_add(sink, &good));
        assert_int_equal(un_text_sink_texts(sink), 1);
        assert_int_equal(un_text_sink_tokens(sink), t.tokens);
        expect_error(un_text_sink_add(sink, &bad[i]), UN_DATA, out, say[i]);
        un_text_sink_close(sink);
        assert_int_equal(files_in_scratch(), 0);
    }
    long_id[255] = '\0'; /* the longest one that is allowed */
    struct un_text_record longest = good;
    longest.text_id = longest.image_id = long_id;
    expect_ok(un_text_sink_open(&sink, out, &setup));
    expect_ok(un_text_sink_add(sink, &longest));
    expect_ok(un_text_sink_commit(sink));
    un_text_sink_close(sink);
    remove(out);
}

static void expect_twice(int64_t n, int64_t first, int64_t second) {
    const char *out = scratch("twice.txt.h5");
    const struct un_text_sink_setup setup = setup_of(false, false);
    struct un_text_sink *sink;
    char rows[64];
    expect_ok(un_text_sink_open(&sink, out, &setup));
    for (int64_t i = 0; i < n; ++i) {
        struct text t;
        make_text(&t, i == second ? first : i);
        struct un_text_record r = record_of(&t, &setup);
        expect_ok(un_text_sink_add(sink, &r));
    }
    struct text t;
    make_text(&t, first);
    snprintf(rows, sizeof rows, "rows %lld and %lld", (long long)first, (long long)second);
    expect_error(un_text_sink_commit(sink), UN_DATA, out, t.text_id, "stands twice", rows);
    un_text_sink_close(sink);
    assert_int_equal(files_in_scratch(), 0);
}

static void test_twice(void **state) {
    (void)state;
    expect_twice(2, 0, 1);
    expect_twice(200, 63, 64);
    expect_twice(200, 64, 199);
    expect_twice(8000, 77, 7999);
    expect_twice(8000, 3999, 4000);
}

static void test_nothing(void **state) {
    (void)state;
    const struct un_text_sink_setup setup = setup_of(true, false);
    expect_error(write_texts(scratch("none.txt.h5"), &setup, 0), UN_DATA, "none.txt.h5", "no texts");
    expect_error(write_texts("/no/such/folder/x.txt.h5", &setup, 1), UN_IO, "/no/such/folder");
    assert_int_equal(files_in_scratch(), 0);
}

/* Another file took the name meanwhile: it stays as it is. */
static void test_taken_meanwhile(void **state) {
    (void)state;
    const char *out = scratch("taken.txt.h5");
    const struct un_text_sink_setup setup = setup_of(true, false);
    struct un_text_sink *sink;
    char kept[8] = "";
    expect_ok(un_text_sink_open(&sink, out, &setup));
    expect_ok(add_texts(sink, &setup, 10));
    FILE *other = fopen(out, "w");
    assert_non_null(other);
    fputs("kept", other);
    fclose(other);
    expect_error(un_text_sink_commit(sink), UN_USAGE, out, "not overwritten");
    un_text_sink_close(sink);
    assert_int_equal(files_in_scratch(), 1);
    other = fopen(out, "r");
    assert_non_null(fgets(kept, sizeof kept, other));
    fclose(other);
    assert_string_equal(kept, "kept");
    remove(out);
}

static int64_t limit_bytes;
/* 0: there was an error of the system that names the file; else what was wrong. */
static int with_little_room(void *out) {
    const struct rlimit limit = {(rlim_t)limit_bytes, (rlim_t)limit_bytes};
    const struct un_text_sink_setup setup = setup_of(true, true);
    signal(SIGXFSZ, SIG_IGN);
    if (setrlimit(RLIMIT_FSIZE, &limit) != 0) return 2;
    if (write_texts(out, &setup, 500) != UN_IO) return 3;
    return strstr(un_error_get()->text, out) != NULL ? 0 : 4;
}

/* From nothing to one byte less than the file needs: some limits end the spools, some the file. */
static void test_disk_full(void **state) {
    (void)state;
    char *out = (char *)(uintptr_t)scratch("full.txt.h5");
    const struct un_text_sink_setup setup = setup_of(true, true);
    struct stat st;
    expect_ok(write_texts(out, &setup, 500));
    assert_int_equal(stat(out, &st), 0);
    remove(out);
    const int64_t limits[] = {
        0, 4096, 100000, 500000, st.st_size - 100000, st.st_size - 4096, st.st_size - 1};
    for (size_t i = 0; i < sizeof limits / sizeof *limits; ++i) {
        limit_bytes = limits[i];
        int ended = in_child(with_little_room, out, 60);
        assert_true(WIFEXITED(ended));
        assert_int_equal(WEXITSTATUS(ended), 0);
        assert_int_equal(files_in_scratch(), 0);
    }
}

/* Memory does not grow with the texts before the end. */
static void test_memory(void **state) {
    (void)state;
    const struct un_text_sink_setup setup = setup_of(true, true);
    struct un_text_sink *sink;
    expect_ok(un_text_sink_open(&sink, scratch("memory.txt.h5"), &setup));
    uint64_t before = un_memory_counts().live_bytes;
    expect_ok(add_texts(sink, &setup, 20000));
    assert_int_equal(un_memory_counts().live_bytes, before);
    un_text_sink_close(sink);
    assert_int_equal(files_in_scratch(), 0);
}

/* Every allocation fails once. */
static void test_no_memory(void **state) {
    (void)state;
    const char *out = scratch("short.txt.h5");
    const struct un_text_sink_setup setup = setup_of(true, true);
    uint64_t before = live_blocks();
    enum un_status status = UN_MEMORY;
    int failed = 0;
    for (uint64_t n = 1; status != UN_OK; ++n, ++failed) {
        un_memory_fail_at(n);
        status = write_texts(out, &setup, 100);
        un_memory_fail_at(0);
        if (status == UN_OK) break;
        assert_int_equal(status, UN_MEMORY);
        un_error_clear();
        assert_int_equal(live_blocks(), before);
        assert_int_equal(files_in_scratch(), 0);
    }
    assert_true(failed > 15);
    remove(out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),      cmocka_unit_test(test_bad_records),
        cmocka_unit_test(test_twice),           cmocka_unit_test(test_nothing),
        cmocka_unit_test(test_taken_meanwhile), cmocka_unit_test(test_disk_full),
        cmocka_unit_test(test_memory),          cmocka_unit_test(test_no_memory),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    scratch_remove();
    return failed;
}
