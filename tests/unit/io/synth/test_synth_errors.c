/* The micro-world: sizes at their limits, its vocabulary, and everything that must be refused without leaving
 * a file. */
#include "io/synth/vocab.h"
#include "runtime/memory.h"
#include "tests/support/expect.h"
#include "tests/support/synth_files.h"
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static const char real_vocab[] = "../shared/data/vocab/bert-base-cased-vocab.txt";

static struct un_synth_keys tiny(const char *folder) {
    struct un_synth_keys keys = synth_keys(folder);
    keys.train_images = keys.valid_images = 3;
    keys.img_dim = 8;
    return keys;
}

static void write_file(const char *path, const char *text) {
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

/* As wide as the detector's features, as many regions as an image may have, the vocabulary as large as
 * BERT's. */
static void real_sizes(void **state) {
    (void)state;
    struct un_synth_keys keys = tiny("wide");
    snprintf(keys.sets, sizeof keys.sets, "cc");
    keys.img_dim = 2048;
    keys.img_label_dim = 1601;
    keys.min_objects = keys.max_objects = 16;
    keys.min_background = keys.max_background = 64;
    keys.duplicates = 1;
    keys.vocab_size = 28996;
    expect_ok(un_synth(&keys));
    struct synth_images images = synth_read_images(&keys, "cc_train");
    struct synth_texts texts = synth_read_texts(&keys, "cc_train");
    assert_int_equal(images.regions, 3 * 100);
    assert_int_equal(images.img_dim, 2048);
    assert_int_equal(images.img_label_dim, 1601);
    assert_int_equal(texts.vocab_size, 28996);
    assert_true(texts.random_hi > 200 && texts.random_hi < 400);
    for (int64_t r = 0; r < images.regions; ++r) {
        double sum = 0;
        for (int64_t c = 0; c < 1601; ++c) sum += images.soft_label[r * 1601 + c];
        assert_true(sum > 0.999 && sum < 1.001);
        assert_true(images.confidence[r] <= 0.76f || synth_class(&images, r) > 0);
    }
    synth_free_images(&images);
    synth_free_texts(&texts);
    synth_remove(&keys);
}

/* One line makes the load of UNITER's own benchmark: 36 to 40 regions an image, about 16 words a text. */
static void benchmark_sizes(void **state) {
    (void)state;
    struct un_synth_keys keys = synth_keys("bench");
    keys.train_images = 200;
    keys.valid_images = 1;
    keys.img_dim = 8;
    keys.min_objects = 6;
    keys.max_objects = 10;
    keys.min_background = 24;
    keys.max_background = 30;
    keys.faint = 0;
    keys.caption_scale = 1.7;
    expect_ok(un_synth(&keys));
    int64_t regions = 0, words = 0, texts = 0, images = 0;
    const char *const parts[] = {"coco_train", "vg_train", "cc_train", "sbu_train"};
    for (int p = 0; p < 4; ++p) {
        struct synth_images i = synth_read_images(&keys, parts[p]);
        struct synth_texts t = synth_read_texts(&keys, parts[p]);
        for (int64_t r = 0; r < i.regions; ++r) assert_true(i.confidence[r] > 0.2f);
        regions += i.regions;
        images += i.images;
        words += t.words;
        texts += t.texts;
        print_message("%s: %.1f regions an image, %.1f words a text\n", parts[p],
                      (double)i.regions / (double)i.images, (double)t.words / (double)t.texts);
        synth_free_images(&i);
        synth_free_texts(&t);
    }
    assert_true(regions >= 36 * images && regions <= 40 * images);
    assert_true(words >= 14 * texts && words <= 18 * texts);
    synth_remove(&keys);
}

static void own_vocabulary(void **state) {
    (void)state;
    struct un_synth_vocab v;
    int32_t id[16];
    expect_ok(un_synth_vocab_make(&v, 0, false));
    assert_in_range(v.n, 200, 400);
    const char *const first[] = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"};
    for (int i = 0; i < 5; ++i) assert_string_equal(v.piece[i], first[i]);
    const struct {
        const char *word, *pieces;
    } cut[] = {{"dog", "dog"},
               {"dogs", "dog ##s"},
               {"benches", "bench ##es"},
               {"puppy", "pup ##py"},
               {"women", "women"},
               {"sheep", "sheep"},
               {"bicycle", "bi ##cycle"},
               {"automobile", "auto ##mobile"},
               {"cupcake", "cup ##cake"},
               {"zyx", "z ##y ##x"},
               {"!", "!"}};
    for (size_t i = 0; i < sizeof cut / sizeof *cut; ++i) {
        char text[128] = "";
        int n = un_synth_vocab_cut(&v, cut[i].word, id, 16);
        for (int k = 0; k < n; ++k) strcat(strcat(text, k ? " " : ""), v.piece[id[k]]);
        assert_string_equal(text, cut[i].pieces);
    }
    const char *const unknown[] = {"Dog", "d0g", "", "\xc3\xa9", "?", "dog?"};
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; ++i) {
        assert_int_equal(un_synth_vocab_cut(&v, unknown[i], id, 16), 1);
        assert_int_equal(id[0], v.unk_id);
    }
    for (int64_t i = 0; i < v.n; ++i)
        for (int64_t k = 0; k < i; ++k) assert_string_not_equal(v.piece[i], v.piece[k]);
    un_synth_vocab_close(&v);
}

