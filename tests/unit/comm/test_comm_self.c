/* The one-process table, the launcher's traces in the environment, and lanes of ranks. */
#include "comm/comm.h"
#include "comm/launcher.h"
#include "comm/queue.h"
#include "runtime/memory.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *const traces[] = {"OMPI_COMM_WORLD_SIZE",
                                     "OMPI_COMM_WORLD_LOCAL_SIZE",
                                     "MV2_COMM_WORLD_SIZE",
                                     "PMI_RANK",
                                     "PMI_SIZE",
                                     "MPI_LOCALNRANKS",
                                     "SLURM_STEP_ID",
                                     "SLURM_STEP_NUM_TASKS",
                                     "SLURM_PROCID",
                                     "SLURM_NTASKS",
                                     "PMIX_RANK"};

static int no_launcher(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof traces / sizeof *traces; ++i) unsetenv(traces[i]);
    return 0;
}

static void test_collectives(void **state) {
    (void)state;
    struct un_comm *c = NULL;
    assert_int_equal(un_comm_open(NULL, NULL, &c), UN_OK);
    assert_string_equal(c->name, "self");
    assert_int_equal(c->rank, 0);
    assert_int_equal(c->size, 1);
    assert_int_equal(c->local_rank, 0);
    assert_int_equal(c->local_size, 1);
    const int32_t send[3] = {7, -8, 9};
    int32_t gathered[3] = {0}, exchanged[3] = {0};
    assert_int_equal(c->ops->barrier(c), UN_OK);
    assert_int_equal(c->ops->all_gather(c, gathered, send, sizeof send), UN_OK);
    assert_memory_equal(gathered, send, sizeof send);
    assert_int_equal(c->ops->all_to_all(c, exchanged, send, sizeof send), UN_OK);
    assert_memory_equal(exchanged, send, sizeof send);
    assert_int_equal(c->ops->all_gather(c, NULL, NULL, 0), UN_OK);
    int64_t counts[2] = {INT64_MAX, -3};
    assert_int_equal(c->ops->sum_i64(c, counts, 2), UN_OK);
    assert_int_equal(c->ops->max_i64(c, counts, 2), UN_OK);
    assert_int_equal(c->ops->broadcast(c, counts, sizeof counts, 0), UN_OK);
    assert_true(counts[0] == INT64_MAX && counts[1] == -3);
    c->ops->abort(c, 70);
    un_comm_close(c);
    un_comm_close(NULL);
}

/* One rank owns every part, so a sum or a gather leaves what is there; a queue of its own is none. */
static void test_parts_need_nothing(void **state) {
    (void)state;
    struct un_comm *c = NULL, *copy = NULL;
    uint64_t before = un_memory_counts().live_blocks;
    assert_int_equal(un_comm_open_self(&c), UN_OK);
    float data[4] = {7, 1.5f, -0.0f, 3e38f}, same[4], out[3] = {0};
    const int counts[1] = {3}, at[1] = {1};
    memcpy(same, data, sizeof same);
    assert_int_equal(c->ops->all_to_all_parts(c, out, data, counts, at), UN_OK);
    assert_memory_equal(out, same + 1, sizeof out);
    assert_int_equal(c->ops->reduce_scatter(c, out, data, counts), UN_OK);
    assert_memory_equal(out, same, sizeof out);
    assert_int_equal(c->ops->all_gather_parts(c, data, counts, at), UN_OK);
    assert_memory_equal(data, same, sizeof same);
    assert_int_equal(c->ops->duplicate(c, &copy), UN_OK);
    assert_non_null(copy);
    un_comm_close(copy);
    assert_int_equal(c->ops->split(c, 3, &copy), UN_OK);
    assert_true(copy->rank == 0 && copy->size == 1);
    un_comm_close(copy);
    struct un_comm_queue *queue = (struct un_comm_queue *)data;
    assert_int_equal(un_comm_queue_open(&queue, c, true, 1, 4), UN_OK);
    assert_null(queue);
    assert_int_equal(un_comm_queue_post(queue, "nothing", NULL, NULL, 0), 0);
    assert_int_equal(un_comm_queue_wait(queue, 0), UN_OK);
    assert_true(un_comm_queue_times(queue).busy == 0 && !un_comm_queue_has_thread(queue));
    un_comm_queue_close(queue);
    un_comm_close(c);
    assert_int_equal(un_memory_counts().live_blocks, before);
}

static void test_agree_returns_own(void **state) {
    (void)state;
    struct un_comm *c = NULL;
    assert_int_equal(un_comm_open_self(&c), UN_OK);
    assert_int_equal(un_comm_agree(c, UN_OK), UN_OK);
    assert_int_equal(un_error_get()->status, UN_OK);
    assert_int_equal(un_comm_agree(c, un_fail(UN_DATA, "row 7")), UN_DATA);
    assert_string_equal(un_error_get()->text, "row 7");
    assert_true(un_comm_agreed(c));
    assert_int_equal(un_comm_alike(c, UN_OK), UN_OK);
    assert_false(un_comm_agreed(c));
    assert_int_equal(un_comm_alike(c, UN_STOPPED), UN_STOPPED);
    assert_true(un_comm_agreed(c));
    assert_int_equal(un_comm_agree(c, UN_OK), UN_OK);
    assert_false(un_comm_agreed(c));
    un_error_clear();
    un_comm_close(c);
}

