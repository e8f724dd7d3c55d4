/* Whether ThreadSanitizer sees what it is there for: kernels without fault are clean, kernels that miss a
 * barrier, a __syncwarp or a wait are reported, whatever the order of threads. Children run the kernels; a
 * report makes the child's exit code 66. */
#include "tests/cards/emu/kernels.cuh"

extern "C" {
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

void un_emu_order(const char *order);

/* Asked by TSan at the start: no second of waiting at the end of each child. */
const char *__tsan_default_options() {
    return "atexit_sleep_ms=0";
}
}

#include <fcntl.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

namespace {

void *const queue = nullptr;
float floats[4 * ALL];
alignas(16) float inputs[4 * ALL];
unsigned seen[2 * 3 * 2 * 4 * 3 * 2];
struct lanes lanes[32];
alignas(16) uint16_t halves[256];

/* Shuffles order no memory: the second lane may read before the first has written. */
__global__ void shuffle_is_no_syncwarp(float *out) {
    __shared__ float part[32];
    const int i = (int)threadIdx.x;
    part[i] = __shfl_xor_sync(FULL, (float)i, 1);
    out[i] = __shfl_xor_sync(FULL, part[i], 1) + part[i ^ 1];
}

__global__ void with_syncwarp(float *out) {
    __shared__ float part[32];
    const int i = (int)threadIdx.x;
    part[i] = (float)i;
    __syncwarp();
    out[i] = part[i ^ 1];
}

/* Waited for, but the other threads were not told. */
__global__ void wait_without_barrier(float *out, const float *in) {
    __shared__ float4 part[ALL];
    const int i = (int)threadIdx.x;
    un_copy_async(&part[i], in + 4 * i, 16);
    un_copy_commit();
    un_copy_wait<0>();
    out[i] = part[(i + 32) % ALL].x;
}

/* Rows of a matrix load that another lane has written. */
__global__ void load_without_syncwarp(float *out) {
    UN_DYNAMIC_SHARED(bytes);
    uint16_t *const matrix = (uint16_t *)bytes;
    const int i = (int)threadIdx.x;
    uint32_t r[4];
    for (int k = 0; k < 8; ++k) matrix[(i + 1) % 32 * 8 + k] = 1;
    un_load_matrix(r, matrix + i * 8);
    out[i] = (float)r[0];
}

int exit_code(void (*f)()) {
    int status = 0;
    fflush(nullptr);
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        dup2(open("/dev/null", O_WRONLY), 2);
        f();
        exit(0); /* where the exit code of a report comes from */
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

void ends_with(int code, void (*f)(), const char *name) {
    static const char *const orders[] = {"forward", "reverse", "7"};
    for (size_t i = 0; i < sizeof orders / sizeof *orders; ++i) {
        un_emu_order(orders[i]);
        const int got = exit_code(f);
        if (got != code) fail_msg("%s, order %s: ended with %d, not %d", name, orders[i], got, code);
    }
}

#define RUN(code, kernel, grid, block, bytes, ...)                                                           \
    ends_with((code), [] { UN_LAUNCH(queue, kernel, grid, block, bytes, __VA_ARGS__); }, #kernel)

enum { CLEAN = 0, REPORTED = 66 };

void kernels_are_clean(void **) {
    RUN(CLEAN, rotate, 3, ALL, ALL * sizeof(float), floats, inputs, 5);
    RUN(CLEAN, where, dim3(2, 3, 2), dim3(4, 3, 2), 0, seen);
    RUN(CLEAN, shuffle, 1, 32, 0, lanes);
    RUN(CLEAN, product, 2, 32, 1024, floats, halves, halves);
    RUN(CLEAN, with_syncwarp, 1, 32, 0, floats);
}

void races_are_reported(void **) {
    RUN(REPORTED, missing_barrier, 1, ALL, 0, floats);
    RUN(REPORTED, missing_second_barrier, 1, ALL, 0, floats);
    RUN(REPORTED, missing_syncwarp, 1, 32, 0, floats);
    RUN(REPORTED, shuffle_is_no_syncwarp, 1, 32, 0, floats);
    RUN(REPORTED, wait_without_barrier, 1, ALL, 0, floats, inputs);
    RUN(REPORTED, load_without_syncwarp, 1, 32, 512, floats);
}

} // namespace

int main() {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kernels_are_clean),
        cmocka_unit_test(races_are_reported),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
