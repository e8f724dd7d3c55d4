/* The queue of collectives by itself, with its threads and without: failures, and two lines. */
#include "comm/queue.h"
#include "runtime/memory.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

static struct un_comm *c; /* opened once: MPI cannot be started twice in a process */

static enum un_status fail_at_two(struct un_comm *comm, void *context, int64_t index) {
    (void)comm;
    ++*(int *)context;
    return index == 2 ? un_fail(UN_IO, "the cable is cut") : UN_OK;
}

/* The first failure is everybody's, named, and nothing runs after it. */
static void test_failure_sticks(void **state) {
    (void)state;
    if (c->size == 1) return;
    for (int threaded = 0; threaded < 2; ++threaded) {
        struct un_comm_queue *queue;
        int ran = 0;
        int64_t tickets[5];
        assert_int_equal(un_comm_queue_open(&queue, c, threaded, 1, 8), UN_OK);
        for (int i = 0; i < 5; ++i) tickets[i] = un_comm_queue_post(queue, "a test", fail_at_two, &ran, i);
        assert_int_equal(un_comm_queue_wait(queue, tickets[4]), UN_IO);
        assert_non_null(strstr(un_error_get()->text, "the cable is cut"));
        un_error_clear();
        assert_int_equal(un_comm_queue_wait(queue, tickets[0]), UN_IO);
        un_error_clear();
        assert_int_equal(ran, 3);
        un_comm_queue_close(queue);
    }
}

struct lines {
    _Atomic int near, far; /* items that have run */
    _Atomic int early;     /* items that ran before what they come after */
    _Atomic bool met;      /* work of one line waited for work of the other that was posted later */
    bool threaded;
};

/* Item k: after it both lines have come as far as their tickets say. */
static enum un_status near_item(struct un_comm *comm, void *context, int64_t k) {
    struct lines *l = context;
    (void)comm;
    l->early += k >= 2 && l->far < k - 1;
    l->near = (int)k + 1;
    return UN_OK;
}

static enum un_status far_item(struct un_comm *comm, void *context, int64_t k) {
    struct lines *l = context;
    (void)comm;
    l->early += l->near < k + 1;
    /* The next item of the other line runs while this one has not ended. */
    for (int look = 0; l->threaded && k == 3 && l->near < 5 && look < 10000; ++look)
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    if (k == 3) l->met = l->near >= 5;
    l->far = (int)k + 1;
    return UN_OK;
}

static void test_lines_run_beside_each_other(void **state) {
    (void)state;
    enum { ITEMS = 9 };
    if (c->size == 1) return;
    for (int threaded = 0; threaded < 2; ++threaded) {
        struct un_comm_queue *queue;
        struct lines l = {.threaded = threaded};
        int64_t far[ITEMS];
        assert_int_equal(un_comm_queue_open(&queue, c, threaded, UN_LINES, 4), UN_OK);
        for (int k = 0; k < ITEMS; ++k) {
            int64_t near = un_comm_queue_post_after(queue, UN_LINE_NEAR, k >= 2 ? far[k - 2] : 0, "a test",
                                                    near_item, &l, k);
            far[k] = un_comm_queue_post_after(queue, UN_LINE_FAR, near, "a test", far_item, &l, k);
        }
        assert_int_equal(un_comm_queue_wait(queue, far[ITEMS - 1]), UN_OK);
        assert_true(l.near == ITEMS && l.far == ITEMS && l.met == threaded);
        assert_int_equal(l.early, 0);
        un_comm_queue_close(queue);
    }
}

int main(int argc, char **argv) {
    if (un_comm_open(&argc, &argv, &c) != UN_OK) {
        fprintf(stderr, "%s\n", un_error_get()->text);
        return 1;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_failure_sticks),
        cmocka_unit_test(test_lines_run_beside_each_other),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    if (failed) c->ops->abort(c, 1); /* the others may wait for this rank */
    un_comm_close(c);
    return failed || un_memory_counts().live_blocks != 0;
}
