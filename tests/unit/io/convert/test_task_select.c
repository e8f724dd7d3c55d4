/* Files of tasks merged, cut and split: what texts are asked goes with them, whatever the task; files that ask other
 * things are not merged; verify and inspect say what is asked. */
#include "io/convert/select/select.h"
#include "io/data/file.h"
#include "io/inspect/inspect.h"
#include "runtime/memory.h"
#include "tests/support/expect.h"
#include "tests/support/make_tasks.h"
#include "tests/support/mutate.h"
#include "tests/support/read_all.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const struct un_image_import quiet = {.threads = 2, .quiet = true};
enum { IMG_A, IMG_B, TXT_A, TXT_B, IMG_ALL, TXT_ALL, IMG_CUT, TXT_CUT, PATHS };
static char path[PATHS][512];

static struct make_files files_of(enum un_task task, int which) {
    struct make_files m = make_files_default();
    m.task = task;
    m.num_answers = task == UN_TASK_VQA ? 7 : task == UN_TASK_VE ? 3 : 0;
    m.bare_images = task == UN_TASK_NLVR2 ? 4 : 0;
    m.answer_names = which == 1;
    m.prefix = which ? "b" : "a";
    m.seed = 5 + (uint64_t)which;
    return m;
}

static void make_both(enum un_task task) {
    for (int which = 0; which < 2; ++which) {
        struct make_files m = files_of(task, which);
        expect_ok(make_files(&m, path[IMG_A + which], path[TXT_A + which]));
    }
}

static enum un_status merge(int first, int out) {
    const char *const paths[] = {path[first], path[first + 1]};
    struct un_select all = {.rule = UN_SELECT_ALL};
    remove(path[out]);
    return un_select_merge(paths, 2, path[out], &all, "a test", &quiet);
}

static uint64_t digest_of(const char *images, const char *text) {
    uint64_t digest;
    expect_ok(read_all(images, text, &digest));
    return digest;
}

static void test_merge(void **state) {
    (void)state;
    char images[512], text[512];
    snprintf(images, sizeof images, "%s/part_?.img.h5", scratch_folder());
    snprintf(text, sizeof text, "%s/part_?.txt.h5", scratch_folder());
    for (int task = 0; task < UN_TASKS; ++task) {
        uint64_t before = live_blocks();
        make_both((enum un_task)task);
        expect_ok(merge(IMG_A, IMG_ALL));
        expect_ok(merge(TXT_A, TXT_ALL));
        assert_true(digest_of(path[IMG_ALL], path[TXT_ALL]) == digest_of(images, text));
        assert_int_equal(live_blocks(), before);
    }
}

/* Cutting the images of one out of both gives that one again. */
static void test_subset(void **state) {
    (void)state;
    for (int task = 0; task < UN_TASKS; ++task)
        for (int which = 0; which < 2; ++which) {
            make_both((enum un_task)task);
            expect_ok(merge(TXT_A, TXT_ALL));
            const char *const in[] = {path[TXT_ALL]};
            struct un_select ids;
            expect_ok(un_select_ids(&ids, path[TXT_A + which]));
            remove(path[TXT_CUT]);
            expect_ok(un_select_merge(in, 1, path[TXT_CUT], &ids, "a test", &quiet));
            un_select_free(&ids);
            if (which == 0) { /* its own file has no names of answers, the merged one has */
                struct make_files named = files_of((enum un_task)task, 0);
                named.answer_names = true;
                expect_ok(make_files(&named, NULL, path[TXT_A]));
            }
            assert_true(digest_of(path[IMG_A + which], path[TXT_CUT]) ==
                        digest_of(path[IMG_A + which], path[TXT_A + which]));
        }
}

/* Both parts together hold every text once. */
static void test_split(void **state) {
    (void)state;
    for (int task = 0; task < UN_TASKS; ++task) {
        make_both((enum un_task)task);
        expect_ok(merge(TXT_A, TXT_ALL));
        const char *const in[] = {path[TXT_ALL]};
        char folder[512], part[2][600];
        struct un_select valid = un_select_fraction(0.4, 3, UN_SELECT_SPLIT);
        snprintf(folder, sizeof folder, "%s/split_%d", scratch_folder(), task);
        expect_ok(un_select_split(in, 1, folder, &valid, "a test", &quiet));
        int64_t texts = 0, answers = 0;
        for (int i = 0; i < 2; ++i) {
            struct un_text_file f;
            snprintf(part[i], sizeof part[i], "%s/all_%s.txt.h5", folder, i ? "valid" : "train");
            expect_ok(un_text_file_open(&f, part[i]));
            assert_int_equal(f.targets.task, task);
            texts += f.texts;
            answers += f.targets.answer_id.rows;
            un_text_file_close(&f);
            remove(part[i]);
        }
        rmdir(folder);
        assert_int_equal(texts, 24);
        struct make_files a = files_of((enum un_task)task, 0), b = files_of((enum un_task)task, 1);
        for (int64_t t = 0; t < 12 && a.num_answers; ++t)
            answers -= make_answers(&a, t) + make_answers(&b, t);
        assert_int_equal(answers, 0);
    }
}

