#include "tests/support/checkpoint_case.h"
#include "runtime/memory.h"
#include "runtime/rng.h"
#include "tests/support/expect.h"
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct un_comm *case_comm;
char case_run[512], case_found[1024];

void case_open(struct checkpoint_case *k, int64_t rows, int rank, int size) {
    case_open_spread(k, rows, rank, size, 1);
}

void case_open_spread(struct checkpoint_case *k, int64_t rows, int rank, int size, int nodes) {
    memset(k, 0, sizeof *k);
    un_params_add(&k->params, "uniter.test.weight", rows, 128, UN_INIT_NORMAL, false);
    un_params_add(&k->params, "uniter.test.bias", 77, 0, UN_INIT_ZERO, false);
    expect_ok(un_error_get()->status);
    struct un_shard shard;
    un_shard_set(&shard, k->params.total, size, 7 * UN_PARAM_BLOCK * sizeof(float));
    un_shard_spread(&shard, nodes);
    size_t n = (size_t)un_shard_count(&shard, rank);
    k->rank = rank;
    k->c = (struct un_checkpoint){.lanes = CASE_LANES,
                                  .n_streams = CASE_STREAMS,
                                  .states = k->states,
                                  .seed = UINT64_MAX - 1,
                                  .plan_digest = 0x00123456789abcdeu,
                                  .params = &k->params,
                                  .shard = shard,
                                  .p = un_alloc(n, sizeof(float), "test"),
                                  .m = un_alloc(n, sizeof(float), "test"),
                                  .v = un_alloc(n, sizeof(float), "test")};
    expect_ok(un_error_get()->status);
    case_poison(k);
}

void case_close(struct checkpoint_case *k) {
    un_free(k->c.p);
    un_free(k->c.m);
    un_free(k->c.v);
    un_params_free(&k->params);
}

void case_poison(struct checkpoint_case *k) {
    size_t bytes = (size_t)un_shard_count(&k->c.shard, k->rank) * sizeof(float);
    memset(k->c.p, 0xEE, bytes);
    memset(k->c.m, 0xEE, bytes);
    memset(k->c.v, 0xEE, bytes);
    memset(k->states, 0xEE, sizeof k->states);
    k->c.step = -1;
}

/* Any bits, NaN included: a checkpoint keeps bits, not numbers. */
static struct un_rng4 element(int64_t step, int64_t i) {
    return un_rng(7, UN_RNG_TEST, (uint32_t)step, 0, 1, (uint32_t)i);
}

static int64_t epoch_of(int64_t step, int64_t lane, int64_t stream) {
    return step / 10 + lane + stream;
}

static int64_t position_of(int64_t step, int64_t lane, int64_t stream) {
    return step * 1009 + 100 * lane + stream;
}

static int64_t pending_of(int64_t step, int64_t lane) {
    return (step + lane) % (CASE_STREAMS + 1) - 1;
}

static int64_t lane_begin(const struct checkpoint_case *k, int rank) {
    return un_lane_begin(CASE_LANES, rank, k->c.shard.size);
}

void case_fill(struct checkpoint_case *k, int64_t step) {
    case_poison(k);
    k->c.step = step;
    for (int64_t b = 0; b < k->c.shard.buckets; ++b) {
        struct un_span part = un_shard_part(&k->c.shard, b, k->rank);
        int64_t local = un_shard_local(&k->c.shard, b);
        for (int64_t i = part.begin; i < part.end; ++i, ++local) {
            struct un_rng4 r = element(step, i);
            memcpy(&k->c.p[local], &r.v[0], sizeof(float));
            memcpy(&k->c.m[local], &r.v[1], sizeof(float));
            memcpy(&k->c.v[local], &r.v[2], sizeof(float));
        }
    }
    for (int64_t lane = lane_begin(k, k->rank); lane < lane_begin(k, k->rank + 1); ++lane) {
        k->states[lane].pending = pending_of(step, lane);
        for (int64_t s = 0; s < CASE_STREAMS; ++s)
            k->states[lane].stream[s] =
                (struct un_stream_state){epoch_of(step, lane, s), position_of(step, lane, s)};
    }
}

