/* Packing against a naive derivation of every field, for random sizes, both mixings, f16, f32 and both
 * together; the bounds; what is refused. Values are known from make_files, so data set and packing are
 * checked together. */
#include "tests/data/world.h"

#include "io/half.h"
#include "io/mask.h"
#include "io/pack.h"
#include "runtime/rng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { FILL = 0xA5 };
static struct un_sample samples[WORLD_SAMPLES];
static const struct world_spec *specs;

struct rig {
    struct world world;
    struct un_plan *plan;
    struct un_batch_caps caps;
    struct un_packer *packer;
    struct un_batch batch;
    struct un_arena arena;
};

static void rig_open(struct rig *rig, const struct world_spec *all, int64_t n, const struct un_plan_keys *how,
                     bool valid) {
    *rig = (struct rig){.arena = {.name = "test"}};
    specs = all;
    world_open(&rig->world, all, n, how->lanes, valid);
    world_check(un_plan_open(&rig->plan, rig->world.datasets, rig->world.keys, n, how, valid));
    un_pack_caps(rig->plan, all[0].files.img_dim, all[0].files.classes, &rig->caps);
    world_check(un_packer_open(&rig->packer, rig->plan, &rig->caps));
    un_batch_carve(&rig->batch, &rig->caps, &rig->arena);
    rig->arena = (struct un_arena){.name = "test", .size = rig->arena.used};
    rig->arena.base = un_alloc(rig->arena.size, 1, "batch");
    assert_non_null(rig->arena.base);
    un_batch_carve(&rig->batch, &rig->caps, &rig->arena);
}

static void rig_close(struct rig *rig) {
    un_packer_close(rig->packer);
    un_plan_close(rig->plan);
    world_close(&rig->world);
    un_free(rig->arena.base);
}

static struct un_plan_keys keys_default(void) {
    return (struct un_plan_keys){.lanes = 2,
                                 .tokens_per_lane = 150,
                                 .mixing = UN_MIXING_SAMPLE,
                                 .itm_neg_prob = 0.5,
                                 .mlm_prob = 0.15,
                                 .mrm_prob = 0.15,
                                 .seed = 3};
}

/* Where the walk over the samples stands. */
struct walk {
    const struct un_sample *sample;
    const struct make_files *files;
    int64_t image, own, words, regions; /* image: row of the file; words with [CLS] and [SEP] */
    int64_t token, word, region, masked, align, rows[UN_OBJECTIVE_COUNT];
    struct un_mask_rng rng;
};

static void check_words(const struct rig *rig, struct walk *w) {
    const struct un_batch *b = &rig->batch;
    const struct un_vocab vocab = {
        .mask_id = MAKE_MASK, .random_lo = MAKE_RANDOM_LO, .random_hi = w->files->vocab_size};
    int32_t id[1024], target[1024];
    int64_t n = w->words - 2;
    for (int64_t i = 0; i < n; ++i) id[1 + i] = make_token(w->files, w->sample->text, i);
    id[0] = MAKE_CLS;
    id[n + 1] = MAKE_SEP;
    for (int64_t i = 0; i < n; ++i) target[i] = -1;
    if (w->sample->objective == UN_MLM)
        un_mask_words(&w->rng, un_plan_keys(rig->plan)->mlm_prob, &vocab, id + 1, target, n);
    assert_memory_equal(b->word_id + w->word, id, (size_t)w->words * sizeof *id);
    for (int64_t i = 0; i < w->words; ++i) {
        assert_int_equal(b->word_pos[w->word + i], i);
        assert_int_equal(b->word_row[w->word + i], w->token + i);
    }
    for (int64_t i = 0; i < n; ++i) {
        if (target[i] < 0) continue;
        int64_t k = w->rows[UN_MLM]++;
        assert_true(k < b->rows[UN_MLM].n);
        assert_int_equal(b->rows[UN_MLM].row[k], w->token + 1 + i);
        assert_int_equal(b->rows[UN_MLM].target[k], make_token(w->files, w->sample->text, i));
        assert_int_equal(b->rows[UN_MLM].dataset[k], w->sample->dataset);
    }
}

