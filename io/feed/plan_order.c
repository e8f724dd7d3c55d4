/* The order of samples: a Feistel network (plan.h). */
#include "io/feed/plan.h"

#include "runtime/rng.h"

/* Luby and Rackoff need 4 for large domains; on small ones the orders are measurably uneven below 10. What
 * stays at any number: for n > 4 every round is an even permutation, so even and odd orders of a handful of
 * samples come up some percent apart; single positions, pairs and triples are uniform. */
enum { ORDER_ROUNDS = 10 };

/* A permutation of [0, 4^half_bits): the value is cut into halves (left, right), each round does
 * (left, right) -> (right, left ^ f(right)). */
static uint64_t feistel(uint64_t seed, uint32_t stream, uint32_t lane, uint32_t epoch, int half_bits,
                        uint64_t value) {
    uint32_t mask = (uint32_t)(((uint64_t)1 << half_bits) - 1);
    uint32_t left = (uint32_t)(value >> half_bits), right = (uint32_t)value & mask;
    for (uint32_t round = 0; round < ORDER_ROUNDS; ++round) {
        uint32_t f = un_rng(seed, UN_RNG_ORDER, epoch, lane, stream << 8 | round, right).v[0];
        uint32_t next = left ^ (f & mask);
        left = right;
        right = next;
    }
    return (uint64_t)left << half_bits | right;
}

/* Cycle walking: values outside [0, n) are permuted again. The domain is under 4 n, so about 4 turns at worst
 * on average; it ends because the walk follows a cycle that returns to `position` itself. */
int64_t un_plan_permute(uint64_t seed, uint32_t stream, uint32_t lane, uint32_t epoch, int64_t n,
                        int64_t position) {
    int half_bits = 0;
    while (half_bits < 31 && (int64_t)1 << (2 * half_bits) < n) ++half_bits;
    uint64_t value = (uint64_t)position;
    do value = feistel(seed, stream, lane, epoch, half_bits, value);
    while (value >= (uint64_t)n);
    return (int64_t)value;
}
