/* Collectives between cards (comm/device_comm.h) by the module that a run loads: start, every collective, its results, end; in
 * memory that the library gives and was told of, as far as it can, and in memory as any other. One process is enough, so a machine
 * with one card and no MPI finds out whether the library works there; more ranks, with a card each, are welcome. Without a card:
 * skipped.
 *
 * Environment: UN_TEST_REACH=N, how far it has to be told (enum un_comm_reach). */
// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on
#include "comm/device_comm.h"
#include "runtime/device.h"
#include "runtime/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SKIPPED = 77, MOST_RANKS = 16, BLOCK = 5000, ARRAYS = 3 };

static struct rig {
    struct un_comm *comm;
    struct un_device *device;
    struct un_queue *queue;
    struct un_device_comm cards;
    const struct un_device_comm_module *module;
    struct un_comm_memory memory;
    float *arrays[ARRAYS]; /* of memory, each with a block before and after what is used */
    int used, total;       /* arrays; elements used of one: a block for each rank */
} rig;

/* What stands at place i of the array of rank r: whole numbers, so that sums are exact. */
static float value(int r, int i) {
    return (float)((r + 1) * (i % 1021 + 1));
}

/* floats [n] on the device, as `from` says, inside of an array; wrong: what nobody expects. */
static float *filled(int n, float (*from)(int i)) {
    assert_true(rig.used < ARRAYS);
    float *device = rig.arrays[rig.used++] + BLOCK;
    float *host = un_alloc((size_t)n, sizeof *host, "floats");
    assert_non_null(host);
    for (int i = 0; i < n; ++i) host[i] = from(i);
    rig.device->mem->copy_in(rig.queue, device, host, (size_t)n * sizeof(float));
    assert_int_equal(rig.device->mem->queue_wait(rig.queue), UN_OK);
    un_free(host);
    return device;
}
static float mine(int i) {
    return value(rig.comm->rank, i);
}
static float mine_or_wrong(int i) {
    return i / BLOCK == rig.comm->rank ? mine(i) : -1.0f;
}
static float wrong(int i) {
    (void)i;
    return -1.0f;
}

static float *taken(const float *device, int n) {
    float *host = un_alloc((size_t)n, sizeof *host, "floats");
    assert_non_null(host);
    rig.device->mem->copy_out(rig.queue, host, device, (size_t)n * sizeof(float));
    assert_int_equal(rig.device->mem->queue_wait(rig.queue), UN_OK);
    assert_int_equal(rig.cards.ops->check(&rig.cards), UN_OK);
    return host;
}

static void release(float *device, float *host) {
    rig.used -= device != NULL;
    un_free(host);
}

/* slot: where the part of each rank arrives. */
static void exchange_into(const int *slot) {
    const int size = rig.comm->size, me = rig.comm->rank;
    float *send = filled(rig.total, mine), *recv = filled(rig.total, wrong);
    assert_int_equal(rig.cards.ops->exchange_parts(&rig.cards, recv, slot, send, BLOCK), UN_OK);
    float *got = taken(recv, rig.total);
    for (int r = 0; r < size; ++r)
        for (int i = 0; i < BLOCK; ++i) assert_true(got[slot[r] * BLOCK + i] == value(r, me * BLOCK + i));
    release(send, NULL);
    release(recv, got);
}

static void exchange(void **state) {
    (void)state;
    const int size = rig.comm->size;
    int slot[MOST_RANKS] = {0};
    for (int r = 0; r < size; ++r) slot[r] = size - 1 - r;
    exchange_into(slot);
    for (int r = 0; r < size; ++r) slot[r] = r;
    exchange_into(slot);
}

static void gather(void **state) {
    (void)state;
    float *data = filled(rig.total, mine_or_wrong);
    assert_int_equal(rig.cards.ops->gather_parts(&rig.cards, data, BLOCK), UN_OK);
    float *got = taken(data, rig.total);
    for (int i = 0; i < rig.total; ++i) assert_true(got[i] == value(i / BLOCK, i));
    release(data, got);
}

static void reduce(void **state) {
    (void)state;
    float *data = filled(rig.total, mine);
    assert_int_equal(rig.cards.ops->reduce_parts(&rig.cards, data, BLOCK), UN_OK);
    float *got = taken(data, rig.total);
    for (int i = rig.comm->rank * BLOCK; i < (rig.comm->rank + 1) * BLOCK; ++i) {
        float sum = 0;
        for (int r = 0; r < rig.comm->size; ++r) sum += value(r, i);
        assert_true(got[i] == sum);
    }
    release(data, got);
}

static void blocks(void **state) {
    (void)state;
    const int size = rig.comm->size;
    float *kept = filled(BLOCK, wrong), *recv = filled(size * BLOCK, wrong), *send = filled(BLOCK, mine);
    assert_int_equal(rig.cards.ops->all_gather(&rig.cards, recv, send, BLOCK * sizeof(float)), UN_OK);
    assert_int_equal(rig.cards.ops->copy(&rig.cards, kept, recv, BLOCK * sizeof(float)), UN_OK);
    float *got = taken(recv, size * BLOCK), *first = taken(kept, BLOCK);
    for (int r = 0; r < size; ++r)
        for (int i = 0; i < BLOCK; ++i) assert_true(got[r * BLOCK + i] == value(r, i));
    for (int i = 0; i < BLOCK; ++i) assert_true(first[i] == value(0, i));
    release(send, first);
    release(recv, got);
    release(kept, NULL);
    assert_true(rig.cards.ops->busy(&rig.cards) >= 0);
}

