/* The text sink with targets: a file of every task that it writes gives what the same file made by hand gives; bad
 * targets are named, and leave nothing behind. */
#include "io/convert/text/sink.h"
#include "runtime/memory.h"
#include "tests/support/expect.h"
#include "tests/support/make_tasks.h"
#include "tests/support/read_all.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const char *img, *made, *out;

static struct make_files files_of(enum un_task task) {
    struct make_files m = make_files_default();
    m.task = task;
    m.num_answers = task == UN_TASK_VQA ? 7 : task == UN_TASK_VE ? 3 : 0;
    m.bare_images = task == UN_TASK_NLVR2 ? 4 : 0;
    m.answer_names = true;
    return m;
}

static struct un_text_sink_setup setup_of(const struct make_files *m, const char *const *names) {
    return (struct un_text_sink_setup){.vocab = {m->vocab_size, MAKE_UNK, MAKE_CLS, MAKE_SEP, MAKE_MASK,
                                                 MAKE_RANDOM_LO, m->vocab_size, "made-up"},
                                       .source = "a test",
                                       .sentences = true,
                                       .task = m->task,
                                       .num_answers = m->num_answers,
                                       .answer_names = m->num_answers ? names : NULL};
}

/* Room for one text. */
struct text {
    char text_id[MAKE_ID], image_id[MAKE_ID], second[MAKE_ID], sentence[64];
    int32_t token[16], answer[MAKE_ANSWERS], part[UN_TEXT_PARTS][MAKE_PART_WORDS];
    float score[MAKE_ANSWERS];
    struct un_targets targets;
};

static struct un_text_record make_text(struct text *t, const struct make_files *m, int64_t i) {
    bool asks = m->task == UN_TASK_VQA || m->task == UN_TASK_VE;
    make_text_id(m, i, t->text_id);
    make_image_id(m, i / m->texts_per_image, t->image_id);
    make_image_id(m, make_second(m, i), t->second);
    make_sentence(m, i, t->sentence);
    for (int64_t k = 0; k < make_words(m, i); ++k) t->token[k] = make_token(m, i, k);
    t->targets = (struct un_targets){.answer = t->answer,
                                     .score = t->score,
                                     .answers = asks ? make_answers(m, i) : 0,
                                     .kind = make_kind(m, i),
                                     .label = make_label(m, i),
                                     .rationale = make_rationale(m, i),
                                     .second_image = t->second};
    for (int64_t k = 0; k < t->targets.answers; ++k) {
        t->answer[k] = make_answer(m, i, k);
        t->score[k] = make_score(m, i, k);
    }
    for (int part = 0; part < UN_TEXT_PARTS; ++part) {
        t->targets.part[part] = t->part[part];
        t->targets.part_tokens[part] = make_part_words(m, i, part);
        for (int64_t k = 0; k < make_part_words(m, i, part); ++k)
            t->part[part][k] = make_part_token(m, i, part, k);
    }
    make_pixel_box(m, i, t->targets.box, t->targets.size);
    return (struct un_text_record){.text_id = t->text_id,
                                   .image_id = t->image_id,
                                   .token = t->token,
                                   .tokens = make_words(m, i),
                                   .sentence = t->sentence,
                                   .sentence_bytes = (int64_t)strlen(t->sentence),
                                   .targets = &t->targets};
}

static enum un_status write_all(const struct make_files *m) {
    enum { MOST = 8 };
    char names[MOST][MAKE_ID];
    const char *name[MOST];
    struct un_text_sink *sink;
    assert_true(m->num_answers <= MOST);
    for (int64_t i = 0; i < m->num_answers && i < MOST; ++i) {
        make_answer_name(i, names[i]);
        name[i] = names[i];
    }
    const struct un_text_sink_setup setup = setup_of(m, name);
    UN_TRY(un_text_sink_open(&sink, out, &setup));
    memset(names, 0, sizeof names); /* everything is copied */
    enum un_status status = UN_OK;
    for (int64_t i = 0; i < m->images * m->texts_per_image && status == UN_OK; ++i) {
        struct text t;
        struct un_text_record r = make_text(&t, m, i);
        status = un_text_sink_add(sink, &r);
        memset(&t, 'x', sizeof t);
    }
    if (status == UN_OK) status = un_text_sink_commit(sink);
    un_text_sink_close(sink);
    return status;
}

