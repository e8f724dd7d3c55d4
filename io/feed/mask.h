/* Masking of one sample: conditional, words or regions, never both; or joint, where the side that is not asked is
 * masked too. Pure functions of the random counters. Source: UNITER section 3; 15 % of units, words by BERT's
 * 80/10/10 rule, at least one unit of what is asked. */
#ifndef UN_IO_FEED_MASK_H
#define UN_IO_FEED_MASK_H

#include "io/data/dataset.h"

/* The counter of one sample's random numbers. */
struct un_mask_rng {
    uint64_t seed;
    uint32_t purpose, step, lane, sample;
    uint32_t first; /* index of unit 0, where parts of a sample are masked separately */
};
/* Unit i draws from index first + i; UN_MASK_FORCED + first chooses the one unit where none was drawn; units of the
 * side that is not asked draw from UN_MASK_OTHER + first + i; UN_MASK_WRONG is no unit's: which region of an
 * expression is the wrong one. */
enum { UN_MASK_OTHER = 0x20000000, UN_MASK_FORCED = 0x40000000, UN_MASK_WRONG = 0x60000000 };
/* words [n] without special tokens, changed in place; target[i] = the true id where masked, else -1. */
void un_mask_words(const struct un_mask_rng *rng, double prob, const struct un_vocab *vocab, int32_t *words,
                   int32_t *target, int64_t n);
/* masked[i] = 1 where region i is masked. */
void un_mask_regions(const struct un_mask_rng *rng, double prob, uint8_t *masked, int64_t n);
/* The same for the side that is not asked: nothing to guess, so maybe none. */
void un_mask_other_words(const struct un_mask_rng *rng, double prob, const struct un_vocab *vocab,
                         int32_t *words, int64_t n);
void un_mask_other_regions(const struct un_mask_rng *rng, double prob, uint8_t *masked, int64_t n);

#endif