static float feature_at(const struct un_batch *b, int64_t at) {
    return b->feature_type == UN_F32 ? ((const float *)b->feature)[at]
                                     : un_half_to(((const uint16_t *)b->feature)[at]);
}

/* Features come as stored, masked or not. */
static void check_regions(const struct rig *rig, const struct walk *w) {
    const struct un_batch *b = &rig->batch;
    for (int64_t i = 0; i < w->regions; ++i) {
        float box[6];
        make_box(w->files, w->image, i, box);
        assert_int_equal(b->region_row[w->region + i], w->token + w->words + i);
        assert_memory_equal(b->box + (w->region + i) * UN_BOX_WIDTH, box, sizeof box);
        assert_true(b->box[(w->region + i) * UN_BOX_WIDTH + 6] == box[4] * box[5]);
        for (int64_t c = 0; c < w->files->img_dim; ++c)
            assert_true(feature_at(b, (w->region + i) * w->files->img_dim + c) ==
                        make_feature(w->files, w->image, i, c));
    }
}

static void check_classes(const struct un_batch *b, const struct walk *w, int64_t k, int64_t region) {
    int64_t classes = w->files->classes, best = make_class(w->files, w->image, region);
    if (w->sample->objective == UN_MRC) assert_int_equal(b->rows[UN_MRC].target[k], best);
    for (int64_t c = 0; w->sample->objective == UN_MRCKL && c < classes; ++c)
        assert_true(un_half_to(((const uint16_t *)b->soft_label)[k * classes + c]) == (c == best ? 0.75f
                                                                                       : c == 0  ? 0.25f
                                                                                                 : 0));
}

static void check_masked(const struct rig *rig, struct walk *w) {
    const struct un_batch *b = &rig->batch;
    enum un_objective t = w->sample->objective;
    uint8_t masked[1024] = {0};
    int here = 0;
    bool asked = t == UN_MRFR || t == UN_MRC || t == UN_MRCKL;
    if (asked) un_mask_regions(&w->rng, un_plan_keys(rig->plan)->mrm_prob, masked, w->regions);
    assert_memory_equal(b->masked + w->region, masked, (size_t)w->regions);
    for (int64_t i = 0; i < w->regions; ++i) {
        if (!masked[i]) continue;
        int64_t k = w->rows[t]++;
        ++here;
        assert_true(k < b->rows[t].n);
        assert_int_equal(b->masked_region[w->masked++], w->region + i);
        assert_int_equal(b->rows[t].row[k], w->token + w->words + i);
        assert_int_equal(b->rows[t].region[k], w->region + i);
        assert_int_equal(b->rows[t].dataset[k], w->sample->dataset);
        check_classes(b, w, k, i);
    }
    assert_int_equal(asked, here > 0);
}

static void check_pair(const struct un_batch *b, struct walk *w) {
    if (w->sample->objective != UN_ITM) return;
    int64_t k = w->rows[UN_ITM]++;
    assert_int_equal(b->rows[UN_ITM].row[k], w->token);
    assert_int_equal(b->rows[UN_ITM].target[k], w->image == w->own);
    assert_int_equal(b->rows[UN_ITM].dataset[k], w->sample->dataset);
    assert_int_equal(b->pair_first[k], w->token);
    assert_int_equal(b->pair_words[k], w->words);
    assert_int_equal(b->pair_regions[k], w->regions);
    assert_int_equal(b->plan_start[k + 1] - b->plan_start[k], w->words * w->regions);
    assert_true(b->longest_words >= w->words && b->longest_regions >= w->regions);
    for (int64_t i = 0; w->files->align && w->image == w->own && i < w->words - 2; ++i) {
        int64_t region = i % make_regions(w->files, w->image);
        if (region >= w->regions) continue; /* cut by max_bb */
        assert_int_equal(b->alignment.pair[w->align], k);
        assert_int_equal(b->alignment.word[w->align], i + 1);
        assert_int_equal(b->alignment.region[w->align++], region);
    }
}

