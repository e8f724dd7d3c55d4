/* What OpenBLAS and OpenMP take, taken in time: with too little room the device says so, with just enough its products
 * need no more. Each case is a child of its own, with a limit of addresses. */
// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on
#include "runtime/device.h"
#include "runtime/memory.h"
#include "runtime/ops.h"

#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { THREADS = 3, MIB = 1 << 20, BUFFERS = THREADS * 128, WIDTH = 768, ROWS = 4096 };

#ifdef __SANITIZE_ADDRESS__
static const bool limits_work = false; /* the sanitizer maps more than any limit */
#else
static const bool limits_work = true;
#endif

static size_t mapped(void) {
    unsigned long pages = 0;
    FILE *f = fopen("/proc/self/statm", "re");
    if (!f || fscanf(f, "%lu", &pages) != 1) return 0;
    fclose(f);
    return pages * (size_t)sysconf(_SC_PAGESIZE);
}

static void limit_to(size_t bytes) {
    struct rlimit limit = {bytes, bytes};
    setrlimit(RLIMIT_AS, &limit);
}

static int in_child(int (*body)(void)) {
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        alarm(60); /* OpenBLAS spins for ever where it has no memory */
        _exit(body());
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static int with_too_little(void) {
    struct un_device *device;
    char limit[96], taken[64];
    if (un_device_open("cpu", THREADS, 0, &device) != UN_OK) return 10;
    size_t wanted = un_device_library_bytes(device), before = mapped();
    limit_to(before + wanted / 2);
    if (un_memory_room(wanted) || !un_memory_room(wanted / 4)) return 11;
    if (un_device_take_libraries(device) != UN_MEMORY) return 12;
    snprintf(taken, sizeof taken, "want %zu MiB", wanted / MIB);
    if (!strstr(un_error_get()->text, taken) || !strstr(un_error_get()->text, "run.threads")) return 13;
    un_memory_limit(limit, sizeof limit);
    snprintf(taken, sizeof taken, "; ulimit -v is %zu MiB,", (before + wanted / 2) / MIB);
    return strncmp(limit, taken, strlen(taken)) == 0 ? 0 : 14;
}

/* A product in which every thread has a tile, checked by its first and last element. */
static int multiply(struct un_device *device, float *a, float *b, float *c) {
    const struct un_limits none = {0};
    struct un_queue *queue;
    if (device->mem->queue_open(device, &none, &queue) != UN_OK) return 20;
    for (int64_t i = 0; i < (int64_t)ROWS * WIDTH; ++i) a[i] = 1;
    for (int64_t i = 0; i < (int64_t)WIDTH * WIDTH; ++i) b[i] = 2;
    device->ops->gemm(queue, un_mat32(c, ROWS, WIDTH), un_mat32(a, ROWS, WIDTH), false,
                      un_mat32(b, WIDTH, WIDTH), false, 0, NULL);
    enum un_status status = device->mem->queue_wait(queue);
    device->mem->queue_close(queue);
    return status == UN_OK && c[0] == 2 * WIDTH && c[(int64_t)ROWS * WIDTH - 1] == 2 * WIDTH ? 0 : 21;
}

static int with_just_enough(void) {
    struct un_device *device;
    if (un_device_open("cpu", THREADS, 0, &device) != UN_OK) return 10;
    float *a = un_alloc((size_t)ROWS * WIDTH, sizeof *a, "a"),
          *b = un_alloc((size_t)WIDTH * WIDTH, sizeof *b, "b"),
          *c = un_alloc((size_t)ROWS * WIDTH, sizeof *c, "c");
    if (!a || !b || !c) return 11;
    size_t before = mapped();
    if (limits_work) limit_to(before + un_device_library_bytes(device) + 8 * MIB);
    if (un_device_take_libraries(device) != UN_OK) return 12;
    if (mapped() < before + (size_t)BUFFERS * MIB) return 13; /* what was counted is what was taken */
    if (limits_work) limit_to(mapped() + 2 * MIB);
    for (int i = 0; i < 3; ++i) {
        int result = multiply(device, a, b, c);
        if (result != 0) return result;
    }
    return 0;
}

static void too_little_is_said(void **state) {
    (void)state;
    if (!limits_work) skip();
    assert_int_equal(in_child(with_too_little), 0);
}

static void just_enough_is_enough(void **state) {
    (void)state;
    assert_int_equal(in_child(with_just_enough), 0);
}

static void no_limit_says_nothing(void **state) {
    (void)state;
    char limit[96] = "x";
    struct rlimit now;
    assert_int_equal(getrlimit(RLIMIT_AS, &now), 0);
    if (now.rlim_cur != RLIM_INFINITY) skip();
    un_memory_limit(limit, sizeof limit);
    assert_string_equal(limit, "");
    assert_true(un_memory_room(0));
    assert_true(un_memory_room((size_t)1 << 30));
    assert_false(un_memory_room((size_t)1 << 62));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(too_little_is_said),
        cmocka_unit_test(just_enough_is_enough),
        cmocka_unit_test(no_limit_says_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
