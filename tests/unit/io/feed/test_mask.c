/* Masks: rates within five sigma at fixed seeds, the 80/10/10 rule, at least one unit, a function of the
 * counters only. */
#include "io/feed/mask.h"
#include "runtime/rng.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { WORDS = 20, ROUNDS = 20000 };
static const struct un_vocab vocab = {.vocab_size = 1000,
                                      .unk_id = 100,
                                      .cls_id = 101,
                                      .sep_id = 102,
                                      .mask_id = 103,
                                      .random_lo = 106,
                                      .random_hi = 1000};

static struct un_mask_rng rng_of(int64_t round) {
    return (struct un_mask_rng){.seed = 11,
                                .purpose = UN_RNG_MASK,
                                .step = (uint32_t)(round / 50),
                                .lane = (uint32_t)(round % 5),
                                .sample = (uint32_t)(round / 5 % 10)};
}

static void assert_share(double hits, double all, double prob) {
    if (fabs(hits - all * prob) > 5 * sqrt(all * prob * (1 - prob)))
        fail_msg("%.0f of %.0f (%.4f) is not a share of %.4f", hits, all, hits / all, prob);
}

/* One true id for all words, so that a replaced word shows. */
static void fill(int32_t *words, int64_t n, int32_t id) {
    for (int64_t i = 0; i < n; ++i) words[i] = id;
}

struct fates {
    double all, drawn, masked, random, kept, by_place[WORDS];
};

static void count_fates(int64_t n, double prob, struct fates *f) {
    int32_t words[WORDS], target[WORDS];
    const int32_t id = 555;
    *f = (struct fates){0};
    for (int64_t round = 0; round < ROUNDS; ++round) {
        struct un_mask_rng rng = rng_of(round);
        int drawn = 0;
        fill(words, n, id);
        un_mask_words(&rng, prob, &vocab, words, target, n);
        for (int64_t i = 0; i < n; ++i) {
            ++f->all;
            assert_true(target[i] == -1 || target[i] == id);
            if (target[i] == -1) {
                assert_int_equal(words[i], id);
                continue;
            }
            ++drawn;
            ++f->by_place[i];
            f->masked += words[i] == vocab.mask_id;
            f->kept += words[i] == id;
            f->random += words[i] != id && words[i] != vocab.mask_id;
            assert_true(words[i] == vocab.mask_id ||
                        (words[i] >= vocab.random_lo && words[i] < vocab.random_hi));
        }
        assert_true(drawn >= 1);
        f->drawn += drawn;
    }
}

static void words_obey_the_rule(void **state) {
    (void)state;
    struct fates f;
    count_fates(WORDS, 0.15, &f);
    double none = pow(0.85, WORDS); /* then one is forced */
    assert_share(f.drawn, f.all, 0.15 + none / WORDS);
    assert_share(f.masked, f.drawn, 0.8);
    assert_share(f.kept, f.drawn, 0.1 + 0.1 / 894); /* a random word may be the true one */
    assert_share(f.random, f.drawn, 0.1 - 0.1 / 894);
    for (int i = 0; i < WORDS; ++i) assert_share(f.by_place[i], ROUNDS, 0.15 + none / WORDS);
}

/* Probability 0: always exactly one, anywhere, by the same rule. */
static void one_word_is_forced(void **state) {
    (void)state;
    struct fates f;
    count_fates(7, 0, &f);
    assert_true(f.drawn == ROUNDS);
    assert_share(f.masked, f.drawn, 0.8);
    assert_share(f.random, f.drawn, 0.1 - 0.1 / 894);
    for (int i = 0; i < 7; ++i) assert_share(f.by_place[i], ROUNDS, 1.0 / 7);
    count_fates(1, 0, &f);
    assert_true(f.drawn == ROUNDS);
    count_fates(WORDS, 1, &f);
    assert_true(f.drawn == f.all);
}

/* The whole range, both ends, and nothing outside. */
static void random_words_cover_the_range(void **state) {
    (void)state;
    struct un_vocab small = vocab;
    small.random_lo = 106;
    small.random_hi = 111;
    double count[5] = {0}, all = 0;
    int32_t words[WORDS], target[WORDS];
    for (int64_t round = 0; round < ROUNDS; ++round) {
        struct un_mask_rng rng = rng_of(round);
        fill(words, WORDS, 555);
        un_mask_words(&rng, 1, &small, words, target, WORDS);
        for (int i = 0; i < WORDS; ++i) {
            if (words[i] == 555 || words[i] == vocab.mask_id) continue;
            assert_in_range(words[i], 106, 110);
            ++count[words[i] - 106];
            ++all;
        }
    }
    for (int i = 0; i < 5; ++i) assert_share(count[i], all, 0.2);
}

