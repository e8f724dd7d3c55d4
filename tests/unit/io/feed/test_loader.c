/* The loader: order, equality with packing by hand, any number of threads and slots, errors in their place,
 * ends. */
#include "tests/support/world.h"

#include "io/feed/loader.h"
#include "runtime/rng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

enum { LANES = 4, STEPS = 30, FIRST_STEP = 5 };
static struct un_sample samples[WORLD_SAMPLES];

struct rig {
    struct world world;
    struct un_plan *plan;
    struct un_lane_state states[LANES];
    struct un_loader_setup setup;
};

static void rig_start(struct rig *rig, bool valid) {
    const struct un_plan_keys how = {.lanes = LANES,
                                     .tokens_per_lane = 120,
                                     .itm_neg_prob = 0.5,
                                     .mlm_prob = 0.15,
                                     .mrm_prob = 0.15,
                                     .seed = 9};
    const struct un_dataset_info *info = un_dataset_info(rig->world.datasets[0]);
    world_check(un_plan_open(&rig->plan, rig->world.datasets, rig->world.keys, rig->world.n, &how, valid));
    for (int64_t lane = 0; lane < LANES; ++lane) un_plan_start(rig->plan, lane, &rig->states[lane]);
    rig->setup = (struct un_loader_setup){.plan = rig->plan,
                                          .lane_end = LANES,
                                          .first_step = FIRST_STEP,
                                          .states = rig->states,
                                          .slots = LANES + 1,
                                          .threads = 2,
                                          .purpose = valid ? UN_RNG_VALID : UN_RNG_MASK};
    un_pack_caps(rig->plan, info->img_dim, info->img_label_dim, &rig->setup.caps);
}

static void rig_open(struct rig *rig, int64_t bad_image, int64_t images, bool valid) {
    struct world_spec specs[2] = {
        {.files = make_files_default(), .mix = {8, 4, 2, 4, 6}, .bad_image = bad_image},
        {.files = make_files_default(), .mix = {1, 1, 1, 1, 1}}};
    specs[0].files.images = images;
    specs[0].files.align = true;
    specs[1].files.prefix = "vg";
    specs[1].files.seed = 3;
    world_open(&rig->world, specs, 2, LANES, valid);
    rig_start(rig, valid);
}

static void rig_close(struct rig *rig) {
    un_plan_close(rig->plan);
    world_close(&rig->world);
}

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
    h = hash(h, b->soft_label, 2 * caps->img_label_dim * b->rows[UN_MRCKL].n);
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

/* Reads until the error; returns how many micro-batches came before it. */
static int64_t read_to_error(struct rig *rig, char *message) {
    struct un_loader *loader;
    struct un_loaded got;
    int64_t good = 0;
    world_check(un_loader_open(&loader, &rig->setup));
    enum un_status status;
    while ((status = un_loader_next(loader, &got)) == UN_OK) {
        assert_non_null(got.batch);
        ++good;
        un_loader_release(loader, &got);
    }
    assert_int_equal(status, UN_DATA);
    strcpy(message, un_error_get()->text);
    un_error_clear();
    assert_int_equal(un_loader_next(loader, &got), UN_DATA); /* it stays failed */
    assert_string_equal(un_error_get()->text, message);
    un_error_clear();
    un_loader_close(loader);
    return good;
}

/* A NaN among the rows: the same message after the same micro-batches, whatever the threads. */
static void corrupt_row_is_reported_in_its_place(void **state) {
    (void)state;
    struct rig rig;
    char first[UN_ERROR_MAX] = "", message[UN_ERROR_MAX];
    int64_t good = -1;
    rig_open(&rig, 13, 20, false);
    for (int threads = 1; threads <= 4; ++threads)
        for (int64_t slots = 1; slots <= 9; slots += 4) {
            rig.setup.threads = threads;
            rig.setup.slots = slots;
            int64_t now = read_to_error(&rig, message);
            if (good < 0) strcpy(first, message);
            if (good < 0) good = now;
            assert_int_equal(now, good);
            assert_string_equal(message, first);
        }
    assert_non_null(strstr(first, "img_000013"));
    assert_true(good > 0); /* half-way, not at once */
    rig_close(&rig);
}

static void bad_state_is_reported(void **state) {
    (void)state;
    struct rig rig;
    char message[UN_ERROR_MAX];
    rig_open(&rig, 0, 20, false);
    rig.states[2].stream[1].position = 1000;
    assert_int_equal(read_to_error(&rig, message), 2);
    assert_non_null(strstr(message, "lane 2"));
    rig_close(&rig);
}