/* Groups by counting, O(n * keys): each key's rows ascending, keys ascending, nothing else. */
static void check_segments(const struct un_segments *seg, const int32_t *key, int64_t n, int32_t keys) {
    int64_t group = 0, at = 0;
    for (int32_t id = 0; id < keys; ++id) {
        int64_t begin = at;
        for (int64_t i = 0; i < n; ++i)
            if (key[i] == id) assert_int_equal(seg->perm[at++], i);
        if (at == begin) continue;
        assert_int_equal(seg->id[group], id);
        assert_int_equal(seg->start[group], begin);
        assert_int_equal(seg->start[++group], at);
    }
    assert_int_equal(at, n);
    assert_int_equal(seg->count, group);
}

static void check_totals(const struct rig *rig, const struct walk *w, int64_t n) {
    const struct un_batch *b = &rig->batch;
    assert_int_equal(b->samples, n);
    assert_int_equal(b->tokens, w->token);
    assert_int_equal(b->words, w->word);
    assert_int_equal(b->regions, w->region);
    assert_int_equal(b->masked_count, w->masked);
    assert_int_equal(b->alignment.n, w->align);
    assert_int_equal(b->plan_start[0], 0);
    for (int t = 0; t < UN_OBJECTIVE_COUNT; ++t) assert_int_equal(b->rows[t].n, w->rows[t]);
    int64_t longest_words = 0, longest_regions = 0, longest = 0;
    for (int64_t k = 0; k < b->rows[UN_ITM].n; ++k) {
        if (b->pair_words[k] > longest_words) longest_words = b->pair_words[k];
        if (b->pair_regions[k] > longest_regions) longest_regions = b->pair_regions[k];
    }
    for (int64_t s = 0; s < n; ++s)
        if (b->start[s + 1] - b->start[s] > longest) longest = b->start[s + 1] - b->start[s];
    assert_int_equal(b->longest_words, longest_words);
    assert_int_equal(b->longest_regions, longest_regions);
    assert_int_equal(b->longest, longest);
    assert_true(b->by_word.id == b->by_word_id && b->by_word.perm == b->by_word_perm);
    check_segments(&b->by_word, b->word_id, b->words, (int32_t)rig->caps.vocab_size);
    check_segments(&b->by_position, b->word_pos, b->words, 512);
    assert_true(b->tokens <= rig->caps.tokens && b->samples <= rig->caps.samples &&
                b->words <= rig->caps.words && b->regions <= rig->caps.regions &&
                b->plan_start[b->rows[UN_ITM].n] <= rig->caps.plan);
}

static void check_batch(const struct rig *rig, int64_t n, uint32_t step, uint32_t lane, uint32_t purpose) {
    const struct un_batch *b = &rig->batch;
    struct walk w = {0};
    assert_int_equal(b->step, step);
    assert_int_equal(b->lane, lane);
    assert_int_equal(b->start[0], 0);
    for (int64_t s = 0; s < n; ++s) {
        const struct world_spec *spec = &specs[samples[s].dataset];
        w.sample = &samples[s];
        w.files = &spec->files;
        w.image = samples[s].image;
        w.own = samples[s].text / w.files->texts_per_image;
        w.words = make_words(w.files, samples[s].text) + 2;
        w.regions = make_regions(w.files, w.image);
        if (spec->max_bb > 0 && w.regions > spec->max_bb) w.regions = spec->max_bb;
        w.rng = (struct un_mask_rng){un_plan_keys(rig->plan)->seed, purpose, step, lane, (uint32_t)s};
        check_words(rig, &w);
        check_regions(rig, &w);
        check_masked(rig, &w);
        check_pair(b, &w);
        w.word += w.words;
        w.region += w.regions;
        w.token += w.words + w.regions;
        assert_int_equal(b->start[s + 1], w.token);
    }
    check_totals(rig, &w, n);
}

/* Nothing is written behind the used part of an array. */
static void check_tail(const void *array, int64_t used, int64_t cap, int64_t bytes) {
    const unsigned char *p = array;
    for (int64_t i = used * bytes; i < cap * bytes; ++i) assert_int_equal(p[i], FILL);
}

