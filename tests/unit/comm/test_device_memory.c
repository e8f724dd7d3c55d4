/* Memory that collectives between cards move: of the library while that has some, else the device's; on which all agree. */
#include "comm/device_memory.h"
#include "runtime/backends.h"
#include "runtime/memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct {
    int left, given, taken_back; /* blocks that the library has left; gave; got back */
    enum un_comm_reach reach;
} library;

static enum un_comm_reach reach(char *name, size_t bytes) {
    snprintf(name, bytes, "a library");
    return library.reach;
}
static void *take(struct un_device *d, struct un_queue *q, size_t bytes, const char *what) {
    assert_true(d && q);
    if (library.left-- <= 0) {
        un_fail(UN_MEMORY, "%s: the library has none", what);
        return NULL;
    }
    ++library.given;
    return un_alloc(bytes, 1, what);
}
static void give(struct un_device *d, struct un_queue *q, void *data) {
    assert_true(d && q && data);
    ++library.taken_back;
    un_free(data);
}
static const struct un_comm_library table = {reach, take, give};

static struct un_device *device;
static struct un_queue *queue;

static struct un_comm_memory opened(const struct un_comm_library *of, int blocks) {
    memset(&library, 0, sizeof library);
    library.left = blocks;
    library.reach = UN_REACH_WINDOWS;
    return (struct un_comm_memory){.device = device, .queue = queue, .library = of};
}

static void test_in_order(void **state) {
    (void)state;
    struct un_comm_memory m = opened(&table, UN_COMM_BLOCKS);
    char *block[4];
    for (size_t i = 0; i < 4; ++i) {
        block[i] = un_comm_memory_take(&m, 100 + i, "block");
        assert_non_null(block[i]);
        assert_true(m.blocks[i].data == block[i] && m.blocks[i].bytes == 100 + i);
    }
    assert_int_equal(m.n, 4);
    un_comm_memory_give(&m, block[1]);
    un_comm_memory_give(&m, NULL);
    assert_true(m.n == 3 && m.blocks[0].data == block[0] && m.blocks[1].data == block[2] &&
                m.blocks[2].data == block[3]);
    for (size_t i = 0; i < 4; ++i)
        if (i != 1) un_comm_memory_give(&m, block[i]);
    assert_true(m.n == 0 && library.given == 4 && library.taken_back == 4);
}

/* From the first that it has not on, the library is not asked again. */
static void test_runs_out(void **state) {
    (void)state;
    un_log_set(0, UN_LOG_ERROR);
    struct un_comm_memory m = opened(&table, 1);
    float *block[3];
    for (size_t i = 0; i < 3; ++i) {
        block[i] = un_comm_memory_take(&m, 64 * sizeof(float), "block");
        assert_non_null(block[i]);
        assert_true(i == 0 || block[i][63] == 0); /* the device's are zeros, too */
    }
    assert_true(m.failed && m.n == 1 && library.given == 1 && library.left == -1);
    assert_int_equal(un_error_get()->status, UN_OK);
    for (size_t i = 0; i < 3; ++i) un_comm_memory_give(&m, block[i]);
    assert_int_equal(library.taken_back, 1);
    m = opened(&table, 0);
    m.must = true;
    assert_null(un_comm_memory_take(&m, 8, "block"));
    assert_int_equal(un_error_get()->status, UN_MEMORY);
    un_error_clear();
    m = opened(NULL, 0);
    block[0] = un_comm_memory_take(&m, 8, "block");
    assert_true(block[0] && m.n == 0 && !m.failed && library.left == 0);
    un_comm_memory_give(&m, block[0]);
}

/* Another rank's number, in max_i64 of a communicator of two. */
static int64_t other;
static enum un_status max_i64(struct un_comm *c, int64_t *data, int64_t count) {
    (void)c;
    assert_int_equal(count, 1);
    if (other > *data) *data = other;
    return UN_OK;
}

static void test_agree(void **state) {
    (void)state;
    static const struct un_comm_ops ops = {.max_i64 = max_i64};
    struct un_comm comm = {.ops = &ops, .size = 2};
    for (int mine = UN_REACH_NONE; mine <= UN_REACH_WINDOWS; ++mine)
        for (int theirs = UN_REACH_NONE; theirs <= UN_REACH_WINDOWS; ++theirs)
            for (int failed = 0; failed < 2; ++failed) {
                struct un_comm_memory m = opened(&table, 0);
                library.reach = (enum un_comm_reach)mine;
                m.failed = failed;
                other = UN_REACH_WINDOWS - theirs;
                assert_int_equal(un_comm_memory_agree(&m, &comm), UN_OK);
                assert_int_equal(m.reach, failed ? UN_REACH_NONE : mine < theirs ? mine : theirs);
            }
    struct un_comm_memory m = opened(NULL, 0);
    other = 0;
    assert_int_equal(un_comm_memory_agree(&m, &comm), UN_OK);
    assert_int_equal(m.reach, UN_REACH_NONE);
}

static void test_room(void **state) {
    (void)state;
    assert_true(un_comm_memory_room(NULL, 12345) == 12345);
    assert_true(un_comm_memory_room(&table, 1) == UN_COMM_GRAIN);
    assert_true(un_comm_memory_room(&table, UN_COMM_GRAIN) == UN_COMM_GRAIN);
    assert_true(un_comm_memory_room(&table, UN_COMM_GRAIN + 1) == 2 * (size_t)UN_COMM_GRAIN);
}

static int set_up(void **state) {
    (void)state;
    const struct un_limits limits = {.max_params = 1};
    return un_cpu_open(1, &device) != UN_OK || device->mem->queue_open(device, &limits, &queue) != UN_OK;
}
static int end(void **state) {
    (void)state;
    device->mem->queue_close(queue);
    un_device_close(device);
    return un_memory_counts().live_blocks != 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_in_order), cmocka_unit_test(test_runs_out),
                                       cmocka_unit_test(test_agree), cmocka_unit_test(test_room)};
    return cmocka_run_group_tests(tests, set_up, end);
}
