/* Parts of files by image: the keyed hash, lists of ids, merges and splits compared with the inputs, stops,
 * and every allocation failing once. The commands as a whole are the matter of tests/whole/runs/test_select.py. */
#include "io/convert/select/select.h"
#include "io/data/file.h"
#include "runtime/half.h"
#include "runtime/memory.h"
#include "tests/support/expect.h"
#include "tests/support/make_files.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const struct un_image_import quiet = {.threads = 2, .quiet = true};

static void test_idmap_add(void **state) {
    (void)state;
    enum { N = 5000 };
    struct un_idmap map = {0};
    static char text[N][16];
    static const char *ids[N + 1];
    int64_t found;
    for (int i = 0; i < N; ++i) {
        snprintf(text[i], sizeof text[i], "id_%d", i * 7);
        ids[i] = text[i];
        expect_ok(un_idmap_add(&map, ids, i, &found));
        assert_int_equal(found, -1);
        ids[i + 1] = text[i / 2]; /* one that is there: not added */
        expect_ok(un_idmap_add(&map, ids, i + 1, &found));
        assert_int_equal(found, i / 2);
    }
    for (int i = 0; i < N; ++i) assert_int_equal(un_idmap_find(&map, text[i]), i);
    assert_int_equal(un_idmap_find(&map, "id_1"), -1);
    un_idmap_close(&map);
}

/* Counts of 20,000 ids: binomial, five deviations are 283 at one half. */
static void test_fraction(void **state) {
    (void)state;
    enum { N = 20000 };
    struct un_select tenth = un_select_fraction(0.1, 1, UN_SELECT_SPLIT),
                     half = un_select_fraction(0.5, 1, UN_SELECT_SPLIT),
                     other = un_select_fraction(0.5, 2, UN_SELECT_SPLIT),
                     subset = un_select_fraction(0.5, 1, UN_SELECT_SUBSET),
                     none = un_select_fraction(0, 1, UN_SELECT_SPLIT),
                     all = un_select_fraction(1, 1, UN_SELECT_SPLIT);
    int n[2] = {0, 0}, with_other = 0, with_subset = 0;
    for (int i = 0; i < N; ++i) {
        char id[64];
        snprintf(id, sizeof id, "coco_val2014_%012d", i);
        bool in_half = un_select_has(&half, id), in_tenth = un_select_has(&tenth, id);
        n[0] += in_tenth;
        n[1] += in_half;
        with_other += in_half && un_select_has(&other, id);
        with_subset += in_half && un_select_has(&subset, id);
        assert_true(in_half || !in_tenth);
        assert_true(!un_select_has(&none, id) && un_select_has(&all, id));
        half.invert = true;
        assert_true(un_select_has(&half, id) != in_half);
        half.invert = false;
    }
    assert_in_range(n[0], 2000 - 212, 2000 + 212);
    assert_in_range(n[1], 10000 - 354, 10000 + 354);
    assert_in_range(with_other, 5000 - 306, 5000 + 306); /* independent */
    assert_in_range(with_subset, 5000 - 306, 5000 + 306);
    un_select_free(&half);
}

static const char *write_file(const char *name, const char *text, size_t bytes) {
    const char *path = scratch(name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, bytes, f), bytes);
    fclose(f);
    return path;
}
static enum un_status read_list(const char *text, size_t bytes, struct un_select *s) {
    return un_select_ids(s, write_file("ids.txt", text, bytes));
}

static void test_lists(void **state) {
    (void)state;
    struct un_select s;
    char long_id[300];
    uint64_t before = live_blocks();
    memset(long_id, 'x', sizeof long_id);
    expect_ok(read_list("a\nbb \r\nccc", 10, &s));
    assert_int_equal(s.n, 3);
    assert_true(un_select_has(&s, "bb") && un_select_has(&s, "ccc") && !un_select_has(&s, "b"));
    un_select_free(&s);
    expect_ok(read_list(long_id, 255, &s));
    un_select_free(&s);
    expect_error(read_list("", 0, &s), UN_DATA, "ids.txt", "no image id");
    expect_error(read_list("a\n\n", 3, &s), UN_DATA, "ids.txt", "line 2 is empty");
    expect_error(read_list("a\nb\nc\nb\n", 8, &s), UN_DATA, "line 4: b stands already in line 2");
    expect_error(read_list("a\nb\0\n", 5, &s), UN_DATA, "line 2: a zero byte");
    expect_error(read_list(long_id, 256, &s), UN_DATA, "line 1: an image id of 256 bytes");
    expect_error(un_select_ids(&s, scratch("not_there")), UN_IO, "not_there");
    assert_int_equal(live_blocks(), before);
}

