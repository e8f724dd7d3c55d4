/* Packing of sequences that the caller chose, and of the second stage of pretraining on questions; what is refused. */
#include "tests/unit/io/feed/task_check.h"

static struct un_sample samples[WORLD_SAMPLES];

/* In training nothing of itm_hard is packed; the consumer packs what it chooses. */
static void chosen_sequences(void **state) {
    (void)state;
    struct pack_rig rig;
    struct world_spec spec = task_spec(UN_TASK_RETRIEVAL, UN_ITM_HARD);
    struct un_plan_keys how = task_keys();
    struct un_lane_state lane;
    int64_t n, other[5];
    task_rig_open(&rig, &spec, &how, false);
    un_plan_start(rig.plan, 1, &lane);
    world_check(un_plan_next(rig.plan, 1, 1, &lane, samples, &n));
    world_check(un_pack(rig.packer, &rig.batch, samples, n, 1, 1, UN_RNG_MASK));
    assert_true(rig.batch.samples == 0 && rig.batch.tokens == 0 && rig.batch.rows[UN_ITM_HARD].n == 0);
    world_check(un_plan_candidates(rig.plan, &samples[0], 5, other));
    struct un_sequence list[6] = {un_sequence_pair(samples[0].text, samples[0].image)};
    for (int i = 0; i < 5; ++i) list[1 + i] = un_sequence_pair(other[i], samples[0].image);
    for (int64_t each = 1; each <= 6; each += each == 1 ? 2 : 3) {
        const struct un_pack_list all = {UN_ITM_HARD, 0, list, 6, each};
        struct task_walk w = {.rig = &rig, .b = &rig.batch, .d = rig.world.datasets[0]};
        assert_int_equal(un_pack_fitting(rig.plan, &rig.caps, &all), 6);
        memset(rig.arena.base, PACK_FILL, rig.arena.size);
        world_check(un_pack_sequences(rig.packer, &rig.batch, &all, 9, 1));
        assert_true(rig.batch.step == 9 && rig.batch.lane == 1);
        for (int i = 0; i < 6; ++i) task_check_sequence(&w, &list[i]);
        task_check_totals(&w);
        const struct un_rows *rows = &rig.batch.rows[UN_ITM_HARD];
        assert_int_equal(rows->n, 6 / each);
        for (int64_t i = 0; i < rows->n; ++i) {
            task_check_members(rows, i, rig.batch.start + i * each, each);
            assert_int_equal(rows->target[i], each > 1 ? 0 : -1);
            assert_int_equal(rows->wrong[i], -1);
        }
        task_check_tails(&rig, UN_ITM_HARD);
    }
    pack_rig_close(&rig);
}

static void lists_that_do_not_fit(void **state) {
    (void)state;
    struct pack_rig rig;
    struct world_spec spec = task_spec(UN_TASK_RETRIEVAL, UN_ITM_HARD);
    struct un_plan_keys how = task_keys();
    struct un_sequence list[36];
    task_rig_open(&rig, &spec, &how, false);
    for (int i = 0; i < 36; ++i) list[i] = un_sequence_pair(i, i / 3);
    struct un_pack_list all = {UN_ITM_HARD, 0, list, 36, 1};
    int64_t n = un_pack_fitting(rig.plan, &rig.caps, &all);
    assert_in_range(n, 15, 35);
    all.n = n;
    world_check(un_pack_sequences(rig.packer, &rig.batch, &all, 1, 0));
    assert_int_equal(rig.batch.samples, n);
    all.n = n + 1;
    assert_int_equal(un_pack_sequences(rig.packer, &rig.batch, &all, 1, 0), UN_INTERNAL);
    un_error_clear();
    pack_rig_close(&rig);
}

/* Words of a sequence [begin, end) that are masked. */
static int64_t masked_between(const struct un_rows *rows, int64_t begin, int64_t end) {
    int64_t n = 0;
    for (int64_t i = 0; i < rows->n; ++i) n += rows->row[i] >= begin && rows->row[i] < end;
    return n;
}

/* Question, answer and rationale are masked by themselves: one word each at least, no special token ever. */
static void second_stage_masks_each_part(void **state) {
    (void)state;
    struct pack_rig rig;
    struct world_spec spec = task_spec(UN_TASK_VCR, UN_MLM);
    struct un_plan_keys how = task_keys();
    struct un_lane_state lane;
    int64_t n, least = 0, more = 0;
    task_rig_open(&rig, &spec, &how, false);
    un_plan_start(rig.plan, 0, &lane);
    for (uint32_t step = 1; step <= 60; ++step) {
        world_check(un_plan_next(rig.plan, step, 0, &lane, samples, &n));
        world_check(un_pack(rig.packer, &rig.batch, samples, n, step, 0, UN_RNG_MASK));
        const struct un_rows *rows = &rig.batch.rows[UN_MLM];
        int64_t listed = 0;
        for (int64_t i = 0; i < n; ++i) {
            struct un_sequence s[UN_MAX_GROUP];
            int64_t at = rig.batch.start[i] + 1;
            assert_int_equal(un_plan_sequences(rig.plan, &samples[i], s), 1);
            assert_int_equal(s->n_parts, 3);
            for (int p = 0; p < 3; ++p) {
                int64_t words = un_sequence_part_words(rig.world.datasets[0], s, p);
                int64_t masked = masked_between(rows, at, at + words);
                assert_in_range(masked, 1, words);
                least += masked == 1;
                more += masked > 1;
                listed += masked;
                at += words + 1;
            }
        }
        assert_int_equal(listed, rows->n);
        pack_check_segments(&rig.batch.by_word_type, rig.batch.word_type, rig.batch.words, 4);
    }
    assert_true(least > 100 && more > 20);
    pack_rig_close(&rig);
}