static void test_round_trip(void **state) {
    (void)state;
    for (int task = 0; task < UN_TASKS; ++task)
        for (int labels = 0; labels < 2; ++labels) {
            struct make_files m = files_of((enum un_task)task);
            uint64_t want, got;
            m.no_labels = labels == 0;
            expect_ok(make_files(&m, img, made));
            expect_ok(read_all(img, made, &want));
            expect_ok(write_all(&m));
            expect_ok(read_all(img, out, &got));
            assert_true(got == want);
            remove(out);
        }
}

/* Every allocation fails once. */
static void test_no_memory(void **state) {
    (void)state;
    const struct make_files m = files_of(UN_TASK_VQA);
    uint64_t before = live_blocks();
    enum un_status status = UN_MEMORY;
    int failed = 0;
    for (uint64_t n = 1; status != UN_OK; ++n, ++failed) {
        un_memory_fail_at(n);
        status = write_all(&m);
        un_memory_fail_at(0);
        if (status != UN_OK) expect_error(status, UN_MEMORY, "");
        assert_int_equal(live_blocks(), before);
        assert_int_equal(access(out, F_OK), status == UN_OK ? 0 : -1);
    }
    assert_true(failed > 15);
    remove(out);
}

/* ---- bad targets ---- */

static void answer_outside(struct text *t) {
    t->answer[0] = 7;
}
static void answer_twice(struct text *t) {
    t->answer[1] = t->answer[0];
}
static void score_zero(struct text *t) {
    t->score[1] = 0;
}
static void score_nan(struct text *t) {
    t->score[0] = NAN;
}
static void too_many(struct text *t) {
    t->targets.answers = UN_TEXT_ANSWERS + 1;
}
static void kind_three(struct text *t) {
    t->targets.kind = 3;
}
static void label_two(struct text *t) {
    t->targets.label = 2;
}
static void label_four(struct text *t) {
    t->targets.label = 4;
}
static void label_low(struct text *t) {
    t->targets.label = -2;
}
static void rationale_four(struct text *t) {
    t->targets.rationale = 4;
}
static void no_second(struct text *t) {
    t->targets.second_image = NULL;
}
static void empty_second(struct text *t) {
    t->targets.second_image = "";
}
static void no_part(struct text *t) {
    t->targets.part_tokens[7] = 0;
}
static void part_outside(struct text *t) {
    t->part[6][0] = 50;
}
static void flat_box(struct text *t) {
    t->targets.box[3] = 0;
}
static void endless_box(struct text *t) {
    t->targets.box[0] = INFINITY;
}
static void no_size(struct text *t) {
    t->targets.size[0] = 0;
}

static const struct {
    enum un_task task;
    void (*how)(struct text *t);
    const char *say;
} bad[] = {
    {UN_TASK_VQA, answer_outside, "answer 0 (7, "},
    {UN_TASK_VQA, answer_twice, "has a label that stands twice"},
    {UN_TASK_VQA, score_zero, "has a score outside (0, 1]"},
    {UN_TASK_VQA, score_nan, "has a score outside (0, 1]"},
    {UN_TASK_VQA, too_many, "4097 answers, at most 4096 may be"},
    {UN_TASK_VQA, kind_three, "the kind of the question is 3, neither -1 nor in [0, 3)"},
    {UN_TASK_NLVR2, label_two, "label is 2, neither -1 nor in [0, 2)"},
    {UN_TASK_NLVR2, label_low, "label is -2, neither"},
    {UN_TASK_NLVR2, no_second, "has no second image, others have one"},
    {UN_TASK_NLVR2, empty_second, "second_image_id is empty"},
    {UN_TASK_VCR, label_four, "label is 4, neither -1 nor in [0, 4)"},
    {UN_TASK_VCR, rationale_four, "rationale is 4, neither"},
    {UN_TASK_VCR, no_second, "has no second image, others have one"},
    {UN_TASK_VCR, no_part, "part 7 has no tokens"},
    {UN_TASK_VCR, part_outside, "part 6: token 0 is 50, outside [0, vocab_size 50)"},
    {UN_TASK_RE, label_low, "label is -2, neither"},
    {UN_TASK_RE, flat_box, "is no box of an image of"},
    {UN_TASK_RE, endless_box, "is no box of an image of"},
    {UN_TASK_RE, no_size, "is no box of an image of"},
};

