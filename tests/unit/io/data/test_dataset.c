/* io/dataset: what the files hold is what is read, however it is stored and split; joining, leaving out,
 * lanes, the confidence rule; and the nine real images. Wrong files are the matter of test_hostile. */
#include "runtime/half.h"
#include "runtime/memory.h"
#include "tests/support/expect.h"
#include "tests/support/make_files.h"
#include "tests/support/mutate.h"
#include "tests/support/one_set.h"
#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static float as_float(const void *values, enum un_type type, int64_t i) {
    return type == UN_F16 ? un_half_to(((const uint16_t *)values)[i]) : ((const float *)values)[i];
}

/* Image `image` of the data set must be row `row` of files made by m. Returns the number of wrong values:
 * usable in threads. */
static int64_t wrong_in_image(struct un_dataset *d, const struct make_files *m, int64_t image, int64_t row) {
    const struct un_dataset_info *info = un_dataset_info(d);
    float feature[9 * 64], box[9 * 7], stored[6];
    uint16_t soft[64];
    int64_t wrong = 0, regions = un_dataset_image_regions(d, image);
    if (regions != make_regions(m, row) || un_dataset_read_image(d, image, feature, box) != UN_OK) return 1;
    for (int64_t k = 0; k < regions; ++k) {
        for (int64_t c = 0; c < m->img_dim; ++c)
            wrong += as_float(feature, info->feature_type, k * m->img_dim + c) != make_feature(m, row, k, c);
        make_box(m, row, k, stored);
        wrong += memcmp(box + 7 * k, stored, sizeof stored) != 0 || box[7 * k + 6] != stored[4] * stored[5];
        if (info->img_label_dim == 0) continue;
        wrong += un_dataset_read_soft_label(d, image, k, soft) != UN_OK;
        for (int64_t c = 0; c < m->classes; ++c)
            wrong += un_half_to(soft[c]) != (c == 0 ? 0.25f : c == make_class(m, row, k) ? 0.75f : 0.0f);
    }
    return wrong;
}

static int64_t wrong_in_text(struct un_dataset *d, const struct make_files *m, int64_t text, int64_t row) {
    int32_t token[64], word[64], region[64];
    char sentence[64], want[64], id[MAKE_ID];
    int64_t wrong = 0, n, words = un_dataset_text_length(d, text);
    make_text_id(m, row, id);
    if (words != make_words(m, row) || strcmp(id, un_dataset_text_id(d, text)) != 0) return 1;
    wrong += un_dataset_read_text(d, text, token) != UN_OK;
    for (int64_t k = 0; k < words; ++k) wrong += token[k] != make_token(m, row, k);
    make_sentence(m, row, want);
    wrong += un_dataset_read_sentence(d, text, sentence, sizeof sentence) != UN_OK;
    wrong += strcmp(sentence, m->sentence ? want : "") != 0;
    wrong += un_dataset_read_alignment(d, text, 64, word, region, &n) != UN_OK || n != (m->align ? words : 0);
    for (int64_t k = 0; k < n; ++k)
        wrong += word[k] != k || region[k] != k % un_dataset_image_regions(d, un_dataset_text_image(d, text));
    return wrong;
}

/* All of a data set made of one pair of files without anything left out. */
static int64_t wrong_in_all(struct un_dataset *d, const struct make_files *m) {
    int64_t wrong = 0;
    for (int64_t i = 0; i < m->images; ++i) {
        char id[MAKE_ID];
        make_image_id(m, i, id);
        wrong += wrong_in_image(d, m, i, i) + (strcmp(id, un_dataset_image_id(d, i)) != 0);
        wrong += un_dataset_image_text(d, i) != i * m->texts_per_image;
    }
    for (int64_t t = 0; t < m->images * m->texts_per_image; ++t)
        wrong += wrong_in_text(d, m, t, t) + (un_dataset_text_image(d, t) != t / m->texts_per_image);
    return wrong;
}

static struct un_dataset *open_all(const char *images, const char *text, bool soft) {
    struct one_set set;
    struct un_dataset *d;
    ONE_SET(&set, images, text);
    set.soft_labels = soft;
    expect_ok(one_set_open(&d, &set));
    return d;
}