static void test_launchers(void **state) {
    assert_null(un_launcher_find().name);
    assert_int_equal(un_launcher_find().size, 1);
    /* A batch script of Slurm carries these, but the program started in it is alone. */
    setenv("SLURM_PROCID", "0", 1);
    setenv("SLURM_NTASKS", "8", 1);
    assert_null(un_launcher_find().name);
    setenv("SLURM_STEP_ID", "0", 1);
    setenv("SLURM_STEP_NUM_TASKS", "16", 1);
    setenv("PMIX_RANK", "3", 1);
    assert_string_equal(un_launcher_find().name, "SLURM_STEP_ID");
    assert_int_equal(un_launcher_find().size, 16);
    setenv("OMPI_COMM_WORLD_SIZE", "4", 1);
    setenv("OMPI_COMM_WORLD_LOCAL_SIZE", "2", 1);
    assert_int_equal(un_launcher_find().size, 4);
    assert_int_equal(un_launcher_find().tasks, 0); /* the step is that of mpirun's helper on this node */
    assert_int_equal(un_launcher_find().local_size, 2);
    setenv("OMPI_COMM_WORLD_SIZE", "4x", 1);
    assert_int_equal(un_launcher_find().size, 0);
    no_launcher(state);
    setenv("PMIX_RANK", "0", 1);
    assert_string_equal(un_launcher_find().name, "PMIX_RANK");
    assert_int_equal(un_launcher_find().size, 0);
    no_launcher(state);
    assert_true(un_launcher_cores() >= 1);
    setenv("PMIX_RANK", "0", 1);
    setenv("SLURM_NTASKS", "8", 1); /* with a launcher, what Slurm was asked for must be there */
    struct un_launcher l = un_launcher_find();
    assert_int_equal(l.tasks, 8);
    assert_int_equal(l.rank, 0);
    assert_int_equal(un_launcher_check(&l, 8), UN_OK);
    assert_int_equal(un_launcher_check(&l, 1), UN_USAGE);
    assert_non_null(strstr(un_error_get()->text, "SLURM_NTASKS"));
    un_error_clear();
    un_launcher_warn(&l, 1); /* goes on, and no error stays behind */
    assert_int_equal(un_error_get()->status, UN_OK);
    setenv("SLURM_STEP_ID", "4294967290", 1); /* an interactive step: one task in a job of eight */
    setenv("SLURM_STEP_NUM_TASKS", "1", 1);
    l = un_launcher_find();
    assert_int_equal(l.size, 1);
    assert_int_equal(l.tasks, 0);
    assert_int_equal(un_launcher_check(&l, 1), UN_OK);
    setenv("SLURM_STEP_NUM_TASKS", "8", 1); /* a step of eight that do not see each other */
    l = un_launcher_find();
    assert_int_equal(un_launcher_check(&l, 1), UN_USAGE);
    un_error_clear();
    unsetenv("SLURM_STEP_NUM_TASKS"); /* a step that does not tell */
    l = un_launcher_find();
    assert_int_equal(l.tasks, 8);
    assert_int_equal(un_launcher_check(&l, 1), UN_USAGE);
    un_error_clear();
    unsetenv("SLURM_STEP_ID");
    unsetenv("PMIX_RANK");
    l = un_launcher_find(); /* a plain start in a batch script */
    assert_int_equal(un_launcher_check(&l, 1), UN_OK);
    no_launcher(state);
}

static void test_lanes_tile(void **state) {
    (void)state;
    for (int64_t lanes = 1; lanes <= 9; ++lanes)
        for (int size = 1; size <= 12; ++size) {
            assert_int_equal(un_lane_begin(lanes, 0, size), 0);
            assert_int_equal(un_lane_begin(lanes, size, size), lanes);
            for (int r = 0; r < size; ++r)
                assert_true(un_lane_begin(lanes, r, size) <= un_lane_begin(lanes, r + 1, size));
        }
}

/* Watched or not, a collective gives the same; the pulse counts it, also a failed one. */
static void test_pulses(void **state) {
    (void)state;
    struct un_comm *c;
    struct un_pulse pulses[UN_PULSE_COUNT] = {0};
    int64_t value = 7;
    assert_int_equal(un_comm_open_self(&c), UN_OK);
    un_pulse_begin(NULL, "nobody");
    un_pulse_end(NULL);
    un_pulse_watch(c, pulses);
    assert_int_equal(c->ops->sum_i64(c, &value, 1), UN_OK);
    assert_int_equal(value, 7);
    assert_int_equal(c->ops->barrier(c), UN_OK);
    assert_true(pulses[UN_PULSE_MAIN].begun == 2 && pulses[UN_PULSE_MAIN].ended == 2);
    assert_string_equal(pulses[UN_PULSE_MAIN].what, "barrier");
    assert_int_equal(c->ops->all_gather(c, &value, &value, sizeof value), UN_OK);
    assert_string_equal(pulses[UN_PULSE_MAIN].what, "all-gather");
    assert_true(pulses[UN_PULSE_MAIN].begun == 3 && pulses[UN_PULSE_GRADIENTS].begun == 0);
    un_comm_close(c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_collectives),       cmocka_unit_test(test_parts_need_nothing),
        cmocka_unit_test(test_agree_returns_own), cmocka_unit_test(test_launchers),
        cmocka_unit_test(test_lanes_tile),        cmocka_unit_test(test_pulses),
    };
    return cmocka_run_group_tests(tests, no_launcher, NULL);
}
