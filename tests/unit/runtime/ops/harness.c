/* Buffers with guards, random inputs, comparisons: see harness.h. */
#include "tests/unit/runtime/ops/harness.h"
#include "tests/cards/emu/sanitizer.h"

#include "runtime/memory.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { GUARD = 256, POISON = UN_HARNESS_POISON };

const int64_t un_harness_rows[5] = {0, 1, 3, 17, 130};
const int64_t un_harness_widths[6] = {1, 7, 20, 64, 100, 768};

bool un_harness_fp8;
static const struct un_limits generous = {
    .max_tokens = 2048, .max_samples = 512, .max_width = 8192, .max_heads = 16, .max_params = 1 << 24};

static const struct variation {
    int way;
    int64_t shift, pad;
} variations[] = {{1, 0, 0}, {2, 1, 3}, {3, 3, 0}, {3, 7, 16}, {1, 2, 5}};

/* Step and lane of un_harness_dropout. Mutable: where the device under test can read them, from the first
 * un_harness_open to the end of the program. */
static const uint32_t dropout_at[2] = {5, 2};
static uint32_t *device_dropout_at;

void un_harness_open(struct un_harness *h, int way, const struct un_limits *limits) {
    memset(h, 0, sizeof *h);
    assert_int_equal(un_harness_device(way, &h->device), UN_OK);
    struct un_limits most = limits ? *limits : generous;
    if (!limits) most.fp8 = un_harness_fp8;
    assert_int_equal(h->device->mem->queue_open(h->device, &most, &h->q), UN_OK);
    h->ops = h->device->ops;
    if (!device_dropout_at) {
        device_dropout_at = h->device->mem->host_alloc(h->device, sizeof dropout_at, "step and lane");
        assert_non_null(device_dropout_at);
        memcpy(device_dropout_at, dropout_at, sizeof dropout_at);
    }
    un_harness_poison_scratch(h->q); /* an op may not count on what an earlier one left */
}

static unsigned char *row_at(const struct un_harness_buffer *b, int64_t row) {
    return b->block + b->at + (size_t)(row * b->stride) * b->size;
}

/* Nobody may even read before the first row and behind the last. */
static void poison_ends(const struct un_harness_buffer *b) {
    unsigned char *end = row_at(b, 0), *const stop = b->block + b->block_bytes;
    if (b->rows > 0) end = row_at(b, b->rows - 1) + (size_t)b->cols * b->size;
    ASAN_POISON_MEMORY_REGION(b->block, b->at);
    ASAN_POISON_MEMORY_REGION(end, (size_t)(stop - end));
}

/* Is every byte outside the rows still poison? */
static void check_guards(const struct un_harness_buffer *b, int index) {
    ASAN_UNPOISON_MEMORY_REGION(b->block, b->block_bytes);
    const unsigned char *p = b->block, *end = b->block + b->block_bytes;
    for (int64_t row = 0; row <= b->rows; ++row) {
        const unsigned char *stop = row < b->rows ? row_at(b, row) : end;
        for (; p < stop; ++p)
            if (*p != POISON) {
                fail_msg("buffer %d (%lld x %lld): the byte %lld from its start was overwritten", index,
                         (long long)b->rows, (long long)b->cols,
                         (long long)(p - b->block) - (long long)b->at);
            }
        if (row < b->rows) p = stop + (size_t)b->cols * b->size;
    }
}

static void release(struct un_harness *h) {
    for (int i = 0; i < h->count; ++i) h->device->mem->host_free(h->device, h->buffer[i].block);
    for (int i = 0; i < h->doubles_count; ++i) un_free(h->doubles[i]);
    h->count = h->doubles_count = 0;
    h->device->mem->queue_close(h->q);
    un_device_close(h->device);
}

void un_harness_close(struct un_harness *h) {
    if (h->device->mem->queue_wait(h->q) != UN_OK) fail_msg("queue: %s", un_error_get()->text);
    for (int i = 0; i < h->count; ++i) check_guards(&h->buffer[i], i);
    release(h);
}

void un_harness_close_refused(struct un_harness *h) {
    const struct un_limits small = {.max_tokens = 8, .max_samples = 1, .max_width = 8, .max_heads = 1};
    assert_int_equal(h->device->mem->queue_wait(h->q), UN_INTERNAL);
    un_error_clear();
    h->device->mem->queue_close(h->q);
    assert_int_equal(h->device->mem->queue_open(h->device, &small, &h->q), UN_OK);
    un_harness_close(h);
}

