/* Every collective on as many ranks as the launcher gives, against values each rank can work out by itself.
 *
 * Integers-as-floats sum exactly in any order, so they show that nothing is lost; values of very different
 * size show the order itself.
 */
#include "comm/comm.h"
#include "runtime/memory.h"
#include "runtime/rng.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { BUCKET_BYTES = 16384, RANKS_MAX = 64 };

static struct un_comm *c; /* opened once: MPI cannot be started twice in a process */

static uint8_t byte_of(int from, int to, size_t i) {
    return (uint8_t)(17 * from + 101 * to + 31 * i + (i >> 8));
}

static void test_place(void **state) {
    (void)state;
    assert_string_equal(c->name, c->size > 1 ? "mpi" : "self");
    assert_int_equal(c->size, atoi(getenv("OMPI_COMM_WORLD_SIZE")));
    assert_int_equal(c->rank, atoi(getenv("OMPI_COMM_WORLD_RANK")));
    assert_int_equal(c->local_size, c->size); /* the tests run on one host */
    assert_int_equal(c->local_rank, c->rank);
    assert_int_equal(c->node, 0);
    assert_int_equal(c->nodes, 1);
    assert_true(c->twins >= 1 && c->twin < c->twins && c->twins <= c->local_size);
    assert_int_equal(c->ops->barrier(c), UN_OK);
}

static void exchange(size_t bytes) {
    size_t n = (size_t)c->size * bytes;
    uint8_t *send = calloc(n + 1, 1), *recv = calloc(n + 1, 1);
    for (int to = 0; to < c->size; ++to)
        for (size_t i = 0; i < bytes; ++i) send[(size_t)to * bytes + i] = byte_of(c->rank, to, i);
    recv[n] = 0xA5;
    assert_int_equal(c->ops->all_to_all(c, recv, send, bytes), UN_OK);
    for (int from = 0; from < c->size; ++from)
        for (size_t i = 0; i < bytes; ++i)
            assert_int_equal(recv[(size_t)from * bytes + i], byte_of(from, c->rank, i));
    assert_int_equal(recv[n], 0xA5);
    assert_int_equal(c->ops->all_gather(c, recv, send, bytes), UN_OK);
    for (int from = 0; from < c->size; ++from)
        for (size_t i = 0; i < bytes; ++i)
            assert_int_equal(recv[(size_t)from * bytes + i], byte_of(from, 0, i));
    assert_int_equal(recv[n], 0xA5);
    free(send);
    free(recv);
}

static void test_exchange(void **state) {
    (void)state;
    static const size_t sizes[] = {0, 1, 7, 8, 4097, 100003};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; ++i) exchange(sizes[i]);
}

static void test_exchange_in_pieces(void **state) {
    (void)state;
    static const size_t sizes[] = {0, 6, 7, 8, 14, 1000};
    c->piece_bytes = 7;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; ++i) exchange(sizes[i]);
    c->piece_bytes = UN_COMM_PIECE;
}

static void test_broadcast(void **state) {
    (void)state;
    uint8_t data[1000];
    for (int root = 0; root < c->size; ++root)
        for (size_t piece = 7; piece <= 1007; piece += 1000) {
            c->piece_bytes = piece;
            for (size_t i = 0; i < sizeof data; ++i) data[i] = c->rank == root ? byte_of(root, 5, i) : 0;
            assert_int_equal(c->ops->broadcast(c, data, 0, root), UN_OK);
            assert_int_equal(c->ops->broadcast(c, data, sizeof data - 1, root), UN_OK);
            for (size_t i = 0; i + 1 < sizeof data; ++i) assert_int_equal(data[i], byte_of(root, 5, i));
            if (c->rank != root) assert_int_equal(data[sizeof data - 1], 0);
        }
    c->piece_bytes = UN_COMM_PIECE;
}

static void test_integers(void **state) {
    (void)state;
    int64_t sum[101], max[101];
    for (size_t piece = 24; piece <= UN_COMM_PIECE; piece *= 1 << 13) {
        c->piece_bytes = piece;
        for (int64_t i = 0; i < 101; ++i) {
            sum[i] = (i << 40) + c->rank;
            max[i] = i % c->size == c->rank ? i + 1000 : -i;
        }
        assert_int_equal(c->ops->sum_i64(c, sum, 101), UN_OK);
        assert_int_equal(c->ops->max_i64(c, max, 101), UN_OK);
        for (int64_t i = 0; i < 101; ++i) {
            assert_true(sum[i] == (i << 40) * c->size + c->size * (c->size - 1) / 2);
            assert_int_equal(max[i], i + 1000);
        }
    }
    c->piece_bytes = UN_COMM_PIECE;
    assert_int_equal(c->ops->sum_i64(c, sum, 0), UN_OK);
}

