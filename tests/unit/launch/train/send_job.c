#include "tests/unit/launch/train/send_job.h"

#include "launch/job/memory.h"
#include "launch/job/part.h"
#include "launch/train/step.h"
#include "launch/train/validate.h"
#include "tests/support/world.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

const size_t send_plenty = (size_t)1 << 40;

/* Mutable: the ranks of this program, and the data that the group's setup made. */
struct un_comm *send_comm, *send_self;
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

char send_config_path[80];

int send_make_world(void **state) {
    (void)state;
    struct world_spec specs[2] = {{.files = make_files_default(), .mix = {1, 1, 1, 1, 1}},
                                  {.files = make_files_default(), .mix = {1, 1, 1, 1, 1}}};
    specs[0].files.prefix = "a";
    specs[0].files.images = 24;
    specs[0].files.img_dim = specs[1].files.img_dim = 256;
    specs[1].files.prefix = "b";
    specs[1].files.images = 12;
    specs[1].files.seed = 2;
    world_open(&world, specs, 2, SEND_LANES, false);
    snprintf(send_config_path, sizeof send_config_path, "%s/c.yaml", world.folder);
    FILE *out = fopen(send_config_path, "w");
    assert_non_null(out);
    const char *f = world.folder;
    fprintf(out, config, f, f, f, f, f, f);
    return fclose(out);
}

int send_drop_world(void **state) {
    (void)state;
    world_close(&world);
    return 0;
}

enum un_status send_open(struct un_job *job, const struct send_how *how) {
    char cache[64];
    snprintf(cache, sizeof cache, "data.cache=%s", how->cache);
    const char *overrides[] = {"data.cache=none", how->more ? how->more : "log.every=1"};
    UN_TRY(un_job_configure(job, send_config_path, overrides, 2));
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

void send_start(struct un_job *job, const struct send_how *how) {
    world_check(send_open(job, how));
    world_check(un_exchange_start(&job->exchange));
}

void send_fetch(struct un_job *job, float *to, const float *from, int64_t n) {
    job->device->mem->copy_out(job->queue, to, from, (size_t)n * sizeof *to);
    world_check(job->device->mem->queue_wait(job->queue));
}

static void hear(struct send_result *r, const struct un_step_outcome *outcome) {
    if (outcome->step == 0) return;
    r->norm[outcome->step - 1] = outcome->grad_norm;
    r->skip[outcome->step - 1] = outcome->skip;
}

/* For one step, whose update is skipped. */
static void spoil(struct un_job *job, const struct send_how *how, float *right) {
    if (how->spoil == 0) return;
    if (job->step == how->spoil) *right = job->params[0], job->params[0] = INFINITY;
    if (job->step == how->spoil + 1) job->params[0] = *right;
}

void send_steps(struct un_job *job, const struct send_how *how, struct send_result *r, int64_t until) {
    struct un_stats *total = un_alloc(1, sizeof *total, "sums");
    float right = 0;
    while (job->step < until) {
        struct un_step_result step;
        struct un_step_outcome outcome = {0};
        double seconds = 0;
        const bool settled = (job->step + 1) % (how->settle ? how->settle : 1) == 0 ||
                             job->step + 1 == until || job->step + 1 == how->validate;
        spoil(job, how, &right);
        int64_t before = pretend_counts().copied, at = job->step;
        un_memory_freeze(true);
        world_check(un_step_run(job, UN_OK, &step));
        if (settled) world_check(un_step_settle(job, &outcome, &seconds));
        un_memory_freeze(false);
        hear(r, &step.before);
        hear(r, &outcome);
        r->copied[at] = pretend_counts().copied - before;
        if (!settled) continue;
        world_check(un_job_gather_stats(job, total));
        r->loss[at] = un_stats_loss(total, job->weight, job->summed, job->config.train.itm_ot_lambda);
        if (job->step != how->validate) continue;
        world_check(un_exchange_settle(&job->exchange));
        struct un_validated valid;
        world_check(un_validate_run(job, false, &valid));
        r->valid = un_stats_loss(&valid.total, job->weight, job->summed, job->config.train.itm_ot_lambda);
        un_validate_free(&valid);
    }
    world_check(un_exchange_settle(&job->exchange));
    un_free(total);
}

void send_end(struct un_job *job, const struct send_how *how, struct send_result *r) {
    r->total = job->table->total;
    r->params = un_alloc((size_t)r->total, sizeof *r->params, "parameters");
    send_fetch(job, r->params, job->params, r->total);
    r->counts = how->free_bytes ? pretend_counts() : (struct pretend_counts){0};
    r->cache = job->cache;
    if (job->sender.resident) r->resident = un_resident_counts(job->sender.resident);
    un_job_close(job);
    assert_int_equal(r->counts.races, 0);
}

struct send_result send_run(const struct send_how *how) {
    struct un_job *job = un_alloc(1, sizeof *job, "job");
    struct send_result r = {0};
    send_start(job, how);
    uint64_t frozen = un_memory_counts().frozen_allocs;
    world_check(un_job_start_loader(job));
    send_steps(job, how, &r, SEND_STEPS);
    assert_int_equal(un_memory_counts().frozen_allocs - frozen, 0);
    send_end(job, how, &r);
    un_free(job);
    return r;
}

void send_same(const struct send_result *a, const struct send_result *b) {
    assert_int_equal(a->total, b->total);
    for (int i = 0; i < SEND_STEPS; ++i) {
        if (a->loss[i] != b->loss[i] && a->loss[i] != 0 && b->loss[i] != 0)
            fail_msg("step %d: loss %.17g and %.17g", i + 1, a->loss[i], b->loss[i]);
        if (a->norm[i] != b->norm[i])
            fail_msg("step %d: norm %.17g and %.17g", i + 1, a->norm[i], b->norm[i]);
    }
    assert_memory_equal(a->params, b->params, (size_t)a->total * sizeof *a->params);
}

void send_drop(struct send_result *r) {
    un_free(r->params);
}

size_t send_base_bytes(int64_t *row_bytes, int64_t *need_rows, int64_t *guests) {
    struct un_job *job = un_alloc(1, sizeof *job, "job");
    struct un_memory_plan plan;
    const struct send_how how = {.cache = "none", .free_bytes = send_plenty, .comm = send_comm};
    send_start(job, &how);
    world_check(un_job_memory(job, &plan));
    *row_bytes = job->cache.row_bytes;
    *need_rows = job->cache.need_rows;
    *guests = job->caps.regions;
    un_job_close(job);
    un_free(job);
    return plan.card;
}

bool send_begin(int *argc, char ***argv) {
    if (un_comm_open(argc, argv, &send_comm) != UN_OK || un_comm_open_self(&send_self) != UN_OK) {
        fprintf(stderr, "%s\n", un_error_get()->text);
        return false;
    }
    un_log_set(send_comm->rank, UN_LOG_ERROR);
    return true;
}

int send_finish(int failed) {
    if (failed) send_comm->ops->abort(send_comm, 1);
    un_comm_close(send_self);
    un_comm_close(send_comm);
    return failed != 0;
}
