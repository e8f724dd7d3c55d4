/* The loader with tasks: the samples it tells of are those of its micro-batches, whatever the threads; two images
 * a sequence in a store on the device; steps that are mined. */
#include "tests/unit/io/feed/task_check.h"

#include "io/feed/loader.h"
#include "runtime/rng.h"

static struct un_sample samples[WORLD_SAMPLES];

static void set_up(struct un_loader_setup *setup, const struct pack_rig *rig, struct un_lane_state *states,
                   int threads, bool valid) {
    for (int64_t lane = 0; lane < TASK_LANES; ++lane) un_plan_start(rig->plan, lane, &states[lane]);
    *setup = (struct un_loader_setup){.plan = rig->plan,
                                      .caps = rig->caps,
                                      .lane_end = TASK_LANES,
                                      .first_step = 1,
                                      .states = states,
                                      .slots = TASK_LANES + 2,
                                      .threads = threads,
                                      .purpose = valid ? UN_RNG_VALID : UN_RNG_MASK};
}

static void assert_same_batch(const struct un_batch *a, const struct un_batch *b, enum un_objective t,
                              const struct un_batch_caps *caps) {
    const struct un_rows *x = &a->rows[t], *y = &b->rows[t];
    assert_int_equal(a->samples, b->samples);
    assert_int_equal(a->tokens, b->tokens);
    assert_memory_equal(a->start, b->start, (size_t)(a->samples + 1) * 4);
    assert_memory_equal(a->word_id, b->word_id, (size_t)a->words * 4);
    assert_memory_equal(a->word_type, b->word_type, (size_t)a->words * 4);
    assert_memory_equal(a->feature, b->feature, (size_t)(a->regions * caps->img_dim) * 2);
    assert_true(x->n == y->n && x->members == y->members);
    assert_memory_equal(x->start, y->start, (size_t)(x->n + 1) * 4);
    assert_memory_equal(x->row, y->row, (size_t)x->members * 4);
    if (x->target) assert_memory_equal(x->target, y->target, (size_t)x->n * 4);
    if (x->wrong) assert_memory_equal(x->wrong, y->wrong, (size_t)x->n * 4);
}

/* The next micro-batch, by hand. */
static void check_next(struct pack_rig *rig, struct un_loader *loader, struct un_lane_state *by_hand,
                       enum un_objective t, uint32_t purpose) {
    struct un_loaded got;
    int64_t n;
    world_check(un_loader_next(loader, &got));
    world_check(un_plan_next(rig->plan, (uint32_t)got.step, got.lane, &by_hand[got.lane], samples, &n));
    world_check(
        un_pack(rig->packer, &rig->batch, samples, n, (uint32_t)got.step, (uint32_t)got.lane, purpose));
    assert_int_equal(got.n_samples, n);
    assert_memory_equal(got.samples, samples, (size_t)n * sizeof *samples);
    assert_memory_equal(got.after, &by_hand[got.lane], sizeof *got.after);
    assert_same_batch(got.batch, &rig->batch, t, &rig->caps);
    if (t == UN_ITM_HARD) assert_true(n == 2 && got.batch->samples == 0);
    un_loader_release(loader, &got);
}

static void every_task_with_threads(void **state) {
    (void)state;
    for (int t = UN_VQA; t < UN_OBJECTIVE_COUNT; ++t)
        for (int threads = 1; threads <= 3; threads += 2) {
            struct pack_rig rig;
            struct un_loader_setup setup;
            struct un_lane_state states[TASK_LANES], by_hand[TASK_LANES];
            struct un_loader *loader;
            struct world_spec spec = task_spec(task_of((enum un_objective)t), (enum un_objective)t);
            const struct un_plan_keys how = task_keys();
            task_rig_open(&rig, &spec, &how, false);
            set_up(&setup, &rig, states, threads, false);
            memcpy(by_hand, states, sizeof states);
            world_check(un_loader_open(&loader, &setup));
            for (int k = 0; k < 30 * TASK_LANES; ++k)
                check_next(&rig, loader, by_hand, (enum un_objective)t, UN_RNG_MASK);
            un_loader_close(loader);
            pack_rig_close(&rig);
        }
}

/* Text after text with all images, at most four a micro-batch. */
struct chooser {
    const struct pack_rig *rig;
    int64_t text, image, images, texts;
};

