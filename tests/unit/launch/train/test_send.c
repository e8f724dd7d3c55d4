/* From the loader to a card, on a pretended one: the same bits wherever the data stay, whatever is copied
 * when, after a resumption, beside validations and for the ranks this was started on; no queue touches a
 * micro-batch while the other does; what is kept on the card is neither read nor sent again. */
#include "tests/support/world.h"
#include "tests/unit/launch/train/send_job.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* What a card must have free so that `rows` rows fit beside everything else. */
static size_t free_for(int64_t rows) {
    int64_t row_bytes, need, guests;
    size_t base = send_base_bytes(&row_bytes, &need, &guests);
    return base + (size_t)((double)((rows + guests) * row_bytes) / 0.9) + 64;
}

static void same_bits_wherever_data_stay(void **state) {
    (void)state;
    int64_t row_bytes, need, guests;
    (void)send_base_bytes(&row_bytes, &need, &guests);
    const struct send_how none = {.cache = "none", .free_bytes = send_plenty, .comm = send_comm};
    struct send_result plain = send_run(&none);
    assert_true(plain.counts.late > 3 * SEND_STEPS && plain.counts.blocks == 2);
    const struct {
        struct send_how how;
        enum un_cache_kind kind;
        int64_t rows; /* at least; -1: all */
    } cases[] = {
        {{.cache = "device", .free_bytes = send_plenty}, UN_CACHE_DEVICE, -1},
        {{.cache = "auto", .free_bytes = send_plenty}, UN_CACHE_DEVICE, -1},
        {{.cache = "auto", .free_bytes = free_for(need)}, UN_CACHE_DEVICE, -1},
        {{.cache = "auto", .free_bytes = free_for(need - 2)}, UN_CACHE_NONE, 0},
        {{.cache = "auto", .free_bytes = free_for(need - 2), .more = "loader.cache_mb=9"}, UN_CACHE_HOST, 0},
        {{.cache = "device", .free_bytes = free_for(need / 2)}, UN_CACHE_DEVICE, need / 2},
        {{.cache = "device", .free_bytes = free_for(3)}, UN_CACHE_DEVICE, 3},
        {{.cache = "device", .free_bytes = free_for(0) - 128}, UN_CACHE_DEVICE, 0},
        {{.cache = "host", .free_bytes = send_plenty, .more = "loader.cache_mb=9"}, UN_CACHE_HOST, 0},
        {{.cache = "device", .free_bytes = send_plenty, .more = "loader.cache_mb=9"}, UN_CACHE_DEVICE, -1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        struct send_how how = cases[i].how;
        how.comm = send_comm;
        struct send_result r = send_run(&how);
        send_same(&plain, &r);
        assert_int_equal(r.cache.kind, cases[i].kind);
        assert_int_equal(r.cache.rows, cases[i].rows < 0 ? need : cases[i].rows);
        if (r.cache.rows == need) assert_int_equal(r.resident.there, r.resident.images);
        if (r.cache.rows == need) assert_true(r.copied[SEND_STEPS - 2] < plain.copied[SEND_STEPS - 2] / 2);
        send_drop(&r);
    }
    send_drop(&plain);
}

/* How a step ended is read while the next one is under way: every norm, each loss that is looked at and the parameters
 * are those of a run that waits after each step, on the CPU too. */
static void outcomes_come_late(void **state) {
    (void)state;
    const size_t rooms[] = {send_plenty, 0};
    for (int i = 0; i < 2; ++i) {
        const struct send_how each = {
            .cache = "none", .free_bytes = rooms[i], .validate = 11, .comm = send_comm};
        struct send_result plain = send_run(&each);
        for (int k = 0; k < SEND_STEPS; ++k) assert_true(plain.norm[k] > 0 && plain.loss[k] > 0);
        for (int64_t settle = 2; settle <= SEND_STEPS; settle += 17) {
            struct send_how how = each;
            how.settle = settle;
            struct send_result r = send_run(&how);
            send_same(&plain, &r);
            assert_true(r.valid == plain.valid && r.loss[2] == 0 && r.loss[10] > 0);
            send_drop(&r);
        }
        send_drop(&plain);
    }
}

/* Why an update was skipped is known a step later, too, when the next step's word on its losses has begun. */
static void skips_come_late(void **state) {
    (void)state;
    const int spoil = 3;
    const struct send_how how = {
        .cache = "none", .free_bytes = send_plenty, .settle = SEND_STEPS, .spoil = spoil, .comm = send_comm};
    struct send_result r = send_run(&how);
    for (int i = 0; i < SEND_STEPS; ++i)
        if (r.skip[i] != (i == spoil ? UN_OPTIM_BAD_LOSS : UN_OPTIM_DONE) || (r.norm[i] > 0) != (i != spoil))
            fail_msg("step %d: skip %d, norm %g", i + 1, (int)r.skip[i], r.norm[i]);
    send_drop(&r);
}

/* Everything of an epoch is on the card: from then on no step sends a row of features. */
static void later_epochs_send_lists_only(void **state) {
    (void)state;
    const struct send_how how = {.cache = "device", .free_bytes = send_plenty, .comm = send_comm};
    struct un_job *job = un_alloc(1, sizeof *job, "job");
    struct send_result r = {0};
    send_start(job, &how);
    world_check(un_job_start_loader(job));
    send_steps(job, &how, &r, SEND_STEPS - 4);
    send_steps(job, &how, &r, SEND_STEPS);
    for (int64_t i = 0; i < job->lane_end - job->lane_begin; ++i) {
        const struct un_batch *b = job->held[i].batch; /* of the next step */
        assert_true(b->regions > 0 && b->feature_row);
        assert_int_equal(b->fresh, 0);
        assert_int_equal(un_batch_span(UN_SPAN_FEATURES, b, b, &job->caps).bytes, 0);
    }
    send_end(job, &how, &r);
    send_drop(&r);
    un_free(job);
}

/* A validation between two steps finds the first micro-batch of the next one on its way. */
static void validation_beside_what_is_ahead(void **state) {
    (void)state;
    struct send_how how = {.cache = "none", .free_bytes = send_plenty, .comm = send_comm};
    struct send_result plain = send_run(&how);
    how.validate = 7;
    struct send_result with = send_run(&how);
    how.cache = "device";
    struct send_result kept = send_run(&how);
    send_same(&plain, &with);
    send_same(&plain, &kept);
    assert_true(with.valid > 0 && with.valid == kept.valid);
    send_drop(&plain);
    send_drop(&with);
    send_drop(&kept);
}

/* The card computes with fillers: the CPU's own numbers come out to rounding. */
static void near_the_host(void **state) {
    (void)state;
    struct send_how how = {.cache = "none", .comm = send_comm};
    struct send_result host = send_run(&how);
    how.free_bytes = send_plenty;
    struct send_result card = send_run(&how);
    for (int i = 0; i < SEND_STEPS; ++i)
        if (!(host.loss[i] - card.loss[i] < 1e-3 && card.loss[i] - host.loss[i] < 1e-3))
            fail_msg("step %d: %g and %g", i + 1, host.loss[i], card.loss[i]);
    send_drop(&host);
    send_drop(&card);
}

/* Parameters, moments and states of one job go on in another, which starts with an empty store. */
static void resumes(void **state) {
    (void)state;
    const struct send_how how = {.cache = "device", .free_bytes = send_plenty, .comm = send_self};
    struct send_result straight = send_run(&how), r = {0};
    struct un_job *first = un_alloc(1, sizeof *first, "job"), *second = un_alloc(1, sizeof *second, "job");
    send_start(first, &how);
    world_check(un_job_start_loader(first));
    send_steps(first, &how, &r, 11);
    int64_t n = first->table->total;
    float *kept = un_alloc((size_t)(3 * n), sizeof *kept, "kept");
    struct un_lane_state states[SEND_LANES];
    send_fetch(first, kept, first->params, n);
    send_fetch(first, kept + n, first->optim.m, n);
    send_fetch(first, kept + 2 * n, first->optim.v, n);
    memcpy(states, first->states, sizeof states);
    un_job_close(first);
    send_start(second, &how);
    const struct un_device_ops *mem = second->device->mem;
    mem->copy_in(second->queue, second->params, kept, (size_t)n * sizeof *kept);
    mem->copy_in(second->queue, second->optim.m, kept + n, (size_t)n * sizeof *kept);
    mem->copy_in(second->queue, second->optim.v, kept + 2 * n, (size_t)n * sizeof *kept);
    world_check(mem->queue_wait(second->queue));
    memcpy(second->states, states, sizeof states);
    second->step = 11;
    world_check(un_job_start_loader(second));
    send_steps(second, &how, &r, SEND_STEPS);
    send_end(second, &how, &r);
    send_same(&straight, &r);
    un_free(kept);
    un_free(first);
    un_free(second);
    send_drop(&straight);
    send_drop(&r);
}

/* Four lanes on any number of ranks that is a power of two, and on one. */
static void any_number_of_ranks(void **state) {
    (void)state;
    struct send_how how = {.cache = "device", .free_bytes = send_plenty, .comm = send_self};
    struct send_result alone = send_run(&how);
    how.comm = send_comm;
    struct send_result all = send_run(&how);
    assert_true(all.cache.need_rows <= alone.cache.need_rows);
    if (send_comm->size == 1 || send_comm->size == 2 || send_comm->size == 4) send_same(&alone, &all);
    send_drop(&alone);
    send_drop(&all);
}

int main(int argc, char **argv) {
    if (!send_begin(&argc, &argv)) return 1;
    const struct CMUnitTest alone[] = {cmocka_unit_test(same_bits_wherever_data_stay),
                                       cmocka_unit_test(outcomes_come_late),
                                       cmocka_unit_test(skips_come_late),
                                       cmocka_unit_test(later_epochs_send_lists_only),
                                       cmocka_unit_test(validation_beside_what_is_ahead),
                                       cmocka_unit_test(near_the_host),
                                       cmocka_unit_test(resumes),
                                       cmocka_unit_test(any_number_of_ranks)};
    const struct CMUnitTest together[] = {cmocka_unit_test(any_number_of_ranks),
                                          cmocka_unit_test(validation_beside_what_is_ahead)};
    int failed = send_comm->size == 1
                     ? cmocka_run_group_tests_name("send", alone, send_make_world, send_drop_world)
                     : cmocka_run_group_tests_name("send", together, send_make_world, send_drop_world);
    return send_finish(failed);
}