static void compare_bits(const struct un_harness *a, const struct un_harness *b, const struct variation *v) {
    assert_int_equal(a->count, b->count);
    for (int i = 0; i < a->count; ++i) {
        const struct un_harness_buffer *x = &a->buffer[i], *y = &b->buffer[i];
        assert_true(x->rows == y->rows && x->cols == y->cols && x->size == y->size);
        for (int64_t row = 0; row < x->rows; ++row)
            for (int64_t col = 0; col < x->cols; ++col)
                if (memcmp(row_at(x, row) + (size_t)col * x->size, row_at(y, row) + (size_t)col * x->size,
                           x->size))
                    fail_msg("buffer %d, element (%lld, %lld): other bits in way %d, shift %lld, pad %lld", i,
                             (long long)row, (long long)col, v->way, (long long)v->shift, (long long)v->pad);
    }
}

static void run_varied(struct un_harness *h, un_harness_case run, const void *context, struct variation v) {
    un_harness_open(h, v.way, NULL);
    h->shift = v.shift;
    h->pad = v.pad;
    run(h, context);
}

void un_harness_each(un_harness_case run, const void *context) {
    struct un_harness first, h;
    un_harness_by_address = false;
    run_varied(&first, run, context, variations[0]);
    for (int i = 1; i < un_harness_variations; ++i) {
        run_varied(&h, run, context, variations[i]);
        if (!un_harness_by_address) compare_bits(&first, &h, &variations[i]);
        un_harness_close(&h);
    }
    if (un_harness_by_address) {
        const struct variation again = {3, variations[0].shift, variations[0].pad};
        run_varied(&h, run, context, again);
        compare_bits(&first, &h, &again);
        un_harness_close(&h);
    }
    un_harness_close(&first);
}

static struct un_harness_buffer *take(struct un_harness *h, int64_t rows, int64_t cols, int64_t stride,
                                      size_t size) {
    assert_true(h->count < UN_HARNESS_BUFFERS);
    struct un_harness_buffer *b = &h->buffer[h->count++];
    *b = (struct un_harness_buffer){.rows = rows, .cols = cols, .stride = stride, .size = size};
    b->at = GUARD + (size_t)h->shift * size;
    b->block_bytes = b->at + (size_t)(rows * stride) * size + GUARD;
    b->block = h->device->mem->host_alloc(h->device, b->block_bytes, "test buffer");
    assert_non_null(b->block);
    memset(b->block, POISON, b->block_bytes);
    poison_ends(b);
    return b;
}

void *un_harness_take(struct un_harness *h, int64_t count, size_t size) {
    return row_at(take(h, 1, count, count, size), 0);
}

float *un_harness_poison(struct un_harness *h, int64_t count) {
    return un_harness_take(h, count, sizeof(float));
}

static uint32_t word_at(const struct un_harness *h, int64_t i) {
    return un_rng(2024, UN_RNG_TEST, 0, 0, (uint32_t)h->count, (uint32_t)(i / 4)).v[i % 4];
}

float *un_harness_random(struct un_harness *h, int64_t count, float low, float high) {
    float *x = un_harness_poison(h, count);
    for (int64_t i = 0; i < count; ++i) x[i] = low + (high - low) * un_rng_unit(word_at(h, i));
    return x;
}

int32_t *un_harness_ints(struct un_harness *h, int64_t count, int32_t low, int32_t high) {
    int32_t *x = un_harness_take(h, count, sizeof *x);
    for (int64_t i = 0; i < count; ++i)
        x[i] = low + (int32_t)un_rng_below(word_at(h, i), (uint32_t)(high - low));
    return x;
}

struct un_mat un_harness_mat_of(struct un_harness *h, enum un_type type, int64_t rows, int64_t cols) {
    struct un_harness_buffer *b = take(h, rows, cols, cols + h->pad, (size_t)un_type_bytes(type));
    return (struct un_mat){row_at(b, 0), type, rows, cols, b->stride};
}

struct un_mat un_harness_mat(struct un_harness *h, int64_t rows, int64_t cols) {
    return un_harness_mat_of(h, UN_F32, rows, cols);
}

static float *mat_row(struct un_mat m, int64_t row) {
    return (float *)m.data + row * m.stride;
}

struct un_mat un_harness_mat_random(struct un_harness *h, int64_t rows, int64_t cols, float low, float high) {
    struct un_mat m = un_harness_mat(h, rows, cols);
    for (int64_t i = 0; i < rows; ++i)
        for (int64_t j = 0; j < cols; ++j)
            mat_row(m, i)[j] = low + (high - low) * un_rng_unit(word_at(h, i * cols + j));
    return m;
}