static void test_bad_targets(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; ++i) {
        struct make_files m = files_of(bad[i].task);
        struct un_text_sink_setup setup = setup_of(&m, NULL);
        struct un_text_sink *sink;
        struct text t;
        int64_t text = 1;
        while (m.task == UN_TASK_VQA && make_answers(&m, text) < 2) ++text;
        expect_ok(un_text_sink_open(&sink, out, &setup));
        struct un_text_record r = make_text(&t, &m, 0);
        expect_ok(un_text_sink_add(sink, &r));
        r = make_text(&t, &m, text);
        bad[i].how(&t);
        expect_error(un_text_sink_add(sink, &r), UN_DATA, out, bad[i].say);
        un_text_sink_close(sink);
        assert_int_equal(access(out, F_OK), -1);
    }
}

/* What a setup must have; a task's text without targets; second images that only later texts have. */
static void test_bad_setups(void **state) {
    (void)state;
    struct make_files m = files_of(UN_TASK_VQA);
    static const char *const names[] = {"a", "b", "", "d", "e", "f", "g"};
    struct un_text_sink_setup setup = setup_of(&m, names);
    struct un_text_sink *sink;
    struct text t;
    expect_error(un_text_sink_open(&sink, out, &setup), UN_DATA, out, "the name of answer 2 is empty");
    setup.num_answers = 0;
    expect_error(un_text_sink_open(&sink, out, &setup), UN_DATA, out, "0 answers to choose from");
    m = files_of(UN_TASK_VCR);
    setup = setup_of(&m, NULL);
    expect_ok(un_text_sink_open(&sink, out, &setup));
    struct un_text_record r = make_text(&t, &m, 0);
    t.targets.second_image = NULL;
    expect_ok(un_text_sink_add(sink, &r));
    r = make_text(&t, &m, 1);
    expect_error(un_text_sink_add(sink, &r), UN_DATA, out, "has a second image, other texts have none");
    r.targets = NULL;
    expect_error(un_text_sink_add(sink, &r), UN_INTERNAL, out, "no targets in a file of vcr");
    un_text_sink_close(sink);
}

/* Kinds that only some texts tell, and vcr with one image a text. */
static void test_optional_columns(void **state) {
    (void)state;
    struct make_files m = files_of(UN_TASK_VQA);
    for (int told = 0; told < 2; ++told) {
        struct un_text_sink_setup setup = setup_of(&m, NULL);
        struct un_text_sink *sink;
        struct un_h5 *file;
        struct text t;
        expect_ok(un_text_sink_open(&sink, out, &setup));
        for (int64_t i = 0; i < 4; ++i) {
            struct un_text_record r = make_text(&t, &m, i);
            if (i != 2 || !told) t.targets.kind = -1;
            expect_ok(un_text_sink_add(sink, &r));
        }
        expect_ok(un_text_sink_commit(sink));
        un_text_sink_close(sink);
        expect_ok(un_h5_open(&file, out, true));
        assert_int_equal(un_h5_exists(file, "answer_kind"), told);
        struct un_h5_shape shape;
        void *kinds = NULL;
        if (told) expect_ok(un_h5_read_all(file, "answer_kind", UN_U8, &shape, &kinds));
        if (told) assert_memory_equal(kinds, ((uint8_t[]){255, 255, 2, 255}), 4);
        un_free(kinds);
        un_h5_close(file);
        remove(out);
    }
}

static int set_up(void **state) {
    (void)state;
    static char paths[3][512];
    static const char *const names[] = {"made.img.h5", "made.txt.h5", "sink.txt.h5"};
    for (int i = 0; i < 3; ++i) snprintf(paths[i], sizeof paths[i], "%s", scratch(names[i]));
    img = paths[0];
    made = paths[1];
    out = paths[2];
    return 0;
}
static int tear_down(void **state) {
    (void)state;
    scratch_remove();
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),       cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_bad_targets),      cmocka_unit_test(test_bad_setups),
        cmocka_unit_test(test_optional_columns),
    };
    return cmocka_run_group_tests_name("targets in the text sink", tests, set_up, tear_down);
}