/* Class names, colours and the rest fall into BERT's pieces; ids as BERT has them. */
static void given_vocabulary(void **state) {
    (void)state;
    if (access(real_vocab, R_OK) != 0) {
        print_message("skipped: no %s\n", real_vocab);
        skip();
    }
    struct un_synth_keys keys = tiny("bert");
    snprintf(keys.vocab, sizeof keys.vocab, "%s", real_vocab);
    keys.train_images = 50;
    expect_ok(un_synth(&keys));
    struct synth_texts t = synth_read_texts(&keys, "sbu_train");
    assert_int_equal(t.vocab_size, 28996);
    assert_int_equal(t.unk_id, 100);
    assert_int_equal(t.cls_id, 101);
    assert_int_equal(t.sep_id, 102);
    assert_int_equal(t.mask_id, 103);
    assert_int_equal(t.random_lo, 106);
    assert_int_equal(t.random_hi, 28996);
    assert_string_equal(t.tokenizer, "bert-base-cased");
    for (int64_t w = 0; w < t.words; ++w) assert_true(t.token[w] >= 106);
    int64_t n;
    char **vocab = synth_read_lines(&keys, "vocab.txt", &n);
    assert_int_equal(n, 28996);
    assert_string_equal(vocab[103], "[MASK]");
    synth_free_lines(vocab, n);
    synth_free_texts(&t);
    synth_remove(&keys);
}

static void bad_vocabularies(void **state) {
    (void)state;
    struct un_synth_keys keys = tiny("vocab");
    char long_line[1024];
    const char *path = scratch("bad_vocab.txt");
    snprintf(keys.vocab, sizeof keys.vocab, "%s", path);
    expect_error(un_synth(&keys), UN_IO, "bad_vocab.txt", "No such file");
    write_file(path, "[PAD]\n[UNK]\n[CLS]\ndog\n");
    expect_error(un_synth(&keys), UN_DATA, "bad_vocab.txt", "[SEP]");
    write_file(path, "[UNK]\n[CLS]\n[SEP]\n[MASK]\n[unused0]\n");
    expect_error(un_synth(&keys), UN_DATA, "bad_vocab.txt", "no words after [MASK]");
    memset(long_line, 'x', sizeof long_line);
    long_line[sizeof long_line - 1] = '\0';
    write_file(path, long_line);
    expect_error(un_synth(&keys), UN_DATA, "bad_vocab.txt", "line 1 is longer");
    write_file(path, "[UNK]\r\n[CLS]\r\n[SEP]\r\n[MASK]\r\ndog\r\n"); /* fine, though nearly all is unknown */
    expect_ok(un_synth(&keys));
    struct synth_texts t = synth_read_texts(&keys, "coco_train");
    assert_int_equal(t.vocab_size, 5);
    assert_string_equal(t.tokenizer, "bad_vocab");
    synth_free_texts(&t);
    synth_remove(&keys);
    keys.vocab_size = 300;
    expect_error(un_synth(&keys), UN_USAGE, "vocab_size=300");
    keys.vocab[0] = '\0';
    keys.vocab_size = 100;
    expect_error(un_synth(&keys), UN_USAGE, "vocab_size=100", "too small");
    assert_int_equal(synth_count(&keys), -1);
    unlink(path);
}

static void bad_keys(void **state) {
    (void)state;
    struct un_synth_keys keys = tiny("keys");
    keys.img_label_dim = 45;
    expect_error(un_synth(&keys), UN_USAGE, "img_label_dim=45", "46");
    keys = tiny("keys");
    keys.min_objects = 9;
    expect_error(un_synth(&keys), UN_USAGE, "min_objects=9", "max_objects=5");
    keys = tiny("keys");
    keys.min_background = 5;
    expect_error(un_synth(&keys), UN_USAGE, "min_background=5", "max_background=2");
    keys = tiny("keys");
    keys.noise = -1;
    expect_error(un_synth(&keys), UN_USAGE, "noise=-1");
    keys = tiny("keys");
    keys.train_images = 0;
    expect_error(un_synth(&keys), UN_USAGE, "train_images=0");
    keys = tiny("keys");
    snprintf(keys.sets, sizeof keys.sets, "coco,flickr");
    expect_error(un_synth(&keys), UN_USAGE, "\"flickr\"", "coco, vg, cc, sbu");
    snprintf(keys.sets, sizeof keys.sets, "coc");
    expect_error(un_synth(&keys), UN_USAGE, "\"coc\"");
    keys.sets[0] = '\0';
    expect_error(un_synth(&keys), UN_USAGE, "at least one");
    assert_int_equal(synth_count(&keys), -1);
}