/* Two pairs of files with different images. */
static struct make_files makers[2];
static char img[2][600], txt[2][600];
static void make_pairs(void) {
    for (int i = 0; i < 2; ++i) {
        makers[i] = make_files_default();
        makers[i].align = true;
        makers[i].images = 11 + 6 * i;
        makers[i].prefix = i ? "left" : "right";
        makers[i].seed = (uint64_t)i + 3;
        snprintf(img[i], sizeof img[i], "%s", scratch(i ? "b.img.h5" : "a.img.h5"));
        snprintf(txt[i], sizeof txt[i], "%s", scratch(i ? "b.txt.h5" : "a.txt.h5"));
        remove(img[i]);
        remove(txt[i]);
        expect_ok(make_files(&makers[i], img[i], txt[i]));
    }
}

/* Image `row` of the file is image i of the maker. */
static void check_image(struct un_image_file *f, int64_t row, const struct make_files *m, int64_t i) {
    char id[MAKE_ID];
    uint16_t half[64];
    float box[6], found[6];
    int64_t n = make_regions(m, i), first = f->region_offset[row];
    make_image_id(m, i, id);
    assert_string_equal(f->ids + row * f->id_stride, id);
    assert_int_equal(f->region_offset[row + 1] - first, n);
    for (int64_t k = 0; k < n; ++k) {
        expect_ok(un_column_read(&f->feature, first + k, 1, half));
        for (int64_t c = 0; c < m->img_dim; ++c) /* exact in 16 bits */
            assert_true(un_half_to(half[c]) == make_feature(m, i, k, c));
        expect_ok(un_column_read(&f->box, first + k, 1, found));
        make_box(m, i, k, box);
        assert_memory_equal(found, box, sizeof box);
        expect_ok(un_column_read(&f->confidence, first + k, 1, found));
        assert_true(found[0] == make_confidence(k));
        expect_ok(un_column_read(&f->soft, first + k, 1, half));
        assert_int_equal(half[make_class(m, i, k)], 0x3A00);
    }
}

static void check_text(struct un_text_file *f, int64_t row, const struct make_files *m, int64_t t) {
    char id[MAKE_ID], sentence[64], found[64];
    int32_t token[64];
    int64_t n = make_words(m, t), first = f->token_offset[row];
    make_text_id(m, t, id);
    assert_string_equal(f->text_ids + row * f->text_stride, id);
    make_image_id(m, t / m->texts_per_image, id);
    assert_string_equal(f->image_ids + row * f->image_stride, id);
    assert_int_equal(f->token_offset[row + 1] - first, n);
    expect_ok(un_column_read(&f->token, first, n, token));
    for (int64_t k = 0; k < n; ++k) assert_int_equal(token[k], make_token(m, t, k));
    make_sentence(m, t, sentence);
    expect_ok(un_text_file_sentence(f, row, found, sizeof found));
    assert_string_equal(found, sentence);
    int64_t at = f->align_offset[row];
    assert_int_equal(f->align_offset[row + 1] - at, n);
    expect_ok(un_column_read(&f->align_region, at, n, token));
    for (int64_t k = 0; k < n; ++k) assert_int_equal(token[k], k % make_regions(m, t / m->texts_per_image));
}

/* The file holds, in order, the images (texts) of both makers that `select` has. */
static void check_images(const char *path, struct un_select *select) {
    struct un_image_file f;
    int64_t row = 0;
    char id[MAKE_ID];
    expect_ok(un_image_file_open(&f, path));
    for (int i = 0; i < 2; ++i)
        for (int64_t k = 0; k < makers[i].images; ++k) {
            make_image_id(&makers[i], k, id);
            if (un_select_has(select, id)) check_image(&f, row++, &makers[i], k);
        }
    assert_int_equal(row, f.images);
    un_image_file_close(&f);
}
static void check_texts(const char *path, struct un_select *select) {
    struct un_text_file f;
    int64_t row = 0;
    char id[MAKE_ID];
    expect_ok(un_text_file_open(&f, path));
    for (int i = 0; i < 2; ++i)
        for (int64_t k = 0; k < makers[i].images * makers[i].texts_per_image; ++k) {
            make_image_id(&makers[i], k / makers[i].texts_per_image, id);
            if (un_select_has(select, id)) check_text(&f, row++, &makers[i], k);
        }
    assert_int_equal(row, f.texts);
    un_text_file_close(&f);
}