static bool is_masked(const struct un_rows *rows, int64_t token) {
    return masked_between(rows, token, token + 1) == 1;
}

/* The parts share no coins: their first words are masked alike half the time. */
static void second_stage_masks_parts_apart(void **state) {
    (void)state;
    struct pack_rig rig;
    struct world_spec spec = task_spec(UN_TASK_VCR, UN_MLM);
    struct un_plan_keys how = task_keys();
    struct un_lane_state lane;
    int64_t n, alike = 0, all = 0;
    how.mlm_prob = 0.5;
    spec.files.min_words = 8;
    task_rig_open(&rig, &spec, &how, false);
    un_plan_start(rig.plan, 0, &lane);
    for (uint32_t step = 1; step <= 60; ++step) {
        world_check(un_plan_next(rig.plan, step, 0, &lane, samples, &n));
        world_check(un_pack(rig.packer, &rig.batch, samples, n, step, 0, UN_RNG_MASK));
        const struct un_rows *rows = &rig.batch.rows[UN_MLM];
        for (int64_t i = 0; i < n; ++i) {
            struct un_sequence s[UN_MAX_GROUP];
            un_plan_sequences(rig.plan, &samples[i], s);
            int64_t question = rig.batch.start[i] + 1;
            int64_t answer = question + un_sequence_part_words(rig.world.datasets[0], s, 0) + 1;
            if (un_sequence_part_words(rig.world.datasets[0], s, 1) < 3)
                continue; /* one is forced too often */
            ++all;
            alike += is_masked(rows, question) == is_masked(rows, answer);
        }
    }
    assert_true(all > 200);
    assert_in_range(alike * 100 / all, 38, 62);
    pack_rig_close(&rig);
}

/* Regions of both images are masked as one list, and their classes are read from the image they are of. */
static void second_stage_classes_of_both_images(void **state) {
    (void)state;
    struct pack_rig rig;
    struct world_spec spec = task_spec(UN_TASK_VCR, UN_MRC);
    struct un_plan_keys how = task_keys();
    struct un_lane_state lane;
    int64_t n, second = 0;
    how.mrm_prob = 0.5;
    task_rig_open(&rig, &spec, &how, false);
    un_plan_start(rig.plan, 0, &lane);
    for (uint32_t step = 1; step <= 20; ++step) {
        world_check(un_plan_next(rig.plan, step, 0, &lane, samples, &n));
        world_check(un_pack(rig.packer, &rig.batch, samples, n, step, 0, UN_RNG_MASK));
        const struct un_rows *rows = &rig.batch.rows[UN_MRC];
        int64_t k = 0, region = 0;
        for (int64_t i = 0; i < n; ++i) {
            struct un_sequence s[UN_MAX_GROUP];
            un_plan_sequences(rig.plan, &samples[i], s);
            for (int m = 0; m < s->n_images; ++m)
                for (int64_t r = 0; r < un_dataset_image_regions(rig.world.datasets[0], s->image[m]);
                     ++r, ++region) {
                    if (!rig.batch.masked[region]) continue;
                    assert_int_equal(rows->region[k], region);
                    assert_int_equal(rows->target[k++], make_class(&spec.files, s->image[m], r));
                    second += m == 1;
                }
        }
        assert_int_equal(k, rows->n);
    }
    assert_true(second > 50);
    pack_rig_close(&rig);
}

static void answers_of_another_table_are_refused(void **state) {
    (void)state;
    struct pack_rig rig;
    struct world_spec spec = task_spec(UN_TASK_VQA, UN_VQA);
    struct un_plan_keys how = task_keys();
    struct un_packer *packer;
    task_rig_open(&rig, &spec, &how, false);
    struct un_batch_caps caps = rig.caps;
    caps.num_labels = 31;
    assert_int_equal(un_packer_open(&packer, rig.plan, &caps), UN_USAGE);
    assert_non_null(strstr(un_error_get()->text, "31"));
    un_error_clear();
    caps = rig.caps;
    caps.tasks = un_objective_bit(UN_VE);
    assert_int_equal(un_packer_open(&packer, rig.plan, &caps), UN_INTERNAL);
    assert_non_null(strstr(un_error_get()->text, "vqa"));
    un_error_clear();
    pack_rig_close(&rig);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(chosen_sequences),
                                       cmocka_unit_test(lists_that_do_not_fit),
                                       cmocka_unit_test(second_stage_masks_each_part),
                                       cmocka_unit_test(second_stage_masks_parts_apart),
                                       cmocka_unit_test(second_stage_classes_of_both_images),
                                       cmocka_unit_test(answers_of_another_table_are_refused)};
    return cmocka_run_group_tests_name("pack_chosen", tests, NULL, NULL);
}