static void choose(void *context, struct un_sequence *room, int64_t most, struct un_pack_list *list) {
    struct chooser *c = context;
    *list = (struct un_pack_list){UN_ITM_RANK, 0, room, 0, 1};
    if (c->text == c->texts) return;
    for (; list->n < most && list->n < 4 && c->image + list->n < c->images; ++list->n)
        room[list->n] = un_sequence_pair(c->text, c->image + list->n);
    list->n = un_pack_fitting(c->rig->plan, &c->rig->caps, list);
    c->image += list->n;
    if (c->image < c->images) return;
    c->image = 0;
    ++c->text;
}

/* They come packed, in the order in which they were chosen; then one without sequences, then nothing. */
static void chosen_sequences_in_order(void **state) {
    (void)state;
    static struct un_sequence room[WORLD_SAMPLES];
    for (int threads = 1; threads <= 3; threads += 2) {
        struct pack_rig rig;
        struct un_loader_setup setup;
        struct un_lane_state states[TASK_LANES];
        struct un_loader *loader;
        struct un_loaded got;
        struct world_spec spec = task_spec(UN_TASK_RETRIEVAL, UN_ITM_RANK);
        const struct un_plan_keys how = task_keys();
        task_rig_open(&rig, &spec, &how, true);
        const struct un_dataset_info *info = un_dataset_info(rig.world.datasets[0]);
        struct chooser ahead = {&rig, 0, 0, info->images, 5}, by_hand = ahead;
        const struct un_loader_lists lists = {choose, &ahead};
        struct un_pack_list list;
        set_up(&setup, &rig, states, threads, true);
        setup.states = NULL;
        setup.lists = &lists;
        setup.lane_end = 1;
        world_check(un_loader_open(&loader, &setup));
        int64_t batches = 0, pairs = 0;
        for (bool more = true; more; ++batches) {
            world_check(un_loader_next(loader, &got));
            assert_non_null(got.batch);
            choose(&by_hand, room, rig.caps.samples, &list);
            world_check(un_pack_sequences(rig.packer, &rig.batch, &list, (uint32_t)got.step, 0));
            assert_true(got.n_samples == list.n && got.samples == NULL);
            assert_same_batch(got.batch, &rig.batch, UN_ITM_RANK, &rig.caps);
            pairs += list.n;
            more = list.n > 0;
            un_loader_release(loader, &got);
        }
        assert_int_equal(pairs, 5 * info->images);
        assert_true(batches > 6);
        world_check(un_loader_next(loader, &got));
        assert_null(got.batch);
        un_loader_close(loader);
        pack_rig_close(&rig);
    }
}

/* Every text's rows are told of once. */
static void an_evaluation_knows_its_texts(void **state) {
    (void)state;
    struct pack_rig rig;
    struct un_loader_setup setup;
    struct un_lane_state states[TASK_LANES];
    struct un_loader *loader;
    struct un_loaded got;
    struct world_spec spec = task_spec(UN_TASK_VCR, UN_VCR);
    struct un_plan_keys how = task_keys();
    int64_t next = 0;
    how.tokens_per_lane = 1000;
    how.evaluate = true;
    task_rig_open(&rig, &spec, &how, true);
    set_up(&setup, &rig, states, 2, true);
    world_check(un_loader_open(&loader, &setup));
    for (world_check(un_loader_next(loader, &got)); got.lane < TASK_LANES;
         world_check(un_loader_next(loader, &got))) {
        assert_int_equal(got.batch->rows[UN_VCR].n, 20 * got.n_samples);
        for (int64_t i = 0; i < got.n_samples; ++i) assert_int_equal(got.samples[i].text, next++);
        un_loader_release(loader, &got);
    }
    assert_null(got.batch);
    assert_int_equal(next, 36);
    un_loader_close(loader);
    pack_rig_close(&rig);
}

/* Plays the device: what is new goes into the store, and then every region is there. */
static void use(char *store, struct un_resident *resident, const struct un_batch *b,
                const struct un_batch *plain, const struct un_batch_caps *caps) {
    size_t row = (size_t)caps->img_dim * 2;
    for (int64_t i = 0; i < b->fresh; ++i) {
        for (int64_t k = 0; k < i; ++k) assert_int_not_equal(b->fresh_row[i], b->fresh_row[k]);
        memcpy(store + (size_t)b->fresh_row[i] * row, (const char *)b->feature + (size_t)i * row, row);
    }
    assert_in_range(b->stored.n, 0, caps->samples);
    for (int64_t i = 0; i < b->stored.n; ++i) un_resident_add(resident, b->stored.image[i]);
    for (int64_t i = 0; i < b->regions; ++i)
        assert_memory_equal(store + (size_t)b->feature_row[i] * row,
                            (const char *)plain->feature + (size_t)i * row, row);
    memset(store + (size_t)un_resident_rows(resident) * row, 0xFF,
           (size_t)(caps->store_rows - un_resident_rows(resident)) * row);
}

