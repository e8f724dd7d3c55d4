/* Packing against a naive derivation of every field (pack_check.h), for random sizes, both mixings, f16, f32
 * and both together; the bounds; what is refused. */
#include "tests/support/pack_check.h"

#include "runtime/rng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct un_sample samples[WORLD_SAMPLES];

static struct un_plan_keys keys_default(void) {
    return (struct un_plan_keys){.lanes = 2,
                                 .tokens_per_lane = 150,
                                 .mixing = UN_MIXING_SAMPLE,
                                 .itm_neg_prob = 0.5,
                                 .mlm_prob = 0.15,
                                 .mrm_prob = 0.15,
                                 .seed = 3};
}

/* What was met, so that no check passes for want of cases. */
struct met {
    int64_t tokens, rows[UN_OBJECTIVE_COUNT], false_pairs, alignment;
};

static void count_met(struct met *met, const struct un_batch *b) {
    met->tokens += b->tokens;
    met->alignment += b->alignment.n;
    for (int t = 0; t < UN_OBJECTIVE_COUNT; ++t) met->rows[t] += b->rows[t].n;
    for (int64_t k = 0; k < b->rows[UN_ITM].n; ++k) met->false_pairs += b->rows[UN_ITM].target[k] == 0;
}

/* Packs and checks `steps` micro-batches of all lanes. */
static void pack_and_check(struct pack_rig *rig, uint32_t steps, uint32_t purpose, struct met *met) {
    int64_t n;
    for (int64_t lane = 0; lane < un_plan_keys(rig->plan)->lanes; ++lane) {
        struct un_lane_state state;
        un_plan_start(rig->plan, lane, &state);
        for (uint32_t step = 1; step <= steps; ++step) {
            world_check(un_plan_next(rig->plan, step, lane, &state, samples, &n));
            memset(rig->arena.base, PACK_FILL, rig->arena.size);
            uint64_t before = un_memory_counts().live_blocks;
            world_check(un_pack(rig->packer, &rig->batch, samples, n, step, (uint32_t)lane, purpose));
            assert_int_equal(un_memory_counts().live_blocks, before);
            pack_check(rig, samples, n, step, (uint32_t)lane, purpose);
            pack_check_tails(rig);
            count_met(met, &rig->batch);
        }
    }
}

static struct world_spec random_spec(uint32_t round, const char *name) {
    const struct un_rng4 a = un_rng(5, UN_RNG_TEST, round, (uint32_t)name[0], 0, 0);
    const struct un_rng4 b = un_rng(5, UN_RNG_TEST, round, (uint32_t)name[0], 1, 0);
    struct world_spec spec = {.files = make_files_default(), .mix = {2, 1, 1, 1, 2}};
    spec.files.prefix = name;
    spec.files.seed = round + (uint32_t)name[0];
    spec.files.images = 2 + un_rng_below(a.v[0], 9);
    spec.files.texts_per_image = 1 + un_rng_below(a.v[1], 4);
    spec.files.min_words = 1 + un_rng_below(a.v[2], 5);
    spec.files.max_words = spec.files.min_words + un_rng_below(a.v[3], 30);
    spec.files.min_regions = 1 + un_rng_below(b.v[0], 5);
    spec.files.max_regions = spec.files.min_regions + un_rng_below(b.v[1], 25);
    spec.files.vocab_size = 3000;
    spec.files.align = b.v[2] & 1;
    spec.max_bb = b.v[3] & 1 ? 0 : 8;
    return spec;
}

static void every_field_at_random_sizes(void **state) {
    (void)state;
    struct met met = {0};
    for (uint32_t round = 0; round < 24; ++round) {
        struct world_spec two[2] = {random_spec(round, "coco"), random_spec(round, "vg")};
        struct un_plan_keys how = keys_default();
        struct pack_rig rig;
        two[0].files.feature_type = round % 3 == 0 ? UN_F32 : UN_F16;
        two[1].files.feature_type = round % 3 == 1 ? UN_F32 : two[0].files.feature_type;
        how.mixing = round % 2 ? UN_MIXING_BATCH : UN_MIXING_SAMPLE;
        how.mlm_prob = how.mrm_prob = round % 4 == 3 ? 1 : 0.15;
        how.tokens_per_lane = round % 5 == 0 ? 400 : 70;
        how.mask = round % 3 == 1 ? UN_MASK_BOTH : UN_MASK_ONE;
        pack_rig_open(&rig, two, 2, &how, false);
        assert_true(rig.caps.feature_type == (round % 3 < 2 ? UN_F32 : UN_F16));
        pack_and_check(&rig, 12, UN_RNG_MASK, &met);
        pack_rig_close(&rig);
    }
    for (int t = 0; t <= UN_ITM; ++t) assert_true(met.rows[t] > 100);
    assert_true(met.false_pairs > 100 && met.rows[UN_ITM] - met.false_pairs > 100 && met.alignment > 1000);
}

