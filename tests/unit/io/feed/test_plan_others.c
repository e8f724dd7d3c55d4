/* Other images and other texts of a plan: never a pair's own, each once, all equally often, from the lane's
 * part as long as it has enough. Bounds are six sigma at fixed seeds. */
#include "tests/unit/io/feed/task_case.h"

#include <math.h>

static struct un_sample samples[WORLD_SAMPLES];

struct counts {
    double image[16][16], text[16][64], image_all, text_all; /* by the pair's own image */
};

static bool is_caption(const struct un_dataset *d, int64_t text, int64_t image) {
    return un_dataset_text_image(d, text) == image;
}

static void assert_different(const int64_t *list, int64_t n) {
    for (int64_t i = 0; i < n; ++i)
        for (int64_t j = 0; j < i; ++j) assert_true(list[i] != list[j]);
}

/* The k other images and the k other texts of a true pair. */
static void count_sample(const struct un_dataset *d, const struct un_sample *s, int64_t k, struct counts *c) {
    const int64_t *images = s->other, *texts = s->other + k;
    assert_int_equal(s->image, un_dataset_text_image(d, s->text));
    assert_different(images, k);
    assert_different(texts, k);
    for (int64_t i = 0; i < k; ++i) {
        assert_true(images[i] != s->image);
        assert_false(is_caption(d, texts[i], s->image));
        c->image[s->image][images[i]] += 1;
        c->text[s->image][texts[i]] += 1;
        c->image_all += 1;
        c->text_all += 1;
    }
}

static void count_lane(const struct un_plan *plan, const struct un_dataset *d, int64_t lane, uint32_t steps,
                       struct counts *c) {
    struct un_lane_state state;
    int64_t n;
    *c = (struct counts){0};
    un_plan_start(plan, lane, &state);
    for (uint32_t step = 1; step <= steps; ++step) {
        world_check(un_plan_next(plan, step, lane, &state, samples, &n));
        for (int64_t i = 0; i < n; ++i) count_sample(d, &samples[i], un_plan_keys(plan)->negatives, c);
    }
}

static void assert_even(double count, double expected) {
    if (fabs(count - expected) > 6 * sqrt(expected)) fail_msg("%.0f where %.0f are due", count, expected);
}

/* Images [begin, end), each with three texts, are met equally often by every image of the lane. */
static void check_even(const struct un_dataset *d, const struct counts *c, int64_t lane, int64_t begin,
                       int64_t end) {
    int64_t first = un_dataset_lane_image(d, lane), last = un_dataset_lane_image(d, lane + 1);
    double own = (double)(last - first), images = (double)(end - begin - 1), met = 0;
    for (int64_t i = first; i < last; ++i)
        for (int64_t other = begin; other < end; ++other) {
            if (other == i) continue;
            met += c->image[i][other];
            assert_even(c->image[i][other], c->image_all / own / images);
            for (int64_t t = 3 * other; t < 3 * other + 3; ++t)
                assert_even(c->text[i][t], c->text_all / own / images / 3);
        }
    assert_true(met == c->image_all); /* none from elsewhere */
}

static void even_in_the_lanes_part(void **unused) {
    (void)unused;
    for (int64_t k = 1; k <= 3; k += 2) {
        struct world world;
        struct counts c;
        struct world_spec spec = task_spec(UN_TASK_RETRIEVAL, UN_ITM_RANK);
        struct un_plan_keys how = task_keys();
        how.negatives = k;
        world_open(&world, &spec, 1, TASK_LANES, false);
        struct un_plan *plan = task_plan(&world, &how, false);
        for (int64_t lane = 0; lane < TASK_LANES; ++lane) { /* four images each */
            count_lane(plan, world.datasets[0], lane, 3000, &c);
            check_even(world.datasets[0], &c, lane, 4 * lane, 4 * lane + 4);
        }
        un_plan_close(plan);
        world_close(&world);
    }
}

/* Four others of a lane of four images: from all. */
static void even_among_all_where_the_lane_has_too_few(void **unused) {
    (void)unused;
    struct world world;
    struct counts c;
    struct world_spec spec = task_spec(UN_TASK_NONE, UN_ITM_RANK);
    struct un_plan_keys how = task_keys();
    how.negatives = 4;
    spec.files.texts_per_image = 3;
    world_open(&world, &spec, 1, TASK_LANES, false);
    struct un_plan *plan = task_plan(&world, &how, false);
    count_lane(plan, world.datasets[0], 1, 3000, &c);
    double met = 0, expected = c.image_all / 4 / 11;
    for (int64_t i = 4; i < 8; ++i)
        for (int64_t other = 0; other < 12; ++other) {
            met += c.image[i][other];
            if (other != i) assert_even(c.image[i][other], expected);
        }
    assert_true(met == c.image_all);
    un_plan_close(plan);
    world_close(&world);
}

