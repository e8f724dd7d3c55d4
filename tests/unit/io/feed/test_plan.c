/* The plan of training: shares, the pending rule, lanes on their own, resuming. */
#include "io/feed/plan.h"
#include "tests/support/world.h"
#include "tests/unit/io/feed/chi_square.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static struct un_sample samples[WORLD_SAMPLES];

static struct un_plan_keys keys_default(void) {
    return (struct un_plan_keys){.lanes = 3,
                                 .tokens_per_lane = 90,
                                 .mixing = UN_MIXING_SAMPLE,
                                 .itm_neg_prob = 0.5,
                                 .mlm_prob = 0.15,
                                 .mrm_prob = 0.15,
                                 .seed = 42};
}

/* Two data sets, nine streams, long and short samples. */
static void open_two(struct world *world, int64_t lanes) {
    struct world_spec specs[2] = {
        {.files = make_files_default(),
         .mix = {[UN_MLM] = 8, [UN_MRFR] = 4, [UN_MRC] = 1, [UN_MRCKL] = 4, [UN_ITM] = 6}},
        {.files = make_files_default(),
         .mix = {[UN_MLM] = 3, [UN_MRFR] = 2, [UN_MRCKL] = 0.5, [UN_ITM] = 9}}};
    specs[0].files.images = 17;
    specs[1].files.prefix = "vg";
    specs[1].files.images = 11;
    specs[1].files.texts_per_image = 5;
    specs[1].files.seed = 2;
    specs[1].files.max_regions = 31;
    specs[1].files.max_words = 25;
    world_open(world, specs, 2, lanes, false);
}

static struct un_plan *open_plan(struct world *world, const struct un_plan_keys *how) {
    struct un_plan *plan;
    world_check(un_plan_open(&plan, world->datasets, world->keys, world->n, how, false));
    assert_true(un_plan_max_samples(plan) <= WORLD_SAMPLES);
    return plan;
}

/* Runs a lane until every stream has gone through `epochs` epochs; each epoch must hold each text of the lane
 * once. */
static void check_epochs(const struct world *world, const struct un_plan *plan, int64_t lane,
                         int64_t epochs) {
    static int64_t seen[UN_MAX_STREAMS][256], taken[UN_MAX_STREAMS];
    struct un_lane_state state;
    int64_t n_streams, n, ready = 0;
    const struct un_stream *streams = un_plan_streams(plan, &n_streams);
    memset(seen, 0, sizeof seen);
    memset(taken, 0, sizeof taken);
    un_plan_start(plan, lane, &state);
    for (uint32_t step = 1; ready < n_streams; ++step) {
        world_check(un_plan_next(plan, step, lane, &state, samples, &n));
        assert_true(n > 0);
        for (int64_t i = 0; i < n; ++i) {
            int s = samples[i].stream;
            const struct un_dataset *d = world->datasets[streams[s].dataset];
            int64_t first = un_dataset_image_text(d, un_dataset_lane_image(d, lane));
            int64_t texts = un_dataset_image_text(d, un_dataset_lane_image(d, lane + 1)) - first;
            assert_int_equal(samples[i].dataset, streams[s].dataset);
            assert_int_equal(samples[i].objective, streams[s].objective);
            assert_in_range(samples[i].text - first, 0, texts - 1);
            assert_int_equal(seen[s][samples[i].text - first]++, taken[s] / texts);
            ready += ++taken[s] == texts * epochs;
            if (i < n - 1) continue;
            assert_int_equal(state.stream[s].epoch, taken[s] / texts);
            assert_int_equal(state.stream[s].position, taken[s] % texts);
        }
    }
}

static void every_sample_once_an_epoch(void **state) {
    (void)state;
    struct world world;
    open_two(&world, 3);
    struct un_plan_keys how = keys_default();
    for (how.mixing = UN_MIXING_SAMPLE; how.mixing <= UN_MIXING_BATCH; ++how.mixing) {
        struct un_plan *plan = open_plan(&world, &how);
        for (int64_t lane = 0; lane < how.lanes; ++lane) check_epochs(&world, plan, lane, 3);
        un_plan_close(plan);
    }
    world_close(&world);
}