/* Counts around every edge: nothing, fewer than ranks, the small way, one piece, several pieces with a rest.
 */
static int64_t count_of(int i) {
    const int64_t scratch = c->scratch_count;
    const int64_t counts[] = {0,
                              1,
                              2,
                              3,
                              7,
                              255,
                              256,
                              257,
                              1001,
                              scratch - 1,
                              scratch,
                              scratch + 1,
                              2 * scratch,
                              3 * scratch + 257,
                              5 * scratch + c->size - 1};
    return i < (int)(sizeof counts / sizeof *counts) ? counts[i] : -1;
}

static void test_sum_exact(void **state) {
    (void)state;
    for (int k = 0; count_of(k) >= 0; ++k) {
        int64_t n = count_of(k), total = (int64_t)c->size * (c->size + 1) / 2;
        float *data = malloc((size_t)(n + 1) * sizeof *data);
        for (int64_t i = 0; i < n; ++i) data[i] = (float)((c->rank + 1) * (i % 4099));
        data[n] = 42.0f;
        assert_int_equal(un_comm_sum_tree(c, data, n), UN_OK);
        for (int64_t i = 0; i < n; ++i) assert_true(data[i] == (float)(total * (i % 4099)));
        assert_true(data[n] == 42.0f);
        free(data);
    }
}

/* Magnitudes from 2^-12 to 2^12 with 24-bit mantissas: nearly every addition rounds. */
static float wild(int part, int64_t i) {
    struct un_rng4 r = un_rng(1, UN_RNG_TEST, 0, (uint32_t)part, 0, (uint32_t)i);
    return ldexpf(un_rng_unit(r.v[0]) - 0.5f, (int)(r.v[1] % 25) - 12);
}

/* The definition: pairs of neighbours, then pairs of pairs; the odd one goes up. */
static float tree(const float *v, int n) {
    float level[RANKS_MAX];
    memcpy(level, v, (size_t)n * sizeof *v);
    while (n > 1) {
        int up = 0;
        for (int i = 0; i + 1 < n; i += 2) level[up++] = level[i] + level[i + 1];
        if (n % 2) level[up++] = level[n - 1];
        n = up;
    }
    return level[0];
}

static float one_by_one(const float *v, int n, bool backwards) {
    float sum = v[backwards ? n - 1 : 0];
    for (int i = 1; i < n; ++i) sum += v[backwards ? n - 1 - i : i];
    return sum;
}

static void test_sum_order(void **state) {
    (void)state;
    int64_t n = 3 * c->scratch_count + 300, unlike_forward = 0, unlike_backward = 0;
    float *data = malloc((size_t)n * sizeof *data), parts[RANKS_MAX];
    for (int64_t i = 0; i < n; ++i) data[i] = wild(c->rank, i);
    assert_int_equal(un_comm_sum_tree(c, data, n), UN_OK);
    for (int64_t i = 0; i < n; ++i) {
        for (int r = 0; r < c->size; ++r) parts[r] = wild(r, i);
        float expected = tree(parts, c->size);
        assert_memory_equal(&data[i], &expected, sizeof expected);
        unlike_forward += expected != one_by_one(parts, c->size, false);
        unlike_backward += expected != one_by_one(parts, c->size, true);
    }
    /* The values do tell orders apart, so the comparison above means something. */
    if (c->size >= 4) assert_true(unlike_forward > n / 10);
    if (c->size >= 3) assert_true(unlike_backward > n / 10);
    free(data);
}

/* Ranks that begin the tree over their lanes and finish it over ranks get the bits of one rank with all
 * lanes. */
static void test_sum_completes_lanes(void **state) {
    (void)state;
    enum { LANES = 16, COUNT = 10000 };
    if ((c->size & (c->size - 1)) != 0 || c->size > LANES) return;
    int first = (int)un_lane_begin(LANES, c->rank, c->size),
        after = (int)un_lane_begin(LANES, c->rank + 1, c->size);
    float *data = malloc(COUNT * sizeof *data), lanes[LANES];
    for (int64_t i = 0; i < COUNT; ++i) {
        for (int l = first; l < after; ++l) lanes[l] = wild(l, i);
        data[i] = tree(lanes + first, after - first);
    }
    assert_int_equal(un_comm_sum_tree(c, data, COUNT), UN_OK);
    for (int64_t i = 0; i < COUNT; ++i) {
        for (int l = 0; l < LANES; ++l) lanes[l] = wild(l, i);
        float expected = tree(lanes, LANES);
        assert_memory_equal(&data[i], &expected, sizeof expected);
    }
    free(data);
}