static void validation_packs_everything_once(void **state) {
    (void)state;
    struct world_spec spec = random_spec(99, "valid");
    struct un_plan_keys how = keys_default();
    struct pack_rig rig;
    pack_rig_open(&rig, &spec, 1, &how, true);
    struct met met = {0};
    pack_and_check(&rig, 200, UN_RNG_VALID, &met); /* far past the end: empty micro-batches too */
    assert_int_equal(rig.batch.samples, 0);
    assert_int_equal(met.rows[UN_ITM], un_dataset_info(rig.world.datasets[0])->texts);
    pack_rig_close(&rig);
}

/* Samples all alike fill the bounds exactly, so they are not only safe but tight. */
static void caps_are_tight(void **state) {
    (void)state;
    struct world_spec spec = {.files = make_files_default(), .mix = {[UN_ITM] = 1}};
    struct un_plan_keys how = keys_default();
    struct pack_rig rig;
    spec.files.min_words = spec.files.max_words = 8;
    spec.files.min_regions = spec.files.max_regions = 20;
    how.tokens_per_lane = 150; /* five samples of 30 */
    pack_rig_open(&rig, &spec, 1, &how, false);
    struct met met = {0};
    pack_and_check(&rig, 3, UN_RNG_MASK, &met);
    assert_int_equal(rig.batch.samples, 5);
    assert_int_equal(rig.caps.samples, 5);
    assert_int_equal(rig.caps.words, 50);
    assert_int_equal(rig.caps.regions, 100);
    assert_int_equal(rig.caps.plan, 1000);
    assert_int_equal(rig.batch.plan_start[5], 1000);
    assert_false(rig.caps.soft_labels);
    pack_rig_close(&rig);
}

static void same_numbers_same_batch(void **state) {
    (void)state;
    struct world_spec spec = random_spec(4, "coco");
    struct un_plan_keys how = keys_default();
    struct pack_rig rig;
    struct un_lane_state lane;
    int64_t n;
    pack_rig_open(&rig, &spec, 1, &how, false);
    un_plan_start(rig.plan, 1, &lane);
    world_check(un_plan_next(rig.plan, 1, 1, &lane, samples, &n));
    unsigned char *first = un_alloc(rig.arena.size, 1, "copy");
    for (int k = 0; k < 4; ++k) { /* 0: first, 1: again, 2: another step, 3: the other purpose */
        memset(rig.arena.base, PACK_FILL, rig.arena.size);
        world_check(un_pack(rig.packer, &rig.batch, samples, n, k == 2 ? 2 : 1, 1,
                            k == 3 ? UN_RNG_VALID : UN_RNG_MASK));
        if (k == 0) memcpy(first, rig.arena.base, rig.arena.size);
        assert_int_equal(k < 2, memcmp(first, rig.arena.base, rig.arena.size) == 0);
    }
    un_free(first);
    pack_rig_close(&rig);
}

static void assert_refused(const struct pack_rig *rig, const struct un_batch_caps *caps, const char *word) {
    struct un_packer *packer;
    assert_int_equal(un_packer_open(&packer, rig->plan, caps), UN_USAGE);
    assert_null(packer);
    if (!strstr(un_error_get()->text, word)) fail_msg("\"%s\" without \"%s\"", un_error_get()->text, word);
    un_error_clear();
}

static void refuses(void **state) {
    (void)state;
    struct world_spec spec = random_spec(4, "coco");
    struct un_plan_keys how = keys_default();
    struct pack_rig rig;
    struct un_batch_caps c;
    int64_t n;
    pack_rig_open(&rig, &spec, 1, &how, false);
    assert_refused(&rig, (c = rig.caps, c.img_dim = 17, &c), "17");
    assert_refused(&rig, (c = rig.caps, c.img_label_dim = 12, &c), "12");
    assert_refused(&rig, (c = rig.caps, c.vocab_size = 2999, &c), "2999");
    struct un_lane_state
        lane; /* one sample too many is an own bug, and is said instead of written over memory */
    un_plan_start(rig.plan, 0, &lane);
    world_check(un_plan_next(rig.plan, 1, 0, &lane, samples, &n));
    for (int64_t i = n; i < n + 40; ++i) samples[i] = samples[0];
    assert_int_equal(un_pack(rig.packer, &rig.batch, samples, n + 40, 1, 0, UN_RNG_MASK), UN_INTERNAL);
    un_error_clear();
    pack_rig_close(&rig);
}

