/* See pack_check.h. */
#include "tests/support/pack_check.h"

#include "io/feed/mask.h"
#include "runtime/half.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

void pack_rig_carve(struct pack_rig *rig, int64_t img_dim, int64_t classes) {
    un_pack_caps(rig->plan, img_dim, classes, &rig->caps);
    world_check(un_packer_open(&rig->packer, rig->plan, &rig->caps));
    rig->arena = (struct un_arena){.name = "test"};
    un_batch_carve(&rig->batch, &rig->caps, &rig->arena);
    rig->arena = (struct un_arena){.name = "test", .size = rig->arena.used};
    rig->arena.base = un_alloc(rig->arena.size, 1, "batch");
    assert_non_null(rig->arena.base);
    un_batch_carve(&rig->batch, &rig->caps, &rig->arena);
}

void pack_rig_open(struct pack_rig *rig, const struct world_spec *specs, int64_t n,
                   const struct un_plan_keys *how, bool valid) {
    *rig = (struct pack_rig){.specs = specs};
    world_open(&rig->world, specs, n, how->lanes, valid);
    world_check(un_plan_open(&rig->plan, rig->world.datasets, rig->world.keys, n, how, valid));
    pack_rig_carve(rig, specs[0].files.img_dim, specs[0].files.classes);
}

void pack_rig_close(struct pack_rig *rig) {
    un_packer_close(rig->packer);
    un_plan_close(rig->plan);
    world_close(&rig->world);
    un_free(rig->arena.base);
}

/* Where the walk over the samples stands. */
struct walk {
    const struct un_sample *sample;
    const struct make_files *files;
    int64_t image, own, words, regions; /* image: row of the file; words with [CLS] and [SEP] */
    int64_t token, word, region, masked, align, rows[UN_OBJECTIVE_COUNT];
    struct un_mask_rng rng;
};

static bool asks_regions(const struct walk *w) {
    enum un_objective t = w->sample->objective;
    return t == UN_MRFR || t == UN_MRC || t == UN_MRCKL;
}

static void check_words(const struct pack_rig *rig, struct walk *w) {
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
    if (asks_regions(w) && un_plan_keys(rig->plan)->mask == UN_MASK_BOTH)
        un_mask_other_words(&w->rng, un_plan_keys(rig->plan)->mlm_prob, &vocab, id + 1, n);
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
static void check_regions(const struct pack_rig *rig, const struct walk *w) {
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
        assert_true(un_half_to(((const uint16_t *)b->rows[UN_MRCKL].soft)[k * classes + c]) ==
                    (c == best ? 0.75f
                     : c == 0  ? 0.25f
                               : 0));
}

static void check_masked(const struct pack_rig *rig, struct walk *w) {
    const struct un_batch *b = &rig->batch;
    enum un_objective t = w->sample->objective;
    uint8_t masked[1024] = {0};
    int here = 0;
    bool asked = asks_regions(w), both = un_plan_keys(rig->plan)->mask == UN_MASK_BOTH;
    if (asked) un_mask_regions(&w->rng, un_plan_keys(rig->plan)->mrm_prob, masked, w->regions);
    if (t == UN_MLM && both)
        un_mask_other_regions(&w->rng, un_plan_keys(rig->plan)->mrm_prob, masked, w->regions);
    assert_memory_equal(b->masked + w->region, masked, (size_t)w->regions);
    for (int64_t i = 0; i < w->regions; ++i) {
        if (!masked[i]) continue;
        assert_int_equal(b->masked_region[w->masked++], w->region + i);
        if (!asked) continue;
        int64_t k = w->rows[t]++;
        ++here;
        assert_true(k < b->rows[t].n);
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
void pack_check_segments(const struct un_segments *seg, const int32_t *key, int64_t n, int32_t keys) {
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

static void check_totals(const struct pack_rig *rig, const struct walk *w, int64_t n) {
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
    pack_check_segments(&b->by_word, b->word_id, b->words, (int32_t)rig->caps.vocab_size);
    pack_check_segments(&b->by_position, b->word_pos, b->words, 512);
    assert_true(b->tokens <= rig->caps.tokens && b->samples <= rig->caps.samples &&
                b->words <= rig->caps.words && b->regions <= rig->caps.regions &&
                b->plan_start[b->rows[UN_ITM].n] <= rig->caps.plan);
}

void pack_check(const struct pack_rig *rig, const struct un_sample *samples, int64_t n, uint32_t step,
                uint32_t lane, uint32_t purpose) {
    const struct un_batch *b = &rig->batch;
    struct walk w = {0};
    assert_int_equal(b->step, step);
    assert_int_equal(b->lane, lane);
    assert_int_equal(b->start[0], 0);
    for (int64_t s = 0; s < n; ++s) {
        const struct world_spec *spec = &rig->specs[samples[s].dataset];
        w.sample = &samples[s];
        w.files = &spec->files;
        w.image = samples[s].image;
        w.own = samples[s].text / w.files->texts_per_image;
        w.words = make_words(w.files, samples[s].text) + 2;
        w.regions = make_regions(w.files, w.image);
        if (spec->max_bb > 0 && w.regions > spec->max_bb) w.regions = spec->max_bb;
        w.rng = (struct un_mask_rng){un_plan_keys(rig->plan)->seed, purpose, step, lane, (uint32_t)s, 0};
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
    for (int64_t i = used * bytes; i < cap * bytes; ++i) assert_int_equal(p[i], PACK_FILL);
}

void pack_check_tails(const struct pack_rig *rig) {
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
    if (b->rows[UN_MRCKL].soft)
        check_tail(b->rows[UN_MRCKL].soft, b->rows[UN_MRCKL].n * c->img_label_dim,
                   c->regions * c->img_label_dim, 2);
    check_tail(b->scale, 0, UN_OBJECTIVE_COUNT, 4); /* launch's */
    check_tail(b->ot_coef, 0, c->samples, 4);
    check_tail(b->alignment.word, b->alignment.n, c->words, 4);
}
