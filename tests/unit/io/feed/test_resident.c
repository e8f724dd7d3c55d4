/* Features that stay on the device: places by size, and a loader that leaves out what is there. The test
 * plays the device: it brings what is new into a store and then finds every feature there, for any size of
 * the store, any lanes, threads and slots; with room for all, nothing is new after a while and no file is
 * read for it. */
#include "tests/support/world.h"

#include "io/feed/loader.h"
#include "runtime/rng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { LANES = 4 };

struct rig {
    struct world world;
    struct un_plan *plan;
    struct un_lane_state states[LANES];
    struct un_loader_setup setup;
};

static void rig_open(struct rig *rig, int64_t images, enum un_type second) {
    struct world_spec specs[2] = {{.files = make_files_default(), .mix = {8, 4, 2, 4, 6}},
                                  {.files = make_files_default(), .mix = {1, 1, 1, 1, 1}}};
    specs[0].files.images = specs[1].files.images = images;
    specs[1].files.prefix = "vg";
    specs[1].files.seed = 3;
    specs[1].files.feature_type = second;
    world_open(&rig->world, specs, 2, LANES, false);
    const struct un_plan_keys how = {.lanes = LANES,
                                     .tokens_per_lane = 120,
                                     .itm_neg_prob = 0.5,
                                     .mlm_prob = 0.15,
                                     .mrm_prob = 0.15,
                                     .seed = 9};
    const struct un_dataset_info *info = un_dataset_info(rig->world.datasets[0]);
    world_check(un_plan_open(&rig->plan, rig->world.datasets, rig->world.keys, rig->world.n, &how, false));
    for (int64_t lane = 0; lane < LANES; ++lane) un_plan_start(rig->plan, lane, &rig->states[lane]);
    rig->setup = (struct un_loader_setup){.plan = rig->plan,
                                          .lane_end = LANES,
                                          .first_step = 1,
                                          .states = rig->states,
                                          .slots = 3,
                                          .threads = 1,
                                          .purpose = UN_RNG_MASK};
    un_pack_caps(rig->plan, info->img_dim, info->img_label_dim, &rig->setup.caps);
}

static void rig_close(struct rig *rig) {
    un_plan_close(rig->plan);
    world_close(&rig->world);
}

static int64_t regions_of(const struct rig *rig, int64_t begin, int64_t end) {
    return un_resident_need(rig->world.datasets, rig->world.n, begin, end);
}

/* Images have places in order, one behind the other, until the rows end. */
static void places(void **state) {
    (void)state;
    struct rig rig;
    rig_open(&rig, 20, UN_F16);
    for (int64_t begin = 0; begin < LANES; ++begin) {
        int64_t need = regions_of(&rig, begin, LANES);
        for (int64_t rows = 0; rows <= need + 3; ++rows) {
            struct un_resident *r;
            world_check(un_resident_open(&r, rig.world.datasets, rig.world.n, begin, LANES, rows));
            int64_t next = 0, placed = 0;
            bool room = true;
            for (int d = 0; d < rig.world.n; ++d)
                for (int64_t i = 0; i < un_dataset_info(rig.world.datasets[d])->images; ++i) {
                    int64_t regions = un_dataset_image_regions(rig.world.datasets[d], i);
                    int32_t at = un_resident_find(r, d, i);
                    bool own = i >= un_dataset_lane_image(rig.world.datasets[d], begin);
                    room = room && (!own || next + regions <= rows);
                    assert_int_equal(at, own && room ? placed : -1);
                    if (at < 0) continue;
                    assert_int_equal(un_resident_row(r, at), next);
                    assert_false(un_resident_has(r, at));
                    next += regions;
                    ++placed;
                }
            assert_int_equal(un_resident_rows(r), next);
            assert_int_equal(un_resident_counts(r).placed, placed);
            if (rows >= need) assert_int_equal(next, need);
            if (placed > 0) {
                un_resident_add(r, (int32_t)placed - 1);
                un_resident_add(r, (int32_t)placed - 1);
                assert_true(un_resident_has(r, (int32_t)placed - 1));
                assert_int_equal(un_resident_counts(r).there, 1);
            }
            un_resident_close(r);
        }
    }
    rig_close(&rig);
}

/* What the device would do with a micro-batch, checked against one packed without a store. */
static void use(char *store, struct un_resident *resident, const struct un_batch *b,
                const struct un_batch *plain, const struct un_batch_caps *caps) {
    size_t row = (size_t)(caps->img_dim * un_type_bytes(caps->feature_type));
    assert_int_equal(b->regions, plain->regions);
    assert_int_equal(b->rows[UN_MRFR].n, plain->rows[UN_MRFR].n);
    assert_memory_equal(b->masked, plain->masked, (size_t)b->regions);
    assert_memory_equal(b->box, plain->box, (size_t)(b->regions * UN_BOX_WIDTH) * sizeof(float));
    assert_memory_equal(b->word_id, plain->word_id, (size_t)b->words * sizeof(int32_t));
    for (int64_t i = 0; i < b->fresh; ++i) {
        assert_in_range(b->fresh_row[i], 0, caps->store_rows - 1);
        for (int64_t k = 0; k < i; ++k) assert_int_not_equal(b->fresh_row[i], b->fresh_row[k]);
        memcpy(store + (size_t)b->fresh_row[i] * row, (const char *)b->feature + (size_t)i * row, row);
    }
    for (int64_t i = 0; i < b->stored.n; ++i) un_resident_add(resident, b->stored.image[i]);
    for (int64_t i = 0; i < b->regions; ++i)
        assert_memory_equal(store + (size_t)b->feature_row[i] * row,
                            (const char *)plain->feature + (size_t)i * row, row);
    for (int64_t i = 0; i < b->rows[UN_MRFR].n; ++i)
        assert_int_equal(b->rows[UN_MRFR].stored[i], b->feature_row[plain->rows[UN_MRFR].region[i]]);
    memset(store + (size_t)un_resident_rows(resident) * row, 0xFF,
           (size_t)(caps->store_rows - un_resident_rows(resident)) * row); /* guests leave */
}

