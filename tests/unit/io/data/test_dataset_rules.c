/* io/dataset: joining, leaving out, lanes, the confidence rule, alignment; and the nine real images. */
#include "runtime/half.h"
#include "runtime/memory.h"
#include "tests/support/expect.h"
#include "tests/support/make_files.h"
#include "tests/support/mutate.h"
#include "tests/support/one_set.h"
#include "tests/unit/io/data/made_set.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

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
        cmocka_unit_test(test_left_out),
        cmocka_unit_test(test_lanes),
        cmocka_unit_test(test_confidence_rule),
        cmocka_unit_test(test_alignment),
        cmocka_unit_test(test_sentences_are_cut_between_characters),
        cmocka_unit_test(test_real_images),
    };
    return cmocka_run_group_tests_name("io/dataset rules", tests, NULL, remove_scratch);
}
