/* The plan of tasks: groups are whole, every sample comes once an epoch, what is refused, digests. */
#include "tests/unit/io/feed/task_case.h"

static struct un_sample samples[WORLD_SAMPLES];

static int64_t variants_of(enum un_objective t) {
    return t == UN_VCR || t == UN_ITM_HARD ? 2 : 1;
}

/* Texts of a lane; the first of them in *first. */
static int64_t lane_texts(const struct un_dataset *d, int64_t lane, int64_t *first) {
    *first = un_dataset_image_text(d, un_dataset_lane_image(d, lane));
    return un_dataset_image_text(d, un_dataset_lane_image(d, lane + 1)) - *first;
}

/* Tokens as the plan counts them are those of whole groups, and the budget holds. */
static void check_budget(const struct un_plan *plan, const struct un_dataset *d, int64_t n) {
    int64_t tokens = 0;
    for (int64_t i = 0; i < n; ++i) {
        struct un_sequence out[UN_MAX_GROUP];
        int group = un_plan_sequences(plan, &samples[i], out);
        for (int s = 0; s < group; ++s)
            tokens += un_sequence_words(d, &out[s]) + un_sequence_regions(d, &out[s]);
    }
    assert_in_range(tokens, 0, un_plan_keys(plan)->tokens_per_lane);
    assert_in_range(n, 1, un_plan_max_samples(plan));
}

/* Three epochs of a lane: in each, every (text, variant) once. */
static void check_epochs(const struct un_plan *plan, const struct un_dataset *d, enum un_objective t,
                         int64_t lane) {
    struct un_lane_state state;
    int64_t first, texts = lane_texts(d, lane, &first), n, taken = 0, seen[2][64] = {{0}};
    int64_t epoch = texts * variants_of(t);
    un_plan_start(plan, lane, &state);
    for (uint32_t step = 1; taken < 3 * epoch; ++step) {
        world_check(un_plan_next(plan, step, lane, &state, samples, &n));
        check_budget(plan, d, n);
        for (int64_t i = 0; i < n; ++i, ++taken) {
            const struct un_sample *s = &samples[i];
            assert_in_range(s->text - first, 0, texts - 1);
            assert_in_range(s->variant, 0, variants_of(t) - 1);
            assert_int_equal(s->image, un_dataset_text_image(d, s->text));
            assert_false(s->false_pair);
            assert_int_equal(seen[s->variant][s->text - first]++, taken / epoch);
        }
        assert_int_equal(state.stream[0].epoch * epoch + state.stream[0].position, taken);
    }
}

static void every_sample_once_an_epoch(void **unused) {
    (void)unused;
    for (int t = UN_VQA; t < UN_OBJECTIVE_COUNT; ++t) {
        struct world world;
        struct world_spec spec = task_spec(task_of((enum un_objective)t), (enum un_objective)t);
        world_open(&world, &spec, 1, TASK_LANES, false);
        for (int mixing = UN_MIXING_SAMPLE; mixing <= UN_MIXING_BATCH; ++mixing) {
            struct un_plan_keys how = task_keys();
            how.mixing = mixing;
            struct un_plan *plan = task_plan(&world, &how, false);
            for (int64_t lane = 0; lane < TASK_LANES; ++lane)
                check_epochs(plan, world.datasets[0], (enum un_objective)t, lane);
            un_plan_close(plan);
        }
        world_close(&world);
    }
}