static void test_values(void **state) {
    (void)state;
    for (int variant = 0; variant < 4; ++variant) {
        uint64_t before = live_blocks();
        struct make_files m = make_files_default();
        m.feature_type = variant & 1 ? UN_F32 : UN_F16;
        m.align = variant & 2;
        m.sentence = !(variant & 2);
        m.classes = variant & 1 ? 0 : 11;
        expect_ok(make_files(&m, scratch("v.img.h5"), scratch("v.txt.h5")));
        struct un_dataset *d = open_all(scratch("v.img.h5"), scratch("v.txt.h5"), m.classes > 0);
        const struct un_dataset_info *info = un_dataset_info(d);
        int64_t regions = 0, words = 0, most = 0, longest = 0;
        for (int64_t i = 0; i < m.images; ++i) {
            regions += make_regions(&m, i);
            most = make_regions(&m, i) > most ? make_regions(&m, i) : most;
        }
        for (int64_t t = 0; t < 2 * m.images; ++t) {
            words += make_words(&m, t);
            longest = make_words(&m, t) > longest ? make_words(&m, t) : longest;
        }
        assert_int_equal(info->images, 6);
        assert_int_equal(info->texts, 12);
        assert_int_equal(info->regions, regions);
        assert_int_equal(info->words, words);
        assert_int_equal(info->most_regions, most);
        assert_int_equal(info->longest_text, longest);
        assert_int_equal(info->img_dim, 16);
        assert_int_equal(info->img_label_dim, m.classes);
        assert_int_equal(info->feature_type, m.feature_type);
        assert_int_equal(info->aligned, m.align);
        assert_int_equal(info->vocab.vocab_size, 50);
        assert_int_equal(info->vocab.mask_id, MAKE_MASK);
        assert_int_equal(info->vocab.random_hi, 50);
        assert_string_equal(info->vocab.tokenizer, "made-up");
        assert_string_equal(un_dataset_name(d), "one");
        assert_int_equal(wrong_in_all(d, &m), 0);
        un_dataset_close(d);
        assert_int_equal(live_blocks(), before);
    }
}

/* Other types, chunks, filters and variable-length ids give the same values, only through HDF5. */
static void test_storage_does_not_matter(void **state) {
    (void)state;
    struct make_files m = make_files_default();
    const char *img = scratch("s.img.h5"), *txt = scratch("s.txt.h5");
    hid_t half = mutate_half_type();
    m.align = true;
    expect_ok(make_files(&m, img, txt));
    mutate_restore(img, "feature", half, 4, 1);
    mutate_restore(img, "box", H5T_IEEE_F64BE, 0, 0);
    mutate_restore(img, "confidence", H5T_IEEE_F64LE, 3, 0);
    mutate_restore(img, "soft_label", H5T_IEEE_F32LE, 5, 1);
    mutate_restore(img, "region_offset", H5T_STD_U16BE, 0, 0);
    mutate_variable_texts(img, "image_id");
    mutate_restore(txt, "token", H5T_STD_I64LE, 7, 1);
    mutate_restore(txt, "token_offset", H5T_STD_I32LE, 2, 1);
    mutate_restore(txt, "align_token", H5T_STD_U8LE, 0, 0);
    mutate_restore(txt, "sentence_offset", H5T_STD_U16LE, 0, 0);
    mutate_variable_texts(txt, "image_id");
    mutate_variable_texts(txt, "text_id");
    H5Tclose(half);
    struct un_dataset *d = open_all(img, txt, true);
    assert_int_equal(wrong_in_all(d, &m), 0);
    un_dataset_close(d);
}

