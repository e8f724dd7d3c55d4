/* Columns of tasks: what files hold of each is what a data set says, with all texts or a rank's, cached or not;
 * second images and lanes. Wrong files are the matter of test_tasks_wrong. */
#include "runtime/memory.h"
#include "tests/support/make_tasks.h"
#include "tests/support/mutate.h"
#include "tests/unit/io/data/task_set.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct un_dataset *open_made(const struct make_files *m) {
    struct one_set set = set_of();
    struct un_dataset *d;
    expect_ok(make_files(m, img, txt));
    expect_ok(one_set_open(&d, &set));
    return d;
}

/* ---- what is read ---- */

static void check_answers(struct un_dataset *d, const struct make_files *m, int64_t t) {
    int32_t id[MAKE_ANSWERS];
    float score[MAKE_ANSWERS];
    int64_t n = -1, want = m->task == UN_TASK_VQA || m->task == UN_TASK_VE ? make_answers(m, t) : 0;
    assert_int_equal(un_dataset_text_answers(d, t), want);
    expect_ok(un_dataset_read_answers(d, t, MAKE_ANSWERS, id, score, &n));
    assert_int_equal(n, want);
    for (int64_t i = 0; i < n; ++i) {
        assert_int_equal(id[i], make_answer(m, t, i));
        assert_true(score[i] == make_score(m, t, i));
    }
    if (want > 0)
        expect_error(un_dataset_read_answers(d, t, want - 1, id, score, &n), UN_INTERNAL, "room for");
    assert_int_equal(un_dataset_text_kind(d, t), m->task == UN_TASK_VQA ? make_kind(m, t) : -1);
}

static void check_parts(struct un_dataset *d, const struct make_files *m, int64_t t) {
    int32_t token[MAKE_PART_WORDS];
    for (int part = UN_TEXT_PARTS - 1; part >= 0; --part) {
        int64_t want = m->task == UN_TASK_VCR ? make_part_words(m, t, part) : 0;
        assert_int_equal(un_dataset_text_part_length(d, t, part), want);
        expect_ok(un_dataset_read_part(d, t, part, token));
        for (int64_t i = 0; i < want; ++i) assert_int_equal(token[i], make_part_token(m, t, part, i));
    }
}

/* Text t of the set is row t of the files: every image has its texts. */
static void check_text(struct un_dataset *d, const struct make_files *m, int64_t t) {
    bool labelled = m->task == UN_TASK_NLVR2 || m->task == UN_TASK_VCR || m->task == UN_TASK_RE,
         paired = m->task == UN_TASK_NLVR2 || m->task == UN_TASK_VCR;
    float box[4], size[2];
    check_answers(d, m, t);
    check_parts(d, m, t);
    assert_int_equal(un_dataset_text_label(d, t), labelled ? make_label(m, t) : -1);
    assert_int_equal(un_dataset_text_rationale(d, t), m->task == UN_TASK_VCR ? make_rationale(m, t) : -1);
    assert_int_equal(un_dataset_text_second(d, t), paired ? make_second(m, t) : -1);
    if (m->task != UN_TASK_RE) {
        assert_null(un_dataset_text_box(d, t));
        assert_null(un_dataset_text_size(d, t));
        return;
    }
    make_pixel_box(m, t, box, size);
    assert_memory_equal(un_dataset_text_box(d, t), box, sizeof box);
    assert_memory_equal(un_dataset_text_size(d, t), size, sizeof size);
}

static void check_info(const struct un_dataset *d, const struct make_files *m) {
    const struct un_dataset_info *info = un_dataset_info(d);
    char name[MAKE_ID];
    assert_int_equal(info->task, m->task);
    assert_int_equal(info->num_answers, m->num_answers);
    assert_int_equal(info->has_kinds, m->task == UN_TASK_VQA);
    assert_int_equal(info->images, m->images + m->bare_images);
    assert_int_equal(info->images_with_text, m->images);
    for (int64_t i = 0; i < m->num_answers; ++i) {
        make_answer_name(i, name);
        if (m->answer_names)
            assert_string_equal(un_dataset_answer_name(d, i), name);
        else
            assert_null(un_dataset_answer_name(d, i));
    }
}

