/* Every collective on as many ranks as the launcher gives, against values each rank can work out by itself.
 * Those on parts: test_parts.c. */
#include "comm/comm.h"
#include "runtime/memory.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

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
    assert_true(c->levels.nodes == 1 && c->levels.places == c->size);
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

/* Two colours, by turns: each rank hears its own alone, in rank order, and the whole still works. */
static void test_split(void **state) {
    (void)state;
    struct un_comm *part = NULL;
    int heard[64], all[64];
    assert_true(c->size <= 64);
    assert_int_equal(c->ops->split(c, c->rank % 2, &part), UN_OK);
    assert_non_null(part);
    assert_int_equal(part->rank, c->rank / 2);
    assert_int_equal(part->size, (c->size + 1 - c->rank % 2) / 2);
    assert_int_equal(part->node, c->node);
    assert_int_equal(part->ops->all_gather(part, heard, &c->rank, sizeof c->rank), UN_OK);
    for (int i = 0; i < part->size; ++i) assert_int_equal(heard[i], 2 * i + c->rank % 2);
    assert_int_equal(un_comm_agree(part, UN_OK), UN_OK);
    assert_int_equal(c->ops->all_gather(c, all, &part->size, sizeof part->size), UN_OK);
    for (int r = 0; r < c->size; ++r) assert_int_equal(all[r], (c->size + 1 - r % 2) / 2);
    un_comm_close(part);
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
    if (un_comm_open(&argc, &argv, &c) != UN_OK) {
        fprintf(stderr, "%s\n", un_error_get()->text);
        return 1;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_place),
        cmocka_unit_test(test_exchange),
        cmocka_unit_test(test_exchange_in_pieces),
        cmocka_unit_test(test_broadcast),
        cmocka_unit_test(test_integers),
        cmocka_unit_test(test_split),
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
