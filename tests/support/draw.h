/* Samples and parameters drawn at random for the tests of the model; the same numbers on every machine. */
#ifndef UN_TESTS_SUPPORT_DRAW_H
#define UN_TESTS_SUPPORT_DRAW_H

#include "model/dims.h"
#include "runtime/params.h"
#include "tests/support/samples.h"

/* What one sample should be. asked: masked words or regions (at most those there are). */
struct wish {
    enum un_objective objective;
    int32_t words, regions, asked;
};

struct drawn {
    struct sample *list;
    int64_t n;
    void *arrays; /* all samples' arrays */
};

/* Owner: caller, drawn_free. Word ids are in [1, vocab_size). */
void draw_samples(struct drawn *out, const struct un_dims *dims, const struct wish *wishes, int64_t n,
                  uint64_t seed);
void drawn_free(struct drawn *drawn);
/* Matrices normal * range, vectors around 0 or (LayerNorm weights) 1. */
void draw_values(const struct un_params *table, float *values, uint64_t seed, float range);
/* In [-1, 1). */
float draw_signed(uint64_t seed, uint32_t what, uint32_t index);

#endif