static void nothing_is_overwritten(void **state) {
    (void)state;
    struct un_synth_keys keys = tiny("again");
    const char *const in_the_way[] = {"vg_valid.txt.h5", "vocab.txt", "classes.txt", "coco_train.img.h5"};
    for (int i = 0; i < 4; ++i) {
        char path[512], text[8] = "";
        snprintf(path, sizeof path, "%s/%s", keys.out, in_the_way[i]);
        assert_true(mkdir(keys.out, 0777) == 0 || errno == EEXIST);
        write_file(path, "mine");
        expect_error(un_synth(&keys), UN_USAGE, in_the_way[i], "exists");
        assert_int_equal(synth_count(&keys), 1);
        FILE *file = fopen(path, "rb");
        assert_int_equal(fread(text, 1, sizeof text, file), 4);
        fclose(file);
        assert_string_equal(text, "mine");
        unlink(path);
    }
    snprintf(keys.sets, sizeof keys.sets, "sbu"); /* files of other sets are not in the way */
    char path[512];
    snprintf(path, sizeof path, "%s/coco_train.img.h5", keys.out);
    write_file(path, "mine");
    expect_ok(un_synth(&keys));
    assert_int_equal(synth_count(&keys), 7);
    expect_error(un_synth(&keys), UN_USAGE, "sbu_train.img.h5", "exists");
    synth_remove(&keys);
}

static void folder_that_cannot_be(void **state) {
    (void)state;
    struct un_synth_keys keys = tiny("plain");
    write_file(keys.out, "a file");
    expect_error(un_synth(&keys), UN_IO, keys.out);
    strcat(keys.out, "/below");
    expect_error(un_synth(&keys), UN_IO, "plain");
    unlink(scratch("plain"));
    snprintf(keys.out, sizeof keys.out, "/proc/uniter");
    expect_error(un_synth(&keys), UN_IO, "/proc/uniter");
}

/* A disk that is full after `limit` bytes of a file: UN_IO, and not one file left, also not those finished
 * before. */
static int write_with_limit(void *context) {
    struct un_synth_keys *keys = context;
    struct rlimit limit = {keys->vocab_size, keys->vocab_size};
    keys->vocab_size = 0;
    signal(SIGXFSZ, SIG_IGN);
    if (setrlimit(RLIMIT_FSIZE, &limit) != 0) return 2;
    enum un_status status = un_synth(keys);
    return status == UN_IO && strstr(un_error_get()->text, keys->out) ? 0 : 1;
}
static void full_disk(void **state) {
    (void)state;
    struct un_synth_keys keys = tiny("full");
    keys.train_images = 300;
    keys.valid_images = 400; /* the second image file is the larger one */
    const int64_t limits[] = {1000, 50000, 320000, 420000};
    for (int i = 0; i < 4; ++i) {
        keys.vocab_size = limits[i]; /* carries the limit into the child */
        int how = in_child(write_with_limit, &keys, 60);
        if (how != 0) fail_msg("limit %lld: wait status %d", (long long)limits[i], how);
        assert_int_equal(synth_count(&keys), 0);
    }
    keys.vocab_size = 0;
    synth_remove(&keys);
}

/* The n-th allocation fails, for every n: an error, no file, no memory kept. */
static void memory_runs_out(void **state) {
    (void)state;
    struct un_synth_keys keys = tiny("memory");
    uint64_t before = live_blocks(), n = 0;
    snprintf(keys.sets, sizeof keys.sets, "vg");
    enum un_status status;
    do {
        un_memory_fail_at(++n);
        status = un_synth(&keys);
        un_memory_fail_at(0);
        assert_int_equal(live_blocks(), before);
        if (status == UN_OK) break;
        assert_int_equal(un_error_get()->status, UN_MEMORY);
        un_error_clear();
        assert_true(synth_count(&keys) <= 0);
    } while (n < 5000);
    print_message("%llu allocations\n", (unsigned long long)n - 1);
    assert_true(status == UN_OK && n > 100);
    synth_remove(&keys);
}

static int remove_scratch(void **state) {
    (void)state;
    scratch_remove();
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(real_sizes),
        cmocka_unit_test(benchmark_sizes),
        cmocka_unit_test(own_vocabulary),
        cmocka_unit_test(given_vocabulary),
        cmocka_unit_test(bad_vocabularies),
        cmocka_unit_test(bad_keys),
        cmocka_unit_test(nothing_is_overwritten),
        cmocka_unit_test(folder_that_cannot_be),
        cmocka_unit_test(full_disk),
        cmocka_unit_test(memory_runs_out),
    };
    return cmocka_run_group_tests(tests, NULL, remove_scratch);
}
