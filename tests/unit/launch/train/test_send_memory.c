/* Memory of a card, on a pretended one: it is counted, what does not fit is said with what would, and a run
 * goes on without a store that it may do without. One rank. */
#include "launch/job/memory.h"
#include "launch/job/part.h"
#include "launch/train/check.h"
#include "tests/support/world.h"
#include "tests/unit/launch/train/send_job.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* auto is never the reason that a run ends. */
static void auto_goes_on_without(void **state) {
    (void)state;
    struct un_job *job = un_alloc(1, sizeof *job, "job");
    struct send_how how = {.cache = "auto", .free_bytes = send_plenty, .comm = send_self};
    struct send_result plain = send_run(
                           &(struct send_how){.cache = "none", .free_bytes = send_plenty, .comm = send_self}),
                       r = {0};
    for (int k = 0; k < 2; ++k) {
        world_check(un_job_configure(job, send_config_path, NULL, 0));
        job->comm = send_self;
        world_check(un_job_open_data(job, send_self));
        world_check(un_job_find_device(job));
        pretend_card(job->device, send_plenty);
        job->config.data.cache = k ? UN_CACHE_DEVICE : UN_CACHE_AUTO;
        world_check(un_job_place_cache(job));
        assert_int_equal(job->cache.kind, UN_CACHE_DEVICE);
        world_check(un_job_keep_part(job));
        pretend_refuse("features kept on the device");
        assert_int_equal(un_job_open_device(job), k ? UN_MEMORY : UN_OK);
        if (k) {
            un_error_clear();
            un_job_close(job);
            break;
        }
        world_check(un_exchange_start(&job->exchange));
        world_check(un_job_start_loader(job));
        send_steps(job, &how, &r, SEND_STEPS);
        send_end(job, &how, &r);
        send_same(&plain, &r);
    }
    un_free(job);
    send_drop(&plain);
    send_drop(&r);
}

static void device_needs_a_card(void **state) {
    (void)state;
    struct un_job *job = un_alloc(1, sizeof *job, "job");
    const char *overrides[] = {"data.cache=device"};
    world_check(un_job_configure(job, send_config_path, overrides, 1));
    job->comm = send_self;
    world_check(un_job_open_data(job, send_self));
    world_check(un_job_find_device(job));
    assert_int_equal(un_job_place_cache(job), UN_USAGE);
    assert_non_null(strstr(un_error_get()->text, "needs a card"));
    un_error_clear();
    un_job_close(job);
    const char *host[] = {"data.cache=host"};
    assert_int_equal(un_job_configure(job, send_config_path, host, 1), UN_USAGE);
    assert_non_null(strstr(un_error_get()->text, "loader.cache_mb"));
    un_error_clear();
    un_run_config_free(&job->config);
    un_free(job);
}

static int64_t said_tokens(const char *text) {
    const char *at = strstr(text, "train.tokens_per_lane: ");
    return at ? strtoll(at + strlen("train.tokens_per_lane: "), NULL, 10) : 0;
}

static enum un_status open_with_tokens(int64_t tokens, size_t free_bytes, char *check, size_t size) {
    struct un_job *job = un_alloc(1, sizeof *job, "job");
    char more[64];
    snprintf(more, sizeof more, "train.tokens_per_lane=%lld", (long long)tokens);
    const struct send_how how = {.cache = "auto", .free_bytes = free_bytes, .comm = send_self, .more = more};
    enum un_status status = send_open(job, &how);
    FILE *out = check ? fmemopen(check, size, "w") : NULL;
    if (out) {
        char message[UN_ERROR_MAX];
        strcpy(message, status == UN_OK ? "" : un_error_get()->text);
        un_error_clear();
        world_check(un_plan_print(job, out));
        fclose(out);
        assert_int_equal(said_tokens(message), said_tokens(check));
    }
    un_error_clear();
    un_job_close(job);
    un_free(job);
    return status;
}

/* Too small a card: the message and --check name the same micro-batch; that fits, and the next one does not. */
static void what_would_fit(void **state) {
    (void)state;
    char text[8192];
    int64_t row_bytes, need, guests;
    size_t base = send_base_bytes(&row_bytes, &need, &guests);
    const size_t cards[] = {base, 2 * base, 3 * base};
    for (size_t i = 0; i < sizeof cards / sizeof *cards; ++i) {
        assert_int_equal(open_with_tokens(1 << 15, cards[i], text, sizeof text), UN_MEMORY);
        int64_t tokens = said_tokens(text);
        assert_true(tokens >= 64 && tokens % 64 == 0);
        assert_non_null(strstr(text, "on the card"));
        assert_int_equal(open_with_tokens(tokens, cards[i], text, sizeof text), UN_OK);
        assert_int_equal(open_with_tokens(tokens + 64, cards[i], text, sizeof text), UN_MEMORY);
    }
    assert_int_equal(open_with_tokens(1 << 15, 1000, text, sizeof text), UN_MEMORY);
    assert_non_null(strstr(text, "no train.tokens_per_lane would"));
    assert_int_equal(open_with_tokens(120, send_plenty, text, sizeof text), UN_OK);
    assert_non_null(strstr(text, "cache       device: "));
    assert_non_null(strstr(text, "100 % of the features"));
}

/* The plan of the memory is what the job then takes of the card. */
static void memory_is_what_was_said(void **state) {
    (void)state;
    static const char *const caches[] = {"none", "device"};
    for (int i = 0; i < 2; ++i) {
        struct un_job *job = un_alloc(1, sizeof *job, "job");
        struct un_memory_plan plan;
        const struct send_how how = {.cache = caches[i], .free_bytes = send_plenty, .comm = send_self};
        send_start(job, &how);
        world_check(un_job_memory(job, &plan));
        size_t left, all;
        world_check(job->device->mem->memory_info(job->device, &left, &all));
        size_t taken = all - left;
        assert_in_range(plan.card - plan.scratch, taken, taken + (1 << 16)); /* roundings of the parts */
        assert_int_equal(plan.store > 0, i);
        assert_int_equal(plan.total, plan.card + plan.host);
        un_job_close(job);
        un_free(job);
    }
}

int main(int argc, char **argv) {
    if (!send_begin(&argc, &argv)) return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(auto_goes_on_without), cmocka_unit_test(device_needs_a_card),
        cmocka_unit_test(what_would_fit), cmocka_unit_test(memory_is_what_was_said)};
    int failed = cmocka_run_group_tests_name("send memory", tests, send_make_world, send_drop_world);
    return send_finish(failed);
}
