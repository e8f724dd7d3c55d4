/* Micro-batches of tasks with fillers: the losses, hits and gradients of the plain ones, whatever the room
 * behind the real entries. */
#include "tests/support/check.h"
#include "tests/unit/model/net/fill_send.h"
#include "tests/unit/model/net/task_bench.h"

static void near_runs(const struct task_bench *a, const struct task_bench *b) {
    enum un_objective t = a->of->objective;
    for (int64_t i = 0; i < a->batch.host.rows[t].n; ++i) {
        float x = a->net.host.row_loss[t][i];
        assert_near(b->net.host.row_loss[t][i], x, 1e-6 * fmax(1, fabsf(x)));
        assert_true(a->net.host.hit[t][i] == b->net.host.hit[t][i]);
    }
    for (int64_t i = 0; i < a->net.table->total; ++i) /* sums are cut into blocks at other rows */
        assert_near(b->grads[i], a->grads[i], 4e-6 * fmax(1, fabsf(a->grads[i])));
}

/* Filler rows are known as such, and have nothing that is there. */
static void check_fillers(const struct un_batch *p, const struct un_batch *host, enum un_objective t) {
    const struct un_rows *rows = &p->rows[t];
    int64_t n = host->rows[t].n;
    for (int64_t i = 0; i < n; ++i) assert_false(un_rows_is_filler(rows, i));
    for (int64_t i = n; i < rows->n; ++i) {
        assert_true(un_rows_is_filler(rows, i));
        assert_true(rows->start[i] <= rows->start[i + 1] && rows->start[i + 1] <= rows->members);
        if (rows->target) assert_int_equal(rows->target[i], -1);
        if (rows->wrong) assert_int_equal(rows->wrong[i], -1);
    }
    for (int64_t m = host->rows[t].members; m < rows->members; ++m) assert_int_equal(rows->row[m], -1);
    for (int s = 0; s < 2 && un_objectives[t].asks == UN_ASKS_TWO; ++s) {
        for (int64_t i = n; i < rows->n; ++i) assert_int_equal(p->side[s].start[i + 1], p->side[s].start[n]);
        for (int64_t i = host->side[s].tokens; i < p->side[s].tokens; ++i)
            assert_int_equal(p->side[s].row[i], -1);
    }
}

static void check_case(const struct task_case *of) {
    const int64_t room[] = {500, 130, 7, 0};
    struct task_bench plain;
    task_bench_open(&plain, of, 0, 0.05f);
    task_bench_run(&plain);
    for (size_t i = 0; i < sizeof room / sizeof *room; ++i) {
        struct task_bench filled;
        struct un_batch padded;
        task_bench_open(&filled, of, room[i], 0.05f);
        for (int again = 0; again < 2; ++again) { /* over the activations of the first pass */
            fill_send(&filled.net, &filled.batch, &filled.caps, &padded);
            check_fillers(&padded, &filled.batch.host, of->objective);
            if (room[i] == 500)
                assert_true(padded.rows[of->objective].n > filled.batch.host.rows[of->objective].n);
            task_bench_run(&filled);
            near_runs(&plain, &filled);
        }
        task_bench_close(&filled);
    }
    task_bench_close(&plain);
}

static void fillers_change_nothing(void **state) {
    (void)state;
    for (int c = 0; c < task_case_count; ++c) {
        print_message("%s\n", task_cases[c].name);
        check_case(&task_cases[c]);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(fillers_change_nothing)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