static void test_sum_allocates_nothing(void **state) {
    (void)state;
    static float data[50000];
    uint64_t before = un_memory_counts().frozen_allocs;
    un_memory_freeze(true);
    assert_int_equal(un_comm_sum_tree(c, data, 50000), UN_OK);
    un_memory_freeze(false);
    assert_true(un_memory_counts().frozen_allocs == before);
}

static void test_sum_without_reserve(void **state) {
    (void)state;
    if (c->size == 1) return;
    void *scratch = c->scratch;
    float data[1] = {1};
    c->scratch = NULL;
    assert_int_equal(un_comm_sum_tree(c, data, 1), UN_INTERNAL);
    un_error_clear();
    c->scratch = scratch;
}

static void test_agree_on_success(void **state) {
    (void)state;
    for (int i = 0; i < 3; ++i) assert_int_equal(un_comm_agree(c, UN_OK), UN_OK);
    assert_int_equal(un_error_get()->status, UN_OK);
}

static void test_agree_one_fails(void **state) {
    (void)state;
    for (int bad = 0; bad < c->size; ++bad) {
        enum un_status mine = c->rank == bad ? un_fail(UN_DATA, "file x.h5, row %d", 100 + bad) : UN_OK;
        assert_int_equal(un_comm_agree(c, mine), UN_DATA);
        char expected[64], prefix[32];
        snprintf(prefix, sizeof prefix, "rank %d: ", bad);
        snprintf(expected, sizeof expected, "%sfile x.h5, row %d", c->rank == bad ? "" : prefix, 100 + bad);
        assert_string_equal(un_error_get()->text, expected);
        assert_int_equal(un_error_get()->status, UN_DATA);
        un_error_clear();
    }
}

/* Rank 0 well; the lowest failing rank gives the message, the worst gives the status. */
static void test_agree_many_fail(void **state) {
    (void)state;
    if (c->size < 3) return;
    enum un_status mine = c->rank == 0 ? UN_OK : un_fail(c->rank == 1 ? UN_USAGE : UN_IO, "from %d", c->rank);
    assert_int_equal(un_comm_agree(c, mine), UN_IO);
    char expected[64];
    snprintf(expected, sizeof expected, "%sfrom %d", c->rank == 0 ? "rank 1: " : "",
             c->rank == 0 ? 1 : c->rank);
    assert_string_equal(un_error_get()->text, expected);
    un_error_clear();
}

/* A status without a message still says something; the longest message is cut, not overrun. */
static void test_agree_messages(void **state) {
    (void)state;
    if (c->size < 2) return;
    assert_int_equal(un_comm_agree(c, c->rank == 1 ? UN_STOPPED : UN_OK), UN_STOPPED);
    if (c->rank == 0) assert_non_null(strstr(un_error_get()->text, un_status_text(UN_STOPPED)));
    un_error_clear();
    char text[2 * UN_ERROR_MAX];
    memset(text, 'x', sizeof text);
    text[sizeof text - 1] = '\0';
    assert_int_equal(un_comm_agree(c, c->rank == 1 ? un_fail(UN_IO, "%s", text) : UN_OK), UN_IO);
    if (c->rank == 0) assert_true(strlen(un_error_get()->text) > UN_ERROR_MAX / 2);
    un_error_clear();
}

int main(int argc, char **argv) {
    if (un_comm_open(&argc, &argv, &c) != UN_OK || un_comm_reserve(c, BUCKET_BYTES) != UN_OK) {
        fprintf(stderr, "%s\n", un_error_get()->text);
        return 1;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_place),
        cmocka_unit_test(test_exchange),
        cmocka_unit_test(test_exchange_in_pieces),
        cmocka_unit_test(test_broadcast),
        cmocka_unit_test(test_integers),
        cmocka_unit_test(test_sum_exact),
        cmocka_unit_test(test_sum_order),
        cmocka_unit_test(test_sum_completes_lanes),
        cmocka_unit_test(test_sum_allocates_nothing),
        cmocka_unit_test(test_sum_without_reserve),
        cmocka_unit_test(test_agree_on_success),
        cmocka_unit_test(test_agree_one_fails),
        cmocka_unit_test(test_agree_many_fail),
        cmocka_unit_test(test_agree_messages),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    if (failed) c->ops->abort(c, 1); /* the others may wait in a collective this rank has skipped */
    un_comm_close(c);
    return failed || un_memory_counts().live_blocks != 0;
}