/* A validation, evaluated or not: every text of every lane in order, vcr both ways if it is not evaluated. */
static void validation_is_one_pass(void **unused) {
    (void)unused;
    for (int k = 0; k < 2 * (UN_OBJECTIVE_COUNT - UN_VQA); ++k) {
        enum un_objective t = (enum un_objective)(UN_VQA + k / 2);
        struct world world;
        struct world_spec spec = task_spec(task_of(t), t);
        struct un_plan_keys how = task_keys();
        int64_t texts = 0, variants = t == UN_VCR && k % 2 == 0 ? 2 : 1, n;
        how.evaluate = k % 2;
        how.tokens_per_lane = 800;
        world_open(&world, &spec, 1, TASK_LANES, true);
        struct un_plan *plan = task_plan(&world, &how, true);
        for (int64_t lane = 0, at = 0; lane < TASK_LANES; ++lane) {
            struct un_lane_state state;
            un_plan_start(plan, lane, &state);
            for (uint32_t step = 0;; ++step) {
                world_check(un_plan_next(plan, step, lane, &state, samples, &n));
                if (n == 0) break;
                check_budget(plan, world.datasets[0], n);
                for (int64_t i = 0; i < n; ++i, ++at) {
                    assert_int_equal(samples[i].text, at / variants);
                    assert_int_equal(samples[i].variant, at % variants);
                    struct un_sequence out[UN_MAX_GROUP];
                    assert_in_range(un_plan_sequences(plan, &samples[i], out), 1, UN_MAX_GROUP);
                }
            }
            texts = at / variants;
        }
        assert_int_equal(texts, un_dataset_info(world.datasets[0])->texts);
        un_plan_close(plan);
        world_close(&world);
    }
}

/* One image with texts and one text with images, each step; and the two go their own ways. */
static void mining_gets_one_of_each(void **unused) {
    (void)unused;
    struct world world;
    struct world_spec spec = task_spec(UN_TASK_RETRIEVAL, UN_ITM_HARD);
    struct un_plan_keys how = task_keys();
    struct un_lane_state state;
    int64_t n, same = 0;
    world_open(&world, &spec, 1, TASK_LANES, false);
    how.samples_per_lane = 1;
    struct un_plan *plan = task_plan(&world, &how, false);
    un_plan_start(plan, 1, &state);
    for (uint32_t step = 1; step <= 60; ++step) {
        world_check(un_plan_next(plan, step, 1, &state, samples, &n));
        assert_int_equal(n, 2);
        for (int i = 0; i < 2; ++i) assert_int_equal(samples[i].variant, i);
        assert_true(samples[0].key != samples[1].key);
        same += samples[0].text == samples[1].text;
    }
    assert_in_range(same, 1, 20);
    un_plan_close(plan);
    world_close(&world);
}

static void a_number_of_samples_ends_a_micro_batch(void **unused) {
    (void)unused;
    struct world world;
    struct world_spec spec = task_spec(UN_TASK_RE, UN_RE);
    struct un_plan_keys how = task_keys();
    world_open(&world, &spec, 1, TASK_LANES, false);
    how.samples_per_lane = 5;
    for (int valid = 0; valid < 2; ++valid) {
        struct un_plan *plan = task_plan(&world, &how, valid);
        struct un_lane_state state;
        int64_t n;
        un_plan_start(plan, 0, &state);
        world_check(un_plan_next(plan, 1, 0, &state, samples, &n));
        assert_int_equal(n, 5);
        assert_int_equal(state.stream[0].position, 5);
        assert_int_equal(state.pending, -1);
        un_plan_close(plan);
    }
    world_close(&world);
}

static void assert_refused(const struct world *world, const struct un_plan_keys *how, bool valid,
                           enum un_status status, const char *word, const char *second) {
    struct un_plan *plan;
    assert_int_equal(un_plan_open(&plan, world->datasets, world->keys, world->n, how, valid), status);
    assert_null(plan);
    const char *text = un_error_get()->text;
    if (!strstr(text, word) || !strstr(text, second))
        fail_msg("\"%s\" without \"%s\" and \"%s\"", text, word, second);
    un_error_clear();
}