static void bad_row_is_named(void **state) {
    (void)state;
    struct world_spec spec = random_spec(4, "coco");
    struct un_plan_keys how = keys_default();
    struct pack_rig rig;
    spec.bad_image = 1;
    how.itm_neg_prob = 0;
    pack_rig_open(&rig, &spec, 1, &how, true);
    const struct un_sample sample = {.objective = UN_MRFR, .text = spec.files.texts_per_image, .image = 1};
    assert_int_equal(un_pack(rig.packer, &rig.batch, &sample, 1, 1, 0, UN_RNG_MASK), UN_DATA);
    assert_non_null(strstr(un_error_get()->text, "coco_000001"));
    un_error_clear();
    pack_rig_close(&rig);
}

/* The target of mrc is the first of the most probable classes, and never the background. */
static void ties_go_to_the_first_class(void **state) {
    (void)state;
    struct world_spec spec = random_spec(4, "coco");
    struct un_plan_keys how = keys_default();
    struct pack_rig rig;
    spec.tie = true;
    how.mrm_prob = 1;
    pack_rig_open(&rig, &spec, 1, &how, true);
    const struct un_sample sample = {.objective = UN_MRC};
    world_check(un_pack(rig.packer, &rig.batch, &sample, 1, 1, 0, UN_RNG_MASK));
    assert_int_equal(rig.batch.rows[UN_MRC].n, un_dataset_image_regions(rig.world.datasets[0], 0));
    assert_int_equal(rig.batch.rows[UN_MRC].target[0], 3);
    pack_rig_close(&rig);
}

/* Real features, many classes: rows agree with what the data set reads by itself. */
static void real_data(void **state) {
    (void)state;
    struct pack_rig rig = {0};
    struct un_plan_keys how = keys_default();
    struct un_lane_state lane;
    int64_t n, packed = 0;
    if (!world_open_real(&rig.world, how.lanes)) {
        print_message("skipped: ../shared/data/real is not there\n");
        skip();
    }
    how.tokens_per_lane = 160;
    struct un_dataset *d = rig.world.datasets[0];
    const struct un_dataset_info *info = un_dataset_info(d);
    world_check(un_plan_open(&rig.plan, &d, rig.world.keys, 1, &how, false));
    pack_rig_carve(&rig, info->img_dim, info->img_label_dim);
    uint16_t *feature = un_alloc((size_t)(info->most_regions * info->img_dim), 2, "features");
    un_plan_start(rig.plan, 0, &lane);
    for (uint32_t step = 1; step <= 60; ++step) {
        world_check(un_plan_next(rig.plan, step, 0, &lane, samples, &n));
        world_check(un_pack(rig.packer, &rig.batch, samples, n, step, 0, UN_RNG_MASK));
        assert_int_equal(rig.batch.samples, n);
        for (int64_t s = 0, region = 0; s < n; ++s, ++packed) {
            int64_t regions = un_dataset_image_regions(d, samples[s].image);
            world_check(un_dataset_read_image(d, samples[s].image, feature, NULL));
            assert_memory_equal((uint16_t *)rig.batch.feature + region * info->img_dim, feature,
                                (size_t)(regions * info->img_dim) * 2);
            region += regions;
        }
        for (int64_t k = 0; k < rig.batch.rows[UN_MRC].n; ++k)
            assert_in_range(rig.batch.rows[UN_MRC].target[k], 1, info->img_label_dim - 1);
        pack_check_segments(&rig.batch.by_word, rig.batch.word_id, rig.batch.words, 28996);
    }
    assert_true(packed > 120);
    un_free(feature);
    pack_rig_close(&rig);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_field_at_random_sizes),
                                       cmocka_unit_test(validation_packs_everything_once),
                                       cmocka_unit_test(caps_are_tight),
                                       cmocka_unit_test(same_numbers_same_batch),
                                       cmocka_unit_test(refuses),
                                       cmocka_unit_test(bad_row_is_named),
                                       cmocka_unit_test(ties_go_to_the_first_class),
                                       cmocka_unit_test(real_data)};
    return cmocka_run_group_tests_name("pack", tests, NULL, NULL);
}