static void check_tails(const struct rig *rig) {
    const struct un_batch *b = &rig->batch;
    const struct un_batch_caps *c = &rig->caps;
    check_tail(b->start, b->samples + 1, c->samples + 1, 4);
    check_tail(b->word_id, b->words, c->words, 4);
    check_tail(b->word_row, b->words, c->words, 4);
    check_tail(b->region_row, b->regions, c->regions, 4);
    check_tail(b->box, b->regions * UN_BOX_WIDTH, c->regions * UN_BOX_WIDTH, 4);
    check_tail(b->masked, b->regions, c->regions, 1);
    check_tail(b->masked_region, b->masked_count, c->regions, 4);
    check_tail(b->by_word_id, b->by_word.count, c->words, 4);
    check_tail(b->by_word_perm, b->words, c->words, 4);
    check_tail(b->by_position_start, b->by_position.count + 1, c->words + 1, 4);
    check_tail(b->pair_words, b->rows[UN_ITM].n, c->samples, 4);
    check_tail(b->plan_start, b->rows[UN_ITM].n + 1, c->samples + 1, 4);
    check_tail(b->feature, b->regions * c->img_dim, c->regions * c->img_dim, un_type_bytes(c->feature_type));
    if (b->soft_label)
        check_tail(b->soft_label, b->rows[UN_MRCKL].n * c->img_label_dim, c->regions * c->img_label_dim, 2);
    check_tail(b->scale, 0, UN_OBJECTIVE_COUNT, 4); /* launch's */
    check_tail(b->ot_coef, 0, c->samples, 4);
    check_tail(b->alignment.word, b->alignment.n, c->words, 4);
}

/* Packs and checks `steps` micro-batches of all lanes; returns how many tokens they had. */
static int64_t pack_and_check(struct rig *rig, uint32_t steps, uint32_t purpose) {
    int64_t tokens = 0, n;
    for (int64_t lane = 0; lane < un_plan_keys(rig->plan)->lanes; ++lane) {
        struct un_lane_state state;
        un_plan_start(rig->plan, lane, &state);
        for (uint32_t step = 1; step <= steps; ++step) {
            world_check(un_plan_next(rig->plan, step, lane, &state, samples, &n));
            memset(rig->arena.base, FILL, rig->arena.size);
            uint64_t before = un_memory_counts().live_blocks;
            world_check(un_pack(rig->packer, &rig->batch, samples, n, step, (uint32_t)lane, purpose));
            assert_int_equal(un_memory_counts().live_blocks, before);
            check_batch(rig, n, step, (uint32_t)lane, purpose);
            check_tails(rig);
            tokens += rig->batch.tokens;
        }
    }
    return tokens;
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
    for (uint32_t round = 0; round < 24; ++round) {
        struct world_spec two[2] = {random_spec(round, "coco"), random_spec(round, "vg")};
        struct un_plan_keys how = keys_default();
        struct rig rig;
        two[0].files.feature_type = round % 3 == 0 ? UN_F32 : UN_F16;
        two[1].files.feature_type = round % 3 == 1 ? UN_F32 : two[0].files.feature_type;
        how.mixing = round % 2 ? UN_MIXING_BATCH : UN_MIXING_SAMPLE;
        how.mlm_prob = how.mrm_prob = round % 4 == 3 ? 1 : 0.15;
        how.tokens_per_lane = round % 5 == 0 ? 400 : 70;
        rig_open(&rig, two, 2, &how, false);
        assert_true(rig.caps.feature_type == (round % 3 < 2 ? UN_F32 : UN_F16));
        pack_and_check(&rig, 12, UN_RNG_MASK);
        rig_close(&rig);
    }
}

static void validation_packs_everything_once(void **state) {
    (void)state;
    struct world_spec spec = random_spec(99, "valid");
    struct un_plan_keys how = keys_default();
    struct rig rig;
    rig_open(&rig, &spec, 1, &how, true);
    int64_t passes = pack_and_check(&rig, 200, UN_RNG_VALID); /* far past the end: empty micro-batches too */
    assert_int_equal(rig.batch.samples, 0);
    assert_true(passes > 0);
    rig_close(&rig);
}