/* No task serves another's objective; captions and retrieval are the same texts. */
static void texts_of_another_task_are_refused(void **unused) {
    (void)unused;
    struct un_plan_keys how = task_keys();
    how.tokens_per_lane = 1000;
    for (int i = UN_TASK_NONE; i < UN_TASKS; ++i) {
        enum un_task task = (enum un_task)i;
        struct world world;
        struct world_spec spec = task_spec(task, UN_MLM);
        world_open(&world, &spec, 1, TASK_LANES, false);
        for (int t = UN_ITM; t < UN_OBJECTIVE_COUNT; ++t) {
            enum un_task needs = task_of((enum un_objective)t);
            bool fits = t == UN_ITM ? task != UN_TASK_VCR
                                    : task == needs || (needs == UN_TASK_RETRIEVAL && task == UN_TASK_NONE);
            memset(world.keys[0].mix, 0, sizeof world.keys[0].mix);
            world.keys[0].mix[t] = 1;
            if (fits)
                un_plan_close(task_plan(&world, &how, false));
            else
                assert_refused(&world, &how, false, UN_USAGE, un_task_names[task], un_objective_names[t]);
        }
        world_close(&world);
    }
}

/* Texts without targets cannot be trained on, but validated. */
static void unknown_targets_are_refused_in_training(void **unused) {
    (void)unused;
    const enum un_objective all[] = {UN_VE, UN_NLVR2_ATTN, UN_VCR, UN_MLM, UN_RE, UN_RE_RANK};
    for (size_t k = 0; k < sizeof all / sizeof *all; ++k) {
        struct world world;
        struct world_spec spec = task_spec(all[k] == UN_MLM ? UN_TASK_VCR : task_of(all[k]), all[k]);
        struct un_plan_keys how = task_keys();
        spec.files.no_labels = true;
        world_open(&world, &spec, 1, TASK_LANES, false);
        assert_refused(&world, &how, false, UN_DATA, un_dataset_text_id(world.datasets[0], 0),
                       un_objective_names[all[k]]);
        un_plan_close(task_plan(&world, &how, true));
        world_close(&world);
    }
}

static void groups_that_cannot_fit_are_refused(void **unused) {
    (void)unused;
    const enum un_objective all[] = {UN_NLVR2_TRIPLET, UN_NLVR2_PAIR, UN_VCR, UN_ITM_RANK};
    const int64_t tokens[] = {42 + 60, 2 * (42 + 30), 0, 3 * (42 + 30)};
    for (size_t k = 0; k < sizeof all / sizeof *all; ++k) {
        struct world world;
        struct world_spec spec = task_spec(task_of(all[k]), all[k]);
        struct un_plan_keys how = task_keys();
        char said[32];
        spec.files.min_words = spec.files.max_words = 40;
        spec.files.min_regions = spec.files.max_regions = 30;
        world_open(&world, &spec, 1, TASK_LANES, false);
        how.tokens_per_lane = tokens[k] > 0 ? tokens[k] - 1 : 4 * 103;
        snprintf(said, sizeof said, "%lld tokens", (long long)tokens[k]);
        assert_refused(&world, &how, false, UN_USAGE, "tokens_per_lane is ",
                       tokens[k] > 0 ? said : "together");
        how.tokens_per_lane = tokens[k] > 0 ? tokens[k] : 1000;
        struct un_plan *plan = task_plan(&world, &how, false);
        struct un_plan_extent extent = un_plan_extent(plan);
        if (tokens[k] > 0) assert_int_equal(extent.most_sample, tokens[k]);
        assert_in_range(extent.most_sample, extent.most_words + extent.most_regions, how.tokens_per_lane);
        un_plan_close(plan);
        world_close(&world);
    }
    struct world world;
    struct world_spec spec = task_spec(UN_TASK_NLVR2, UN_NLVR2_TRIPLET);
    struct un_plan_keys how = task_keys();
    spec.files.min_words = spec.files.max_words = 11;
    spec.files.min_regions = spec.files.max_regions = 250;
    how.tokens_per_lane = 4096;
    world_open(&world, &spec, 1, TASK_LANES, false);
    assert_refused(&world, &how, false, UN_USAGE, "513 tokens", "512 at most");
    world_close(&world);
}

