/* From the loader to a card, on a pretended one: the same bits wherever the data stay, whatever is copied
 * when, after a resumption, beside validations and for the ranks this was started on; no queue touches a
 * micro-batch while the other does; what is kept on the card is neither read nor sent again; memory counted,
 * and what does not fit is said with what would. */
#include "launch/job/memory.h"
#include "launch/job/part.h"
#include "launch/train/check.h"
#include "launch/train/step.h"
#include "launch/train/validate.h"
#include "tests/support/world.h"
#include "tests/unit/launch/train/pretend_card.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { STEPS = 36, LANES = 4 };
static const size_t plenty = (size_t)1 << 40;

/* Mutable: the ranks of this program, and the data that the group's setup made. */
static struct un_comm *comm, *self;
static struct world world;

static const char config[] =
    "device: cpu\n"
    "run: {dir: unused, seed: 5, threads: 1, timeout: 0, bind: none}\n"
    "model: {preset: tiny, hidden_size: 24, num_hidden_layers: 2, "
    "num_attention_heads: 3, intermediate_size: 40}\n"
    "data:\n"
    "  conf_th: 0\n"
    "  train: [{name: a, text: %s/a.txt.h5, images: %s/a.img.h5, mix: {mlm: 8, mrfr: "
    "6, mrc: 2, mrckl: 4, itm: 6}},\n"
    "    {name: b, text: %s/b.txt.h5, images: %s/b.img.h5, mix: {mlm: 1, mrfr: 2}}]\n"
    "  valid: [{name: v, text: %s/a.txt.h5, images: %s/a.img.h5}]\n"
    "train: {steps: 100, lanes: 4, tokens_per_lane: 120}\n"
    "optim: {lr: 1.0e-3, warmup_steps: 2}\n"
    "loader: {threads: 2, ahead: 2}\n";

static char config_path[80];

static int make_world(void **state) {
    (void)state;
    struct world_spec specs[2] = {{.files = make_files_default(), .mix = {1, 1, 1, 1, 1}},
                                  {.files = make_files_default(), .mix = {1, 1, 1, 1, 1}}};
    specs[0].files.prefix = "a";
    specs[0].files.images = 24;
    specs[0].files.img_dim = specs[1].files.img_dim = 256;
    specs[1].files.prefix = "b";
    specs[1].files.images = 12;
    specs[1].files.seed = 2;
    world_open(&world, specs, 2, LANES, false);
    snprintf(config_path, sizeof config_path, "%s/c.yaml", world.folder);
    FILE *out = fopen(config_path, "w");
    assert_non_null(out);
    const char *f = world.folder;
    fprintf(out, config, f, f, f, f, f, f);
    return fclose(out);
}

static int drop_world(void **state) {
    (void)state;
    world_close(&world);
    return 0;
}

/* ---- a run ---- */

struct how {
    const char *cache; /* data.cache */
    size_t free_bytes; /* of the card; 0: the plain CPU */
    int64_t validate;  /* after this many steps; 0: never */
    const char *more;  /* another override; NULL: none */
    struct un_comm *comm;
};

struct result {
    float *params;
    int64_t total;
    double loss[STEPS];
    double valid;
    struct pretend_counts counts;
    int64_t copied[STEPS]; /* bytes to the card in each step */
    struct un_job_cache cache;
    struct un_resident_counts resident;
};

static enum un_status open_job(struct un_job *job, const struct how *how) {
    char cache[64];
    snprintf(cache, sizeof cache, "data.cache=%s", how->cache);
    const char *overrides[] = {"data.cache=none", how->more ? how->more : "log.every=1"};
    UN_TRY(un_job_configure(job, config_path, overrides, 2));
    job->comm = how->comm;
    UN_TRY(un_job_open_data(job, how->comm));
    UN_TRY(un_job_find_device(job));
    if (how->free_bytes) pretend_card(job->device, how->free_bytes);
    for (int i = 0; un_cache_kind_names[i]; ++i)
        if (strcmp(un_cache_kind_names[i], how->cache) == 0) job->config.data.cache = i;
    UN_TRY(un_job_choose_route(job));
    UN_TRY(un_job_place_cache(job));
    UN_TRY(un_job_keep_part(job));
    return un_job_open_device(job);
}

static void start_job(struct un_job *job, const struct how *how) {
    world_check(open_job(job, how));
    world_check(un_exchange_start(&job->exchange));
}

static void fetch(struct un_job *job, float *to, const float *from, int64_t n) {
    job->device->mem->copy_out(job->queue, to, from, (size_t)n * sizeof *to);
    world_check(job->device->mem->queue_wait(job->queue));
}