/* Samples all alike fill the bounds exactly, so they are not only safe but tight. */
static void caps_are_tight(void **state) {
    (void)state;
    struct world_spec spec = {.files = make_files_default(), .mix = {[UN_ITM] = 1}};
    struct un_plan_keys how = keys_default();
    struct rig rig;
    spec.files.min_words = spec.files.max_words = 8;
    spec.files.min_regions = spec.files.max_regions = 20;
    how.tokens_per_lane = 150; /* five samples of 30 */
    rig_open(&rig, &spec, 1, &how, false);
    pack_and_check(&rig, 3, UN_RNG_MASK);
    assert_int_equal(rig.batch.samples, 5);
    assert_int_equal(rig.caps.samples, 5);
    assert_int_equal(rig.caps.words, 50);
    assert_int_equal(rig.caps.regions, 100);
    assert_int_equal(rig.caps.plan, 1000);
    assert_int_equal(rig.batch.plan_start[5], 1000);
    assert_false(rig.caps.soft_labels);
    rig_close(&rig);
}

static void same_numbers_same_batch(void **state) {
    (void)state;
    struct world_spec spec = random_spec(4, "coco");
    struct un_plan_keys how = keys_default();
    struct rig rig;
    struct un_lane_state lane;
    int64_t n;
    rig_open(&rig, &spec, 1, &how, false);
    un_plan_start(rig.plan, 1, &lane);
    world_check(un_plan_next(rig.plan, 1, 1, &lane, samples, &n));
    unsigned char *first = un_alloc(rig.arena.size, 1, "copy");
    for (int k = 0; k < 4; ++k) { /* 0: first, 1: again, 2: another step, 3: the other purpose */
        memset(rig.arena.base, FILL, rig.arena.size);
        world_check(un_pack(rig.packer, &rig.batch, samples, n, k == 2 ? 2 : 1, 1,
                            k == 3 ? UN_RNG_VALID : UN_RNG_MASK));
        if (k == 0) memcpy(first, rig.arena.base, rig.arena.size);
        assert_int_equal(k < 2, memcmp(first, rig.arena.base, rig.arena.size) == 0);
    }
    un_free(first);
    rig_close(&rig);
}

static void assert_refused(const struct rig *rig, const struct un_batch_caps *caps, const char *word) {
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
    struct rig rig;
    struct un_batch_caps c;
    int64_t n;
    rig_open(&rig, &spec, 1, &how, false);
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
    rig_close(&rig);
}

static void bad_row_is_named(void **state) {
    (void)state;
    struct world_spec spec = random_spec(4, "coco");
    struct un_plan_keys how = keys_default();
    struct rig rig;
    spec.bad_image = 1;
    how.itm_neg_prob = 0;
    rig_open(&rig, &spec, 1, &how, true);
    const struct un_sample sample = {.objective = UN_MRFR, .text = spec.files.texts_per_image, .image = 1};
    assert_int_equal(un_pack(rig.packer, &rig.batch, &sample, 1, 1, 0, UN_RNG_MASK), UN_DATA);
    assert_non_null(strstr(un_error_get()->text, "coco_000001"));
    un_error_clear();
    rig_close(&rig);
}

/* Real features, many classes: rows agree with what the data set reads by itself. */
static void real_data(void **state) {
    (void)state;
    struct rig rig = {.arena = {.name = "test"}};
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
    un_pack_caps(rig.plan, info->img_dim, info->img_label_dim, &rig.caps);
    world_check(un_packer_open(&rig.packer, rig.plan, &rig.caps));
    un_batch_carve(&rig.batch, &rig.caps, &rig.arena);
    rig.arena = (struct un_arena){.base = un_alloc(rig.arena.used, 1, "batch"), .size = rig.arena.used};
    un_batch_carve(&rig.batch, &rig.caps, &rig.arena);
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
        check_segments(&rig.batch.by_word, rig.batch.word_id, rig.batch.words, 28996);
    }
    assert_true(packed > 120);
    un_free(feature);
    rig_close(&rig);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_field_at_random_sizes),
                                       cmocka_unit_test(validation_packs_everything_once),
                                       cmocka_unit_test(caps_are_tight),
                                       cmocka_unit_test(same_numbers_same_batch),
                                       cmocka_unit_test(refuses),
                                       cmocka_unit_test(bad_row_is_named),
                                       cmocka_unit_test(real_data)};
    return cmocka_run_group_tests_name("pack", tests, NULL, NULL);
}