static void shares_match_the_mix(void **state) {
    (void)state;
    struct world world;
    open_two(&world, 3);
    struct un_plan_keys how = keys_default();
    for (how.mixing = UN_MIXING_SAMPLE; how.mixing <= UN_MIXING_BATCH; ++how.mixing) {
        struct un_plan *plan = open_plan(&world, &how);
        int64_t n_streams, n, draws = 0;
        const struct un_stream *streams = un_plan_streams(plan, &n_streams);
        double count[UN_MAX_STREAMS] = {0}, mix = 0, chi = 0;
        for (int64_t lane = 0; lane < (how.mixing == UN_MIXING_SAMPLE ? how.lanes : 1); ++lane) {
            struct un_lane_state lane_state;
            un_plan_start(plan, lane, &lane_state);
            for (uint32_t step = 0; step < 10000; ++step) {
                world_check(un_plan_next(plan, step, lane, &lane_state, samples, &n));
                if (how.mixing == UN_MIXING_BATCH) n = 1; /* one draw a step */
                for (int64_t i = 0; i < n; ++i, ++draws) ++count[samples[i].stream];
            }
        }
        assert_int_equal(n_streams, 9);
        for (int64_t s = 0; s < n_streams; ++s) mix += streams[s].mix;
        for (int64_t s = 0; s < n_streams; ++s) {
            double expected = (double)draws * streams[s].mix / mix;
            chi += (count[s] - expected) * (count[s] - expected) / expected;
        }
        assert_chi_square(chi, n_streams - 1);
        un_plan_close(plan);
    }
    world_close(&world);
}

/* Greedy: a micro-batch ends at the first sample that does not fit, and that very sample opens the next one. */
static void pending_sample_comes_first(void **state) {
    (void)state;
    struct world world;
    open_two(&world, 3);
    struct un_plan_keys how = keys_default();
    struct un_plan *plan = open_plan(&world, &how);
    for (int64_t lane = 0; lane < how.lanes; ++lane) {
        struct un_lane_state lane_state;
        int64_t n, pending = -1, before = 0;
        un_plan_start(plan, lane, &lane_state);
        for (uint32_t step = 1; step < 3000; ++step) {
            struct un_stream_state at =
                pending >= 0 ? lane_state.stream[pending] : (struct un_stream_state){0};
            world_check(un_plan_next(plan, step, lane, &lane_state, samples, &n));
            int64_t tokens = 0;
            for (int64_t i = 0; i < n; ++i) tokens += un_plan_sample_tokens(plan, &samples[i]);
            assert_in_range(tokens, 1, how.tokens_per_lane);
            if (step > 1) {
                assert_int_equal(samples[0].stream, pending);
                assert_true(before + un_plan_sample_tokens(plan, &samples[0]) > how.tokens_per_lane);
                const struct un_dataset *d = world.datasets[samples[0].dataset];
                int64_t first = un_dataset_image_text(d, un_dataset_lane_image(d, lane));
                int64_t texts = un_dataset_image_text(d, un_dataset_lane_image(d, lane + 1)) - first;
                assert_int_equal(samples[0].text - first,
                                 un_plan_permute(how.seed, (uint32_t)pending, (uint32_t)lane,
                                                 (uint32_t)at.epoch, texts, at.position));
            }
            pending = lane_state.pending;
            assert_true(pending >= 0);
            before = tokens;
        }
    }
    un_plan_close(plan);
    world_close(&world);
}

static void batch_mixing_draws_one_stream_for_all_lanes(void **state) {
    (void)state;
    struct world world;
    open_two(&world, 3);
    struct un_plan_keys how = keys_default();
    how.mixing = UN_MIXING_BATCH;
    struct un_plan *plan = open_plan(&world, &how);
    struct un_lane_state states[3];
    for (int64_t lane = 0; lane < 3; ++lane) un_plan_start(plan, lane, &states[lane]);
    for (uint32_t step = 0; step < 500; ++step) {
        int stream = -1;
        for (int64_t lane = 0; lane < 3; ++lane) {
            int64_t n;
            world_check(un_plan_next(plan, step, lane, &states[lane], samples, &n));
            if (lane == 0) stream = samples[0].stream;
            for (int64_t i = 0; i < n; ++i) assert_int_equal(samples[i].stream, stream);
            assert_int_equal(states[lane].pending, -1);
        }
    }
    un_plan_close(plan);
    world_close(&world);
}

enum { RUN_STEPS = 40, RUN_LANES = 4 };
struct run {
    struct un_lane_state after[RUN_STEPS][RUN_LANES];
    struct un_sample samples[RUN_STEPS][RUN_LANES][64];
    int64_t n[RUN_STEPS][RUN_LANES];
};

