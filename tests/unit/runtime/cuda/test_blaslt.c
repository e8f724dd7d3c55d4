/* Products through cuBLASLt (runtime/cuda/blaslt.c) against a library of our own (blaslt_library.h): the
 * caller's row-major product comes out, the bits are those of the library's first choice, time decides only
 * among equals, and the library is asked once a product. */
// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on
#include "runtime/cuda/cuda.h"
#include "runtime/rng.h"
#include "tests/unit/runtime/cuda/blaslt_library.h"

#include <cublasLt.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void *plain_alloc(struct un_device *d, size_t bytes, const char *what) {
    (void)d;
    return un_alloc(bytes, 1, what);
}
static void plain_free(struct un_device *d, void *ptr) {
    (void)d;
    un_free(ptr);
}

struct bench {
    struct un_device_ops mem;
    struct un_device device;
    struct un_queue q;
};

static void open_bench(struct bench *b, int64_t tokens, const struct lt_algorithm *a, int count) {
    memset(b, 0, sizeof *b);
    b->mem.alloc = plain_alloc;
    b->mem.free = plain_free;
    b->device.mem = &b->mem;
    b->q.device = &b->device;
    const struct un_limits limits = {.max_tokens = tokens, .max_width = 96};
    b->q.scratch_bytes = un_cuda_blas_scratch(&limits);
    b->q.scratch = un_alloc(b->q.scratch_bytes, 1, "scratch");
    assert_non_null(b->q.scratch);
    assert_int_equal(un_cuda_blas_open(&b->q, &b->q.blas), UN_OK);
    lt.offered = a;
    lt.count = count;
    lt.asked = lt.multiplied = 0;
    lt.refuses_bias = false;
    lt.broken = 0;
}
static void close_bench(struct bench *b) {
    assert_int_equal(b->q.error.status, UN_OK);
    un_error_clear();
    un_cuda_blas_close(&b->q, b->q.blas);
    un_free(b->q.scratch);
}

static struct un_mat matrix(enum un_type type, int64_t rows, int64_t cols, uint32_t what) {
    struct un_mat m = un_mat(NULL, type, rows, cols);
    m.stride = cols + 8;
    m.data = un_alloc((size_t)(rows * m.stride), (size_t)un_type_bytes(type), "matrix");
    assert_non_null(m.data);
    for (int64_t i = 0; i < rows * m.stride; ++i)
        lt_store(type == UN_F32 ? CUDA_R_32F : CUDA_R_16BF, m.data, i,
                 un_rng_unit(un_rng(5, UN_RNG_TEST, 0, 0, what, (uint32_t)i).v[0]) - 0.5f);
    return m;
}
static float at(struct un_mat m, int64_t i, int64_t j) {
    return lt_value(m.type == UN_F32 ? CUDA_R_32F : CUDA_R_16BF, m.data, i * m.stride + j);
}

/* One product in every layout; its bits are those of sums in the order of `kind`. */
static void check(struct bench *b, enum lt_kind kind, enum un_type type, float beta, bool with_bias) {
    enum { M = 20, N = 24, K = 40 };
    for (int layout = 0; layout < 4; ++layout) {
        const bool ta = layout & 1, tb = layout & 2;
        struct un_mat x = matrix(type, ta ? K : M, ta ? M : K, 1),
                      y = matrix(type, tb ? N : K, tb ? K : N, 2), c = matrix(type, M, N, 3),
                      want = matrix(type, M, N, 3), bias = matrix(type, 1, N, 4);
        for (int64_t i = 0; i < M; ++i)
            for (int64_t j = 0; j < N; ++j) {
                float sum = 0;
                for (int64_t n = 0; n < K; ++n) {
                    const int64_t k = kind == LT_BACKWARD ? K - 1 - n : n;
                    sum += (tb ? at(y, j, k) : at(y, k, j)) * (ta ? at(x, k, i) : at(x, i, k));
                }
                if (beta != 0) sum += at(want, i, j);
                if (with_bias && !lt.refuses_bias) sum += at(bias, 0, j);
                lt_store(type == UN_F32 ? CUDA_R_32F : CUDA_R_16BF, want.data, i * want.stride + j, sum);
            }
        bool biased;
        assert_true(
            un_cuda_blas_gemm(&b->q, c, x, ta, y, tb, beta, with_bias ? bias.data : NULL, type, &biased));
        assert_int_equal(biased, with_bias && !lt.refuses_bias);
        assert_memory_equal(c.data, want.data, (size_t)(M * c.stride * un_type_bytes(type)));
        un_free(x.data), un_free(y.data), un_free(c.data), un_free(want.data), un_free(bias.data);
    }
}

