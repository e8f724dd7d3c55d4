/* The CPU device: name, threads, memory, copies, errors that stick, the choice of the BLAS kernel, and a
 * table of ops without gaps. */
#include "tests/unit/runtime/ops/harness.h"

#include "runtime/backends.h"
#include "runtime/cores.h"
#include "runtime/cpu/cpu.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

static const struct un_cpu_sets no_sets = {0}, avx2 = {.avx2 = true}, avx512 = {.avx2 = true, .avx512 = true},
                                amx = {.avx2 = true, .avx512 = true, .amx = true};

static void expect_choice(const char *corename, bool right, const struct un_cpu_sets *sets, const char *tried,
                          const char *want) {
    const char *core = un_cpu_blas_choose(corename, right, sets, tried);
    if (want ? !core || strcmp(core, want) != 0 : core != NULL)
        fail_msg("%s, tried %s: %s chosen, not %s", corename, tried ? tried : "none", core ? core : "none",
                 want ? want : "none");
}

static void blas_choice(void **state) {
    (void)state;
    static const char *const slow[] = {"Prescott", "Haswell", "Zen", "generic"};
    for (size_t i = 0; i < sizeof slow / sizeof *slow; ++i) {
        expect_choice(slow[i], true, &avx512, NULL, "SKYLAKEX");
        expect_choice(slow[i], true, &amx, NULL, "SAPPHIRERAPIDS");
    }
    static const char *const fast[] = {"SkylakeX", "Cooperlake", "SapphireRapids", "SKYLAKEX"};
    for (size_t i = 0; i < sizeof fast / sizeof *fast; ++i) {
        expect_choice(fast[i], true, &avx512, NULL, NULL);
        expect_choice(fast[i], true, &amx, NULL, NULL);
    }
    expect_choice("Prescott", true, &avx2, NULL, "HASWELL");
    expect_choice("Sandybridge", true, &avx2, NULL, "HASWELL");
    expect_choice("Prescott", true, &no_sets, NULL, NULL);
    expect_choice("Haswell", true, &avx2, NULL, NULL);
    expect_choice("Zen", true, &avx2, NULL, NULL);
    assert_null(un_cpu_blas_choose(NULL, true, &avx512, NULL));
}

/* Down the list: an OpenBLAS that does not know a name, and one whose products are wrong. */
static void blas_choice_after_a_try(void **state) {
    (void)state;
    expect_choice("SapphireRapids", true, &amx, "SAPPHIRERAPIDS", NULL);
    expect_choice("Cooperlake", true, &amx, "SAPPHIRERAPIDS", NULL);
    expect_choice("Prescott", true, &amx, "SAPPHIRERAPIDS", "SKYLAKEX");
    expect_choice("SapphireRapids", false, &amx, "SAPPHIRERAPIDS", "SKYLAKEX");
    expect_choice("SkylakeX", false, &amx, "SKYLAKEX", "HASWELL");
    expect_choice("Prescott", true, &avx512, "SKYLAKEX", "HASWELL");
    expect_choice("Haswell", true, &avx512, "HASWELL", NULL);
    expect_choice("Prescott", false, &avx2, "HASWELL", NULL);
}