static void test_files_that_ask_other_things(void **state) {
    (void)state;
    make_both(UN_TASK_VQA);
    struct make_files b = files_of(UN_TASK_VE, 1);
    expect_ok(make_files(&b, NULL, path[TXT_B]));
    expect_error(merge(TXT_A, TXT_ALL), UN_DATA, path[TXT_B], "task is ve, but vqa in", path[TXT_A]);
    b = files_of(UN_TASK_VQA, 1);
    b.num_answers = 8;
    expect_ok(make_files(&b, NULL, path[TXT_B]));
    expect_error(merge(TXT_A, TXT_ALL), UN_DATA, path[TXT_B], "num_answers is 8, but 7 in", path[TXT_A]);
    make_both(UN_TASK_VCR);
    mutate_delete(path[TXT_B], "second_image_id");
    expect_error(merge(TXT_A, TXT_ALL), UN_DATA, path[TXT_B], "has no second images, ", path[TXT_A]);
    make_both(UN_TASK_RE);
    mutate_delete_attr(path[TXT_A], "task");
    expect_error(merge(TXT_A, TXT_ALL), UN_DATA, path[TXT_B], "task is re, but none in", path[TXT_A]);
    assert_int_equal(access(path[TXT_ALL], F_OK), -1);
}

/* Names that three files tell: the second and third disagree, the first has none. */
static void test_names_of_later_files(void **state) {
    (void)state;
    struct make_files m = files_of(UN_TASK_VQA, 1);
    make_both(UN_TASK_VQA);
    m.prefix = "c";
    expect_ok(make_files(&m, path[IMG_CUT], path[TXT_CUT]));
    hid_t file = mutate_open(path[TXT_CUT]), data = H5Dopen2(file, "answer_name", H5P_DEFAULT);
    hid_t type = H5Dget_type(data);
    char names[7][MAKE_ID] = {"x", "y", "z", "a", "b", "c", "d"};
    assert_true(H5Dwrite(data, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, names) >= 0);
    H5Tclose(type);
    H5Dclose(data);
    H5Fclose(file);
    const char *const paths[] = {path[TXT_A], path[TXT_B], path[TXT_CUT]};
    struct un_select all = {.rule = UN_SELECT_ALL};
    expect_error(un_select_merge(paths, 3, path[TXT_ALL], &all, "a test", &quiet), UN_DATA, path[TXT_CUT],
                 "answer_name: row 0 is \"x\", but \"answer 0\" in", path[TXT_B]);
    uint64_t digest;
    char images[512], text[512];
    snprintf(images, sizeof images, "%s/*_?.img.h5", scratch_folder());
    snprintf(text, sizeof text, "%s/*_?.txt.h5", scratch_folder());
    char third[2][512];
    snprintf(third[0], sizeof third[0], "%s", scratch("part_c.img.h5"));
    snprintf(third[1], sizeof third[1], "%s", scratch("part_c.txt.h5"));
    assert_int_equal(rename(path[IMG_CUT], third[0]), 0);
    assert_int_equal(rename(path[TXT_CUT], third[1]), 0);
    expect_error(read_all(images, text, &digest), UN_DATA, "part_c.txt.h5", "answer_name: row 0 is \"x\"");
    remove(third[0]);
    remove(third[1]);
}

/* ---- verify and inspect ---- */

static enum un_status verify_silently(const char *of, FILE *out) {
    return un_verify(of, out, NULL);
}

/* What they print about the text file. */
static void printed(enum un_status (*how)(const char *, FILE *), char *text, size_t size) {
    FILE *out = fmemopen(text, size, "w");
    assert_non_null(out);
    expect_ok(how(path[TXT_B], out));
    fclose(out);
}