static void take_steps(struct un_job *job, const struct how *how, struct result *r, int64_t until) {
    struct un_stats *total = un_alloc(1, sizeof *total, "sums");
    while (job->step < until) {
        struct un_step_result step;
        int64_t before = pretend_counts().copied, at = job->step;
        un_memory_freeze(true);
        world_check(un_step_run(job, UN_OK, &step));
        un_memory_freeze(false);
        r->copied[at] = pretend_counts().copied - before;
        world_check(un_job_gather_stats(job, total));
        r->loss[at] = un_stats_loss(total, job->weight, job->config.train.itm_ot_lambda);
        if (job->step != how->validate) continue;
        world_check(un_exchange_settle(&job->exchange));
        world_check(un_validate_run(job, total));
        r->valid = un_stats_loss(total, job->weight, job->config.train.itm_ot_lambda);
    }
    world_check(un_exchange_settle(&job->exchange));
    un_free(total);
}

static void end_job(struct un_job *job, const struct how *how, struct result *r) {
    r->total = job->table->total;
    r->params = un_alloc((size_t)r->total, sizeof *r->params, "parameters");
    fetch(job, r->params, job->params, r->total);
    r->counts = how->free_bytes ? pretend_counts() : (struct pretend_counts){0};
    r->cache = job->cache;
    if (job->sender.resident) r->resident = un_resident_counts(job->sender.resident);
    un_job_close(job);
    assert_int_equal(r->counts.races, 0);
}

/* STEPS steps from the beginning. */
static struct result run(const struct how *how) {
    struct un_job *job = un_alloc(1, sizeof *job, "job");
    struct result r = {0};
    start_job(job, how);
    uint64_t frozen = un_memory_counts().frozen_allocs;
    world_check(un_job_start_loader(job));
    take_steps(job, how, &r, STEPS);
    assert_int_equal(un_memory_counts().frozen_allocs - frozen, 0);
    end_job(job, how, &r);
    un_free(job);
    return r;
}

static void same(const struct result *a, const struct result *b) {
    assert_int_equal(a->total, b->total);
    for (int i = 0; i < STEPS; ++i)
        if (a->loss[i] != b->loss[i])
            fail_msg("step %d: loss %.17g and %.17g", i + 1, a->loss[i], b->loss[i]);
    assert_memory_equal(a->params, b->params, (size_t)a->total * sizeof *a->params);
}

static void drop(struct result *r) {
    un_free(r->params);
}

/* Memory of the card that the job takes without a store, and of a row. */
static size_t base_bytes(int64_t *row_bytes, int64_t *need_rows, int64_t *guests) {
    struct un_job *job = un_alloc(1, sizeof *job, "job");
    struct un_memory_plan plan;
    const struct how how = {.cache = "none", .free_bytes = plenty, .comm = comm};
    start_job(job, &how);
    world_check(un_job_memory(job, &plan));
    *row_bytes = job->cache.row_bytes;
    *need_rows = job->cache.need_rows;
    *guests = job->caps.regions;
    un_job_close(job);
    un_free(job);
    return plan.card;
}

/* What a card must have free so that `rows` rows fit beside everything else. */
static size_t free_for(int64_t rows) {
    int64_t row_bytes, need, guests;
    size_t base = base_bytes(&row_bytes, &need, &guests);
    return base + (size_t)((double)((rows + guests) * row_bytes) / 0.9) + 64;
}

/* ---- the tests ---- */