static double seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Closing at once, while full, while some are held, and after a failure. */
static void closes_in_bounded_time(void **state) {
    (void)state;
    for (int kind = 0; kind < 12; ++kind) {
        struct rig rig;
        struct un_loader *loader;
        struct un_loaded got;
        rig_open(&rig, kind % 4 == 3 ? 13 : 0, 20, false);
        rig.setup.slots = 3;
        rig.setup.threads = 1 + kind / 4 * 2;
        world_check(un_loader_open(&loader, &rig.setup));
        if (kind % 4 > 0) usleep(20000); /* the ring is full by now */
        if (kind % 4 == 2) world_check(un_loader_next(loader, &got));
        double start = seconds();
        un_loader_close(loader);
        assert_true(seconds() - start < 2);
        rig_close(&rig);
    }
}

static void one_held_too_many_is_an_error(void **state) {
    (void)state;
    struct rig rig;
    struct un_loader *loader;
    struct un_loaded got[3], more;
    rig_open(&rig, 0, 20, false);
    rig.setup.slots = 3;
    world_check(un_loader_open(&loader, &rig.setup));
    for (int i = 0; i < 3; ++i) world_check(un_loader_next(loader, &got[i]));
    assert_int_equal(un_loader_next(loader, &more), UN_INTERNAL);
    un_error_clear();
    un_loader_release(loader, &got[1]); /* and it goes on, in any order of release */
    world_check(un_loader_next(loader, &more));
    assert_int_equal(more.lane, 3);
    un_loader_close(loader);
    rig_close(&rig);
}

/* Memory of the slots comes from the given functions and all of it goes back; the promise of bytes holds. */
struct own {
    int64_t live, bytes;
};
static void *own_alloc(void *context, size_t bytes) {
    struct own *own = context;
    ++own->live;
    own->bytes += (int64_t)bytes;
    return aligned_alloc(UN_ALIGN, (bytes + UN_ALIGN - 1) / UN_ALIGN * UN_ALIGN);
}
static void own_free(void *context, void *ptr) {
    --((struct own *)context)->live;
    free(ptr);
}

static void memory_is_what_was_said(void **state) {
    (void)state;
    struct rig rig;
    struct un_loader *loader;
    struct own own = {0};
    rig_open(&rig, 0, 20, false);
    size_t said = un_loader_bytes(&rig.setup);
    uint64_t before = un_memory_counts().live_bytes;
    world_check(un_loader_open(&loader, &rig.setup));
    assert_int_equal(un_memory_counts().live_bytes - before, said);
    un_loader_close(loader);
    assert_int_equal(un_memory_counts().live_bytes, before);

    rig.setup.host_alloc = own_alloc;
    rig.setup.host_free = own_free;
    rig.setup.context = &own;
    world_check(un_loader_open(&loader, &rig.setup));
    assert_int_equal(own.live, rig.setup.slots);
    assert_int_equal(un_memory_counts().live_bytes - before + (uint64_t)own.bytes, said);
    un_loader_close(loader);
    assert_int_equal(own.live, 0);
    rig_close(&rig);
}

/* Each allocation of opening fails once: an error, nothing left behind. */
static void opening_survives_lack_of_memory(void **state) {
    (void)state;
    struct rig rig;
    struct un_loader *loader;
    rig_open(&rig, 0, 20, false);
    uint64_t before = un_memory_counts().live_blocks, n = 1;
    for (;; ++n) {
        un_memory_fail_at(n);
        enum un_status status = un_loader_open(&loader, &rig.setup);
        un_memory_fail_at(0);
        if (status == UN_OK) break;
        assert_int_equal(status, UN_MEMORY);
        assert_null(loader);
        un_error_clear();
        assert_int_equal(un_memory_counts().live_blocks, before);
    }
    assert_true(n > 10);
    un_loader_close(loader);
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
    const struct CMUnitTest tests[] = {cmocka_unit_test(same_for_any_threads_slots_and_ranks),
                                       cmocka_unit_test(resumes_from_delivered_states),
                                       cmocka_unit_test(validation_goes_lane_by_lane),
                                       cmocka_unit_test(corrupt_row_is_reported_in_its_place),
                                       cmocka_unit_test(bad_state_is_reported),
                                       cmocka_unit_test(closes_in_bounded_time),
                                       cmocka_unit_test(one_held_too_many_is_an_error),
                                       cmocka_unit_test(memory_is_what_was_said),
                                       cmocka_unit_test(opening_survives_lack_of_memory),
                                       cmocka_unit_test(real_data)};
    return cmocka_run_group_tests_name("loader", tests, NULL, NULL);
}