/* `steps` steps of lanes [begin, end) with a store of `rows` rows; new rows of the second half of them. */
static int64_t run(struct rig *rig, int64_t begin, int64_t end, int64_t rows, int64_t steps) {
    struct un_loader *with, *without;
    struct un_resident *resident;
    struct un_loaded a, b;
    struct un_loader_setup plain = rig->setup, setup;
    plain.lane_begin = begin;
    plain.lane_end = end;
    setup = plain;
    world_check(un_resident_open(&resident, rig->world.datasets, rig->world.n, begin, end, rows));
    setup.resident = resident;
    setup.caps.store_rows = rows + setup.caps.regions;
    char *store = un_alloc((size_t)(setup.caps.store_rows * setup.caps.img_dim),
                           (size_t)un_type_bytes(setup.caps.feature_type), "store");
    world_check(un_loader_open(&with, &setup));
    world_check(un_loader_open(&without, &plain));
    int64_t late = 0;
    for (int64_t k = 0; k < steps * (end - begin); ++k) {
        world_check(un_loader_next(with, &a));
        world_check(un_loader_next(without, &b));
        use(store, resident, a.batch, b.batch, &setup.caps);
        if (k >= steps * (end - begin) / 2) late += a.batch->fresh;
        un_loader_release(with, &a);
        un_loader_release(without, &b);
    }
    un_loader_close(with);
    un_loader_close(without);
    un_resident_close(resident);
    un_free(store);
    return late;
}

static void every_size_threads_and_lanes(void **state) {
    (void)state;
    for (int type = 0; type < 2; ++type) {
        struct rig rig;
        rig_open(&rig, 20, type ? UN_F32 : UN_F16);
        const int64_t lanes[][2] = {{0, LANES}, {1, 3}, {3, LANES}};
        for (size_t l = 0; l < sizeof lanes / sizeof *lanes; ++l) {
            int64_t need = regions_of(&rig, lanes[l][0], lanes[l][1]);
            for (int threads = 1; threads <= 3; ++threads) {
                rig.setup.threads = threads;
                rig.setup.slots = 3 * threads;
                assert_int_equal(run(&rig, lanes[l][0], lanes[l][1], need, 240), 0);
                assert_true(run(&rig, lanes[l][0], lanes[l][1], need / 2, 60) > 0);
                assert_true(run(&rig, lanes[l][0], lanes[l][1], 0, 20) > 0);
            }
        }
        rig_close(&rig);
    }
}

/* Lanes of one image: false pairs come from all, and other lanes' images are guests for ever. */
static void guests_of_other_lanes(void **state) {
    (void)state;
    struct rig rig;
    rig_open(&rig, LANES, UN_F16);
    assert_int_equal(run(&rig, 0, LANES, regions_of(&rig, 0, LANES), 240), 0);
    assert_true(run(&rig, 2, 3, regions_of(&rig, 2, 3), 60) > 0);
    rig_close(&rig);
}

static void no_memory(void **state) {
    (void)state;
    struct rig rig;
    struct un_resident *r;
    rig_open(&rig, 20, UN_F16);
    uint64_t live = un_memory_counts().live_blocks, bytes = un_memory_counts().live_bytes, n = 1;
    for (;; ++n) {
        un_memory_fail_at(n);
        enum un_status status = un_resident_open(&r, rig.world.datasets, rig.world.n, 0, LANES, 1000);
        un_memory_fail_at(0);
        if (status == UN_OK) break;
        assert_int_equal(status, UN_MEMORY);
        assert_null(r);
        un_error_clear();
        assert_int_equal(un_memory_counts().live_blocks, live);
    }
    assert_int_equal(n, 4);
    assert_int_equal(un_memory_counts().live_bytes - bytes, un_resident_bytes(un_resident_counts(r).images));
    un_resident_close(r);
    assert_int_equal(un_resident_open(&r, rig.world.datasets, rig.world.n, 0, LANES, (int64_t)INT32_MAX + 1),
                     UN_INTERNAL);
    un_error_clear();
    rig_close(&rig);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(places),
                                       cmocka_unit_test(every_size_threads_and_lanes),
                                       cmocka_unit_test(guests_of_other_lanes), cmocka_unit_test(no_memory)};
    return cmocka_run_group_tests_name("resident", tests, NULL, NULL);
}
