/* False pairs of the plan: how many, which image instead, and that no two places share a coin. Bounds are
 * five sigma at fixed seeds. */
#include "tests/unit/io/feed/plan_case.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct un_sample samples[WORLD_SAMPLES];

/* Counts of (own image, image of a false pair) over many steps of a lane, and of all and of false pairs. */
struct pairs {
    double count[16][16], all, false_pairs;
};

static void count_pairs(const struct world *world, const struct un_plan *plan, int64_t lane, uint32_t steps,
                        struct pairs *pairs) {
    const struct un_dataset *d = world->datasets[0];
    struct un_lane_state state;
    int64_t n;
    *pairs = (struct pairs){0};
    un_plan_start(plan, lane, &state);
    for (uint32_t step = 0; step < steps; ++step) {
        world_check(un_plan_next(plan, step, lane, &state, samples, &n));
        for (int64_t i = 0; i < n; ++i) {
            int64_t own = un_dataset_text_image(d, samples[i].text);
            assert_int_equal(samples[i].false_pair, samples[i].image != own);
            assert_int_equal(un_plan_sample_tokens(plan, &samples[i]),
                             un_dataset_text_length(d, samples[i].text) + 2 +
                                 un_dataset_image_regions(d, samples[i].image));
            if (samples[i].objective != UN_ITM) assert_false(samples[i].false_pair);
            if (samples[i].objective != UN_ITM) continue;
            ++pairs->all;
            pairs->false_pairs += samples[i].false_pair;
            if (samples[i].false_pair) ++pairs->count[own][samples[i].image];
        }
    }
}

/* Five sigma of a binomial count. */
static void assert_share(double hits, double all, double prob) {
    if (fabs(hits - all * prob) > 5 * sqrt(all * prob * (1 - prob)))
        fail_msg("%.0f of %.0f is not a share of %.2f", hits, all, prob);
}

static void check_lanes_part(int64_t images) {
    struct world world;
    struct pairs pairs;
    open_world(&world, images, 2, false);
    struct un_plan_keys how = keys_default(2);
    how.itm_neg_prob = 0.4;
    struct un_plan *plan = open_plan(&world, &how, false);
    for (int64_t lane = 0; lane < 2; ++lane) {
        int64_t first = un_dataset_lane_image(world.datasets[0], lane);
        int64_t end = un_dataset_lane_image(world.datasets[0], lane + 1);
        count_pairs(&world, plan, lane, 4000, &pairs);
        assert_share(pairs.false_pairs, pairs.all, 0.4);
        double met = 0, expected = pairs.false_pairs / (double)((end - first) * (end - first - 1));
        for (int64_t own = first; own < end; ++own)
            for (int64_t other = first; other < end; ++other) {
                met += pairs.count[own][other];
                if (own != other) assert_true(fabs(pairs.count[own][other] - expected) < 6 * sqrt(expected));
            }
        assert_true(met == pairs.false_pairs); /* none from outside */
    }
    un_plan_close(plan);
    world_close(&world);
}

static void false_pairs_in_the_lanes_part(void **unused) {
    (void)unused;
    check_lanes_part(11);
    check_lanes_part(5); /* lanes of two and three images */
}

static void false_pairs_of_a_lane_with_one_image(void **unused) {
    (void)unused;
    struct world world;
    struct pairs pairs;
    open_world(&world, 4, 4, false);
    struct un_plan_keys how = keys_default(4);
    struct un_plan *plan = open_plan(&world, &how, false);
    for (int64_t lane = 0; lane < 4; ++lane) {
        count_pairs(&world, plan, lane, 3000, &pairs);
        assert_share(pairs.false_pairs, pairs.all, 0.5);
        for (int64_t other = 0; other < 4; ++other)
            if (other != lane) assert_share(pairs.count[lane][other], pairs.false_pairs, 1.0 / 3);
    }
    un_plan_close(plan);
    world_close(&world);
}