static void time_decides_among_equals(void **state) {
    (void)state;
    static const struct lt_algorithm a[] = {{LT_FORWARD, 5}, {LT_BACKWARD, 1}, {LT_FAILING, 1},
                                            {LT_FORWARD, 3}, {LT_ROLLING, 1},  {LT_SPLIT, 1},
                                            {LT_FORWARD, 4}};
    struct bench b;
    open_bench(&b, 1000, a, 7);
    check(&b, LT_FORWARD, UN_F32, 0, false);
    check(&b, LT_FORWARD, UN_F32, 1, false);
    check(&b, LT_FORWARD, UN_F32, 0, true);
    check(&b, LT_FORWARD, UN_BF16, 0, true);
    assert_int_equal(lt.asked, 16); /* once a product */
    const double before = lt.now;
    check(&b, LT_FORWARD, UN_F32, 0, false);
    assert_true(lt.now - before == 4 * 3.0); /* four products by the fastest of equal bits, and no trial */
    assert_int_equal(lt.asked, 16);
    assert_int_equal(lt.scheme, CUBLASLT_REDUCTION_SCHEME_NONE);
    assert_int_equal(lt.align, 16);
    close_bench(&b);
}

static void first_choice_sets_the_bits(void **state) {
    (void)state;
    static const struct lt_algorithm a[] = {{LT_ROLLING, 1}, {LT_BACKWARD, 2}, {LT_FORWARD, 1}};
    struct bench b;
    open_bench(&b, 1000, a, 3);
    check(&b, LT_BACKWARD, UN_F32, 0, false); /* the first does not repeat its bits */
    close_bench(&b);
}

/* Asked for; or scratch too small, so the caller's operands serve. Each of four products runs twice as a proof. */
static void untimed_takes_the_first_proved(void **state) {
    (void)state;
    static const struct lt_algorithm a[] = {
        {LT_FAILING, 1}, {LT_ROLLING, 1}, {LT_FORWARD, 5}, {LT_FORWARD, 1}};
    struct bench b;
    for (int way = 0; way < 2; ++way) {
        open_bench(&b, way == 1 ? 4 : 1000, a, 4);
        b.device.untimed = way == 0;
        const double before = lt.now;
        check(&b, LT_FORWARD, UN_F32, 0, true);
        assert_true(lt.now - before == 4 * (2 * 1.0 + 2 * 5.0 + 5.0));
        struct un_trials trials;
        un_cuda_trials(&b.q, &trials);
        assert_int_equal(trials.count, 4);
        close_bench(&b);
    }
}

/* One product without transposes, by the library or not. */
static bool one(struct bench *b, float beta, struct un_mat *c) {
    struct un_mat x = matrix(UN_F32, 20, 40, 1), y = matrix(UN_F32, 40, 24, 2);
    bool biased = true;
    *c = matrix(UN_F32, 20, 24, 3);
    const bool done = un_cuda_blas_gemm(&b->q, *c, x, false, y, false, beta, NULL, UN_F32, &biased);
    assert_false(biased);
    un_free(x.data), un_free(y.data);
    return done;
}

/* What would be added to cannot be tried in place: nothing unproved runs on it. */
static void added_to_and_not_provable(void **state) {
    (void)state;
    static const struct lt_algorithm a[] = {{LT_FORWARD, 5}};
    struct bench b;
    struct un_mat c, before = matrix(UN_F32, 20, 24, 3);
    open_bench(&b, 4, a, 1);
    assert_false(one(&b, 1, &c));
    assert_int_equal(lt.multiplied, 0);
    assert_memory_equal(c.data, before.data, (size_t)(20 * c.stride) * sizeof(float));
    un_free(c.data), un_free(before.data);
    close_bench(&b);
}

static void recorded_before_it_was_met(void **state) {
    (void)state;
    static const struct lt_algorithm a[] = {{LT_FORWARD, 5}};
    struct bench b;
    struct un_mat c;
    open_bench(&b, 1000, a, 1);
    assert_true(one(&b, 0, &c));
    un_free(c.data);
    b.q.capturing = true;
    assert_true(one(&b, 0, &c)); /* met */
    un_free(c.data);
    assert_int_equal(b.q.error.status, UN_OK);
    assert_false(one(&b, 1, &c));
    un_free(c.data);
    assert_int_equal(b.q.error.status, UN_INTERNAL);
    assert_non_null(strstr(b.q.error.text, "20 x 24 x 40 was not met before it was recorded"));
    b.q.error = (struct un_error){0};
    close_bench(&b);
}