/* Steps [first, RUN_STEPS) of a lane from the state before `first`. */
static void run_lane(struct run *run, const struct un_plan *plan, int64_t lane, int64_t first,
                     struct un_lane_state from) {
    for (int64_t step = first; step < RUN_STEPS; ++step) {
        world_check(un_plan_next(plan, (uint32_t)step + 1, lane, &from, samples, &run->n[step][lane]));
        assert_in_range(run->n[step][lane], 1, 64);
        memcpy(run->samples[step][lane], samples, (size_t)run->n[step][lane] * sizeof *samples);
        run->after[step][lane] = from;
    }
}

static void assert_same_lane(const struct run *a, const struct run *b, int64_t lane, int64_t first) {
    for (int64_t step = first; step < RUN_STEPS; ++step) {
        assert_int_equal(a->n[step][lane], b->n[step][lane]);
        assert_memory_equal(&a->after[step][lane], &b->after[step][lane], sizeof(struct un_lane_state));
        for (int64_t i = 0; i < a->n[step][lane]; ++i) {
            const struct un_sample *x = &a->samples[step][lane][i], *y = &b->samples[step][lane][i];
            assert_true(x->dataset == y->dataset && x->stream == y->stream && x->objective == y->objective &&
                        x->text == y->text && x->image == y->image && x->false_pair == y->false_pair);
        }
    }
}

/* All lanes in turn, lane 2 alone from a plan of its own, lanes backwards, and from every state on the way:
 * the same. */
static void plan_is_a_function_of_its_arguments(void **state) {
    (void)state;
    static struct run straight, other;
    struct world world;
    open_two(&world, RUN_LANES);
    struct un_plan_keys how = keys_default();
    how.lanes = RUN_LANES;
    for (how.mixing = UN_MIXING_SAMPLE; how.mixing <= UN_MIXING_BATCH; ++how.mixing) {
        struct un_plan *plan = open_plan(&world, &how);
        struct un_lane_state start;
        for (int64_t lane = 0; lane < RUN_LANES; ++lane) {
            un_plan_start(plan, lane, &start);
            run_lane(&straight, plan, lane, 0, start);
        }
        for (int64_t lane = RUN_LANES - 1; lane >= 0; --lane)
            for (int64_t first = RUN_STEPS - 1; first > 0; --first) {
                memset(&other, 0, sizeof other);
                run_lane(&other, plan, lane, first, straight.after[first - 1][lane]);
                assert_same_lane(&straight, &other, lane, first);
            }
        un_plan_close(plan);
        plan = open_plan(&world, &how);
        un_plan_start(plan, 2, &start);
        run_lane(&other, plan, 2, 0, start);
        assert_same_lane(&straight, &other, 2, 0);
        un_plan_close(plan);
    }
    world_close(&world);
}

static void seed_lane_and_step_change_the_plan(void **state) {
    (void)state;
    struct world world;
    open_two(&world, 3);
    struct un_plan_keys how = keys_default();
    struct un_plan *plan = open_plan(&world, &how);
    how.seed = 43;
    struct un_plan *other = open_plan(&world, &how);
    struct un_lane_state start, s;
    struct un_sample first[WORLD_SAMPLES];
    int64_t n, m;
    un_plan_start(plan, 0, &start);
    world_check(un_plan_next(plan, 1, 0, (s = start, &s), first, &n));
    world_check(un_plan_next(other, 1, 0, (s = start, &s), samples, &m));
    assert_true(n != m || memcmp(first, samples, (size_t)n * sizeof *first) != 0);
    world_check(un_plan_next(plan, 2, 0, (s = start, &s), samples, &m));
    assert_true(n != m || memcmp(first, samples, (size_t)n * sizeof *first) != 0);
    un_plan_close(plan);
    un_plan_close(other);
    world_close(&world);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_sample_once_an_epoch),
        cmocka_unit_test(shares_match_the_mix),
        cmocka_unit_test(pending_sample_comes_first),
        cmocka_unit_test(batch_mixing_draws_one_stream_for_all_lanes),
        cmocka_unit_test(plan_is_a_function_of_its_arguments),
        cmocka_unit_test(seed_lane_and_step_change_the_plan),
    };
    return cmocka_run_group_tests_name("plan", tests, NULL, NULL);
}
