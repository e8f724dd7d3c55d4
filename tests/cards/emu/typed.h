/* Matrices of any float type in tests of the card's ops, and the CPU's op as the oracle: in f32, on the same
 * numbers, all of which bf16 holds exactly. What is stored as bf16 is rounded once, at most 2^-8 of its size.
 */
#ifndef UN_TESTS_CARDS_EMU_TYPED_H
#define UN_TESTS_CARDS_EMU_TYPED_H

#include "tests/unit/runtime/ops/harness.h"

extern const struct un_limits un_typed_limits;

struct un_oracle {
    struct un_device *device;
    struct un_queue *q;
    const struct un_ops *ops;
};
struct un_oracle un_oracle_open(void);
void un_oracle_close(struct un_oracle *o);

float un_typed_get(struct un_mat m, int64_t i, int64_t j);
void un_typed_set(struct un_mat m, int64_t i, int64_t j, float v);
/* Random numbers that bf16 holds, in a matrix of this type. */
struct un_mat un_typed_random(struct un_harness *h, enum un_type type, int64_t rows, int64_t cols, float low,
                              float high);
/* The same numbers as packed f32; and room for as many. */
struct un_mat un_typed_twin(struct un_harness *h, struct un_mat m);
struct un_mat un_typed_room(struct un_harness *h, struct un_mat m);

/* Within t, and one rounding when got is no f32. */
void un_typed_near(const char *what, struct un_mat got, struct un_mat want, struct un_tolerance t);
/* got is want, rounded to its type. */
void un_typed_exact(const char *what, struct un_mat got, struct un_mat want);
/* sums - before against the column sums of m in double: float chains of up to `rows` terms. */
void un_typed_near_sums(const char *what, const float *sums, const float *before, struct un_mat m);

struct un_typed_shape {
    int64_t rows, cols;
    enum un_type x, y; /* of the first input and of the rest */
    bool in_place, drop, extra;
    enum un_activation activation;
};
/* Rows over the least height of a block of rows (32) make several blocks; widths over 1,024 are not held in
 * registers. */
enum { UN_TYPED_SIZES = 14 };
extern const int64_t un_typed_sizes[UN_TYPED_SIZES][2];
/* Some ten operations an element. */
static inline bool un_typed_heavy(int64_t rows, int64_t cols) {
    return un_harness_heavy(10.0 * (double)(rows * cols));
}
/* Runs a case at all sizes, in several types and forms. */
void un_typed_each(un_harness_case run);

#endif