/* One set in three files each, found by a pattern and in another order than their texts. */
static void test_several_files(void **state) {
    (void)state;
    struct make_files m[3];
    struct one_set set;
    struct un_dataset *d;
    char name[64];
    for (int i = 0; i < 3; ++i) {
        static const char *const prefixes[] = {"a", "b", "c"};
        m[i] = make_files_default();
        m[i].images = 3 + i;
        m[i].seed = 10 + (uint64_t)i;
        m[i].prefix = prefixes[i];
        snprintf(name, sizeof name, "many_%d.img.h5", i);
        expect_ok(make_files(m + i, scratch(name), NULL));
        snprintf(name, sizeof name, "many_%d.txt.h5", 2 - i);
        expect_ok(make_files(m + i, NULL, scratch(name)));
    }
    ONE_SET(&set, scratch("many_?.img.h5"), scratch("many_*.txt.h5"));
    expect_ok(one_set_open(&d, &set));
    assert_int_equal(un_dataset_info(d)->images, 12);
    assert_int_equal(un_dataset_info(d)->texts, 24);
    for (int64_t i = 0; i < 12; ++i) {
        int file = i < 3 ? 0 : i < 7 ? 1 : 2;
        int64_t row = i - (file == 0 ? 0 : file == 1 ? 3 : 7);
        assert_int_equal(wrong_in_image(d, m + file, i, row), 0);
        assert_int_equal(un_dataset_image_text(d, i), 2 * i);
        for (int64_t k = 0; k < 2; ++k) {
            assert_int_equal(un_dataset_text_image(d, 2 * i + k), i);
            assert_int_equal(wrong_in_text(d, m + file, 2 * i + k, 2 * row + k), 0);
        }
    }
    assert_int_equal(un_dataset_image_text(d, 12), 24);
    un_dataset_close(d);
}

/* Texts without image, empty, too long; images without text. Row r of the made files: image r/2. */
static void test_left_out(void **state) {
    (void)state;
    struct make_files m = make_files_default(), few;
    struct one_set set;
    struct un_dataset *d;
    m.min_words = 3;
    few = m;
    few.images = 4;
    expect_ok(make_files(&few, scratch("few.img.h5"), NULL));
    expect_ok(make_files(&m, scratch("all.img.h5"), scratch("all.txt.h5")));
    ONE_SET(&set, scratch("few.img.h5"), scratch("all.txt.h5"));
    expect_error(one_set_open(&d, &set), UN_DATA, "all.txt.h5", "img_000004#0", "row 8", "img_000004");
    assert_null(d);
    set.data.missing = 1;
    expect_ok(one_set_open(&d, &set));
    assert_int_equal(un_dataset_info(d)->texts_without_image, 4);
    assert_int_equal(un_dataset_info(d)->images, 4);
    assert_int_equal(un_dataset_info(d)->texts, 8);
    un_dataset_close(d);

    int64_t too_long = 0, without = 0, limit = 6;
    for (int64_t i = 0; i < m.images; ++i) {
        int64_t usable = (make_words(&m, 2 * i) <= limit) + (make_words(&m, 2 * i + 1) <= limit);
        too_long += 2 - usable;
        without += usable == 0;
    }
    assert_true(too_long > 0 && too_long < 12);
    ONE_SET(&set, scratch("all.img.h5"), scratch("all.txt.h5"));
    set.data.max_txt_len = limit;
    expect_ok(one_set_open(&d, &set));
    assert_int_equal(un_dataset_info(d)->texts_too_long, too_long);
    assert_int_equal(un_dataset_info(d)->images_without_text, without);
    assert_int_equal(un_dataset_info(d)->images, 6 - without);
    assert_int_equal(un_dataset_info(d)->texts, 12 - too_long);
    for (int64_t t = 0; t < un_dataset_info(d)->texts; ++t) {
        char id[MAKE_ID]; /* the row from the id */
        int64_t image = atoll(un_dataset_text_id(d, t) + 4),
                row = 2 * image + atoll(un_dataset_text_id(d, t) + 11);
        make_image_id(&m, image, id);
        assert_string_equal(id, un_dataset_image_id(d, un_dataset_text_image(d, t)));
        assert_int_equal(wrong_in_text(d, &m, t, row), 0);
        assert_int_equal(wrong_in_image(d, &m, un_dataset_text_image(d, t), image), 0);
    }
    un_dataset_close(d);

    set.data.max_txt_len = 2;
    expect_error(one_set_open(&d, &set), UN_DATA, "data set one", "12 texts", "12 too long");

    /* Text 5 loses its words to text 4. */
    int64_t end = 0;
    for (int64_t t = 0; t < 6; ++t) end += make_words(&m, t);
    mutate_set_int(scratch("all.txt.h5"), "token_offset", 5, end);
    set.data.max_txt_len = 60;
    expect_ok(one_set_open(&d, &set));
    assert_int_equal(un_dataset_info(d)->texts_empty, 1);
    assert_int_equal(un_dataset_info(d)->texts, 11);
    un_dataset_close(d);
}

