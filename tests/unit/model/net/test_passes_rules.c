/* What a pass keeps to: spans reported when they are final, no allocation, checked sizes. */
#include "model/net/trunk.h"
#include "runtime/device.h"
#include "tests/unit/model/net/pass_bench.h"

#include <stdlib.h>
#include <string.h>

/* ---- spans ---- */

struct spans {
    const struct pass_bench *bench;
    float *at_ready; /* gradients as they were when their span was reported */
    int64_t low, calls;
    bool words; /* have been reported */
};

static void on_ready(void *context, int64_t begin, int64_t end) {
    struct spans *s = context;
    int64_t first, after;
    un_model_first(s->bench->net.model, &first, &after);
    bool words = s->low == after && begin == 0;
    assert_int_equal(end, words ? first : s->low);
    assert_true(begin < end && begin % UN_PARAM_ALIGN == 0);
    memcpy(s->at_ready + begin, s->bench->net.grads + begin, (size_t)(end - begin) * sizeof(float));
    s->words = s->words || words;
    if (!words) s->low = begin;
    s->calls++;
}

static void spans_are_final(void **state) {
    (void)state;
    struct pass_bench b;
    pass_open(&b, 2, true);
    int64_t total = b.net.table->total;
    struct spans spans = {
        .bench = &b, .low = total, .at_ready = un_alloc((size_t)total, sizeof(float), "spans")};
    const struct un_pass_hooks hooks = {.ready = on_ready, .context = &spans};
    pass_check(un_model_pass(b.net.model, b.net.q, &b.batch.device, b.net.params, NULL, b.net.grads, true,
                             &b.net.out, &hooks));
    pass_check(b.net.device->mem->queue_wait(b.net.q));
    int64_t first, after;
    un_model_first(b.net.model, &first, &after);
    assert_true(spans.words && spans.low == first);
    assert_int_equal(spans.calls, pass_dims.num_hidden_layers + 3);
    pass_same_bits(spans.at_ready, b.net.grads, total, "gradient");
    un_free(spans.at_ready);
    pass_close(&b);
}

/* Parameters that arrive one span after the other. */
struct arrival {
    const struct pass_bench *bench;
    const float *values;
    int64_t high, calls;
};

static void on_need(void *context, int64_t begin, int64_t end) {
    struct arrival *a = context;
    int64_t first, after;
    un_model_first(a->bench->net.model, &first, &after);
    bool words = a->calls == 1;
    assert_true(begin == (words ? 0 : a->calls == 0 ? first : a->high) && end > begin);
    assert_true(!words || end == first);
    memcpy(a->bench->net.params + begin, a->values + begin, (size_t)(end - begin) * sizeof(float));
    if (!words) a->high = end;
    a->calls++;
}

/* No parameter is read before its span is asked for: until then it is not a number. */
static void parameters_in_time(void **state) {
    (void)state;
    struct pass_bench b;
    pass_open(&b, 2, true);
    pass_run(&b, true);
    int64_t total = b.net.table->total;
    float *values = un_alloc((size_t)total, sizeof *values, "parameters");
    memcpy(values, b.net.params, (size_t)total * sizeof *values);
    for (int64_t i = 0; i < total; ++i) b.net.params[i] = NAN;
    struct arrival arrival = {.bench = &b, .values = values};
    const struct un_pass_hooks hooks = {.need = on_need, .context = &arrival};
    pass_check(un_model_pass(b.net.model, b.net.q, &b.batch.device, b.net.params, NULL, b.net.grads, true,
                             &b.net.out, &hooks));
    pass_check(b.net.device->mem->queue_wait(b.net.q));
    assert_int_equal(arrival.high, total);
    pass_same_bits(b.net.grads, b.grads, total, "gradient");
    un_free(values);
    pass_close(&b);
}

/* Whatever was there before is gone, gaps between tensors are zero. */
static void gradients_are_put(void **state) {
    (void)state;
    struct pass_bench b;
    pass_open(&b, 2, true);
    pass_run(&b, true);
    int64_t end = 0;
    for (int64_t k = 0; k < b.net.table->n; ++k) {
        for (int64_t i = end; i < b.net.table->list[k].offset; ++i) assert_true(b.grads[i] == 0);
        end = b.net.table->list[k].offset + b.net.table->list[k].count;
    }
    for (int64_t i = 0; i < b.net.table->total; ++i) b.net.grads[i] = NAN;
    pass_check(un_model_pass(b.net.model, b.net.q, &b.batch.device, b.net.params, NULL, b.net.grads, true,
                             &b.net.out, NULL));
    pass_check(b.net.device->mem->queue_wait(b.net.q));
    pass_same_bits(b.net.grads, b.grads, b.net.table->total, "gradient");
    pass_close(&b);
}

/* ---- rows in chunks ---- */

static void swap(void *a, void *b, size_t bytes) {
    for (unsigned char *x = a, *y = b; bytes > 0; --bytes, ++x, ++y) {
        unsigned char kept = *x;
        *x = *y;
        *y = kept;
    }
}

/* The rows of an objective in the opposite order. */
static void turn_rows(struct un_rows *rows, size_t soft_bytes) {
    int32_t *lists[] = {rows->row, rows->target, rows->region};
    for (int64_t i = 0, j = rows->n - 1; i < j; ++i, --j) {
        for (int k = 0; k < 3; ++k)
            if (lists[k]) swap(lists[k] + i, lists[k] + j, sizeof **lists);
        if (rows->soft)
            swap((char *)rows->soft + (size_t)i * soft_bytes, (char *)rows->soft + (size_t)j * soft_bytes,
                 soft_bytes);
    }
}