static void test_values(void **state) {
    (void)state;
    for (int task = 0; task < UN_TASKS; ++task)
        for (int variant = 0; variant < 4; ++variant) {
            struct make_files m = files_of((enum un_task)task);
            uint64_t before = live_blocks();
            m.seed = (uint64_t)(10 * task + variant);
            m.no_labels = variant == 1;
            m.answer_names = variant == 2;
            struct un_dataset *d = open_made(&m);
            if (variant == 3) expect_ok(un_dataset_cache(d, 1 << 20, UN_CACHE_SOFT));
            check_info(d, &m);
            for (int pass = 0; pass < 2; ++pass)
                for (int64_t t = 0; t < un_dataset_info(d)->texts; ++t) check_text(d, &m, t);
            un_dataset_close(d);
            assert_int_equal(live_blocks(), before);
        }
}

/* Other types, chunks and filters give the same values. */
static void test_storage_does_not_matter(void **state) {
    (void)state;
    for (int task = 0; task < UN_TASKS; ++task) {
        struct make_files m = files_of((enum un_task)task);
        expect_ok(make_files(&m, img, txt));
        static const struct {
            const char *name;
            int tasks;
        } integers[] = {{"answer_id", 1 << UN_TASK_VQA | 1 << UN_TASK_VE},
                        {"answer_offset", 1 << UN_TASK_VQA | 1 << UN_TASK_VE},
                        {"answer_kind", 1 << UN_TASK_VQA},
                        {"label", 1 << UN_TASK_NLVR2 | 1 << UN_TASK_VCR | 1 << UN_TASK_RE},
                        {"rationale", 1 << UN_TASK_VCR},
                        {"part", 1 << UN_TASK_VCR},
                        {"part_offset", 1 << UN_TASK_VCR}};
        for (size_t i = 0; i < sizeof integers / sizeof *integers; ++i)
            if (integers[i].tasks >> task & 1) mutate_restore(txt, integers[i].name, H5T_STD_I16BE, 5, 1);
        if (task == UN_TASK_VQA) mutate_restore(txt, "answer_score", H5T_IEEE_F64BE, 3, 1);
        if (task == UN_TASK_RE) mutate_restore(txt, "box", H5T_IEEE_F64LE, 2, 1);
        if (task == UN_TASK_NLVR2) mutate_variable_texts(txt, "second_image_id");
        struct one_set set = set_of();
        struct un_dataset *d;
        expect_ok(one_set_open(&d, &set));
        for (int64_t t = 0; t < un_dataset_info(d)->texts; ++t) check_text(d, &m, t);
        un_dataset_close(d);
    }
}

/* ---- second images, lanes, a rank's part ---- */

/* Images that are only second ones come behind, and no lane is made of them. */
static void test_second_images(void **state) {
    (void)state;
    struct make_files m = files_of(UN_TASK_NLVR2);
    struct one_set set = set_of();
    struct un_dataset *d;
    char id[MAKE_ID];
    set.lanes = 3;
    expect_ok(make_files(&m, img, txt));
    expect_ok(one_set_open(&d, &set));
    assert_int_equal(un_dataset_lane_image(d, 3), m.images);
    for (int64_t i = 0; i < m.images + m.bare_images; ++i) {
        make_image_id(&m, i, id);
        assert_string_equal(un_dataset_image_id(d, i), id);
        assert_int_equal(un_dataset_image_regions(d, i), make_regions(&m, i));
        int64_t texts = un_dataset_image_text(d, i + 1) - un_dataset_image_text(d, i);
        assert_int_equal(texts, i < m.images ? m.texts_per_image : 0);
    }
    un_dataset_close(d);
    set.lanes = m.images + 1; /* there are as many images, but not with texts */
    expect_error(one_set_open(&d, &set), UN_USAGE, "6 usable images, fewer than train.lanes 7");
}