static void test_lanes(void **state) {
    (void)state;
    struct make_files m = make_files_default();
    struct one_set set;
    struct un_dataset *d;
    m.images = 11;
    expect_ok(make_files(&m, scratch("l.img.h5"), scratch("l.txt.h5")));
    ONE_SET(&set, scratch("l.img.h5"), scratch("l.txt.h5"));
    for (set.lanes = 1; set.lanes <= 11; ++set.lanes) {
        expect_ok(one_set_open(&d, &set));
        assert_int_equal(un_dataset_lane_image(d, 0), 0);
        for (int64_t l = 0; l < set.lanes; ++l) {
            int64_t size = un_dataset_lane_image(d, l + 1) - un_dataset_lane_image(d, l);
            assert_true(size == 11 / set.lanes || size == (11 + set.lanes - 1) / set.lanes);
        }
        assert_int_equal(un_dataset_lane_image(d, set.lanes), 11);
        un_dataset_close(d);
    }
    set.lanes = 12;
    expect_error(one_set_open(&d, &set), UN_USAGE, "data set one", "11", "12");
    set.empty_lanes = true;
    expect_ok(one_set_open(&d, &set));
    assert_int_equal(un_dataset_lane_image(d, 12), 11);
    un_dataset_close(d);
}

/* Region k has confidence (31 - k) / 32. */
static void test_confidence_rule(void **state) {
    (void)state;
    struct make_files m = make_files_default();
    struct one_set set;
    struct un_dataset *d;
    m.images = 40;
    m.min_regions = 1;
    m.max_regions = 30;
    expect_ok(make_files(&m, scratch("c.img.h5"), scratch("c.txt.h5")));
    ONE_SET(&set, scratch("c.img.h5"), scratch("c.txt.h5"));
    const struct {
        double conf_th;
        int64_t min_bb, max_bb, num_bb, above; /* above: regions above conf_th, were there enough */
    } cases[] = {{0.5, 1, 100, 36, 15}, {0.5, 20, 100, 36, 15}, {0.5, 1, 10, 36, 15}, {0.51, 5, 25, 36, 15},
                 {0.49, 5, 25, 36, 16}, {0, 10, 100, 36, 31},   {1, 3, 100, 36, 0},   {-1, 2, 3, 12, 12}};
    for (size_t c = 0; c < sizeof cases / sizeof cases[0]; ++c) {
        set.data.conf_th = cases[c].conf_th;
        set.data.min_bb = cases[c].min_bb;
        set.data.max_bb = cases[c].max_bb;
        set.data.num_bb = cases[c].num_bb;
        expect_ok(one_set_open(&d, &set));
        for (int64_t i = 0; i < m.images; ++i) {
            int64_t stored = make_regions(&m, i), want = cases[c].above;
            if (cases[c].conf_th < 0) {
                want = cases[c].num_bb;
            } else {
                want = stored < want ? stored : want;
                want = want < cases[c].min_bb ? cases[c].min_bb : want;
                want = want > cases[c].max_bb ? cases[c].max_bb : want;
            }
            assert_int_equal(un_dataset_image_regions(d, i), want < stored ? want : stored);
        }
        un_dataset_close(d);
    }
    set.data.min_bb = 5;
    set.data.max_bb = 4;
    expect_error(one_set_open(&d, &set), UN_USAGE, "min_bb 5", "max_bb 4");
}

/* Alignment keeps to the regions in use and to the capacity; a long list is read in parts. */
static void test_alignment(void **state) {
    (void)state;
    struct make_files m = make_files_default();
    struct one_set set;
    struct un_dataset *d;
    int32_t word[200], region[200];
    int64_t n, longest = 0;
    m.align = true;
    m.min_words = 1;
    m.max_words = 190;
    m.min_regions = m.max_regions = 5;
    expect_ok(make_files(&m, scratch("al.img.h5"), scratch("al.txt.h5")));
    ONE_SET(&set, scratch("al.img.h5"), scratch("al.txt.h5"));
    set.data.num_bb = 3;
    set.data.max_txt_len = 200;
    expect_ok(one_set_open(&d, &set));
    for (int64_t t = 0; t < 12; ++t) {
        int64_t words = make_words(&m, t), want = 0;
        longest = words > longest ? words : longest;
        expect_ok(un_dataset_read_alignment(d, t, 200, word, region, &n));
        for (int64_t k = 0; k < words; ++k) {
            if (k % 5 >= 3) continue;
            assert_int_equal(word[want], k);
            assert_int_equal(region[want++], k % 5);
        }
        assert_int_equal(n, want);
        expect_ok(un_dataset_read_alignment(d, t, 2, word, region, &n));
        assert_int_equal(n, want < 2 ? want : 2);
    }
    assert_true(longest > 128); /* more than two parts */
    un_dataset_close(d);
}