static void merge_both(struct un_select *select) {
    const char *const images[] = {img[0], img[1]}, *const texts[] = {txt[0], txt[1]};
    const char *out_img = scratch("out.img.h5"), *out_txt = scratch("out.txt.h5");
    expect_ok(un_select_merge(images, 2, out_img, select, "test", &quiet));
    expect_ok(un_select_merge(texts, 2, out_txt, select, "test", &quiet));
    check_images(out_img, select);
    check_texts(out_txt, select);
    remove(out_img);
    remove(out_txt);
}

static void test_merge(void **state) {
    (void)state;
    const char *const images[] = {img[0], img[1]};
    struct un_select all = {0}, half = un_select_fraction(0.5, 9, UN_SELECT_SUBSET), list;
    uint64_t before = live_blocks();
    make_pairs();
    merge_both(&all);
    merge_both(&half);
    half.invert = true;
    merge_both(&half);
    expect_ok(un_select_first(&list, images, 2, 13));
    assert_int_equal(list.n, 13);
    merge_both(&list);
    un_select_free(&list);
    expect_ok(un_select_ids(&list, txt[1])); /* every image stands there twice */
    assert_int_equal(list.n, makers[1].images);
    merge_both(&list);
    un_select_free(&list);
    assert_int_equal(live_blocks(), before);
}

static int64_t stop_after;
static bool stop(void) {
    return stop_after-- <= 0;
}

static void test_stop(void **state) {
    (void)state;
    const char *const paths[] = {img[0], img[1]}, *const texts[] = {txt[0], txt[1]};
    const char *out = scratch("stopped.img.h5"), *out_txt = scratch("stopped.txt.h5");
    struct un_select all = {0};
    const struct un_image_import how = {.threads = 1, .quiet = true, .stop = stop};
    make_pairs();
    stop_after = 9;
    expect_error(un_select_merge(paths, 2, out, &all, "test", &how), UN_STOPPED, out, "9 of 28 images");
    assert_int_not_equal(access(out, F_OK), 0);
    stop_after = 19; /* enough for what is left only */
    expect_ok(un_select_merge(paths, 2, out, &all, "test", &how));
    check_images(out, &all);
    stop_after = 9;
    expect_error(un_select_merge(texts, 2, out_txt, &all, "test", &how), UN_STOPPED, out_txt);
    assert_int_not_equal(access(out_txt, F_OK), 0);
    remove(out);
}

static enum un_status split_all(const char *folder) {
    const struct un_image_import one_thread = {.threads = 1, .quiet = true};
    const char *const paths[] = {img[0], txt[0]};
    struct un_select valid = un_select_fraction(0.4, 1, UN_SELECT_SPLIT);
    return un_select_split(paths, 2, folder, &valid, "test", &one_thread);
}
static void remove_split(const char *folder) {
    static const char *const names[] = {"a_train.img.h5", "a_valid.img.h5", "a_train.txt.h5",
                                        "a_valid.txt.h5"};
    char path[700];
    for (int i = 0; i < 4; ++i) {
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        remove(path);
    }
}

/* Every allocation fails once: out of memory, nothing is held, no file is left. */
static void test_no_memory(void **state) {
    (void)state;
    char folder[600];
    snprintf(folder, sizeof folder, "%s", scratch("split"));
    make_pairs();
    uint64_t before = live_blocks();
    int failed = 0;
    for (uint64_t n = 1;; ++n, ++failed) {
        un_memory_fail_at(n);
        enum un_status status = split_all(folder);
        un_memory_fail_at(0);
        if (status == UN_OK) break;
        if (status != UN_MEMORY) fail_msg("allocation %d: %s", (int)n, un_error_get()->text);
        un_error_clear();
        assert_int_equal(live_blocks(), before);
        if (access(folder, F_OK) == 0 && rmdir(folder) != 0)
            fail_msg("allocation %d: files are left", (int)n);
    }
    assert_true(failed > 50);
    remove_split(folder);
    assert_int_equal(rmdir(folder), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_idmap_add), cmocka_unit_test(test_fraction), cmocka_unit_test(test_lists),
        cmocka_unit_test(test_merge),     cmocka_unit_test(test_stop),     cmocka_unit_test(test_no_memory),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    scratch_remove();
    return failed;
}