static void mining_takes_whole_micro_batches(void **unused) {
    (void)unused;
    struct world world;
    struct world_spec spec = task_spec(UN_TASK_NONE, UN_ITM_HARD);
    struct un_plan_keys how = task_keys();
    spec.mix[UN_MLM] = 2;
    world_open(&world, &spec, 1, TASK_LANES, false);
    assert_refused(&world, &how, false, UN_USAGE, "itm_hard", "train.mixing");
    how.mixing = UN_MIXING_BATCH;
    struct un_plan *plan = task_plan(&world, &how, false);
    struct un_lane_state state;
    int64_t n, mined = 0;
    un_plan_start(plan, 0, &state);
    for (uint32_t step = 1; step <= 200; ++step) {
        world_check(un_plan_next(plan, step, 0, &state, samples, &n));
        for (int64_t i = 1; i < n; ++i) assert_int_equal(samples[i].objective, samples[0].objective);
        if (samples[0].objective == UN_ITM_HARD) assert_int_equal(n, 2);
        mined += samples[0].objective == UN_ITM_HARD;
    }
    assert_in_range(mined, 40, 95);
    un_plan_close(plan);
    world_close(&world);
}

static uint64_t digest_of(const struct world_spec *spec, const struct un_plan_keys *how) {
    struct world world;
    world_open(&world, spec, 1, how->lanes, false);
    struct un_plan *plan = task_plan(&world, how, false);
    uint64_t digest = un_plan_digest(plan);
    un_plan_close(plan);
    world_close(&world);
    return digest;
}

static void digests_cover_tasks_and_leave_others_alone(void **unused) {
    (void)unused;
    struct world_spec captions = {.files = make_files_default(), .mix = {[UN_MLM] = 1, [UN_ITM] = 3}};
    const struct un_plan_keys before = {.lanes = 2,
                                        .tokens_per_lane = 60,
                                        .itm_neg_prob = 0.5,
                                        .mlm_prob = 0.15,
                                        .mrm_prob = 0.15,
                                        .seed = 7};
    struct un_plan_keys k = task_keys();
    /* As written by the checkpoints of versions that knew no tasks. */
    assert_true(digest_of(&captions, &before) == 0x23b7bfaf454a3a9a);
    k.lanes = 2, k.tokens_per_lane = 60;
    assert_true(digest_of(&captions, &k) == 0x23b7bfaf454a3a9a);
    const struct un_plan_keys how = task_keys();
    struct world_spec s = task_spec(UN_TASK_RETRIEVAL, UN_ITM_RANK);
    uint64_t all[16];
    int n = 0;
    all[n++] = digest_of(&s, &how);
    all[n++] = digest_of(&s, (k = how, k.negatives = 2, &k));
    s = task_spec(UN_TASK_NONE, UN_ITM_RANK);
    all[n++] = digest_of(&s, &how);
    s = task_spec(UN_TASK_RE, UN_RE_RANK);
    all[n++] = digest_of(&s, &how);
    all[n++] = digest_of(&s, (k = how, k.hard_ratio = 0.5, &k));
    all[n++] = digest_of(&s, (k = how, k.samples_per_lane = 3, &k));
    for (int t = UN_NLVR2_TRIPLET; t <= UN_VCR; ++t) {
        s = task_spec(task_of((enum un_objective)t), (enum un_objective)t);
        all[n++] = digest_of(&s, &how);
    }
    for (int i = 0; i < n; ++i)
        for (int j = 0; j < i; ++j)
            if (all[i] == all[j]) fail_msg("changes %d and %d have the same digest", i, j);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_sample_once_an_epoch),
                                       cmocka_unit_test(validation_is_one_pass),
                                       cmocka_unit_test(mining_gets_one_of_each),
                                       cmocka_unit_test(a_number_of_samples_ends_a_micro_batch),
                                       cmocka_unit_test(texts_of_another_task_are_refused),
                                       cmocka_unit_test(unknown_targets_are_refused_in_training),
                                       cmocka_unit_test(groups_that_cannot_fit_are_refused),
                                       cmocka_unit_test(mining_takes_whole_micro_batches),
                                       cmocka_unit_test(digests_cover_tasks_and_leave_others_alone)};
    return cmocka_run_group_tests_name("plan_tasks", tests, NULL, NULL);
}