static void test_said(void **state) {
    (void)state;
    static const char *const say[UN_TASKS] = {NULL,
                                              NULL,
                                              "ve, 12 of 12 texts with answers, 12 answers of a table of 3",
                                              "nlvr2, 12 of 12 texts with a label, two images a text",
                                              NULL,
                                              "re, 12 of 12 texts with a label, a box a text",
                                              "retrieval"};
    for (int task = 0; task < UN_TASKS; ++task) {
        char text[8192] = {0}, want[256] = {0};
        struct make_files m = files_of((enum un_task)task, 1);
        int64_t asked = 0, answers = 0, words = 0;
        make_both((enum un_task)task);
        for (int64_t t = 0; t < 12; ++t) {
            if (m.num_answers) asked += make_answers(&m, t) > 0, answers += make_answers(&m, t);
            for (int part = 0; part < UN_TEXT_PARTS; ++part) words += make_part_words(&m, t, part);
        }
        if (task == UN_TASK_VQA)
            snprintf(want, sizeof want,
                     "vqa, %lld of 12 texts with answers, %lld answers of a table of 7; yes/no 4, number 4, "
                     "other 4\n",
                     (long long)asked, (long long)answers);
        else if (task == UN_TASK_VCR)
            snprintf(want, sizeof want,
                     "vcr, 12 of 12 texts with a label, 12 with a rationale, %lld words in answers and "
                     "rationales, "
                     "two images a text\n",
                     (long long)words);
        else if (say[task])
            snprintf(want, sizeof want, "%s\n", say[task]);
        printed(verify_silently, text, sizeof text);
        assert_non_null(strstr(text, "good: 12 texts"));
        if (*want)
            assert_non_null(strstr(strstr(text, ": task "), want));
        else
            assert_null(strstr(text, ": task "));
        printed(un_inspect, text, sizeof text);
        if (*want) assert_non_null(strstr(strstr(text, "  task  "), want));
    }
}

/* What reading finds only in rows that are used, verify finds anywhere. */
static void test_verify_finds(void **state) {
    (void)state;
    FILE *nowhere = fopen("/dev/null", "w");
    make_both(UN_TASK_VQA);
    mutate_set_int(path[TXT_B], "answer_id", 5, 7);
    expect_error(un_verify(path[TXT_B], nowhere, NULL), UN_DATA, path[TXT_B], "(7, ", "has a label outside");
    make_both(UN_TASK_VCR);
    mutate_set_int(path[TXT_B], "part", 100, -3);
    expect_error(un_verify(path[TXT_B], nowhere, NULL), UN_DATA, path[TXT_B], "part: text",
                 "row 100: word -3 is outside");
    make_both(UN_TASK_NLVR2);
    mutate_set_int(path[TXT_B], "label", 2, 3);
    expect_error(un_verify(path[TXT_B], nowhere, NULL), UN_DATA, path[TXT_B], "label: text",
                 "(row 2): 3 is neither");
    fclose(nowhere);
}

/* Every allocation fails once. */
static void test_no_memory(void **state) {
    (void)state;
    uint64_t before = live_blocks();
    for (int task = 0; task < UN_TASKS; ++task) {
        enum un_status status = UN_MEMORY;
        make_both((enum un_task)task);
        for (uint64_t n = 1; status != UN_OK; ++n) {
            un_memory_fail_at(n);
            status = merge(TXT_A, TXT_ALL);
            un_memory_fail_at(0);
            if (status != UN_OK) expect_error(status, UN_MEMORY, "");
            assert_int_equal(live_blocks(), before);
        }
    }
}

static int set_up(void **state) {
    (void)state;
    static const char *const names[PATHS] = {"part_a.img.h5", "part_b.img.h5", "part_a.txt.h5",
                                             "part_b.txt.h5", "all.img.h5",    "all.txt.h5",
                                             "cut.img.h5",    "cut.txt.h5"};
    for (int i = 0; i < PATHS; ++i) snprintf(path[i], sizeof path[i], "%s", scratch(names[i]));
    return 0;
}
static int tear_down(void **state) {
    (void)state;
    scratch_remove();
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_merge),
        cmocka_unit_test(test_subset),
        cmocka_unit_test(test_split),
        cmocka_unit_test(test_files_that_ask_other_things),
        cmocka_unit_test(test_names_of_later_files),
        cmocka_unit_test(test_said),
        cmocka_unit_test(test_verify_finds),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests_name("selected files of tasks", tests, set_up, tear_down);
}
