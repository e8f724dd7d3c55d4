/* Two levels against the flat tree: the same additions, on numbers whose sums depend on the order; and parts
 * that stand so that each level exchanges one array. */
#include "comm/levels.h"
#include "comm/shard.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Element i of what rank r brings: signs and sizes that round differently in another order. */
static float brought(int r, int64_t i) {
    uint32_t x = (uint32_t)r * 2654435761u + (uint32_t)i * 40503u + 12345u;
    x ^= x >> 15;
    x *= 2246822519u;
    x ^= x >> 13;
    float size = (float)(1 << (x & 15u)) * ((float)(x >> 8) + 1.0f);
    return x & 128u ? -size : size;
}

/* As the text of parts.h says, and written another way than the code: the sum of the ranks [first, end) of a
 * branch `width` wide. */
static float flat(int first, int width, int size, int64_t i) {
    if (first >= size) return 0;
    if (width == 1) return brought(first, i);
    float left = flat(first, width / 2, size, i);
    if (first + width / 2 >= size) return left;
    return left + flat(first + width / 2, width / 2, size, i);
}

static float flat_sum(int size, int64_t i) {
    int width = 1;
    while (width < size) width *= 2;
    return flat(0, width, size, i);
}

/* What the ranks in place j own of bucket b, all nodes together. */
static struct un_span place_span(const struct un_shard *s, struct un_levels l, int64_t b, int j) {
    struct un_span all = {un_shard_part(s, b, j).begin, un_shard_part(s, b, j).begin};
    for (int d = 0; d < l.nodes; ++d) {
        struct un_span part = un_shard_part(s, b, d * l.places + j);
        assert_true(part.begin == all.end); /* one after the other, in the order of the nodes */
        all.end = part.end;
    }
    return all;
}

/* The sum of element i in two levels. */
static float two_sum(struct un_levels l, int64_t i, float *inside, float *rail) {
    for (int d = 0; d < l.nodes; ++d) {
        for (int j = 0; j < l.places; ++j) inside[j] = brought(d * l.places + j, i);
        un_levels_sum(inside, l.places, 1);
        rail[d] = inside[0];
    }
    un_levels_sum(rail, l.nodes, 1);
    return rail[0];
}

static void check_bucket(const struct un_shard *s, struct un_levels l, int64_t b) {
    float inside[512], rail[512];
    struct un_span bucket = un_shard_bucket(s, b);
    int64_t end = bucket.begin;
    for (int j = 0; j < l.places; ++j) {
        struct un_span place = place_span(s, l, b, j);
        assert_true(place.begin == end); /* places in order: what a node exchanges is one array of parts */
        end = place.end;
    }
    assert_true(end == bucket.end);
    for (int64_t i = 0; i < 8; ++i) {
        float one = flat_sum(s->size, i), two = two_sum(l, i, inside, rail);
        assert_true(memcmp(&one, &two, sizeof one) == 0);
    }
}

static void test_every_count_has_the_bits_of_the_flat_tree(void **state) {
    (void)state;
    for (int size = 2; size <= 512; ++size)
        for (int places = 2; places < size; places *= 2) {
            if (size % places != 0) continue;
            int node[512];
            for (int r = 0; r < size; ++r) node[r] = r / places;
            struct un_levels l = un_levels_of(node, size);
            assert_true(l.places == places && l.nodes == size / places);
            struct un_shard s;
            un_shard_set(&s, 2 * size * UN_PARAM_BLOCK + 64, size,
                         (size_t)size * UN_PARAM_BLOCK * sizeof(float));
            un_shard_spread(&s, l.nodes);
            for (int64_t b = 0; b < s.buckets; ++b) check_bucket(&s, l, b);
        }
}

static void test_a_sum_in_blocks_is_the_flat_tree(void **state) {
    (void)state;
    enum { COUNT = 2048 + 5 };
    for (int size = 1; size <= 17; ++size) {
        float *blocks = malloc((size_t)size * COUNT * sizeof *blocks);
        assert_non_null(blocks);
        for (int r = 0; r < size; ++r)
            for (int64_t i = 0; i < COUNT; ++i) blocks[r * COUNT + i] = brought(r, i);
        un_levels_sum(blocks, size, COUNT);
        for (int64_t i = 0; i < COUNT; ++i) {
            float one = flat_sum(size, i);
            assert_true(memcmp(&one, &blocks[i], sizeof one) == 0);
        }
        free(blocks);
    }
}

static void test_other_places_stay_flat(void **state) {
    (void)state;
    static const int three[] = {0, 0, 0, 1, 1, 1}, uneven[] = {0, 0, 0, 0, 1, 1}, turns[] = {0, 1, 0, 1},
                     twice[] = {0, 0, 1, 1, 0, 0}, one[] = {0, 0, 0, 0}, alone[] = {0, 1, 2, 3},
                     shifted[] = {0, 0, 1, 2, 2, 2}, last[] = {0, 0, 1, 1, 2};
    static const struct {
        const int *node;
        int size;
    } cases[] = {{three, 6}, {uneven, 6}, {turns, 4},   {twice, 6},
                 {one, 4},   {alone, 4},  {shifted, 6}, {last, 5}};
    for (size_t k = 0; k < sizeof cases / sizeof *cases; ++k) {
        struct un_levels l = un_levels_of(cases[k].node, cases[k].size);
        assert_true(l.nodes == 1 && l.places == cases[k].size);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_count_has_the_bits_of_the_flat_tree),
        cmocka_unit_test(test_a_sum_in_blocks_is_the_flat_tree),
        cmocka_unit_test(test_other_places_stay_flat),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
