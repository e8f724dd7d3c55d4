/* Texts of tasks that are left out, and wrong files: one break at a time, with the row in the message. */
#include "runtime/memory.h"
#include "tests/support/make_tasks.h"
#include "tests/support/mutate.h"
#include "tests/support/read_all.h"
#include "tests/unit/io/data/task_set.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* ---- what is left out ---- */

/* vcr: four times the question and the longest answer, and the longest rationale. */
static void test_too_long(void **state) {
    (void)state;
    struct make_files m = files_of(UN_TASK_VCR);
    struct one_set set = set_of();
    struct un_dataset *d;
    expect_ok(make_files(&m, img, txt));
    for (int64_t most = 20; most < 100; most += 7) {
        int64_t kept = 0;
        for (int64_t t = 0; t < 2 * m.images; ++t) {
            int64_t answer = 0, rationale = 0;
            for (int k = 0; k < 4; ++k) {
                answer = make_part_words(&m, t, k) > answer ? make_part_words(&m, t, k) : answer;
                rationale =
                    make_part_words(&m, t, 4 + k) > rationale ? make_part_words(&m, t, 4 + k) : rationale;
            }
            kept += 4 * (make_words(&m, t) + answer) + rationale <= most;
        }
        set.data.max_txt_len = most;
        if (kept == 0) {
            expect_error(one_set_open(&d, &set), UN_DATA, "12 too long");
            continue;
        }
        expect_ok(one_set_open(&d, &set));
        assert_int_equal(un_dataset_info(d)->texts, kept);
        assert_int_equal(un_dataset_info(d)->texts_too_long, 12 - kept);
        un_dataset_close(d);
    }
}

static void test_missing_second_image(void **state) {
    (void)state;
    struct make_files m = files_of(UN_TASK_NLVR2), fewer = m;
    struct one_set set = set_of();
    struct un_dataset *d;
    fewer.bare_images = 2; /* every second text has lost its second image: images 2, 3 of four bare ones */
    expect_ok(make_files(&m, NULL, txt));
    expect_ok(make_files(&fewer, img, NULL));
    expect_error(one_set_open(&d, &set), UN_DATA, txt, "text img_000002#0 (row 4): its image img_000008");
    set.data.missing = 1;
    expect_ok(one_set_open(&d, &set));
    assert_int_equal(un_dataset_info(d)->texts_without_image, 4);
    assert_int_equal(un_dataset_info(d)->texts, 8);
    assert_int_equal(un_dataset_info(d)->images_with_text, 4);
    assert_int_equal(un_dataset_info(d)->images, 6);
    for (int64_t t = 0; t < 8; ++t) { /* images 0, 1, 4, 5 have texts, 6 and 7 are second ones */
        assert_int_equal(un_dataset_text_second(d, t), 4 + t / 2 % 2);
        assert_string_equal(un_dataset_image_id(d, 4 + t / 2 % 2), t / 2 % 2 ? "img_000007" : "img_000006");
    }
    un_dataset_close(d);
}

/* ---- wrong files ---- */