static void test_sentences_are_cut_between_characters(void **state) {
    (void)state;
    struct make_files m = make_files_default();
    static const char want[] =
        "t\xc3\xa9xt 0 \xe2\x82\xac"; /* 11 bytes over the first ones of "text 0 of seed 1" */
    char got[32];
    expect_ok(make_files(&m, scratch("u.img.h5"), scratch("u.txt.h5")));
    for (int i = 0; i < 11; ++i) mutate_set_int(scratch("u.txt.h5"), "sentence", i, (unsigned char)want[i]);
    struct un_dataset *d = open_all(scratch("u.img.h5"), scratch("u.txt.h5"), false);
    const struct {
        size_t size;
        const char *text;
    } cases[] = {{1, ""},
                 {2, "t"},
                 {3, "t"},
                 {5, "t\xc3\xa9x"},
                 {9, "t\xc3\xa9xt 0 "},
                 {10, "t\xc3\xa9xt 0 "},
                 {11, "t\xc3\xa9xt 0 "}};
    for (size_t c = 0; c < sizeof cases / sizeof cases[0]; ++c) {
        expect_ok(un_dataset_read_sentence(d, 0, got, cases[c].size));
        assert_string_equal(got, cases[c].text);
    }
    un_dataset_close(d);
}

struct reader {
    struct un_dataset *d;
    const struct make_files *m;
    int64_t first, wrong;
};
static void *read_round(void *context) {
    struct reader *r = context;
    for (int64_t k = 0; k < 20 * r->m->images; ++k) {
        int64_t image = (r->first + 7 * k) % r->m->images;
        r->wrong +=
            wrong_in_image(r->d, r->m, image, image) + wrong_in_text(r->d, r->m, 2 * image, 2 * image);
    }
    return NULL;
}

/* Four threads on one data set, by pread and through HDF5. */
static void test_threads(void **state) {
    (void)state;
    struct make_files m = make_files_default();
    hid_t half = mutate_half_type();
    const char *img = scratch("t.img.h5"), *txt = scratch("t.txt.h5");
    m.images = 17;
    expect_ok(make_files(&m, img, txt));
    for (int packed = 0; packed < 2; ++packed) {
        pthread_t threads[4];
        struct reader readers[4];
        if (packed) mutate_restore(img, "feature", half, 4, 1);
        if (packed) mutate_restore(txt, "token", H5T_STD_I64LE, 8, 1);
        struct un_dataset *d = open_all(img, txt, true);
        for (int i = 0; i < 4; ++i) {
            readers[i] = (struct reader){d, &m, 5 * i, 0};
            assert_int_equal(pthread_create(threads + i, NULL, read_round, readers + i), 0);
        }
        for (int i = 0; i < 4; ++i) {
            pthread_join(threads[i], NULL);
            assert_int_equal(readers[i].wrong, 0);
        }
        un_dataset_close(d);
    }
    H5Tclose(half);
}

/* Each allocation of opening fails once: a clean error, nothing lost. */
static void test_out_of_memory(void **state) {
    (void)state;
    struct make_files m = make_files_default();
    struct one_set set;
    struct un_dataset *d;
    m.align = true;
    expect_ok(make_files(&m, scratch("o.img.h5"), scratch("o.txt.h5")));
    ONE_SET(&set, scratch("o.img.h5"), scratch("o.txt.h5"));
    uint64_t before = live_blocks();
    enum un_status status = UN_MEMORY;
    int n = 1;
    for (; status != UN_OK && n < 1000; ++n) {
        un_memory_fail_at((uint64_t)n);
        status = one_set_open(&d, &set);
        if (status != UN_OK) expect_error(status, UN_MEMORY, "");
        if (status == UN_OK) un_dataset_close(d);
        assert_int_equal(live_blocks(), before);
    }
    un_memory_fail_at(0);
    assert_int_equal(status, UN_OK);
    assert_true(n > 20);
}

