/* Graphs of the emulated card keep the order that their edges say and no other: what lacks an edge runs the other way round, a
 * queue that is not forked is in no graph, and one that is not joined makes none. */
#include "tests/cards/emu/device.h"
#include "tests/unit/runtime/ops/harness.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SIDES = 2 };

struct card {
    struct un_device *d;
    struct un_queue *q, *side[SIDES];
    struct un_event *forked[SIDES], *joined[SIDES];
    float *a, *b, *sum; /* of the device, which the host reads */
};

static const struct un_limits limits = {
    .max_tokens = 64, .max_samples = 4, .max_width = 64, .max_heads = 2, .max_params = 64};

static void card_open(struct card *c) {
    assert_int_equal(un_emu_open(&c->d), UN_OK);
    const struct un_device_ops *mem = c->d->mem;
    assert_int_equal(mem->queue_open(c->d, &limits, &c->q), UN_OK);
    for (int i = 0; i < SIDES; ++i) {
        assert_int_equal(mem->queue_open(c->d, &limits, &c->side[i]), UN_OK);
        assert_int_equal(mem->event_open(c->d, &c->forked[i]), UN_OK);
        assert_int_equal(mem->event_open(c->d, &c->joined[i]), UN_OK);
    }
    c->a = mem->alloc(c->d, sizeof(float), "a");
    c->b = mem->alloc(c->d, sizeof(float), "b");
    c->sum = mem->alloc(c->d, sizeof(float), "sum");
    assert_true(c->a && c->b && c->sum);
    *c->a = 1;
    *c->b = 2;
}

static void card_close(struct card *c) {
    const struct un_device_ops *mem = c->d->mem;
    for (int i = 0; i < SIDES; ++i) {
        mem->queue_close(c->side[i]);
        mem->event_close(c->forked[i]);
        mem->event_close(c->joined[i]);
    }
    mem->queue_close(c->q);
    mem->free(c->d, c->a);
    mem->free(c->d, c->b);
    mem->free(c->d, c->sum);
    un_device_close(c->d);
}

static void fork_to(struct card *c, int i) {
    c->d->mem->fork(c->side[i], c->q, c->forked[i]);
}

static void join_from(struct card *c, int i) {
    c->d->mem->join(c->q, c->side[i], c->joined[i]);
}

static void put(struct card *c, struct un_queue *q, float *to, const float *from) {
    c->d->mem->copy(q, to, from, sizeof(float));
}

/* What the graph leaves in `sum`. */
static float replayed(struct card *c) {
    struct un_graph *graph;
    assert_int_equal(c->d->mem->graph_end(c->q, &graph), UN_OK);
    *c->sum = 0;
    c->d->mem->graph_launch(c->q, graph);
    assert_int_equal(c->d->mem->queue_wait(c->q), UN_OK);
    c->d->mem->graph_close(graph);
    return *c->sum;
}

static void edges_are_kept(void **state) {
    struct card c;
    (void)state;
    card_open(&c);
    c.d->mem->graph_begin(c.q);
    c.d->ops->add(c.q, c.sum, c.a, 1); /* 1 */
    fork_to(&c, 0);
    c.d->ops->add(c.side[0], c.sum, c.sum, 1); /* 2 */
    c.d->ops->add(c.side[0], c.sum, c.a, 1);   /* 3 */
    join_from(&c, 0);
    c.d->ops->add(c.q, c.sum, c.sum, 1); /* 6 */
    fork_to(&c, 1);                      /* a queue with nothing of its own */
    join_from(&c, 1);
    c.d->ops->add(c.q, c.sum, c.a, 1); /* 7 */
    assert_true(replayed(&c) == 7);
    card_close(&c);
}

/* sum = a and = b in two queues beside each other: what must not matter does here. 1 where b's was ahead. */
static float beside(struct card *c, struct un_queue *a, struct un_queue *b, bool first) {
    c->d->mem->graph_begin(c->q);
    fork_to(c, 0);
    fork_to(c, 1);
    if (first) put(c, a, c->sum, c->a);
    put(c, b, c->sum, c->b);
    if (!first) put(c, a, c->sum, c->a);
    join_from(c, 1);
    join_from(c, 0);
    return replayed(c);
}

static void no_other_order_is(void **state) {
    const float main_ahead = strcmp(getenv("UN_EMU_GRAPH"), "main") == 0;
    struct card c;
    (void)state;
    card_open(&c);
    for (int first = 0; first < 2; ++first) {
        assert_true(beside(&c, c.q, c.side[0], first) == 1 + main_ahead);
        assert_true(beside(&c, c.q, c.side[1], first) == 1 + main_ahead);
        assert_true(beside(&c, c.side[0], c.side[1], first) == 1 + main_ahead);
    }
    card_close(&c);
}

static void not_joined_is_no_graph(void **state) {
    struct card c;
    struct un_graph *graph;
    (void)state;
    card_open(&c);
    c.d->mem->graph_begin(c.q);
    fork_to(&c, 0);
    put(&c, c.side[0], c.sum, c.a);
    put(&c, c.q, c.b, c.a);
    assert_int_equal(c.d->mem->graph_end(c.q, &graph), UN_INTERNAL);
    assert_null(graph);
    un_error_clear();
    card_close(&c);
}

/* What another queue gets meanwhile is done once, and no graph waits for it. */
static void not_forked_is_in_none(void **state) {
    struct card c;
    (void)state;
    card_open(&c);
    c.d->mem->graph_begin(c.q);
    put(&c, c.q, c.sum, c.a);
    put(&c, c.side[0], c.sum, c.b);
    assert_true(*c.sum == 2);
    assert_true(replayed(&c) == 1);
    fflush(NULL);
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        signal(SIGABRT, SIG_DFL);
        c.d->mem->graph_begin(c.q);
        join_from(&c, 0);
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    card_close(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(edges_are_kept), cmocka_unit_test(no_other_order_is),
                                       cmocka_unit_test(not_joined_is_no_graph),
                                       cmocka_unit_test(not_forked_is_in_none)};
    if (setenv("UN_EMU_GRAPH", "sides", 0) != 0) return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