/* As the BLAS, but for one element of one of the transposes. */
static int wrong_way;
static void wrong_sgemm(enum CBLAS_ORDER order, enum CBLAS_TRANSPOSE ta, enum CBLAS_TRANSPOSE tb, blasint m,
                        blasint n, blasint k, float alpha, const float *a, blasint lda, const float *b,
                        blasint ldb, float beta, float *c, blasint ldc) {
    cblas_sgemm(order, ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
    if (wrong_way == (ta == CblasTrans) + 2 * (tb == CblasTrans)) c[(m - 1) * ldc + n - 1] += 1;
}

static void blas_is_tried(void **state) {
    (void)state;
    assert_true(un_cpu_blas_right(cblas_sgemm));
    for (wrong_way = 0; wrong_way < 4; ++wrong_way) assert_false(un_cpu_blas_right(wrong_sgemm));
    assert_true(un_cpu_blas_right(wrong_sgemm));
}

static void blas_choice_is_the_users(void **state) {
    (void)state;
    assert_int_equal(setenv("OPENBLAS_CORETYPE", "PRESCOTT", 1), 0);
    assert_null(un_cpu_blas_remedy(NULL));
    assert_int_equal(unsetenv("OPENBLAS_CORETYPE"), 0);
}

static void open_and_name(void **state) {
    (void)state;
    struct un_device *d;
    assert_int_equal(un_cpu_open(3, &d), UN_OK);
    assert_int_equal(d->threads, 3);
    assert_int_equal(d->kind, UN_DEVICE_CPU);
    assert_true(d->host_readable);
    assert_non_null(strstr(d->name, "cpu, 3 threads, OpenBLAS "));
    un_device_close(d);
    assert_int_equal(un_cpu_open(0, &d), UN_OK);
    assert_int_equal(d->threads, un_cores_count());
    un_device_close(d);
}

/* Every member of the table is a pointer; none may be missing, but for graphs, which are all there or none. */
static void no_gaps(void **state) {
    (void)state;
    struct un_device *d;
    assert_int_equal(un_cpu_open(1, &d), UN_OK);
    void *const *member = (void *const *)(const void *)d->ops;
    for (size_t i = 0; i < sizeof *d->ops / sizeof *member; ++i)
        if (!member[i]) fail_msg("op %zu of the table is missing", i);
    member = (void *const *)(const void *)d->mem;
    const size_t graphs = offsetof(struct un_device_ops, graph_begin) / sizeof *member;
    for (size_t i = 0; i < sizeof *d->mem / sizeof *member; ++i)
        if (!member[i] && (i < graphs || i >= graphs + 4))
            fail_msg("member %zu of the device's table is missing", i);
        else if (i >= graphs && i < graphs + 4)
            assert_true((member[i] == NULL) == (member[graphs] == NULL));
    un_device_close(d);
}

static void memory_and_copies(void **state) {
    (void)state;
    struct un_harness h;
    un_harness_open(&h, 1, NULL);
    const struct un_device_ops *mem = h.device->mem;
    unsigned char *a = mem->alloc(h.device, 1000, "a"), *b = mem->host_alloc(h.device, 1000, "b");
    void *empty = mem->alloc(h.device, 0, "nothing");
    assert_true(a && b && empty && (uintptr_t)a % UN_ALIGN == 0 && (uintptr_t)b % UN_ALIGN == 0);
    for (int i = 0; i < 1000; ++i) {
        assert_int_equal(a[i], 0);
        b[i] = (unsigned char)(i * 7);
    }
    struct un_event *e;
    assert_int_equal(mem->event_open(h.device, &e), UN_OK);
    mem->copy_in(h.q, a, b, 1000);
    mem->copy_in(h.q, a, NULL, 0);
    mem->event_record(e, h.q);
    mem->queue_wait_event(h.q, e);
    assert_int_equal(mem->event_wait(e), UN_OK);
    assert_memory_equal(a, b, 1000);
    memset(b, 0, 1000);
    mem->copy_out(h.q, b, a, 1000);
    assert_int_equal(mem->queue_wait(h.q), UN_OK);
    assert_memory_equal(a, b, 1000);
    mem->event_close(e);
    mem->free(h.device, a);
    mem->free(h.device, empty);
    mem->host_free(h.device, b);
    un_harness_close(&h);
}

static void memory_that_does_not_fit(void **state) {
    (void)state;
    struct un_device *d;
    struct un_queue *q;
    assert_int_equal(un_cpu_open(1, &d), UN_OK);
    un_memory_fail_at(1);
    assert_null(d->mem->alloc(d, 64, "one too many"));
    assert_non_null(strstr(un_error_get()->text, "one too many"));
    assert_int_equal(un_error_get()->status, UN_MEMORY);
    un_error_clear();
    struct un_limits limits = {
        .max_tokens = 64, .max_samples = 4, .max_width = 64, .max_heads = 2, .max_params = 64};
    for (uint64_t n = 1; n <= 2; ++n) { /* the queue itself, its scratch */
        un_memory_fail_at(n);
        assert_int_equal(d->mem->queue_open(d, &limits, &q), UN_MEMORY);
        assert_null(q);
        un_error_clear();
    }
    un_memory_fail_at(0);
    un_device_close(d);
    un_memory_fail_at(1);
    assert_int_equal(un_cpu_open(1, &d), UN_MEMORY);
    assert_null(d);
    un_memory_fail_at(0);
    un_error_clear();
}

static void first_error_sticks(void **state) {
    (void)state;
    struct un_harness h;
    un_harness_open(&h, 1, NULL);
    float x = 1;
    h.ops->cast(h.q, &x, UN_I32, &x, UN_F32, 1);
    un_error_clear();
    h.ops->cast(h.q, &x, UN_F32, &x, UN_U8, 1);
    un_error_clear();
    for (int i = 0; i < 2; ++i) {
        assert_int_equal(h.device->mem->queue_wait(h.q), UN_INTERNAL);
        assert_non_null(strstr(un_error_get()->text, "to type 3")); /* UN_I32: the first one */
        un_error_clear();
    }
    h.device->mem->queue_close(h.q);
    un_device_close(h.device);
}

static void scratch_is_told(void **state) {
    (void)state;
    struct un_device *d;
    struct un_queue *q;
    assert_int_equal(un_cpu_open(2, &d), UN_OK);
    struct un_limits limits = {
        .max_tokens = 64, .max_samples = 4, .max_width = 96, .max_heads = 2, .max_params = 64};
    size_t told = d->mem->scratch_bytes(d, &limits);
    uint64_t before = un_memory_counts().live_bytes;
    assert_int_equal(d->mem->queue_open(d, &limits, &q), UN_OK);
    uint64_t taken = un_memory_counts().live_bytes - before;
    assert_true(told > 0 && taken >= told && taken < told + 4096);
    d->mem->queue_close(q);
    un_device_close(d);
}

/* Timed events bracket the time that passes between them; nobody counts the memory of the machine; ranges and
 * graphs are for cards. */
static void times_and_counts(void **state) {
    (void)state;
    struct un_harness h;
    struct un_event *from, *to;
    size_t free_bytes = 1, total_bytes = 1;
    un_harness_open(&h, 1, NULL);
    const struct un_device_ops *mem = h.device->mem;
    assert_int_equal(mem->event_open_timed(h.device, &from), UN_OK);
    assert_int_equal(mem->event_open_timed(h.device, &to), UN_OK);
    mem->range_push("test");
    mem->event_record(from, h.q);
    assert_int_equal(nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL), 0);
    mem->event_record(to, h.q);
    mem->range_pop();
    const double seconds = mem->event_seconds(from, to);
    assert_true(seconds >= 0.02 && seconds < 20);
    assert_int_equal(mem->memory_info(h.device, &free_bytes, &total_bytes), UN_OK);
    assert_true(free_bytes == 0 && total_bytes == 0);
    assert_null(mem->graph_begin);
    assert_null(mem->stream(h.q));
    assert_string_equal(h.device->id, "");
    mem->event_close(from);
    mem->event_close(to);
    mem->queue_close(h.q);
    un_device_close(h.device);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_and_counts),
        cmocka_unit_test(blas_choice),
        cmocka_unit_test(blas_choice_after_a_try),
        cmocka_unit_test(blas_is_tried),
        cmocka_unit_test(blas_choice_is_the_users),
        cmocka_unit_test(open_and_name),
        cmocka_unit_test(no_gaps),
        cmocka_unit_test(memory_and_copies),
        cmocka_unit_test(memory_that_does_not_fit),
        cmocka_unit_test(first_error_sticks),
        cmocka_unit_test(scratch_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