int64_t case_wrong(const struct checkpoint_case *k) {
    int64_t wrong = 0, step = k->c.step;
    for (int64_t b = 0; b < k->c.shard.buckets; ++b) {
        struct un_span part = un_shard_part(&k->c.shard, b, k->rank);
        int64_t local = un_shard_local(&k->c.shard, b);
        for (int64_t i = part.begin; i < part.end; ++i, ++local) {
            struct un_rng4 r = element(step, i);
            wrong += memcmp(&k->c.p[local], &r.v[0], sizeof(float)) != 0;
            wrong += memcmp(&k->c.m[local], &r.v[1], sizeof(float)) != 0;
            wrong += memcmp(&k->c.v[local], &r.v[2], sizeof(float)) != 0;
        }
    }
    for (int64_t lane = 0; lane < CASE_LANES; ++lane) {
        wrong += k->states[lane].pending != pending_of(step, lane);
        for (int64_t s = 0; s < CASE_STREAMS; ++s)
            wrong += k->states[lane].stream[s].epoch != epoch_of(step, lane, s) ||
                     k->states[lane].stream[s].position != position_of(step, lane, s);
    }
    return wrong;
}

enum un_status case_write(struct un_comm *comm, const char *run_dir, int64_t keep, int64_t keep_every,
                          struct checkpoint_case *k) {
    struct un_checkpoint_writer_setup setup = {
        .run_dir = run_dir, .keep = keep, .keep_every = keep_every, .timeout = 60, .checkpoint = &k->c};
    struct un_checkpoint_writer *writer;
    UN_TRY(un_checkpoint_writer_open(&writer, comm, &setup));
    enum un_status status = un_checkpoint_writer_start(writer);
    if (status == UN_OK) status = un_checkpoint_writer_wait(writer);
    return un_checkpoint_writer_close(writer, true) ? status : UN_INTERNAL;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *where) {
    (void)st, (void)type, (void)where;
    return remove(path);
}

void case_remove_tree(const char *path) {
    nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

int case_run_open(void **state) {
    (void)state;
    snprintf(case_run, sizeof case_run, "%s/run", scratch_folder());
    un_error_clear();
    return un_comm_open_self(&case_comm);
}

int case_run_close(void **state) {
    (void)state;
    un_comm_close(case_comm);
    case_remove_tree(case_run);
    scratch_remove();
    return 0;
}

void case_save(struct checkpoint_case *k, int64_t step, int64_t keep) {
    case_fill(k, step);
    expect_ok(case_write(case_comm, case_run, keep, 0, k));
}

const char *case_find(struct checkpoint_case *k, const char *how) {
    expect_ok(un_checkpoint_resume(case_comm, case_run, how, &k->c, case_found, sizeof case_found));
    return case_found;
}

void case_expect_newest(struct checkpoint_case *k, int64_t step) {
    char expected[1024];
    snprintf(expected, sizeof expected, "%s/ckpt/step_%08lld", case_run, (long long)step);
    case_poison(k);
    assert_string_equal(case_find(k, "auto"), expected);
    assert_int_equal(k->c.step, step);
    assert_int_equal(case_wrong(k), 0);
}

char *case_file(int64_t step, const char *name) {
    static char path[1024];
    snprintf(path, sizeof path, "%s/ckpt/step_%08lld/%s", case_run, (long long)step, name);
    return path;
}

void case_overwrite(const char *path, const void *data, size_t bytes) {
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, bytes, f), bytes);
    fclose(f);
}

char *case_slurp(const char *path, size_t *bytes) {
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    fseek(f, 0, SEEK_END);
    *bytes = (size_t)ftell(f);
    rewind(f);
    char *text = calloc(*bytes + 1, 1);
    assert_int_equal(fread(text, 1, *bytes, f), *bytes);
    fclose(f);
    return text;
}