static void regions_are_masked_at_the_rate(void **state) {
    (void)state;
    uint8_t masked[40];
    for (int64_t n = 1; n <= 40; n += 13) {
        double drawn = 0, by_place[40] = {0}, none = pow(0.85, (double)n);
        for (int64_t round = 0; round < ROUNDS; ++round) {
            struct un_mask_rng rng = rng_of(round);
            int here = 0;
            memset(masked, 0xFF, sizeof masked);
            un_mask_regions(&rng, 0.15, masked, n);
            for (int64_t i = 0; i < n; ++i) {
                assert_true(masked[i] <= 1);
                here += masked[i];
                by_place[i] += masked[i];
            }
            assert_true(here >= 1);
            for (int64_t i = n; i < 40; ++i) assert_int_equal(masked[i], 0xFF);
            drawn += here;
        }
        assert_share(drawn, (double)n * ROUNDS, fmin(0.15 + none / (double)n, 1 - 1e-12));
        for (int64_t i = 0; i < n; ++i)
            assert_share(by_place[i], ROUNDS, fmin(0.15 + none / (double)n, 1 - 1e-12));
    }
}

/* Of the side that is not asked maybe none, at the same rate and by the same rule. */
static void other_side_is_masked_at_the_rate(void **state) {
    (void)state;
    int32_t words[7];
    uint8_t masked[7];
    double by_word = 0, by_mask = 0, by_region = 0, none = 0;
    for (int64_t round = 0; round < ROUNDS; ++round) {
        struct un_mask_rng rng = rng_of(round);
        int here = 0;
        fill(words, 7, 555);
        un_mask_other_words(&rng, 0.15, &vocab, words, 7);
        un_mask_other_regions(&rng, 0.15, masked, 7);
        for (int i = 0; i < 7; ++i) {
            by_word += words[i] != 555;
            by_mask += words[i] == vocab.mask_id;
            here += masked[i];
        }
        by_region += here;
        none += here == 0;
    }
    assert_share(by_region, 7.0 * ROUNDS, 0.15);
    assert_share(none, ROUNDS, pow(0.85, 7));
    assert_share(by_mask, 7.0 * ROUNDS, 0.15 * 0.8);
    assert_share(by_word - by_mask, 7.0 * ROUNDS, 0.15 * 0.1 * 893 / 894);
}

static uint64_t mask_bits(struct un_mask_rng rng) {
    uint8_t masked[64];
    uint64_t bits = 0;
    un_mask_regions(&rng, 0.5, masked, 64);
    for (int i = 0; i < 64; ++i) bits |= (uint64_t)masked[i] << i;
    return bits;
}

static void masks_are_functions_of_all_counters(void **state) {
    (void)state;
    const struct un_mask_rng base = rng_of(1234);
    uint64_t bits = mask_bits(base);
    for (int k = 0; k < 5; ++k) {
        struct un_mask_rng rng = base;
        assert_true(mask_bits(rng) == bits);
        if (k == 0) rng.seed += 1;
        if (k == 1) rng.purpose = UN_RNG_VALID;
        if (k == 2) rng.step += 1;
        if (k == 3) rng.lane += 1;
        if (k == 4) rng.sample += 1;
        int same = 64 - __builtin_popcountll(mask_bits(rng) ^ bits);
        assert_in_range(same, 12, 52); /* independent: 32 +- 5 sigma */
    }
}

/* What is asked says nothing about what else is masked. */
static void other_side_has_its_own_numbers(void **state) {
    (void)state;
    const struct un_mask_rng rng = rng_of(1234);
    uint8_t masked[64];
    uint64_t bits = 0;
    un_mask_other_regions(&rng, 0.5, masked, 64);
    for (int i = 0; i < 64; ++i) bits |= (uint64_t)masked[i] << i;
    assert_in_range(__builtin_popcountll(mask_bits(rng) ^ bits), 12, 52);
}

/* A longer text agrees with a shorter one on their common words: numbers are counted, not consumed. */
static void empty_and_prefix(void **state) {
    (void)state;
    struct un_mask_rng rng = rng_of(77);
    int32_t a[WORDS], b[WORDS], ta[WORDS], tb[WORDS];
    un_mask_words(&rng, 0.5, &vocab, a, ta, 0);
    un_mask_regions(&rng, 0.5, NULL, 0);
    fill(a, WORDS, 555);
    fill(b, WORDS, 555);
    un_mask_words(&rng, 0.5, &vocab, a, ta, WORDS);
    un_mask_words(&rng, 0.5, &vocab, b, tb, 12);
    assert_memory_equal(a, b, 12 * sizeof *a);
    assert_memory_equal(ta, tb, 12 * sizeof *a);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(words_obey_the_rule),
                                       cmocka_unit_test(one_word_is_forced),
                                       cmocka_unit_test(random_words_cover_the_range),
                                       cmocka_unit_test(regions_are_masked_at_the_rate),
                                       cmocka_unit_test(masks_are_functions_of_all_counters),
                                       cmocka_unit_test(other_side_is_masked_at_the_rate),
                                       cmocka_unit_test(other_side_has_its_own_numbers),
                                       cmocka_unit_test(empty_and_prefix)};
    return cmocka_run_group_tests_name("mask", tests, NULL, NULL);
}
