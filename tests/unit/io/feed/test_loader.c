/* The loader: order, equality with packing by hand, any number of threads and slots. */
#include "io/feed/loader.h"
#include "runtime/rng.h"
#include "tests/support/world.h"
#include "tests/unit/io/feed/loader_case.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct un_sample samples[WORLD_SAMPLES];

static uint64_t hash(uint64_t h, const void *data, int64_t bytes) {
    const unsigned char *p = data;
    for (int64_t i = 0; i < bytes; ++i) h = (h ^ p[i]) * 0x100000001B3u;
    return h;
}

/* Over all used parts of a micro-batch. */
static uint64_t batch_hash(const struct un_batch *b, const struct un_batch_caps *caps) {
    const int64_t counts[] = {b->step,          b->lane,
                              b->tokens,        b->samples,
                              b->words,         b->regions,
                              b->longest,       b->masked_count,
                              b->by_word.count, b->by_position.count,
                              b->longest_words, b->longest_regions,
                              b->alignment.n};
    uint64_t h = hash(0xCBF29CE484222325u, counts, sizeof counts);
    h = hash(h, b->start, 4 * (b->samples + 1));
    h = hash(h, b->word_id, 4 * b->words);
    h = hash(h, b->word_pos, 4 * b->words);
    h = hash(h, b->word_row, 4 * b->words);
    h = hash(h, b->region_row, 4 * b->regions);
    h = hash(h, b->feature, b->regions * caps->img_dim * un_type_bytes(caps->feature_type));
    h = hash(h, b->box, 4 * UN_BOX_WIDTH * b->regions);
    h = hash(h, b->masked, b->regions);
    h = hash(h, b->masked_region, 4 * b->masked_count);
    h = hash(h, b->by_word_perm, 4 * b->words);
    h = hash(h, b->by_position_perm, 4 * b->words);
    for (int t = 0; t < UN_OBJECTIVE_COUNT; ++t) {
        const struct un_rows *r = &b->rows[t];
        h = hash(h, &r->n, sizeof r->n);
        h = hash(h, r->row, 4 * r->n);
        h = hash(h, r->dataset, r->n);
        if (r->target) h = hash(h, r->target, 4 * r->n);
        if (r->region) h = hash(h, r->region, 4 * r->n);
    }
    h = hash(h, b->rows[UN_MRCKL].soft, 2 * caps->img_label_dim * b->rows[UN_MRCKL].n);
    h = hash(h, b->plan_start, 4 * (b->rows[UN_ITM].n + 1));
    return hash(h, b->alignment.word, 4 * b->alignment.n);
}

/* The same by hand: [step][lane] hashes and states after. */
struct expected {
    uint64_t hash[STEPS][LANES];
    struct un_lane_state after[STEPS][LANES];
};

static void pack_by_hand(const struct rig *rig, struct expected *e) {
    struct un_packer *packer;
    struct un_batch batch;
    struct un_arena arena = {.name = "test"};
    world_check(un_packer_open(&packer, rig->plan, &rig->setup.caps));
    un_batch_carve(&batch, &rig->setup.caps, &arena);
    arena = (struct un_arena){.base = un_alloc(arena.used, 1, "batch"), .size = arena.used};
    un_batch_carve(&batch, &rig->setup.caps, &arena);
    for (int64_t lane = 0; lane < LANES; ++lane) {
        struct un_lane_state state = rig->states[lane];
        for (int64_t k = 0; k < STEPS; ++k) {
            int64_t n;
            uint32_t step = (uint32_t)(FIRST_STEP + k);
            world_check(un_plan_next(rig->plan, step, lane, &state, samples, &n));
            world_check(un_pack(packer, &batch, samples, n, step, (uint32_t)lane, rig->setup.purpose));
            e->hash[k][lane] = batch_hash(&batch, &rig->setup.caps);
            e->after[k][lane] = state;
        }
    }
    un_packer_close(packer);
    un_free(arena.base);
}

static void assert_expected(const struct rig *rig, const struct expected *e, const struct un_loaded *got,
                            int64_t k, int64_t lane) {
    assert_int_equal(got->step, FIRST_STEP + k);
    assert_int_equal(got->lane, lane);
    assert_int_equal(got->batch->step, got->step);
    assert_int_equal(got->batch->lane, lane);
    assert_true(batch_hash(got->batch, &rig->setup.caps) == e->hash[k][lane]);
    assert_memory_equal(got->after, &e->after[k][lane], sizeof *got->after);
}