/* Lanes [begin, end); new rows of the second half of the steps. */
static int64_t run_with_store(const struct pack_rig *rig, int64_t begin, int64_t end, int64_t rows) {
    struct un_loader *with, *without;
    struct un_resident *resident;
    struct un_loaded a, b;
    struct un_loader_setup plain, setup;
    struct un_lane_state states[TASK_LANES];
    int64_t late = 0, all = 200 * (end - begin);
    set_up(&plain, rig, states, 2, false);
    plain.lane_begin = begin;
    plain.lane_end = end;
    setup = plain;
    world_check(un_resident_open(&resident, rig->world.datasets, 1, begin, end, rows));
    setup.resident = resident;
    setup.caps.store_rows = rows + setup.caps.regions;
    char *store = un_alloc((size_t)(setup.caps.store_rows * setup.caps.img_dim), 2, "store");
    world_check(un_loader_open(&with, &setup));
    world_check(un_loader_open(&without, &plain));
    for (int64_t k = 0; k < all; ++k) {
        world_check(un_loader_next(with, &a));
        world_check(un_loader_next(without, &b));
        use(store, resident, a.batch, b.batch, &setup.caps);
        if (k >= all / 2) late += a.batch->fresh;
        un_loader_release(with, &a);
        un_loader_release(without, &b);
    }
    un_loader_close(with);
    un_loader_close(without);
    un_resident_close(resident);
    un_free(store);
    return late;
}

static void two_images_in_a_store(void **state) {
    (void)state;
    const enum un_objective all[] = {UN_NLVR2_TRIPLET, UN_NLVR2_ATTN, UN_VCR, UN_ITM_RANK};
    for (size_t k = 0; k < sizeof all / sizeof *all; ++k) {
        struct pack_rig rig;
        struct world_spec spec = task_spec(task_of(all[k]), all[k]);
        const struct un_plan_keys how = task_keys();
        spec.files.bare_images = k % 2 == 1 ? 7 : 0;
        task_rig_open(&rig, &spec, &how, false);
        int64_t need = un_resident_need(rig.world.datasets, 1, 0, TASK_LANES);
        assert_int_equal(run_with_store(&rig, 0, TASK_LANES, need), 0);
        assert_true(run_with_store(&rig, 0, TASK_LANES, need / 2) > 0);
        /* a lane of a rank by itself: its second images are those of others, or nobody's own */
        need = un_resident_need(rig.world.datasets, 1, 1, 2);
        assert_int_equal(run_with_store(&rig, 1, 2, need), 0);
        assert_true(run_with_store(&rig, 1, 2, need / 2) > 0);
        pack_rig_close(&rig);
    }
}

/* More images than samples come at once: those too many for the list stay guests until they come again. */
static void more_images_than_samples(void **state) {
    (void)state;
    struct pack_rig rig;
    struct world_spec spec = task_spec(UN_TASK_NLVR2, UN_NLVR2_TRIPLET);
    struct un_plan_keys how = task_keys();
    spec.files.min_words = spec.files.max_words = 4;
    spec.files.min_regions = spec.files.max_regions = 3;
    how.tokens_per_lane = 36;
    task_rig_open(&rig, &spec, &how, false);
    assert_int_equal(rig.caps.samples, 3);
    assert_int_equal(
        run_with_store(&rig, 0, TASK_LANES, un_resident_need(rig.world.datasets, 1, 0, TASK_LANES)), 0);
    pack_rig_close(&rig);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_task_with_threads), cmocka_unit_test(an_evaluation_knows_its_texts),
        cmocka_unit_test(chosen_sequences_in_order), cmocka_unit_test(two_images_in_a_store),
        cmocka_unit_test(more_images_than_samples)};
    return cmocka_run_group_tests_name("loader_tasks", tests, NULL, NULL);
}