/* un_dataset_bytes against what is really held: all but the paths and the handles. */
static void test_bytes(void **state) {
    (void)state;
    struct make_files m = make_files_default();
    m.images = 500;
    expect_ok(make_files(&m, scratch("b.img.h5"), scratch("b.txt.h5")));
    uint64_t before = un_memory_counts().live_bytes;
    struct un_dataset *d = open_all(scratch("b.img.h5"), scratch("b.txt.h5"), true);
    int64_t held = (int64_t)(un_memory_counts().live_bytes - before), said = (int64_t)un_dataset_bytes(d);
    assert_in_range(held, said, said + 4096);
    un_dataset_close(d);
}

static void test_real_images(void **state) {
    (void)state;
    const char *img = "../shared/data/real/coco9.img.h5", *txt = "../shared/data/real/coco9.txt.h5";
    if (access(img, R_OK) != 0 || access(txt, R_OK) != 0) {
        print_message("skipped: %s is not there\n", img);
        skip();
    }
    struct one_set set;
    struct un_dataset *d;
    ONE_SET(&set, img, txt);
    set.data.conf_th = 0.2;
    set.data.min_bb = 10;
    set.data.max_bb = 100;
    set.lanes = 4;
    set.soft_labels = true;
    expect_ok(one_set_open(&d, &set));
    const struct un_dataset_info *info = un_dataset_info(d);
    assert_int_equal(info->images, 9);
    assert_int_equal(info->texts, 45);
    assert_int_equal(info->words, 516);
    assert_int_equal(info->img_dim, 2048);
    assert_int_equal(info->img_label_dim, 1601);
    assert_int_equal(info->vocab.vocab_size, 28996);
    assert_string_equal(info->vocab.tokenizer, "bert-base-cased");
    assert_string_equal(un_dataset_image_id(d, 0), "coco_val2014_000000000042");
    /* The detector's confidences of image 42: 0.205078 is the last above 0.2, at index 77. */
    assert_int_equal(un_dataset_image_regions(d, 0), 78);
    assert_int_equal(un_dataset_lane_image(d, 1), 2);
    char sentence[256], id[64];
    float box[100 * 7];
    uint16_t *feature = un_alloc(100 * 2048, 2, "features"), soft[1601];
    int32_t token[60];
    for (int64_t i = 0; i < 9; ++i) {
        expect_ok(un_dataset_read_image(d, i, feature, box));
        for (int64_t k = 0; k < un_dataset_image_regions(d, i); ++k) {
            double sum = 0;
            expect_ok(un_dataset_read_soft_label(d, i, k, soft));
            for (int c = 0; c < 1601; ++c) sum += (double)un_half_to(soft[c]);
            assert_true(fabs(sum - 1) < 5e-3);
            assert_true(fabs((double)(box[7 * k + 2] - box[7 * k] - box[7 * k + 4])) < 1e-3);
        }
        for (int64_t t = un_dataset_image_text(d, i); t < un_dataset_image_text(d, i + 1); ++t) {
            snprintf(id, sizeof id, "%s#%lld", un_dataset_image_id(d, i),
                     (long long)(t - un_dataset_image_text(d, i)));
            assert_string_equal(id, un_dataset_text_id(d, t));
            expect_ok(un_dataset_read_text(d, t, token));
            expect_ok(un_dataset_read_sentence(d, t, sentence, sizeof sentence));
            assert_true(strlen(sentence) > 10);
        }
    }
    un_free(feature);
    un_dataset_close(d);
}

static int remove_scratch(void **state) {
    (void)state;
    scratch_remove();
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),        cmocka_unit_test(test_storage_does_not_matter),
        cmocka_unit_test(test_several_files), cmocka_unit_test(test_left_out),
        cmocka_unit_test(test_lanes),         cmocka_unit_test(test_confidence_rule),
        cmocka_unit_test(test_alignment),     cmocka_unit_test(test_sentences_are_cut_between_characters),
        cmocka_unit_test(test_threads),       cmocka_unit_test(test_out_of_memory),
        cmocka_unit_test(test_bytes),         cmocka_unit_test(test_real_images),
    };
    return cmocka_run_group_tests_name("io/dataset", tests, NULL, remove_scratch);
}
