/* The emulated card as a device: memory is zero-filled and guarded, hidden memory is seen by kernels and
 * copies only, scratch is what was asked for, products by the CPU are right in both types. What must end the
 * process is tried in a child. */
#include "tests/cards/emu/device.h"
#include "tests/cards/emu/sanitizer.h"
#include "tests/unit/runtime/ops/harness.h"

#include "runtime/cpu/convert.h"
#include "runtime/cuda/cuda.h"

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct un_limits limits = {
    .max_tokens = 64, .max_samples = 4, .max_width = 64, .max_heads = 2, .max_params = 64};

/* Does f(device) end its process and say these words? */
static void dies_saying(void (*f)(struct un_device *d), const char *words) {
    char said[4096];
    size_t length = 0;
    int ends[2], status = 0;
    assert_int_equal(pipe(ends), 0);
    fflush(NULL);
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct un_device *d;
        signal(SIGABRT, SIG_DFL);
        dup2(ends[1], 2);
        close(ends[0]);
        if (un_emu_open(&d) == UN_OK) f(d);
        _exit(0);
    }
    close(ends[1]);
    for (ssize_t n;
         length < sizeof said - 1 && (n = read(ends[0], said + length, sizeof said - 1 - length)) > 0;)
        length += (size_t)n;
    said[length] = 0;
    close(ends[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    if ((WIFEXITED(status) && WEXITSTATUS(status) == 0) || !strstr(said, words))
        fail_msg("wanted \"%s\", status %#x, it said: %s", words, (unsigned)status, said);
}

static void kernels_and_copies_see_hidden_memory(void **state) {
    (void)state;
    struct un_device *d;
    struct un_queue *q;
    unsigned char host[1000], back[1000];
    assert_int_equal(un_emu_open(&d), UN_OK);
    assert_true(d->kind == UN_DEVICE_CUDA && !d->host_readable);
    assert_int_equal(d->mem->queue_open(d, &limits, &q), UN_OK);
    un_emu_hide_memory(true);
    unsigned char *a = d->mem->alloc(d, 1000, "a"), *none = d->mem->alloc(d, 0, "none");
    assert_true(a && none && (uintptr_t)a % UN_ALIGN == 0 && (uintptr_t)none % UN_ALIGN == 0);
    d->mem->copy_out(q, back, a, 1000);
    for (int i = 0; i < 1000; ++i) {
        assert_int_equal(back[i], 0);
        host[i] = (unsigned char)(i * 7 + 1);
    }
    d->mem->copy_in(q, a, host, 1000);
    d->ops->zero(q, a + 3, 500);
    d->mem->copy_out(q, back, a, 1000);
    for (int i = 0; i < 1000; ++i) assert_int_equal(back[i], i >= 3 && i < 503 ? 0 : host[i]);
    un_emu_hide_memory(false);
    assert_int_equal(a[0], host[0]);
    d->mem->free(d, a);
    d->mem->free(d, none);
    assert_int_equal(d->mem->queue_wait(q), UN_OK);
    d->mem->queue_close(q);
    un_device_close(d);
}

static void peeks(struct un_device *d) {
    un_emu_hide_memory(true);
    const volatile float *a = d->mem->alloc(d, 64, "loss");
    if (a[3] == 0.0f) fputs("read\n", stderr);
}

static void overruns(struct un_device *d) {
    volatile unsigned char *a = d->mem->alloc(d, 100, "short");
    a[101] = 1;
    d->mem->free(d, (void *)(uintptr_t)a);
}

static void overruns_the_page(struct un_device *d) {
    un_emu_hide_memory(true);
    unsigned char *a = d->mem->alloc(d, 64, "row");
    struct un_queue *q;
    if (d->mem->queue_open(d, &limits, &q) == UN_OK) d->ops->zero(q, a, 65);
}

static void frees_what_is_not_its(struct un_device *d) {
    static int foreign;
    d->mem->free(d, &foreign);
}

static void misuse_is_found(void **state) {
    (void)state;
    dies_saying(peeks, UN_EMU_ASAN ? "" : "byte 12 of the 64 of \"loss\"");
    dies_saying(overruns, UN_EMU_ASAN ? "use-after-poison" : "a byte outside the 100 of \"short\"");
    dies_saying(overruns_the_page, UN_EMU_ASAN ? "" : "byte 64 of the 64 of \"row\"");
    dies_saying(frees_what_is_not_its, "none of its blocks");
}

static void scratch_is_poisoned_and_short(void **state) {
    (void)state;
    struct un_device *d;
    struct un_queue *q;
    struct un_arena arena;
    assert_int_equal(un_emu_open(&d), UN_OK);
    assert_int_equal(d->mem->queue_open(d, &limits, &q), UN_OK);
    assert_false(un_cuda_scratch(q, &arena, q->scratch_bytes + 1, "an op"));
    assert_int_equal(d->mem->queue_wait(q), UN_INTERNAL);
    assert_non_null(strstr(un_error_get()->text, "an op needs"));
    un_error_clear();
    if (q->scratch_bytes >= 2 * UN_ALIGN) {
        for (int again = 0; again < 2; ++again) {
            assert_true(un_cuda_scratch(q, &arena, UN_ALIGN, "an op"));
            float *x = un_arena_take(&arena, UN_ALIGN / sizeof *x, sizeof *x);
            assert_non_null(x);
            for (size_t i = 0; i < UN_ALIGN / sizeof *x; ++i) {
                assert_true(isnan(x[i]));
                x[i] = 1;
            }
        }
    }
    d->mem->queue_close(q);
    un_device_close(d);
}

/* A value that bf16 holds exactly. */
static float value(int64_t i) {
    return (float)(i * 37 % 29 - 14) * 0.125f;
}

enum { M = 5, N = 7, K = 9, PAD = 3 };

/* rows x cols numbers of a type, in rows that are PAD longer. */
static struct un_mat fill(void *room, enum un_type type, int64_t rows, int64_t cols) {
    struct un_mat m = {room, type, rows, cols, cols + PAD};
    for (int64_t i = 0; i < rows * m.stride; ++i) {
        if (type == UN_BF16)
            ((uint16_t *)room)[i] = un_half_to_bf16(value(i));
        else
            ((float *)room)[i] = value(i);
    }
    return m;
}

static float get(struct un_mat m, int64_t i, int64_t j) {
    const int64_t at = i * m.stride + j;
    return m.type == UN_BF16 ? un_half_from_bf16(((uint16_t *)m.data)[at]) : ((float *)m.data)[at];
}

static void product(enum un_type type, bool ta, bool tb, float beta, bool bias) {
    float a_room[200], b_room[200], c_room[200], before_room[200], row[N];
    bool biased = false;
    const struct un_mat a = fill(a_room, type, ta ? K : M, ta ? M : K);
    const struct un_mat b = fill(b_room, type, tb ? N : K, tb ? K : N);
    const struct un_mat c = fill(c_room, UN_F32, M, N), before = fill(before_room, UN_F32, M, N);
    for (int j = 0; j < N; ++j) row[j] = value(j + 3);
    assert_true(un_cuda_blas_gemm(NULL, c, a, ta, b, tb, beta, bias ? row : NULL, UN_F32, &biased));
    assert_int_equal(biased, bias);
    for (int64_t i = 0; i < M; ++i)
        for (int64_t j = 0; j < c.stride; ++j) {
            float want = get(before, i, j);
            if (j < N) {
                want = beta * want + (bias ? row[j] : 0.0f);
                for (int64_t k = 0; k < K; ++k)
                    want += get(a, ta ? k : i, ta ? i : k) * get(b, tb ? j : k, tb ? k : j);
            }
            assert_true(get(c, i, j) == want); /* small multiples of 1/64: exact in any order */
        }
}

static void products_of_the_host(void **state) {
    (void)state;
    struct un_mat none = {0};
    bool biased;
    assert_false(un_cuda_blas_gemm(NULL, none, none, false, none, false, 0, NULL, UN_F32, &biased));
    un_emu_host_products(true);
    for (int bits = 0; bits < 16; ++bits)
        product(bits & 1 ? UN_BF16 : UN_F32, bits & 2, bits & 4, bits & 8 ? 0.0f : 1.0f, bits & 8);
    un_emu_host_products(false);
    assert_false(un_cuda_blas_gemm(NULL, none, none, false, none, false, 0, NULL, UN_F32, &biased));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kernels_and_copies_see_hidden_memory),
        cmocka_unit_test(misuse_is_found),
        cmocka_unit_test(scratch_is_poisoned_and_short),
        cmocka_unit_test(products_of_the_host),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