static void no_task(void) {
    hid_t file = mutate_open(txt);
    H5Adelete(file, "task");
    hid_t type = H5Tcopy(H5T_C_S1), space = H5Screate(H5S_SCALAR);
    H5Tset_size(type, 8);
    hid_t attr = H5Acreate2(file, "task", type, space, H5P_DEFAULT, H5P_DEFAULT);
    assert_true(H5Awrite(attr, type, "dancing\0") >= 0);
    H5Aclose(attr);
    H5Sclose(space);
    H5Tclose(type);
    H5Fclose(file);
}
static void no_num_answers(void) {
    mutate_delete_attr(txt, "num_answers");
}
static void zero_answers(void) {
    mutate_set_attr(txt, "num_answers", 0);
}
static void many_answers(void) {
    mutate_set_attr(txt, "num_answers", (int64_t)1 << 33);
}
static void fewer_names(void) {
    mutate_set_attr(txt, "num_answers", 6);
}
static void no_answer_id(void) {
    mutate_delete(txt, "answer_id");
}
static void answer_offset_back(void) {
    mutate_set_int(txt, "answer_offset", 5, -1);
}
static void answer_offset_past(void) {
    mutate_set_int(txt, "answer_offset", 12, 1000);
}
static void answer_outside(void) {
    mutate_set_int(txt, "answer_id", 0, 7);
}
static void answer_negative(void) {
    mutate_set_int(txt, "answer_id", 0, -1);
}
static void kind_three(void) {
    mutate_set_int(txt, "answer_kind", 3, 3);
}
static void no_label(void) {
    mutate_delete(txt, "label");
}
static void label_two(void) {
    mutate_set_int(txt, "label", 7, 2);
}
static void label_low(void) {
    mutate_set_int(txt, "label", 7, -2);
}
static void label_four(void) {
    mutate_set_int(txt, "label", 7, 4);
}
static void label_far(void) {
    mutate_set_int(txt, "label", 7, 9);
}
static void rationale_four(void) {
    mutate_set_int(txt, "rationale", 0, 4);
}
static void no_second(void) {
    mutate_delete(txt, "second_image_id");
}
static void new_label(hid_t type, hsize_t rows) {
    static const char zeros[1024];
    mutate_delete(txt, "label");
    hid_t file = mutate_open(txt), space = H5Screate_simple(1, &rows, NULL);
    hid_t data = H5Dcreate2(file, "label", type, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    assert_true(H5Dwrite(data, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, zeros) >= 0);
    H5Dclose(data);
    H5Sclose(space);
    H5Fclose(file);
}
static void label_float(void) {
    new_label(H5T_IEEE_F32LE, 12);
}
static void label_short(void) {
    new_label(H5T_STD_I32LE, 11);
}
static void part_outside(void) {
    mutate_set_int(txt, "part", 0, 50);
}
static void part_empty(void) {
    struct make_files m = files_of(UN_TASK_VCR);
    mutate_set_int(txt, "part_offset", 1, 0);
    assert_true(make_part_words(&m, 0, 0) > 0);
}
static void part_offset_past(void) {
    mutate_set_int(txt, "part_offset", 8 * 12, INT64_MAX);
}
static void box_nan(void) {
    mutate_set_float(txt, "box", 3, 1, NAN);
}
static void box_flat(void) {
    mutate_set_float(txt, "box", 3, 2, 0);
}
static void size_zero(void) {
    mutate_set_float(txt, "image_size", 4, 1, 0);
}
static void no_size(void) {
    mutate_delete(txt, "image_size");
}

static const struct {
    enum un_task task;
    void (*how)(void);
    const char *words[3];
} wrong[] = {
    {UN_TASK_VQA, no_task, {"task is \"dancing\""}},
    {UN_TASK_VQA, no_num_answers, {"num_answers"}},
    {UN_TASK_VQA, zero_answers, {"num_answers is 0"}},
    {UN_TASK_VQA, many_answers, {"num_answers is 8589934592"}},
    {UN_TASK_VQA, fewer_names, {"answer_name has 7 rows, but num_answers is 6"}},
    {UN_TASK_VQA, no_answer_id, {"answer_id"}},
    {UN_TASK_VQA, answer_offset_back, {"answer_offset: row 5", "run backwards"}},
    {UN_TASK_VQA, answer_offset_past, {"answer_offset: row 12", "ends at 1000"}},
    {UN_TASK_VQA, answer_outside, {"answer_id", "(row 0)", "outside [0, num_answers)"}},
    {UN_TASK_VQA, answer_negative, {"answer_id", "(row 0)", "outside [0, num_answers)"}},
    {UN_TASK_VQA, kind_three, {"answer_kind: text img_000001#1 (row 3): 3 is neither"}},
    {UN_TASK_NLVR2, no_label, {"label"}},
    {UN_TASK_NLVR2, no_second, {"second_image_id"}},
    {UN_TASK_NLVR2, label_two, {"label: text img_000003#1 (row 7): 2 is neither -1 nor in [0, 2)"}},
    {UN_TASK_NLVR2, label_low, {"label: text img_000003#1 (row 7): -2 is neither"}},
    {UN_TASK_NLVR2, label_float, {"label: not integers"}},
    {UN_TASK_NLVR2, label_short, {"label has 11 rows, not 12"}},
    {UN_TASK_VCR, label_four, {"label: text img_000003#1 (row 7): 4 is neither -1 nor in [0, 4)"}},
    {UN_TASK_VCR, rationale_four, {"rationale: text img_000000#0 (row 0): 4 is neither"}},
    {UN_TASK_VCR, part_outside, {"part: text img_000000#0, row 0: word 50 is outside"}},
    {UN_TASK_VCR, part_empty, {"part_offset: text img_000000#0 (row 0): part 0 has no tokens"}},
    {UN_TASK_VCR, part_offset_past, {"part_offset: row 96"}},
    {UN_TASK_RE, label_low, {"label: text img_000003#1 (row 7): -2 is neither"}},
    {UN_TASK_RE, label_far, {"label: text img_000003#1 (row 7): region 9, but"}},
    {UN_TASK_RE, box_nan, {"box, image_size: text img_000001#1 (row 3)"}},
    {UN_TASK_RE, box_flat, {"box, image_size: text img_000001#1 (row 3)"}},
    {UN_TASK_RE, size_zero, {"box, image_size: text img_000002#0 (row 4)"}},
    {UN_TASK_RE, no_size, {"image_size"}},
};

static void test_wrong_files(void **state) {
    (void)state;
    uint64_t digest, before = live_blocks();
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; ++i) {
        struct make_files m = files_of(wrong[i].task);
        m.answer_names = true;
        m.seed = 3; /* text 0 has answers */
        expect_ok(make_files(&m, img, txt));
        expect_ok(read_all(img, txt, &digest));
        wrong[i].how();
        const char *const *w = wrong[i].words;
        expect_error(read_all(img, txt, &digest), UN_DATA, txt, w[0], w[1] ? w[1] : "", w[2] ? w[2] : "");
        assert_int_equal(live_blocks(), before);
    }
}