/* The index of other lanes stays where samples reach into it. */
static void kept_plans_draw_the_same(void **unused) {
    (void)unused;
    const enum un_objective all[] = {UN_ITM_RANK, UN_ITM_HARD, UN_NLVR2_PAIR, UN_VCR};
    for (size_t k = 0; k < sizeof all / sizeof *all; ++k)
        for (int64_t negatives = 1; negatives <= 4; negatives += 3) {
            struct world world;
            struct world_spec spec = task_spec(task_of(all[k]), all[k]);
            struct un_plan_keys how = task_keys();
            struct un_lane_state state, kept;
            static struct un_sample again[WORLD_SAMPLES];
            int64_t n, m;
            how.negatives = negatives;
            world_open(&world, &spec, 1, TASK_LANES, false);
            struct un_plan *plan = task_plan(&world, &how, false);
            un_plan_start(plan, 1, &state);
            un_plan_start(plan, 1, &kept);
            uint64_t digest = un_plan_digest(plan);
            world_check(un_plan_next(plan, 1, 1, &state, samples, &n));
            int64_t tokens = un_plan_sample_tokens(plan, &samples[n - 1]);
            world_check(un_plan_keep(plan, 1, 2));
            world_check(un_plan_next(plan, 1, 1, &kept, again, &m));
            assert_int_equal(n, m);
            assert_memory_equal(samples, again, (size_t)n * sizeof *again);
            assert_int_equal(un_plan_sample_tokens(plan, &again[n - 1]), tokens);
            assert_true(un_plan_digest(plan) == digest);
            un_plan_close(plan);
            world_close(&world);
        }
}

/* Candidates of a group: other texts for an image (variant 0), other images for a text. */
static void candidates_are_others(void **unused) {
    (void)unused;
    struct world world;
    struct world_spec spec = task_spec(UN_TASK_RETRIEVAL, UN_ITM_HARD);
    const struct un_plan_keys how = task_keys();
    struct un_lane_state state;
    double met[2][36] = {{0}}, drawn[2] = {0};
    int64_t n, list[40], fewer[40];
    world_open(&world, &spec, 1, TASK_LANES, false);
    const struct un_dataset *d = world.datasets[0];
    struct un_plan *plan = task_plan(&world, &how, false);
    un_plan_start(plan, 2, &state);
    for (uint32_t step = 1; step <= 3600; ++step) {
        world_check(un_plan_next(plan, step, 2, &state, samples, &n));
        for (int v = 0; v < 2; ++v) {
            int64_t count = v == 0 ? 5 : 2; /* the lane has 9 other texts and 3 other images */
            world_check(un_plan_candidates(plan, &samples[v], count, list));
            world_check(un_plan_candidates(plan, &samples[v], count - 1, fewer));
            assert_memory_equal(list, fewer, (size_t)(count - 1) * sizeof *list);
            assert_different(list, count);
            for (int64_t i = 0; i < count; ++i, ++drawn[v]) {
                ++met[v][list[i]];
                assert_false(v == 0 ? is_caption(d, list[i], samples[v].image) : list[i] == samples[v].image);
            }
        }
    }
    for (int64_t text = 0; text < 36; ++text) assert_even(met[0][text], text >= 24 ? drawn[0] / 12 : 0);
    for (int64_t image = 0; image < 12; ++image) assert_even(met[1][image], image >= 8 ? drawn[1] / 4 : 0);
    un_plan_close(plan);
    world_close(&world);
}

static void candidates_from_all_and_too_many(void **unused) {
    (void)unused;
    struct world world;
    struct world_spec spec = task_spec(UN_TASK_RETRIEVAL, UN_ITM_HARD);
    const struct un_plan_keys how = task_keys();
    struct un_lane_state state;
    int64_t n, list[40], of_lane = 0;
    world_open(&world, &spec, 1, TASK_LANES, false);
    struct un_plan *plan = task_plan(&world, &how, false);
    un_plan_start(plan, 2, &state);
    world_check(un_plan_next(plan, 1, 2, &state, samples, &n));
    world_check(un_plan_candidates(plan, &samples[0], 33, list)); /* all of them */
    assert_different(list, 33);
    for (int64_t i = 0; i < 33; ++i) of_lane += list[i] >= 24;
    assert_int_equal(of_lane, 9);
    assert_int_equal(un_plan_candidates(plan, &samples[0], 34, list), UN_USAGE);
    assert_non_null(strstr(un_error_get()->text, "there are 33"));
    un_error_clear();
    assert_int_equal(un_plan_candidates(plan, &samples[1], 12, list), UN_USAGE);
    assert_non_null(strstr(un_error_get()->text, "there are 11"));
    un_error_clear();
    un_plan_close(plan);
    world_close(&world);
}

static void too_few_of_all_are_refused(void **unused) {
    (void)unused;
    struct world world;
    struct world_spec spec = task_spec(UN_TASK_NONE, UN_ITM_RANK);
    struct un_plan_keys how = task_keys();
    struct un_plan *plan;
    how.lanes = 1;
    spec.files.images = 4;
    world_open(&world, &spec, 1, 1, false);
    for (how.negatives = 0; how.negatives <= 5; ++how.negatives) {
        enum un_status status = un_plan_open(&plan, world.datasets, world.keys, 1, &how, false);
        assert_int_equal(status, how.negatives >= 1 && how.negatives <= 3 ? UN_OK : UN_USAGE);
        if (status != UN_OK)
            assert_non_null(
                strstr(un_error_get()->text, how.negatives == 4 ? "4 images" : "train.negatives"));
        un_error_clear();
        un_plan_close(plan);
    }
    world_close(&world);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(even_in_the_lanes_part),
                                       cmocka_unit_test(even_among_all_where_the_lane_has_too_few),
                                       cmocka_unit_test(kept_plans_draw_the_same),
                                       cmocka_unit_test(candidates_are_others),
                                       cmocka_unit_test(candidates_from_all_and_too_many),
                                       cmocka_unit_test(too_few_of_all_are_refused)};
    return cmocka_run_group_tests_name("plan_others", tests, NULL, NULL);
}
