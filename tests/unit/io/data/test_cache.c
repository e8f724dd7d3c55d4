/* The host cache: places by limit, one filler at a time, what is found is what was put, from many threads. */
#include "io/data/cache.h"
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_limit(void **state) {
    (void)state;
    const int64_t bytes[] = {10, 0, 17, 16, 1};
    const struct {
        int64_t limit, entries, used;
    } cases[] = {{0, 0, 0},   {15, 0, 0},  {16, 2, 16}, {47, 2, 16},
                 {48, 3, 48}, {64, 4, 64}, {80, 5, 80}, {1 << 20, 5, 80}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        struct un_cache *c;
        assert_int_equal(un_cache_open(&c, bytes, 5, cases[i].limit), UN_OK);
        struct un_cache_counts n = un_cache_counts(c);
        assert_int_equal(n.entries, cases[i].entries);
        assert_int_equal(n.bytes, cases[i].used);
        assert_int_equal(n.all_bytes, 80);
        assert_int_equal(n.all_entries, 5);
        if (n.entries < 5) assert_null(un_cache_begin(c, n.entries)); /* no place */
        un_cache_close(c);
    }
}

static void test_states(void **state) {
    (void)state;
    const int64_t bytes[] = {32, 32};
    struct un_cache *c;
    assert_int_equal(un_cache_open(&c, bytes, 2, 64), UN_OK);
    assert_null(un_cache_find(c, 1));
    char *place = un_cache_begin(c, 1);
    assert_non_null(place);
    assert_null(un_cache_begin(c, 1)); /* somebody fills it */
    assert_null(un_cache_find(c, 1));
    un_cache_done(c, 1, false); /* failed: empty again */
    place = un_cache_begin(c, 1);
    assert_non_null(place);
    memset(place, 7, 32);
    un_cache_done(c, 1, true);
    assert_null(un_cache_begin(c, 1));
    assert_true(un_cache_has(c, 1) && !un_cache_has(c, 0) && !un_cache_has(c, 2));
    const char *found = un_cache_find(c, 1);
    for (int i = 0; i < 32; ++i) assert_int_equal(found[i], 7);
    struct un_cache_counts n = un_cache_counts(c);
    assert_int_equal(n.hits, 1);
    assert_int_equal(n.misses, 2);
    un_cache_close(c);
}

enum { ENTRIES = 500, THREADS = 4, ROUNDS = 20000 };

struct race {
    struct un_cache *cache;
    unsigned seed;
    int wrong;
};

static void *race(void *context) {
    struct race *r = context;
    for (int i = 0; i < ROUNDS; ++i) {
        r->seed = r->seed * 1664525u + 1013904223u;
        int64_t entry = (r->seed >> 8) % ENTRIES;
        const int64_t *found = un_cache_find(r->cache, entry);
        if (found) {
            for (int k = 0; k < 8; ++k) r->wrong += found[k] != entry * 8 + k;
            continue;
        }
        int64_t *place = un_cache_begin(r->cache, entry);
        if (!place) continue;
        for (int k = 0; k < 8; ++k) place[k] = entry * 8 + k;
        un_cache_done(r->cache, entry, r->seed % 5 != 0); /* some fills fail */
    }
    return NULL;
}

static void test_threads(void **state) {
    (void)state;
    int64_t bytes[ENTRIES];
    struct un_cache *c;
    struct race races[THREADS];
    pthread_t threads[THREADS];
    for (int i = 0; i < ENTRIES; ++i) bytes[i] = 8 * sizeof(int64_t);
    assert_int_equal(un_cache_open(&c, bytes, ENTRIES, 1 << 20), UN_OK);
    for (int i = 0; i < THREADS; ++i) {
        races[i] = (struct race){c, 77u + (unsigned)i, 0};
        assert_int_equal(pthread_create(&threads[i], NULL, race, &races[i]), 0);
    }
    for (int i = 0; i < THREADS; ++i) {
        pthread_join(threads[i], NULL);
        assert_int_equal(races[i].wrong, 0);
    }
    for (int64_t i = 0; i < ENTRIES; ++i) assert_true(un_cache_has(c, i));
    assert_int_equal(un_cache_counts(c).hits + un_cache_counts(c).misses, THREADS * ROUNDS);
    un_cache_close(c);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_limit), cmocka_unit_test(test_states),
                                       cmocka_unit_test(test_threads)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
