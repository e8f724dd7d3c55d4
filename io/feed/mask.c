/* Which words or regions of one sample are masked, and what stands in their place.
 * Word i takes its decision, its fate (80 % [MASK], 10 % a random word, 10 % itself) and its random word from
 * the first three numbers at index i, so a forced word obeys the same rule as a drawn one. Source: UNITER
 * section 3; Devlin et al. (BERT) section 3.1. */
#include "io/feed/mask.h"

#include "runtime/rng.h"

static struct un_rng4 draw(const struct un_mask_rng *rng, int64_t index) {
    return un_rng(rng->seed, rng->purpose, rng->step, rng->lane, rng->sample, rng->first + (uint32_t)index);
}

static bool drawn(const struct un_mask_rng *rng, double prob, int64_t i) {
    return un_rng_unit(draw(rng, i).v[0]) < prob;
}

static int64_t forced(const struct un_mask_rng *rng, int64_t n) {
    return un_rng_below(draw(rng, UN_MASK_FORCED).v[0], (uint32_t)n);
}

static void mask_word(const struct un_mask_rng *rng, const struct un_vocab *vocab, int32_t *words,
                      int64_t i) {
    struct un_rng4 r = draw(rng, i);
    float fate = un_rng_unit(r.v[1]);
    if (fate < 0.8f)
        words[i] = (int32_t)vocab->mask_id;
    else if (fate < 0.9f)
        words[i] = (int32_t)(vocab->random_lo +
                             un_rng_below(r.v[2], (uint32_t)(vocab->random_hi - vocab->random_lo)));
}

static void ask_word(const struct un_mask_rng *rng, const struct un_vocab *vocab, int32_t *words,
                     int32_t *target, int64_t i) {
    target[i] = words[i];
    mask_word(rng, vocab, words, i);
}

void un_mask_words(const struct un_mask_rng *rng, double prob, const struct un_vocab *vocab, int32_t *words,
                   int32_t *target, int64_t n) {
    int64_t masked = 0;
    for (int64_t i = 0; i < n; ++i) {
        target[i] = -1;
        if (!drawn(rng, prob, i)) continue;
        ask_word(rng, vocab, words, target, i);
        ++masked;
    }
    if (masked == 0 && n > 0) ask_word(rng, vocab, words, target, forced(rng, n));
}

void un_mask_regions(const struct un_mask_rng *rng, double prob, uint8_t *masked, int64_t n) {
    int64_t count = 0;
    for (int64_t i = 0; i < n; ++i) {
        masked[i] = drawn(rng, prob, i);
        count += masked[i];
    }
    if (count == 0 && n > 0) masked[forced(rng, n)] = 1;
}

static struct un_mask_rng other(const struct un_mask_rng *rng) {
    struct un_mask_rng moved = *rng;
    moved.first += UN_MASK_OTHER;
    return moved;
}

void un_mask_other_words(const struct un_mask_rng *rng, double prob, const struct un_vocab *vocab,
                         int32_t *words, int64_t n) {
    const struct un_mask_rng own = other(rng);
    for (int64_t i = 0; i < n; ++i)
        if (drawn(&own, prob, i)) mask_word(&own, vocab, words, i);
}

void un_mask_other_regions(const struct un_mask_rng *rng, double prob, uint8_t *masked, int64_t n) {
    const struct un_mask_rng own = other(rng);
    for (int64_t i = 0; i < n; ++i) masked[i] = drawn(&own, prob, i);
}
