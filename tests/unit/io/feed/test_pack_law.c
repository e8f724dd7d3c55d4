/* One objective a sample, which heads beside each other stand on: packed micro-batches of mixed objectives keep it, made
 * ones that break it are refused, and so is what a packer with such lists makes. */
#include "tests/support/pack_check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct un_sample samples[WORLD_SAMPLES];

static void rig_open(struct pack_rig *rig, const struct world_spec *spec) {
    const struct un_plan_keys how = {.lanes = 1,
                                     .tokens_per_lane = 400,
                                     .mixing = UN_MIXING_SAMPLE,
                                     .itm_neg_prob = 0.5,
                                     .mlm_prob = 0.3,
                                     .mrm_prob = 0.3,
                                     .seed = 11};
    pack_rig_open(rig, spec, 1, &how, false);
}

/* The objectives that ask tokens of sample s, counted list by list. */
static int asked_by(const struct un_batch *b, int64_t s) {
    int objectives = 0;
    for (int t = 0; t <= UN_ITM; ++t) {
        bool here = false;
        for (int64_t i = 0; i < b->rows[t].n; ++i)
            here = here || (b->rows[t].row[i] >= b->start[s] && b->rows[t].row[i] < b->start[s + 1]);
        objectives += here;
    }
    return objectives;
}

static void mixed_objectives_keep_it(void **state) {
    (void)state;
    const struct world_spec spec = {.files = make_files_default(), .mix = {1, 1, 1, 1, 1}};
    struct pack_rig rig;
    struct un_lane_state lane;
    int64_t n, most = 0;
    rig_open(&rig, &spec);
    un_plan_start(rig.plan, 0, &lane);
    for (uint32_t step = 1; step <= 30; ++step) {
        int64_t mixed = 0;
        world_check(un_plan_next(rig.plan, step, 0, &lane, samples, &n));
        world_check(un_pack(rig.packer, &rig.batch, samples, n, step, 0, UN_RNG_MASK));
        world_check(un_batch_check(&rig.batch));
        for (int64_t s = 0; s < rig.batch.samples; ++s) assert_true(asked_by(&rig.batch, s) <= 1);
        for (int t = 0; t <= UN_ITM; ++t) mixed += rig.batch.rows[t].n > 0;
        most = mixed > most ? mixed : most;
    }
    assert_true(most == UN_ITM + 1);
    pack_rig_close(&rig);
}

/* Three samples of 4, 5 and 3 tokens; t asks the first, u the last, and both what `row` says. */
struct made {
    struct un_batch batch;
    int32_t start[4], row[2][2];
};

static const struct un_batch *make(struct made *m, int t, int u, const int32_t row[2][2]) {
    static const int32_t start[4] = {0, 4, 9, 12};
    *m = (struct made){.batch = {.samples = 3, .tokens = 12}};
    memcpy(m->start, start, sizeof start);
    memcpy(m->row, row, sizeof m->row);
    m->batch.start = m->start;
    m->batch.rows[t] = (struct un_rows){.n = 2, .row = m->row[0]};
    m->batch.rows[u] = (struct un_rows){.n = 2, .row = m->row[1]};
    return &m->batch;
}

static void refused(const struct un_batch *b, const char *words) {
    assert_int_equal(un_batch_check(b), UN_INTERNAL);
    if (!strstr(un_error_get()->text, words)) fail_msg("wanted \"%s\": %s", words, un_error_get()->text);
    un_error_clear();
}

static void made_ones_are_refused(void **state) {
    (void)state;
    static const int32_t good[2][2] = {{0, 3}, {4, 11}}, shared[2][2] = {{3, 4}, {8, 9}};
    static const int32_t back[2][2] = {{5, 0}, {9, 11}}, beyond[2][2] = {{0, 12}, {4, 9}},
                         none[2][2] = {{0, -1}, {4, 9}};
    struct made m;
    for (int t = 0; t <= UN_ITM; ++t)
        for (int u = 0; u <= UN_ITM; ++u) {
            char words[96];
            if (u == t) continue;
            snprintf(words, sizeof words, "sample 1 of a micro-batch is asked by %s and by %s",
                     un_objective_names[t < u ? t : u], un_objective_names[t < u ? u : t]);
            world_check(un_batch_check(make(&m, t, u, good)));
            refused(make(&m, t, u, shared), words);
            snprintf(words, sizeof words, "row 1 of %s, token 0 ", un_objective_names[t]);
            refused(make(&m, t, u, back), words);
            snprintf(words, sizeof words, "row 1 of %s, token 12 ", un_objective_names[t]);
            refused(make(&m, t, u, beyond), words);
            snprintf(words, sizeof words, "row 1 of %s, token -1 ", un_objective_names[t]);
            refused(make(&m, t, u, none), words);
        }
}

/* A micro-batch whose lists of two objectives stand in one place cannot come out right. */
static void packing_refuses(void **state) {
    (void)state;
    const struct world_spec spec = {.files = make_files_default(), .mix = {[UN_MLM] = 1, [UN_ITM] = 1}};
    struct pack_rig rig;
    struct un_lane_state lane;
    int64_t n;
    rig_open(&rig, &spec);
    un_plan_start(rig.plan, 0, &lane);
    world_check(un_plan_next(rig.plan, 1, 0, &lane, samples, &n));
    world_check(un_pack(rig.packer, &rig.batch, samples, n, 1, 0, UN_RNG_MASK));
    assert_true(rig.batch.rows[UN_MLM].n > 0 && rig.batch.rows[UN_ITM].n > 0);
    rig.batch.rows[UN_ITM].row = rig.batch.rows[UN_MLM].row;
    assert_int_equal(un_pack(rig.packer, &rig.batch, samples, n, 1, 0, UN_RNG_MASK), UN_INTERNAL);
    un_error_clear();
    pack_rig_close(&rig);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(mixed_objectives_keep_it),
                                       cmocka_unit_test(made_ones_are_refused),
                                       cmocka_unit_test(packing_refuses)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