struct un_mat un_harness_mat_copy(struct un_harness *h, struct un_mat m) {
    struct un_mat copy = un_harness_mat(h, m.rows, m.cols);
    for (int64_t i = 0; i < m.rows; ++i)
        memcpy(mat_row(copy, i), mat_row(m, i), (size_t)m.cols * sizeof(float));
    return copy;
}

float *un_harness_copy(struct un_harness *h, const float *x, int64_t count) {
    float *copy = un_harness_poison(h, count);
    memcpy(copy, x, (size_t)count * sizeof *x);
    return copy;
}

void *un_harness_put(struct un_harness *h, const void *x, int64_t count, size_t size) {
    void *copy = un_harness_take(h, count, size);
    memcpy(copy, x, (size_t)count * size);
    return copy;
}

double *un_harness_doubles(struct un_harness *h, int64_t count) {
    assert_true(h->doubles_count < UN_HARNESS_BUFFERS);
    double *x = un_alloc((size_t)count + 1, sizeof *x, "test doubles");
    assert_non_null(x);
    h->doubles[h->doubles_count++] = x;
    return x;
}

double *un_harness_widen(struct un_harness *h, struct un_mat m) {
    double *x = un_harness_doubles(h, m.rows * m.cols);
    for (int64_t i = 0; i < m.rows; ++i)
        for (int64_t j = 0; j < m.cols; ++j) x[i * m.cols + j] = mat_row(m, i)[j];
    return x;
}

double *un_harness_widen_array(struct un_harness *h, const float *x, int64_t count) {
    return un_harness_widen(h, un_mat32(x, 1, count));
}

/* How far beyond the tolerance a value is: <= 1 passes. */
static double excess(double got, double want, struct un_tolerance t) {
    if (isnan(got) || isnan(want)) return isnan(got) && isnan(want) ? 0.0 : INFINITY;
    if (got == want) return 0.0;
    return fabs(got - want) / (t.absolute + t.relative * fabs(want));
}

void un_harness_near(const char *what, struct un_mat got, const double *want, struct un_tolerance t) {
    double worst = 0.0;
    int64_t at_row = 0, at_col = 0;
    for (int64_t i = 0; i < got.rows; ++i)
        for (int64_t j = 0; j < got.cols; ++j) {
            double e = excess(mat_row(got, i)[j], want[i * got.cols + j], t);
            if (e > worst) {
                worst = e;
                at_row = i;
                at_col = j;
            }
        }
    if (worst <= 1.0) return;
    fail_msg("%s [%lld, %lld]: worst at (%lld, %lld): got %.9g, want %.12g, %.3g times the tolerance %g + %g "
             "|want|",
             what, (long long)got.rows, (long long)got.cols, (long long)at_row, (long long)at_col,
             mat_row(got, at_row)[at_col], want[at_row * got.cols + at_col], worst, t.absolute, t.relative);
}

void un_harness_near_array(const char *what, const float *got, const double *want, int64_t count,
                           struct un_tolerance t) {
    un_harness_near(what, un_mat32(got, 1, count), want, t);
}

void un_harness_same(const char *what, struct un_mat got, struct un_mat want) {
    for (int64_t i = 0; i < got.rows; ++i)
        for (int64_t j = 0; j < got.cols; ++j)
            if (memcmp(mat_row(got, i) + j, mat_row(want, i) + j, sizeof(float)))
                fail_msg("%s: (%lld, %lld) is %.9g, want exactly %.9g", what, (long long)i, (long long)j,
                         mat_row(got, i)[j], mat_row(want, i)[j]);
}

void un_harness_slope(const char *what, struct un_mat gradient, un_harness_function f, const void *context,
                      double *x, double step, struct un_tolerance t) {
    for (int64_t i = 0; i < gradient.rows; ++i)
        for (int64_t j = 0; j < gradient.cols; ++j) {
            double *at = x + i * gradient.cols + j, keep = *at;
            *at = keep + step;
            double up = f(x, context);
            *at = keep - step;
            double down = f(x, context);
            *at = keep;
            double want = (up - down) / (2 * step), got = mat_row(gradient, i)[j];
            if (excess(got, want, t) > 1.0)
                fail_msg("%s: gradient (%lld, %lld) is %.9g, finite difference %.9g", what, (long long)i,
                         (long long)j, got, want);
        }
}

struct un_dropout un_harness_dropout(double p) {
    uint32_t threshold = (uint32_t)(p * 65536 + 0.5);
    return (struct un_dropout){.seed = 99,
                               .at = device_dropout_at ? device_dropout_at : dropout_at,
                               .site = 31,
                               .threshold = threshold,
                               .scale = 65536.0f / (65536.0f - (float)threshold)};
}
