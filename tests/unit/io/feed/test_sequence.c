/* The sequences of every task's samples: which words, which images, which types, in which order. */
#include "tests/unit/io/feed/task_case.h"

/* One sequence written down: parts, their types, those of the [SEP]s behind them; images and their types. */
struct expected {
    int n_parts, part[3], word_type[3], sep_type[3];
    int n_images;
    int64_t image[2];
    int region_type[2];
};

static void assert_sequence(const struct un_sequence *s, int64_t text, const struct expected *e) {
    assert_int_equal(s->text, text);
    assert_int_equal(s->n_parts, e->n_parts);
    for (int p = 0; p < e->n_parts; ++p) {
        assert_int_equal(s->part[p], e->part[p]);
        assert_int_equal(s->word_type[p], e->word_type[p]);
        assert_int_equal(s->sep_type[p], e->sep_type[p]);
    }
    assert_int_equal(s->n_images, e->n_images);
    for (int i = 0; i < e->n_images; ++i) {
        assert_int_equal(s->image[i], e->image[i]);
        assert_int_equal(s->region_type[i], e->region_type[i]);
    }
}

static void assert_pair(const struct un_sequence *s, int64_t text, int64_t image) {
    assert_sequence(s, text, &(struct expected){1, {-1}, {0}, {0}, 1, {image}, {1}});
}

/* The plan of objective t on its own data set, every text as a sample of the given variant. */
struct walk {
    struct world world;
    struct un_plan *plan;
    const struct un_dataset *d;
    int64_t texts;
    struct un_sequence out[UN_MAX_GROUP];
};

static void walk_open(struct walk *w, enum un_task task, enum un_objective t, bool evaluate) {
    struct world_spec spec = task_spec(task, t);
    struct un_plan_keys how = task_keys();
    how.evaluate = evaluate;
    how.tokens_per_lane = evaluate ? 1000 : how.tokens_per_lane;
    world_open(&w->world, &spec, 1, TASK_LANES, evaluate);
    w->plan = task_plan(&w->world, &how, evaluate);
    w->d = w->world.datasets[0];
    w->texts = un_dataset_info(w->d)->texts;
}

static void walk_close(struct walk *w) {
    un_plan_close(w->plan);
    world_close(&w->world);
}

static int sequences_of(struct walk *w, enum un_objective t, int64_t text, int variant) {
    const struct un_sample sample = {
        .objective = t, .text = text, .variant = variant, .image = un_dataset_text_image(w->d, text)};
    int64_t tokens = 0;
    int n = un_plan_sequences(w->plan, &sample, w->out);
    for (int i = 0; i < n; ++i)
        tokens += un_sequence_words(w->d, &w->out[i]) + un_sequence_regions(w->d, &w->out[i]);
    assert_int_equal(un_plan_sample_tokens(w->plan, &sample), tokens);
    return n;
}

static void one_text_one_image(void **state) {
    (void)state;
    const enum un_objective all[] = {UN_VQA, UN_VE, UN_RE, UN_RE_RANK, UN_MLM};
    for (size_t k = 0; k < sizeof all / sizeof *all; ++k) {
        struct walk w;
        walk_open(&w, task_of(all[k]), all[k], false);
        assert_int_equal(un_plan_types(w.plan), 2);
        for (int64_t text = 0; text < w.texts; ++text) {
            assert_int_equal(sequences_of(&w, all[k], text, 0), 1);
            assert_pair(&w.out[0], text, un_dataset_text_image(w.d, text));
            assert_int_equal(un_sequence_words(w.d, &w.out[0]), un_dataset_text_length(w.d, text) + 2);
        }
        walk_close(&w);
    }
}

static void statements_see_two_images(void **state) {
    (void)state;
    for (int t = UN_NLVR2_TRIPLET; t <= UN_NLVR2_ATTN; ++t) {
        struct walk w;
        walk_open(&w, UN_TASK_NLVR2, (enum un_objective)t, false);
        assert_int_equal(un_plan_types(w.plan), 3);
        for (int64_t text = 0; text < w.texts; ++text) {
            int64_t left = un_dataset_text_image(w.d, text), right = un_dataset_text_second(w.d, text);
            int n = sequences_of(&w, (enum un_objective)t, text, 0);
            const struct expected both = {1, {-1}, {0}, {0}, 2, {left, right}, {1, 2}};
            const struct expected one[2] = {{1, {-1}, {0}, {0}, 1, {left}, {1}},
                                            {1, {-1}, {0}, {0}, 1, {right}, {2}}};
            assert_int_equal(n, t == UN_NLVR2_TRIPLET ? 1 : 2);
            for (int i = 0; i < n; ++i) assert_sequence(&w.out[i], text, n == 1 ? &both : &one[i]);
            assert_int_equal(un_sequence_regions(w.d, &w.out[0]),
                             un_dataset_image_regions(w.d, left) +
                                 (n == 1 ? un_dataset_image_regions(w.d, right) : 0));
        }
        walk_close(&w);
    }
}

static void assert_answer(const struct walk *w, const struct un_sequence *s, int64_t text, int answer) {
    assert_sequence(
        s, text,
        &(struct expected){2,
                           {-1, answer},
                           {0, 2},
                           {2, 2},
                           2,
                           {un_dataset_text_image(w->d, text), un_dataset_text_second(w->d, text)},
                           {1, 1}});
}