/* A rank keeps its texts, and finds their second images wherever they are. */
static void test_keep(void **state) {
    (void)state;
    for (int task = 0; task < UN_TASKS; ++task)
        for (int cached = 0; cached < 2; ++cached) {
            struct make_files m = files_of((enum un_task)task);
            uint64_t before = live_blocks();
            struct un_dataset *d = open_made(&m);
            unsigned what = UN_CACHE_SOFT | UN_CACHE_FEATURES;
            size_t whole = un_dataset_bytes(d);
            int64_t need = un_dataset_cache_need(d, 2, 4, what);
            float rows[9 * 16], box[9 * 7], again[9 * 7];
            expect_ok(un_dataset_keep(d, 2, 4));
            assert_true(un_dataset_bytes(d) < whole);
            assert_int_equal(un_dataset_cache_need(d, 2, 4, what), need);
            if (cached) expect_ok(un_dataset_cache(d, 1 << 20, what));
            for (int64_t t = 4; t < 8; ++t) {
                check_text(d, &m, t);
                int64_t second = un_dataset_text_second(d, t);
                if (second < 0) continue;
                expect_ok(un_dataset_read_image(d, second, rows, box));
                expect_ok(un_dataset_read_image(d, second, rows, again));
                assert_memory_equal(box, again, sizeof(float) * 7 * (size_t)make_regions(&m, second));
                expect_ok(un_dataset_read_soft_label(d, second, 0, rows));
            }
            if (cached) {
                struct un_cache_counts c = un_dataset_cache_counts(d);
                assert_true(c.all_bytes >= need); /* entries are rounded up */
                assert_true(c.all_bytes < need + (int64_t)(2 * 20 + 3 * 4) * UN_CACHE_ALIGN);
            }
            un_dataset_close(d);
            assert_int_equal(live_blocks(), before);
        }
}

static void test_bytes(void **state) {
    (void)state;
    for (int task = 0; task < UN_TASKS; ++task) {
        struct make_files m = files_of((enum un_task)task);
        m.images = 500;
        m.answer_names = true;
        expect_ok(make_files(&m, img, txt));
        struct one_set set = set_of();
        struct un_dataset *d;
        uint64_t before = un_memory_counts().live_bytes;
        expect_ok(one_set_open(&d, &set));
        for (int kept = 0; kept < 2; ++kept) {
            if (kept) expect_ok(un_dataset_keep(d, 100, 200));
            int64_t held = (int64_t)(un_memory_counts().live_bytes - before),
                    said = (int64_t)un_dataset_bytes(d);
            assert_in_range(held, said, said + 4096);
        }
        un_dataset_close(d);
    }
}

static void test_out_of_memory(void **state) {
    (void)state;
    for (int task = 0; task < UN_TASKS; ++task) {
        struct make_files m = files_of((enum un_task)task);
        struct one_set set = set_of();
        struct un_dataset *d;
        m.answer_names = true;
        expect_ok(make_files(&m, img, txt));
        uint64_t before = live_blocks();
        enum un_status status = UN_MEMORY;
        int n = 1;
        for (; status != UN_OK && n < 1000; ++n) {
            un_memory_fail_at((uint64_t)n);
            status = one_set_open(&d, &set);
            if (status == UN_OK) status = un_dataset_keep(d, 1, 3);
            if (status != UN_OK) expect_error(status, UN_MEMORY, "");
            un_dataset_close(d);
            assert_int_equal(live_blocks(), before);
        }
        un_memory_fail_at(0);
        assert_int_equal(status, UN_OK);
        assert_true(n > 20);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),        cmocka_unit_test(test_storage_does_not_matter),
        cmocka_unit_test(test_second_images), cmocka_unit_test(test_keep),
        cmocka_unit_test(test_bytes),         cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests_name("columns of tasks", tests, set_up, tear_down);
}