/* A rank's lanes [begin, end); all micro-batches of a step are held at once, as a training step does. */
static void check_training(struct rig *rig, const struct expected *e, int64_t begin, int64_t end) {
    struct un_loader *loader;
    struct un_loaded held[LANES];
    rig->setup.lane_begin = begin;
    rig->setup.lane_end = end;
    world_check(un_loader_open(&loader, &rig->setup));
    const struct un_memory_counts before = un_memory_counts();
    for (int64_t k = 0; k < STEPS; ++k) {
        for (int64_t lane = begin; lane < end; ++lane) world_check(un_loader_next(loader, &held[lane]));
        for (int64_t lane = begin; lane < end; ++lane) assert_expected(rig, e, &held[lane], k, lane);
        if (k % 2)
            for (int64_t lane = begin; lane < end; ++lane) un_loader_release(loader, &held[lane]);
        else
            for (int64_t lane = end - 1; lane >= begin; --lane) un_loader_release(loader, &held[lane]);
    }
    const struct un_memory_counts after = un_memory_counts();
    assert_int_equal(after.live_blocks, before.live_blocks);
    assert_int_equal(after.frozen_allocs, before.frozen_allocs); /* the threads run frozen */
    un_loader_close(loader);
}

static void same_for_any_threads_slots_and_ranks(void **state) {
    (void)state;
    static struct expected e;
    struct rig rig;
    rig_open(&rig, 0, 20, false);
    pack_by_hand(&rig, &e);
    for (int threads = 1; threads <= 4; threads *= 2)
        for (int64_t slots = LANES; slots <= 11; slots += 7) {
            rig.setup.threads = threads;
            rig.setup.slots = slots;
            check_training(&rig, &e, 0, LANES);
            check_training(&rig, &e, 1, 2);
            check_training(&rig, &e, 2, LANES);
        }
    rig_close(&rig);
}

/* The state of a delivered micro-batch starts a loader that goes on as the first one would have. */
static void resumes_from_delivered_states(void **state) {
    (void)state;
    static struct expected e;
    struct rig rig;
    rig_open(&rig, 0, 20, false);
    pack_by_hand(&rig, &e);
    const int64_t done = 13;
    for (int64_t lane = 0; lane < LANES; ++lane) rig.states[lane] = e.after[done - 1][lane];
    rig.setup.first_step = FIRST_STEP + done;
    struct un_loader *loader;
    world_check(un_loader_open(&loader, &rig.setup));
    for (int64_t k = done; k < STEPS; ++k)
        for (int64_t lane = 0; lane < LANES; ++lane) {
            struct un_loaded got;
            world_check(un_loader_next(loader, &got));
            assert_expected(&rig, &e, &got, k, lane);
            un_loader_release(loader, &got);
        }
    un_loader_close(loader);
    rig_close(&rig);
}

/* Lane by lane; the samples of the pass, then an empty micro-batch; at the end nothing, as often as asked. */
static void check_validation(struct rig *rig, const struct expected *e, int64_t begin, int64_t end) {
    struct un_loader *loader;
    struct un_loaded got;
    rig->setup.lane_begin = begin;
    rig->setup.lane_end = end;
    world_check(un_loader_open(&loader, &rig->setup));
    for (int64_t lane = begin; lane < end; ++lane) {
        int64_t k = 0, count = 1;
        for (; count > 0; ++k) {
            assert_true(k < STEPS);
            world_check(un_loader_next(loader, &got));
            assert_expected(rig, e, &got, k, lane);
            count = got.batch->samples;
            un_loader_release(loader, &got);
        }
        assert_true(k > 1);
    }
    for (int i = 0; i < 3; ++i) {
        world_check(un_loader_next(loader, &got));
        assert_null(got.batch);
        assert_int_equal(got.lane, end);
        un_loader_release(loader, &got);
    }
    un_loader_close(loader);
}

static void validation_goes_lane_by_lane(void **state) {
    (void)state;
    static struct expected e;
    struct rig rig;
    rig_open(&rig, 0, 9, true);
    pack_by_hand(&rig, &e);
    for (int threads = 1; threads <= 4; ++threads)
        for (int64_t slots = 1; slots <= 7; slots += 3) {
            rig.setup.threads = threads;
            rig.setup.slots = slots;
            check_validation(&rig, &e, 0, LANES);
            check_validation(&rig, &e, 1, 3);
            check_validation(&rig, &e, 2, 2); /* a rank without lanes */
        }
    rig_close(&rig);
}

static void real_data(void **state) {
    (void)state;
    static struct expected e;
    struct rig rig;
    if (!world_open_real(&rig.world, LANES)) {
        print_message("skipped: ../shared/data/real is not there\n");
        skip();
    }
    rig_start(&rig, false);
    pack_by_hand(&rig, &e);
    check_training(&rig, &e, 0, LANES);
    rig_close(&rig);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_for_any_threads_slots_and_ranks),
        cmocka_unit_test(resumes_from_delivered_states),
        cmocka_unit_test(validation_goes_lane_by_lane),
        cmocka_unit_test(real_data),
    };
    return cmocka_run_group_tests_name("loader", tests, NULL, NULL);
}