/* An algorithm that fails after its proof: the next one of its bits, one warning each, at last none. */
static void failing_later(void **state) {
    (void)state;
    static const struct lt_algorithm a[] = {
        {LT_FORWARD, 5}, {LT_BACKWARD, 1}, {LT_FORWARD, 3}, {LT_FORWARD, 4}};
    struct bench b;
    struct un_mat first, c;
    open_bench(&b, 1000, a, 4);
    assert_true(one(&b, 0, &first));
    const double taken[] = {4, 5};
    for (int k = 0; k < 2; ++k) {
        lt.broken |= k == 0 ? 1u << 2 : 1u << 3;
        for (int again = 0; again < 2; ++again) {
            const double before = lt.now;
            assert_true(one(&b, 0, &c));
            assert_true(lt.now - before == taken[k]);
            assert_memory_equal(c.data, first.data, (size_t)(20 * c.stride) * sizeof(float));
            un_free(c.data);
        }
    }
    lt.broken |= 1u;
    const int before = lt.multiplied;
    for (int again = 0; again < 2; ++again) {
        assert_false(one(&b, 0, &c));
        un_free(c.data);
    }
    assert_int_equal(lt.multiplied, before); /* that of other bits is not taken */
    un_free(first.data);
    close_bench(&b);
}

/* What falls back is said, once a product, with shape, types and alignment. */
static void falling_back_is_said_once(void **state) {
    (void)state;
    static const struct lt_algorithm a[] = {{LT_ROLLING, 1}};
    struct bench b;
    struct un_mat c;
    char text[2000] = "";
    FILE *file = tmpfile();
    assert_non_null(file);
    const int kept = dup(STDERR_FILENO);
    open_bench(&b, 1000, a, 1);
    fflush(stderr);
    assert_true(dup2(fileno(file), STDERR_FILENO) >= 0);
    for (int i = 0; i < 3; ++i) {
        assert_false(one(&b, i == 2, &c));
        un_free(c.data);
    }
    fflush(stderr);
    assert_true(dup2(kept, STDERR_FILENO) >= 0);
    close(kept);
    rewind(file);
    text[fread(text, 1, sizeof text - 1, file)] = 0;
    fclose(file);
    const char *said = strstr(
        text, "product 20 x 24 x 40 (f32 f32 -> f32, addresses and rows at multiples of 16, 16, 16 bytes)");
    assert_non_null(said);
    said = strstr(said + 1, "product 20 x 24 x 40");
    assert_non_null(said);
    assert_non_null(strstr(said, "-> f32, added"));
    assert_null(strstr(said + 1, "product 20 x 24 x 40"));
    close_bench(&b);
}

static void without_the_bias(void **state) {
    (void)state;
    static const struct lt_algorithm a[] = {{LT_FORWARD, 5}};
    struct bench b;
    open_bench(&b, 1000, a, 1);
    lt.refuses_bias = true;
    check(&b, LT_FORWARD, UN_F32, 0, true);
    close_bench(&b);
}

static void nothing_to_offer(void **state) {
    (void)state;
    static const struct lt_algorithm a[] = {{LT_SPLIT, 1}, {LT_ROLLING, 1}, {LT_FAILING, 1}};
    struct bench b;
    open_bench(&b, 1000, a, 3);
    struct un_mat x = matrix(UN_F32, 20, 40, 1), y = matrix(UN_F32, 40, 24, 2), c = matrix(UN_F32, 20, 24, 3);
    bool biased = true;
    for (int i = 0; i < 3; ++i)
        assert_false(un_cuda_blas_gemm(&b.q, c, x, false, y, false, 0, NULL, UN_F32, &biased));
    assert_false(biased);
    assert_int_equal(lt.asked, 1); /* that is remembered too */
    un_free(x.data), un_free(y.data), un_free(c.data);
    close_bench(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(time_decides_among_equals),
        cmocka_unit_test(first_choice_sets_the_bits),
        cmocka_unit_test(untimed_takes_the_first_proved),
        cmocka_unit_test(added_to_and_not_provable),
        cmocka_unit_test(recorded_before_it_was_met),
        cmocka_unit_test(failing_later),
        cmocka_unit_test(falling_back_is_said_once),
        cmocka_unit_test(without_the_bias),
        cmocka_unit_test(nothing_to_offer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
