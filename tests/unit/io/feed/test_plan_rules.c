/* The plan: validation, what it refuses, weights, digest, states it cannot have written. */
#include "tests/unit/io/feed/plan_case.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct un_sample samples[WORLD_SAMPLES];

/* Each lane: stream by stream, each of its texts once in file order, then n = 0 for ever. */
static void check_valid_lane(const struct world *world, const struct un_plan *plan, int64_t lane) {
    const struct un_dataset *d = world->datasets[0];
    int64_t first = un_dataset_image_text(d, un_dataset_lane_image(d, lane));
    int64_t texts = un_dataset_image_text(d, un_dataset_lane_image(d, lane + 1)) - first, n, n_streams,
            at = 0;
    struct un_lane_state state, before;
    un_plan_streams(plan, &n_streams);
    un_plan_start(plan, lane, &state);
    for (uint32_t step = 0;; ++step) {
        int64_t tokens = 0;
        before = state;
        world_check(un_plan_next(plan, step, lane, &state, samples, &n));
        if (n == 0) break;
        for (int64_t i = 0; i < n; ++i, ++at) {
            assert_int_equal(samples[i].stream, at / texts);
            assert_int_equal(samples[i].text, first + at % texts);
            tokens += un_plan_sample_tokens(plan, &samples[i]);
        }
        assert_in_range(tokens, 1, un_plan_keys(plan)->tokens_per_lane);
        assert_int_equal(state.pending, -1);
        struct un_lane_state again = before; /* and the same once more from the state before */
        struct un_sample copy = samples[n - 1];
        int64_t m;
        world_check(un_plan_next(plan, step, lane, &again, samples, &m));
        assert_true(m == n && samples[n - 1].image == copy.image &&
                    memcmp(&again, &state, sizeof state) == 0);
    }
    assert_int_equal(at, texts * n_streams);
    assert_memory_equal(&before, &state, sizeof state);
    for (int64_t s = 0; s < n_streams && texts > 0; ++s) {
        assert_int_equal(state.stream[s].epoch, 1);
        assert_int_equal(state.stream[s].position, 0);
    }
}

static void validation_is_one_pass(void **unused) {
    (void)unused;
    for (int64_t lanes = 1; lanes <= 9; lanes += 4) { /* 9 lanes of 6 images: some are empty */
        struct world world;
        open_world(&world, 6, lanes, true);
        struct un_plan_keys how = keys_default(lanes);
        struct un_plan *plan = open_plan(&world, &how, true);
        assert_true(un_plan_is_valid(plan));
        for (int64_t lane = 0; lane < lanes; ++lane) check_valid_lane(&world, plan, lane);
        un_plan_close(plan);
        world_close(&world);
    }
}

static void assert_refused(const struct world *world, const struct un_plan_keys *how, bool valid,
                           const char *word, const char *second) {
    struct un_plan *plan;
    assert_int_equal(un_plan_open(&plan, world->datasets, world->keys, world->n, how, valid), UN_USAGE);
    assert_null(plan);
    const char *text = un_error_get()->text;
    if (!strstr(text, word) || !strstr(text, second))
        fail_msg("\"%s\" without \"%s\" and \"%s\"", text, word, second);
    un_error_clear();
}

static void refuses(void **unused) {
    (void)unused;
    struct world world;
    struct world_spec spec = {.files = make_files_default(), .mix = {[UN_MLM] = 1}};
    spec.files.min_words = spec.files.max_words = 40;
    spec.files.min_regions = spec.files.max_regions = 30;
    world_open(&world, &spec, 1, 2, false);
    struct un_plan_keys how = keys_default(2);
    how.tokens_per_lane = 71;
    assert_refused(&world, &how, false, "tokens_per_lane is 71",
                   "72 tokens (longest text 40 + 2 special tokens + 30");
    how.tokens_per_lane = 72;
    un_plan_close(open_plan(&world, &how, false));
    world.keys[0].mix[UN_MRC] = -1;
    assert_refused(&world, &how, false, "data.train", "mrc");
    world.keys[0].mix[UN_MRC] = NAN;
    assert_refused(&world, &how, false, "data.train", "mrc");
    memset(world.keys[0].mix, 0, sizeof world.keys[0].mix);
    assert_refused(&world, &how, false, "data.train", "mix > 0");
    assert_refused(&world, &how, true, "data.valid", "mix > 0");
    world_close(&world);

    spec.files.min_words = spec.files.max_words = 482;
    spec.files.min_regions = spec.files.max_regions = 29;
    world_open(&world, &spec, 1, 2, false);
    how.tokens_per_lane = 4096;
    assert_refused(&world, &how, false, "513 tokens", "482");
    world_close(&world);
}