static void expect_zeros(const float *array, int n) {
    float *host = un_alloc((size_t)n, sizeof *host, "floats");
    assert_non_null(host);
    memset(host, 0xff, (size_t)n * sizeof *host);
    rig.device->mem->copy_out(rig.queue, host, array, (size_t)n * sizeof(float));
    assert_int_equal(rig.device->mem->queue_wait(rig.queue), UN_OK);
    for (int i = 0; i < n; ++i) assert_true(host[i] == 0);
    un_free(host);
}

/* library: whose memory it is, and whether it is told of it. */
static void take_arrays(const struct un_comm_library *library) {
    const int n = rig.total + 2 * BLOCK;
    rig.memory = (struct un_comm_memory){.device = rig.device, .queue = rig.queue, .library = library};
    for (int i = 0; i < ARRAYS; ++i) {
        rig.arrays[i] = un_comm_memory_take(&rig.memory, (size_t)n * sizeof(float), "floats");
        assert_non_null(rig.arrays[i]);
        expect_zeros(rig.arrays[i], n);
    }
    assert_false(rig.memory.failed);
    assert_int_equal(un_comm_memory_agree(&rig.memory, rig.comm), UN_OK);
}

static void open_cards(int most_ctas, bool told) {
    const struct un_limits copies = {.urgent = true};
    const bool one_host = rig.comm->nodes == 1;
    const struct un_comm_library *library = told ? rig.module->library : NULL;
    assert_int_equal(rig.device->mem->queue_open(rig.device, &copies, &rig.queue), UN_OK);
    rig.total = rig.comm->size * BLOCK;
    rig.cards = (struct un_device_comm){.device = rig.device,
                                        .queue = rig.queue,
                                        .most_ctas = most_ctas,
                                        .one_host = one_host,
                                        .memory = &rig.memory};
    take_arrays(library);
    const enum un_status status = rig.module->open(&rig.cards, rig.comm);
    if (status != UN_OK) print_error("%s\n", un_error_get()->text);
    assert_int_equal(status, UN_OK);
    assert_true(rig.cards.size == rig.comm->size && rig.cards.rank == rig.comm->rank);
    enum un_comm_reach most = one_host ? UN_REACH_WINDOWS : UN_REACH_BUFFERS;
    assert_int_equal(rig.cards.reach, rig.memory.reach < most ? rig.memory.reach : most);
}

static void close_cards(void) {
    rig.cards.ops->close(&rig.cards);
    assert_null(rig.cards.ops);
    for (int i = 0; i < ARRAYS; ++i) un_comm_memory_give(&rig.memory, rig.arrays[i]);
    assert_int_equal(rig.memory.n, 0);
    rig.device->mem->queue_close(rig.queue);
}

static int open_told(void **state) {
    (void)state;
    static const char *const how[] = {"no memory of its own", "buffers", "windows"};
    const char *expected = getenv("UN_TEST_REACH");
    char name[64] = "";
    enum un_comm_reach reach = rig.module->library->reach(name, sizeof name);
    print_message("%s: %s\n", name, how[reach]);
    if (expected) assert_int_equal(reach, atoi(expected));
    open_cards(0, reach != UN_REACH_NONE);
    assert_int_equal(rig.memory.reach, reach);
    return 0;
}
static int open_plain(void **state) {
    (void)state;
    open_cards(0, false);
    assert_int_equal(rig.memory.reach, UN_REACH_NONE);
    return 0;
}
static int end(void **state) {
    (void)state;
    close_cards();
    return 0;
}

/* A communicator that has ended leaves room for the next, of few thread blocks. The last collective may be under way when it
 * ends. */
static void once_more(void **state) {
    (void)state;
    const bool told = rig.memory.reach != UN_REACH_NONE;
    close_cards();
    open_cards(2, told);
    exchange(NULL);
    gather(NULL);
    reduce(NULL);
    float *data = filled(rig.total, mine);
    for (int i = 0; i < 20; ++i)
        assert_int_equal(rig.cards.ops->gather_parts(&rig.cards, data, BLOCK), UN_OK);
    release(data, NULL);
}

static void open_module(void) {
    rig.module = un_plugin_open("libun_nccl.so", "un_nccl_module");
    if (rig.module && rig.module->abi == UN_DEVICE_COMM_ABI) return;
    fprintf(stderr, "%s\n", un_error_get()->text);
    exit(1);
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exchange), cmocka_unit_test(gather),    cmocka_unit_test(reduce),
        cmocka_unit_test(blocks),   cmocka_unit_test(once_more),
    };
    if (un_device_count(UN_DEVICE_CUDA) <= 0) {
        (void)un_device_open("cuda", 0, 0, &rig.device);
        printf("skipped: no card: %s\n", un_error_get()->text);
        return SKIPPED;
    }
    if (un_comm_open(&argc, &argv, &rig.comm) != UN_OK || rig.comm->size > MOST_RANKS ||
        un_device_open("cuda", 1, rig.comm->local_rank, &rig.device) != UN_OK) {
        fprintf(stderr, "%s\n", un_error_get()->text);
        return 1;
    }
    open_module();
    int failed = cmocka_run_group_tests_name("told", tests, open_told, end);
    failed += cmocka_run_group_tests_name("as any other", tests, open_plain, end);
    un_device_close(rig.device);
    un_comm_close(rig.comm);
    return failed;
}