/* A label twice in one text, and scores that are none: found wherever they stand. */
static void test_wrong_answers(void **state) {
    (void)state;
    struct make_files m = files_of(UN_TASK_VQA);
    uint64_t digest;
    int64_t text = 0, row = 0;
    while (make_answers(&m, text) < 2) row += make_answers(&m, text++);
    static const double scores[] = {0, -0.5, 1.001, NAN, INFINITY};
    for (size_t i = 0; i < sizeof scores / sizeof *scores; ++i) {
        expect_ok(make_files(&m, img, txt));
        hid_t file = mutate_open(txt), data = H5Dopen2(file, "answer_score", H5P_DEFAULT);
        hid_t space = H5Dget_space(data), one = H5Screate(H5S_SCALAR);
        hsize_t at = (hsize_t)row + 1;
        H5Sselect_elements(space, H5S_SELECT_SET, 1, &at);
        assert_true(H5Dwrite(data, H5T_NATIVE_DOUBLE, one, space, H5P_DEFAULT, &scores[i]) >= 0);
        H5Sclose(one);
        H5Sclose(space);
        H5Dclose(data);
        H5Fclose(file);
        expect_error(read_all(img, txt, &digest), UN_DATA, txt, "answer_score", "outside (0, 1]");
    }
    expect_ok(make_files(&m, img, txt));
    mutate_set_int(txt, "answer_id", row + 1, make_answer(&m, text, 0));
    expect_error(read_all(img, txt, &digest), UN_DATA, txt, "stands twice");
}

static void test_files_that_disagree(void **state) {
    (void)state;
    struct make_files a = files_of(UN_TASK_VQA), b = a;
    char other[512];
    struct un_dataset *d;
    struct one_set set = set_of();
    snprintf(other, sizeof other, "%s", scratch("other.txt.h5"));
    set.text[1] = other;
    set.keys.text.n = 2;
    a.answer_names = b.answer_names = true;
    b.prefix = "two";
    expect_ok(make_files(&a, img, txt));
    set.images[1] = (char *)(uintptr_t)scratch("other.img.h5");
    set.keys.images.n = 2;
    expect_ok(make_files(&b, set.images[1], other));
    expect_ok(one_set_open(&d, &set));
    assert_string_equal(un_dataset_answer_name(d, 6), "answer 6");
    un_dataset_close(d);
    b.answer_names = false; /* one file names them: enough */
    expect_ok(make_files(&b, NULL, other));
    expect_ok(one_set_open(&d, &set));
    assert_string_equal(un_dataset_answer_name(d, 6), "answer 6");
    un_dataset_close(d);
    b.num_answers = 8;
    expect_ok(make_files(&b, NULL, other));
    expect_error(one_set_open(&d, &set), UN_DATA, other, "num_answers is 8, but 7", txt);
    b = a;
    b.prefix = "two";
    b.task = UN_TASK_VE;
    expect_ok(make_files(&b, NULL, other));
    expect_error(one_set_open(&d, &set), UN_DATA, other, "task is ve, but vqa in", txt);
    b.task = UN_TASK_NONE;
    expect_ok(make_files(&b, NULL, other));
    expect_error(one_set_open(&d, &set), UN_DATA, other, "task is none, but vqa in", txt);
}

/* Columns that look like a task's in a file that names none are nobody's: captions as ever. */
static void test_captions_with_other_columns(void **state) {
    (void)state;
    struct make_files m = files_of(UN_TASK_NLVR2);
    struct un_dataset *d;
    struct one_set set = set_of();
    expect_ok(make_files(&m, img, txt));
    mutate_delete_attr(txt, "task");
    mutate_set_int(txt, "label", 0, 99);
    expect_ok(one_set_open(&d, &set));
    assert_int_equal(un_dataset_info(d)->task, UN_TASK_NONE);
    assert_int_equal(un_dataset_text_label(d, 0), -1);
    assert_int_equal(un_dataset_info(d)->images, m.images);
    un_dataset_close(d);
}

static int quiet(void **state) {
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    return set_up(state);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_too_long),
        cmocka_unit_test(test_missing_second_image),
        cmocka_unit_test(test_wrong_files),
        cmocka_unit_test(test_wrong_answers),
        cmocka_unit_test(test_files_that_disagree),
        cmocka_unit_test(test_captions_with_other_columns),
    };
    return cmocka_run_group_tests_name("wrong columns of tasks", tests, quiet, tear_down);
}