static void weights_are_shares(void **unused) {
    (void)unused;
    struct world world;
    double w[UN_OBJECTIVE_COUNT];
    struct world_spec specs[2] = {{.files = make_files_default(), .mix = {[UN_MLM] = 1, [UN_MRC] = 2}},
                                  {.files = make_files_default(), .mix = {[UN_MLM] = 4, [UN_ITM] = 1}}};
    specs[1].files.prefix = "other";
    world_open(&world, specs, 2, 2, false);
    struct un_plan_keys how = keys_default(2);
    struct un_plan *plan = open_plan(&world, &how, false);
    un_plan_weights(plan, w);
    assert_true(w[UN_MLM] == 0.125 + 0.5 && w[UN_MRC] == 0.25 && w[UN_ITM] == 0.125);
    assert_true(w[UN_MRFR] == 0 && w[UN_MRCKL] == 0);
    un_plan_close(plan);
    how.mixing = UN_MIXING_BATCH;
    plan = open_plan(&world, &how, false);
    un_plan_weights(plan, w);
    assert_true(w[UN_MLM] == 1 && w[UN_MRC] == 1 && w[UN_ITM] == 1 && w[UN_MRFR] == 0 && w[UN_MRCKL] == 0);
    un_plan_close(plan);
    world_close(&world);
}

static uint64_t digest_of(const struct world_spec *spec, const struct un_plan_keys *how) {
    struct world world;
    world_open(&world, spec, 1, how->lanes, false);
    struct un_plan *plan = open_plan(&world, how, false);
    uint64_t digest = un_plan_digest(plan);
    un_plan_close(plan);
    world_close(&world);
    return digest;
}

static void digest_covers_what_makes_the_plan(void **unused) {
    (void)unused;
    const struct world_spec base = {.files = make_files_default(), .mix = {[UN_MLM] = 1, [UN_ITM] = 3}};
    const struct un_plan_keys how = keys_default(2);
    uint64_t all[16];
    int n = 0;
    all[n++] = digest_of(&base, &how);
    assert_true(digest_of(&base, &how) == all[0]); /* another folder, so other file names */
    struct un_plan_keys k = how;
    k.seed = 8;
    assert_true(digest_of(&base, &k) == all[0]); /* compared by itself */
    all[n++] = digest_of(&base, (k = how, k.lanes = 3, &k));
    all[n++] = digest_of(&base, (k = how, k.tokens_per_lane = 61, &k));
    all[n++] = digest_of(&base, (k = how, k.mixing = UN_MIXING_BATCH, &k));
    all[n++] = digest_of(&base, (k = how, k.itm_neg_prob = 0.25, &k));
    all[n++] = digest_of(&base, (k = how, k.mlm_prob = 0.25, &k));
    all[n++] = digest_of(&base, (k = how, k.mrm_prob = 0.25, &k));
    all[n++] = digest_of(&base, (k = how, k.samples_per_lane = 1, &k));
    all[n++] = digest_of(&base, (k = how, k.mask = UN_MASK_BOTH, &k));
    struct world_spec s = base;
    all[n++] = digest_of((s = base, s.mix[UN_MLM] = 2, &s), &how);
    all[n++] = digest_of((s = base, s.mix[UN_MRFR] = 1, &s), &how);
    all[n++] = digest_of((s = base, s.files.images = 7, &s), &how);
    all[n++] = digest_of((s = base, s.files.texts_per_image = 3, &s), &how);
    all[n++] = digest_of((s = base, s.files.seed = 2, &s), &how); /* other lengths */
    all[n++] = digest_of((s = base, s.max_bb = 4, &s), &how);
    for (int i = 0; i < n; ++i)
        for (int j = 0; j < i; ++j)
            if (all[i] == all[j]) fail_msg("changes %d and %d have the same digest", i, j);
}

static void impossible_states_are_errors(void **unused) {
    (void)unused;
    struct world world;
    open_world(&world, 6, 2, false);
    struct un_plan_keys how = keys_default(2);
    struct un_plan *plan = open_plan(&world, &how, false);
    for (int kind = 0; kind < 5; ++kind) {
        struct un_lane_state state;
        int64_t n;
        un_plan_start(plan, 1, &state);
        if (kind == 0) state.pending = 2;
        if (kind == 1) state.pending = -2;
        if (kind == 2) state.stream[1].position = 6; /* the lane has 3 images with 2 texts */
        if (kind == 3) state.stream[0].position = -1;
        if (kind == 4) state.stream[1].epoch = -1;
        assert_int_equal(un_plan_next(plan, 1, 1, &state, samples, &n), UN_DATA);
        assert_int_equal(n, 0);
        assert_non_null(strstr(un_error_get()->text, "lane 1"));
        un_error_clear();
    }
    un_plan_close(plan);
    world_close(&world);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(validation_is_one_pass), cmocka_unit_test(refuses),
                                       cmocka_unit_test(weights_are_shares),
                                       cmocka_unit_test(digest_covers_what_makes_the_plan),
                                       cmocka_unit_test(impossible_states_are_errors)};
    return cmocka_run_group_tests_name("plan_rules", tests, NULL, NULL);
}