static void probability_zero_one_and_a_single_image(void **unused) {
    (void)unused;
    struct world world;
    struct pairs pairs;
    for (int64_t images = 1; images <= 5; images += 4)
        for (int prob = 0; prob <= 1; ++prob) {
            open_world(&world, images, 1, false);
            struct un_plan_keys how = keys_default(1);
            how.itm_neg_prob = prob;
            struct un_plan *plan = open_plan(&world, &how, false);
            count_pairs(&world, plan, 0, 300, &pairs);
            assert_true(pairs.all > 300);
            assert_true(pairs.false_pairs == (images > 1 && prob ? pairs.all : 0));
            un_plan_close(plan);
            world_close(&world);
        }
}

enum { PLACES = 400 };

/* Is the pair at each place of the first epoch false? by[stream][lane]. */
static void first_epoch(const struct un_plan *plan, bool by[2][2][PLACES]) {
    for (int64_t lane = 0; lane < 2; ++lane) {
        struct un_lane_state state;
        int64_t n = 1, place[2] = {0};
        un_plan_start(plan, lane, &state);
        for (uint32_t step = 0; n > 0 && (place[0] < PLACES || place[1] < PLACES); ++step) {
            world_check(un_plan_next(plan, step, lane, &state, samples, &n));
            for (int64_t i = 0; i < n; ++i) {
                int s = samples[i].stream;
                if (place[s] < PLACES) by[s][lane][place[s]++] = samples[i].false_pair;
            }
        }
        assert_true(place[0] == PLACES && place[1] == PLACES);
    }
}

static void assert_independent(const bool *a, const bool *b) {
    double same = 0;
    for (int i = 0; i < PLACES; ++i) same += a[i] == b[i];
    assert_share(same, PLACES, 0.5);
}

/* Streams (of two data sets that are alike), lanes, training and validation share no coin. */
static void false_pairs_are_independent(void **unused) {
    (void)unused;
    static bool train[2][2][PLACES], valid[2][2][PLACES];
    struct world world;
    struct world_spec specs[2] = {{.files = make_files_default(), .mix = {[UN_ITM] = 1}},
                                  {.files = make_files_default(), .mix = {[UN_ITM] = 1}}};
    specs[1].files.prefix = "twin";
    for (int i = 0; i < 2; ++i) specs[i].files.images = PLACES;
    world_open(&world, specs, 2, 2, false);
    struct un_plan_keys how = keys_default(2);
    struct un_plan *plan = open_plan(&world, &how, false);
    first_epoch(plan, train);
    un_plan_close(plan);
    plan = open_plan(&world, &how, true);
    first_epoch(plan, valid);
    un_plan_close(plan);
    assert_independent(train[0][0], train[1][0]);
    assert_independent(train[0][0], train[0][1]);
    assert_independent(valid[0][0], valid[1][0]);
    assert_independent(valid[0][0], valid[0][1]);
    assert_independent(train[0][0], valid[0][0]);
    world_close(&world);
}

static void validation_draws_its_own_negatives(void **unused) {
    (void)unused;
    struct world world;
    open_world(&world, 400, 1, false);
    struct un_plan_keys how = keys_default(1);
    struct un_plan *plan = open_plan(&world, &how, true);
    struct un_lane_state state;
    double all = 0, false_pairs = 0;
    int64_t n = 1;
    un_plan_start(plan, 0, &state);
    for (uint32_t step = 0; n > 0; ++step) {
        world_check(un_plan_next(plan, step, 0, &state, samples, &n));
        for (int64_t i = 0; i < n; ++i) {
            all += samples[i].objective == UN_ITM;
            false_pairs += samples[i].false_pair;
        }
    }
    assert_true(all == 800);
    assert_share(false_pairs, all, 0.5);
    un_plan_close(plan);
    world_close(&world);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(false_pairs_in_the_lanes_part),
                                       cmocka_unit_test(false_pairs_of_a_lane_with_one_image),
                                       cmocka_unit_test(probability_zero_one_and_a_single_image),
                                       cmocka_unit_test(false_pairs_are_independent),
                                       cmocka_unit_test(validation_draws_its_own_negatives)};
    return cmocka_run_group_tests_name("plan_pairs", tests, NULL, NULL);
}
