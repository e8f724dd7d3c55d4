/* io/dataset: what the files hold is what is read, however it is stored and split, from many threads. Wrong files are
 * the matter of test_hostile. */
#include "runtime/half.h"
#include "runtime/memory.h"
#include "tests/support/expect.h"
#include "tests/support/make_files.h"
#include "tests/support/mutate.h"
#include "tests/support/one_set.h"
#include "tests/unit/io/data/made_set.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

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

static int remove_scratch(void **state) {
    (void)state;
    scratch_remove();
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),        cmocka_unit_test(test_storage_does_not_matter),
        cmocka_unit_test(test_several_files), cmocka_unit_test(test_threads),
        cmocka_unit_test(test_out_of_memory), cmocka_unit_test(test_bytes),
    };
    return cmocka_run_group_tests_name("io/dataset", tests, NULL, remove_scratch);
}