enum { CROWD = 60, CROWD_ROWS = 24 * 15 }; /* samples, and rows asked about by each objective of four */

/* Heads work in chunks of rows: a row's loss and the gradients do not depend on which chunk it is in. */
static void rows_beyond_a_chunk(void **state) {
    (void)state;
    static const enum un_objective asked[] = {UN_MLM, UN_MRFR, UN_MRC, UN_MRCKL};
    static float loss[4][CROWD_ROWS];
    struct wish crowd[CROWD];
    struct pass_bench b;
    for (int i = 0; i < CROWD; ++i)
        crowd[i] = (struct wish){asked[i % 4], i % 4 == 0 ? 28 : 5, i % 4 == 0 ? 5 : 28, 24};
    pass_open_with(&b, 2, true, crowd, CROWD);
    pass_run(&b, false);
    for (int k = 0; k < 4; ++k) {
        assert_int_equal(b.batch.device.rows[asked[k]].n, CROWD_ROWS);
        memcpy(loss[k], b.net.host.row_loss[asked[k]], sizeof loss[k]);
        turn_rows(&b.batch.device.rows[asked[k]], (size_t)pass_dims.img_label_dim * sizeof(float));
    }
    assert_true(b.batch.device.rows[UN_MLM].n > UN_TRUNK_CHUNK);
    float *first = un_alloc((size_t)b.net.table->total, sizeof *first, "gradients");
    memcpy(first, b.grads, (size_t)b.net.table->total * sizeof *first);
    pass_run(&b, false);
    for (int k = 0; k < 4; ++k)
        for (int64_t i = 0; i < CROWD_ROWS; ++i)
            assert_near(b.net.host.row_loss[asked[k]][CROWD_ROWS - 1 - i], loss[k][i],
                        1e-5 + 1e-6 * fabs((double)loss[k][i]));
    for (int64_t i = 0; i < b.net.table->total; ++i)
        assert_near(b.grads[i], first[i], 2e-6 + 1e-4 * fabsf(first[i]));
    un_free(first);
    pass_close(&b);
}

/* ---- memory and sizes ---- */

static void nothing_allocated(void **state) {
    (void)state;
    struct pass_bench b;
    pass_open(&b, 2, true);
    uint64_t before = un_memory_counts().frozen_allocs;
    un_memory_freeze(true);
    pass_check(un_model_pass(b.net.model, b.net.q, &b.batch.device, b.net.params, NULL, b.net.grads, true,
                             &b.net.out, NULL));
    pass_check(b.net.device->mem->queue_wait(b.net.q));
    un_memory_freeze(false);
    assert_int_equal(un_memory_counts().frozen_allocs - before, 0);
    pass_close(&b);
}

static void refuse(struct pass_bench *b, int64_t *count, int64_t value, const char *word) {
    int64_t kept = *count;
    *count = value;
    assert_int_equal(net_run(&b->net, &b->batch, false, false), UN_INTERNAL);
    assert_non_null(strstr(un_error_get()->text, word));
    un_error_clear();
    *count = kept;
}

static void sizes_are_checked(void **state) {
    (void)state;
    struct pass_bench b;
    pass_open(&b, 1, true);
    struct un_batch *d = &b.batch.device;
    refuse(&b, &d->tokens, b.caps.tokens + 1, "tokens");
    refuse(&b, &d->samples, b.caps.samples + 1, "samples");
    refuse(&b, &d->words, b.caps.words + 1, "words");
    refuse(&b, &d->regions, b.caps.regions + 1, "regions");
    refuse(&b, &d->longest, UN_MAX_SAMPLE_TOKENS + 1, "one sample");
    refuse(&b, &d->rows[UN_ITM].n, b.caps.samples + 1, "itm");
    struct un_model_setup setup = pass_setup(&b.caps, true);
    struct un_model *model;
    setup.caps.img_dim++;
    assert_int_equal(un_model_open(&model, b.net.device, &setup), UN_INTERNAL);
    un_error_clear();
    pass_close(&b);
}

/* A failing allocation anywhere while opening leaves nothing behind. */
static void opening_fails_cleanly(void **state) {
    (void)state;
    struct pass_bench b;
    pass_open(&b, 1, true);
    struct un_model_setup setup = pass_setup(&b.caps, true);
    uint64_t live = un_memory_counts().live_blocks, failures = 0;
    for (uint64_t n = 1; n < 100; ++n) {
        struct un_model *model;
        un_memory_fail_at(n);
        enum un_status status = un_model_open(&model, b.net.device, &setup);
        un_memory_fail_at(0);
        if (status == UN_OK) {
            un_model_close(model);
            break;
        }
        failures++;
        assert_int_equal(status, UN_MEMORY);
        assert_null(model);
        un_error_clear();
        assert_int_equal(un_memory_counts().live_blocks, live);
    }
    assert_true(failures >= 5);
    assert_int_equal(un_memory_counts().live_blocks, live);
    pass_close(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spans_are_final),    cmocka_unit_test(parameters_in_time),
        cmocka_unit_test(gradients_are_put),  cmocka_unit_test(nothing_allocated),
        cmocka_unit_test(sizes_are_checked),  cmocka_unit_test(opening_fails_cleanly),
        cmocka_unit_test(rows_beyond_a_chunk)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