static void assert_rationale(const struct walk *w, const struct un_sequence *s, int64_t text, int answer,
                             int rationale) {
    assert_sequence(
        s, text,
        &(struct expected){3,
                           {-1, answer, 4 + rationale},
                           {0, 2, 3},
                           {2, 3, 3},
                           2,
                           {un_dataset_text_image(w->d, text), un_dataset_text_second(w->d, text)},
                           {1, 1}});
}

/* A [SEP] has the type of the part after it, the last one that of the last part. */
static void choices_of_an_answer_and_of_a_rationale(void **state) {
    (void)state;
    struct walk w;
    walk_open(&w, UN_TASK_VCR, UN_VCR, false);
    assert_int_equal(un_plan_types(w.plan), 4);
    for (int64_t text = 0; text < w.texts; ++text) {
        int answer = un_dataset_text_label(w.d, text), rationale = un_dataset_text_rationale(w.d, text);
        for (int variant = 0; variant < 2; ++variant) {
            const struct un_sample sample = {.objective = UN_VCR, .text = text, .variant = variant};
            assert_int_equal(sequences_of(&w, UN_VCR, text, variant), 4);
            for (int c = 0; c < 4; ++c) {
                if (variant == 0) assert_answer(&w, &w.out[c], text, c);
                if (variant == 1) assert_rationale(&w, &w.out[c], text, answer, c);
                assert_int_equal(un_plan_choice(w.plan, &sample, c), c == (variant ? rationale : answer));
            }
        }
        assert_int_equal(un_sequence_words(w.d, &w.out[1]),
                         4 + un_dataset_text_length(w.d, text) +
                             un_dataset_text_part_length(w.d, text, answer) +
                             un_dataset_text_part_length(w.d, text, 5));
    }
    walk_close(&w);
}

static void evaluation_asks_all_twenty(void **state) {
    (void)state;
    struct walk w;
    walk_open(&w, UN_TASK_VCR, UN_VCR, true);
    for (int64_t text = 0; text < w.texts; ++text) {
        const struct un_sample sample = {.objective = UN_VCR, .text = text};
        int answer = un_dataset_text_label(w.d, text), rationale = un_dataset_text_rationale(w.d, text);
        int known = 0;
        assert_int_equal(sequences_of(&w, UN_VCR, text, 0), 20);
        for (int i = 0; i < 20; ++i) {
            int32_t right = un_plan_choice(w.plan, &sample, i);
            known += right >= 0;
            if (i < 4) assert_answer(&w, &w.out[i], text, i);
            if (i < 4) assert_int_equal(right, i == answer);
            if (i < 4) continue;
            assert_rationale(&w, &w.out[i], text, i / 4 - 1, i % 4);
            assert_int_equal(right, i / 4 - 1 != answer ? -1 : i % 4 == rationale);
        }
        assert_int_equal(known, 8);
    }
    walk_close(&w);
}

/* Pretraining on questions: all three parts in one, and a [SEP] has the type of the part before it. */
static void second_stage_reads_what_is_right(void **state) {
    (void)state;
    for (int t = UN_MLM; t <= UN_MRCKL; ++t) {
        struct walk w;
        walk_open(&w, UN_TASK_VCR, (enum un_objective)t, false);
        assert_int_equal(un_plan_types(w.plan), 4);
        for (int64_t text = 0; text < w.texts; ++text) {
            struct expected e = {
                3,         {-1, un_dataset_text_label(w.d, text), 4 + un_dataset_text_rationale(w.d, text)},
                {0, 2, 3}, {0, 2, 3},
                2,         {un_dataset_text_image(w.d, text), un_dataset_text_second(w.d, text)},
                {1, 1}};
            assert_int_equal(sequences_of(&w, (enum un_objective)t, text, 0), 1);
            assert_sequence(&w.out[0], text, &e);
        }
        walk_close(&w);
    }
}

static void a_true_pair_then_its_negatives(void **state) {
    (void)state;
    struct walk w;
    walk_open(&w, UN_TASK_RETRIEVAL, UN_ITM_RANK, false);
    const struct un_sample sample = {.objective = UN_ITM_RANK, .text = 4, .image = 1, .other = {3, 22}};
    assert_int_equal(un_plan_sequences(w.plan, &sample, w.out), 3);
    assert_pair(&w.out[0], 4, 1);
    assert_pair(&w.out[1], 4, 3);
    assert_pair(&w.out[2], 22, 1);
    walk_close(&w);
    walk_open(&w, UN_TASK_RETRIEVAL, UN_ITM_HARD, false);
    assert_int_equal(sequences_of(&w, UN_ITM_HARD, 4, 1), 0);
    walk_close(&w);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(one_text_one_image),
                                       cmocka_unit_test(statements_see_two_images),
                                       cmocka_unit_test(choices_of_an_answer_and_of_a_rationale),
                                       cmocka_unit_test(evaluation_asks_all_twenty),
                                       cmocka_unit_test(second_stage_reads_what_is_right),
                                       cmocka_unit_test(a_true_pair_then_its_negatives)};
    return cmocka_run_group_tests_name("sequence", tests, NULL, NULL);
}