static void same_bits_wherever_data_stay(void **state) {
    (void)state;
    int64_t row_bytes, need, guests;
    (void)base_bytes(&row_bytes, &need, &guests);
    const struct how none = {.cache = "none", .free_bytes = plenty, .comm = comm};
    struct result plain = run(&none);
    assert_true(plain.counts.late > 3 * STEPS && plain.counts.blocks == 2);
    const struct {
        struct how how;
        enum un_cache_kind kind;
        int64_t rows; /* at least; -1: all */
    } cases[] = {
        {{.cache = "device", .free_bytes = plenty}, UN_CACHE_DEVICE, -1},
        {{.cache = "auto", .free_bytes = plenty}, UN_CACHE_DEVICE, -1},
        {{.cache = "auto", .free_bytes = free_for(need)}, UN_CACHE_DEVICE, -1},
        {{.cache = "auto", .free_bytes = free_for(need - 2)}, UN_CACHE_NONE, 0},
        {{.cache = "auto", .free_bytes = free_for(need - 2), .more = "loader.cache_mb=9"}, UN_CACHE_HOST, 0},
        {{.cache = "device", .free_bytes = free_for(need / 2)}, UN_CACHE_DEVICE, need / 2},
        {{.cache = "device", .free_bytes = free_for(3)}, UN_CACHE_DEVICE, 3},
        {{.cache = "device", .free_bytes = free_for(0) - 128}, UN_CACHE_DEVICE, 0},
        {{.cache = "host", .free_bytes = plenty, .more = "loader.cache_mb=9"}, UN_CACHE_HOST, 0},
        {{.cache = "device", .free_bytes = plenty, .more = "loader.cache_mb=9"}, UN_CACHE_DEVICE, -1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        struct how how = cases[i].how;
        how.comm = comm;
        struct result r = run(&how);
        same(&plain, &r);
        assert_int_equal(r.cache.kind, cases[i].kind);
        assert_int_equal(r.cache.rows, cases[i].rows < 0 ? need : cases[i].rows);
        if (r.cache.rows == need) assert_int_equal(r.resident.there, r.resident.images);
        if (r.cache.rows == need) assert_true(r.copied[STEPS - 2] < plain.copied[STEPS - 2] / 2);
        drop(&r);
    }
    drop(&plain);
}

/* Everything of an epoch is on the card: from then on no step sends a row of features. */
static void later_epochs_send_lists_only(void **state) {
    (void)state;
    const struct how how = {.cache = "device", .free_bytes = plenty, .comm = comm};
    struct un_job *job = un_alloc(1, sizeof *job, "job");
    struct result r = {0};
    start_job(job, &how);
    world_check(un_job_start_loader(job));
    take_steps(job, &how, &r, STEPS - 4);
    take_steps(job, &how, &r, STEPS);
    for (int64_t i = 0; i < job->lane_end - job->lane_begin; ++i) {
        const struct un_batch *b = job->held[i].batch; /* of the next step */
        assert_true(b->regions > 0 && b->feature_row);
        assert_int_equal(b->fresh, 0);
        assert_int_equal(un_batch_span(UN_SPAN_FEATURES, b, b, &job->caps).bytes, 0);
    }
    end_job(job, &how, &r);
    drop(&r);
    un_free(job);
}

/* A validation between two steps finds the first micro-batch of the next one on its way. */
static void validation_beside_what_is_ahead(void **state) {
    (void)state;
    struct how how = {.cache = "none", .free_bytes = plenty, .comm = comm};
    struct result plain = run(&how);
    how.validate = 7;
    struct result with = run(&how);
    how.cache = "device";
    struct result kept = run(&how);
    same(&plain, &with);
    same(&plain, &kept);
    assert_true(with.valid > 0 && with.valid == kept.valid);
    drop(&plain);
    drop(&with);
    drop(&kept);
}

/* The card computes with fillers: the CPU's own numbers come out to rounding. */
static void near_the_host(void **state) {
    (void)state;
    struct how how = {.cache = "none", .comm = comm};
    struct result host = run(&how);
    how.free_bytes = plenty;
    struct result card = run(&how);
    for (int i = 0; i < STEPS; ++i)
        if (!(host.loss[i] - card.loss[i] < 1e-3 && card.loss[i] - host.loss[i] < 1e-3))
            fail_msg("step %d: %g and %g", i + 1, host.loss[i], card.loss[i]);
    drop(&host);
    drop(&card);
}

/* Parameters, moments and states of one job go on in another, which starts with an empty store. */
static void resumes(void **state) {
    (void)state;
    const struct how how = {.cache = "device", .free_bytes = plenty, .comm = self};
    struct result straight = run(&how), r = {0};
    struct un_job *first = un_alloc(1, sizeof *first, "job"), *second = un_alloc(1, sizeof *second, "job");
    start_job(first, &how);
    world_check(un_job_start_loader(first));
    take_steps(first, &how, &r, 11);
    int64_t n = first->table->total;
    float *kept = un_alloc((size_t)(3 * n), sizeof *kept, "kept");
    struct un_lane_state states[LANES];
    fetch(first, kept, first->params, n);
    fetch(first, kept + n, first->optim.m, n);
    fetch(first, kept + 2 * n, first->optim.v, n);
    memcpy(states, first->states, sizeof states);
    un_job_close(first);
    start_job(second, &how);
    const struct un_device_ops *mem = second->device->mem;
    mem->copy_in(second->queue, second->params, kept, (size_t)n * sizeof *kept);
    mem->copy_in(second->queue, second->optim.m, kept + n, (size_t)n * sizeof *kept);
    mem->copy_in(second->queue, second->optim.v, kept + 2 * n, (size_t)n * sizeof *kept);
    world_check(mem->queue_wait(second->queue));
    memcpy(second->states, states, sizeof states);
    second->step = 11;
    world_check(un_job_start_loader(second));
    take_steps(second, &how, &r, STEPS);
    end_job(second, &how, &r);
    same(&straight, &r);
    un_free(kept);
    un_free(first);
    un_free(second);
    drop(&straight);
    drop(&r);
}

/* Four lanes on any number of ranks that is a power of two, and on one. */
static void any_number_of_ranks(void **state) {
    (void)state;
    struct how how = {.cache = "device", .free_bytes = plenty, .comm = self};
    struct result alone = run(&how);
    how.comm = comm;
    struct result all = run(&how);
    assert_true(all.cache.need_rows <= alone.cache.need_rows);
    if (comm->size == 1 || comm->size == 2 || comm->size == 4) same(&alone, &all);
    drop(&alone);
    drop(&all);
}

/* auto is never the reason that a run ends. */
static void auto_goes_on_without(void **state) {
    (void)state;
    struct un_job *job = un_alloc(1, sizeof *job, "job");
    struct how how = {.cache = "auto", .free_bytes = plenty, .comm = self};
    struct result plain = run(&(struct how){.cache = "none", .free_bytes = plenty, .comm = self}), r = {0};
    for (int k = 0; k < 2; ++k) {
        world_check(un_job_configure(job, config_path, NULL, 0));
        job->comm = self;
        world_check(un_job_open_data(job, self));
        world_check(un_job_find_device(job));
        pretend_card(job->device, plenty);
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
        take_steps(job, &how, &r, STEPS);
        end_job(job, &how, &r);
        same(&plain, &r);
    }
    un_free(job);
    drop(&plain);
    drop(&r);
}

/* ---- what is said ---- */

static void device_needs_a_card(void **state) {
    (void)state;
    struct un_job *job = un_alloc(1, sizeof *job, "job");
    const char *overrides[] = {"data.cache=device"};
    world_check(un_job_configure(job, config_path, overrides, 1));
    job->comm = self;
    world_check(un_job_open_data(job, self));
    world_check(un_job_find_device(job));
    assert_int_equal(un_job_place_cache(job), UN_USAGE);
    assert_non_null(strstr(un_error_get()->text, "needs a card"));
    un_error_clear();
    un_job_close(job);
    const char *host[] = {"data.cache=host"};
    assert_int_equal(un_job_configure(job, config_path, host, 1), UN_USAGE);
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
    const struct how how = {.cache = "auto", .free_bytes = free_bytes, .comm = self, .more = more};
    enum un_status status = open_job(job, &how);
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
    size_t base = base_bytes(&row_bytes, &need, &guests);
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
    assert_int_equal(open_with_tokens(120, plenty, text, sizeof text), UN_OK);
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
        const struct how how = {.cache = caches[i], .free_bytes = plenty, .comm = self};
        start_job(job, &how);
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
    if (un_comm_open(&argc, &argv, &comm) != UN_OK || un_comm_open_self(&self) != UN_OK) {
        fprintf(stderr, "%s\n", un_error_get()->text);
        return 1;
    }
    un_log_set(comm->rank, UN_LOG_ERROR);
    const struct CMUnitTest alone[] = {cmocka_unit_test(same_bits_wherever_data_stay),
                                       cmocka_unit_test(later_epochs_send_lists_only),
                                       cmocka_unit_test(validation_beside_what_is_ahead),
                                       cmocka_unit_test(near_the_host),
                                       cmocka_unit_test(resumes),
                                       cmocka_unit_test(any_number_of_ranks),
                                       cmocka_unit_test(auto_goes_on_without),
                                       cmocka_unit_test(device_needs_a_card),
                                       cmocka_unit_test(what_would_fit),
                                       cmocka_unit_test(memory_is_what_was_said)};
    const struct CMUnitTest together[] = {cmocka_unit_test(any_number_of_ranks),
                                          cmocka_unit_test(validation_beside_what_is_ahead)};
    int failed = comm->size == 1 ? cmocka_run_group_tests_name("send", alone, make_world, drop_world)
                                 : cmocka_run_group_tests_name("send", together, make_world, drop_world);
    if (failed) comm->ops->abort(comm, 1);
    un_comm_close(self);
    un_comm_close(comm);
    return failed != 0;
}
