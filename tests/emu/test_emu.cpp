/* The emulator itself: what it computes, and that each fault planted in a kernel is found. A faulty kernel
 * runs in a child process; what counts is that the child ends by a signal and what it says before. Faults
 * that only show as other results are looked for under both orders of threads and of blocks.
 */
#include "tests/emu/emu.h"
#include "tests/emu/sanitizer.h"

#include "runtime/rng.h"

extern "C" {
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

void un_emu_order(const char *order);
}

#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

namespace {

enum { ALL = 64 }; /* threads of most kernels here: two warps */
const unsigned FULL = 0xFFFFFFFFu;
void *const queue = nullptr;

/* ---- kernels without fault ---- */

/* out[i] = in[i] of the thread `by` further, through dynamic and static shared memory. */
__global__ void rotate(float *out, const float *in, int by) {
    UN_DYNAMIC_SHARED(bytes);
    __shared__ float second[ALL];
    float *first = (float *)bytes;
    const int i = (int)threadIdx.x;
    first[i] = in[i];
    __syncthreads();
    second[i] = first[(i + by) % ALL];
    __syncthreads();
    out[i] = second[i];
}

__global__ void where(unsigned *out) {
    const unsigned block = blockIdx.x + gridDim.x * (blockIdx.y + gridDim.y * blockIdx.z);
    const unsigned thread = threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z);
    out[block * blockDim.x * blockDim.y * blockDim.z + thread] += 1 + thread + 1000 * block;
}

struct lanes {
    int rotated, swapped, down, up, narrow;
    unsigned odd, some;
    int any, all, count, sum;
};
__global__ void shuffle(struct lanes *out) {
    const int lane = (int)threadIdx.x;
    struct lanes r;
    r.rotated = __shfl_sync(FULL, lane, lane + 5);
    r.swapped = __shfl_xor_sync(FULL, lane, 3);
    r.down = __shfl_down_sync(FULL, lane, 4u);
    r.up = __shfl_up_sync(FULL, lane, 4u, 8);
    r.narrow = __shfl_sync(FULL, lane, 1, 8);
    r.odd = __ballot_sync(FULL, lane & 1);
    r.some = lane < 7 ? __ballot_sync(0x7Fu, lane != 2) : 0;
    r.any = __any_sync(FULL, lane == 9);
    r.all = __all_sync(FULL, lane < 31);
    r.count = __syncthreads_count(lane % 3 == 0);
    r.sum = __reduce_add_sync(FULL, lane);
    out[lane] = r;
}

/* d = a b over the fragments of mma.m16n8k16, a and b^T loaded with ldmatrix from shared memory. */
__global__ void product(float *d, const uint16_t *a, const uint16_t *b) {
    UN_DYNAMIC_SHARED(bytes);
    uint16_t(*left)[16] = (uint16_t(*)[16])bytes,
    (*right)[16] = left + 16; /* 16 x 16; b as 16 x 16, half used */
    const int lane = (int)threadIdx.x;
    un_copy_async(&left[lane / 2][lane % 2 * 8], a + lane * 8, 16);
    un_copy_async(&right[lane / 2][lane % 2 * 8], b + lane * 8, lane == 31 ? 6 : 16);
    un_copy_commit();
    un_copy_wait<0>();
    __syncwarp();
    uint32_t x[4], y[4];
    un_load_matrix(x, &left[lane % 16][lane / 16 * 8]);
    un_load_matrix_t(y, &right[lane % 16][lane / 16 * 8]);
    float sum[4] = {1, 1, 1, 1};
    un_mma_bf16(sum, x, y);
    for (int q = 0; q < 4; ++q) d[(lane / 4 + q / 2 * 8) * 8 + lane % 4 * 2 + q % 2] = sum[q];
}

/* ---- planted faults ---- */

__global__ void missing_barrier(float *out) {
    __shared__ float part[ALL];
    const int i = (int)threadIdx.x;
    part[i] = (float)i;
    out[i] = part[ALL - 1 - i];
}

/* The second pass overwrites what a slow thread still reads. */
__global__ void missing_second_barrier(float *out) {
    __shared__ float part[ALL];
    const int i = (int)threadIdx.x;
    out[i] = 0;
    for (int pass = 0; pass < 2; ++pass) {
        part[i] = (float)(i + pass);
        __syncthreads();
        out[i] += part[ALL - 1 - i];
    }
}

__global__ void missing_syncwarp(float *out) {
    __shared__ float part[32];
    const int i = (int)threadIdx.x;
    part[i] = (float)i;
    out[i] = part[i ^ 1];
}

__global__ void divergent_barrier(float *out) {
    if (threadIdx.x < 32)
        __syncthreads();
    else
        __syncthreads();
    out[threadIdx.x] = 1;
}

__global__ void skipped_barrier(float *out) {
    if (threadIdx.x != 40) __syncthreads();
    out[threadIdx.x] = 1;
}

__global__ void early_end(float *out) {
    if (threadIdx.x == 3) return;
    __syncthreads();
    out[threadIdx.x] = 1;
}

__global__ void barrier_or_shuffle(float *out) {
    if (threadIdx.x == 0)
        __syncthreads();
    else
        out[threadIdx.x] = __shfl_xor_sync(FULL, 1.0f, 1);
}

__global__ void not_in_mask(float *out) {
    out[threadIdx.x] = __shfl_xor_sync(0xFFFFu, 1.0f, 1);
}

__global__ void from_outside_mask(float *out) {
    if (threadIdx.x < 16) out[threadIdx.x] = __shfl_sync(0xFFFFu, 1.0f, 20);
}

__global__ void mask_of_ended(float *out) {
    if (threadIdx.x >= 16) return;
    out[threadIdx.x] = __shfl_xor_sync(FULL, 1.0f, 1);
}

__global__ void masks_differ(float *out) {
    out[threadIdx.x] = __shfl_xor_sync(threadIdx.x % 32 < 8 ? 0xFFFu : FULL, 1.0f, 1);
}

__global__ void two_places(float *out) {
    const float one = 1;
    if (threadIdx.x % 2)
        out[threadIdx.x] = __shfl_sync(FULL, one, 0);
    else
        out[threadIdx.x] = __shfl_sync(FULL, one, 1);
}

__global__ void missing_wait(float *out, const float *in) {
    __shared__ float4 first[ALL], second[ALL];
    const int i = (int)threadIdx.x;
    un_copy_async(&first[i], in + 4 * i, 16);
    un_copy_commit();
    un_copy_async(&second[i], in + 4 * i, 16);
    un_copy_commit();
    un_copy_wait<1>();
    out[i] = second[i].x;
    out[ALL + i] = first[i].x;
}

__global__ void missing_commit(float *out, const float *in) {
    __shared__ float4 part[ALL];
    const int i = (int)threadIdx.x;
    un_copy_async(&part[i], in + 4 * i, 16);
    un_copy_wait<0>();
    out[i] = part[i].x;
}

__global__ void copy_not_aligned(float *out, const float *in) {
    __shared__ float4 part[ALL];
    un_copy_async(&part[threadIdx.x], in + 4 * threadIdx.x + 1, 16);
    out[0] = 0;
}

__global__ void copy_to_global(float *out, const float *in) {
    un_copy_async(out + 4 * threadIdx.x, in, 16);
}

__global__ void matrix_not_aligned(float *out) {
    UN_DYNAMIC_SHARED(bytes);
    uint32_t r[4];
    un_load_matrix(r, bytes + 16 * threadIdx.x + 8);
    out[threadIdx.x] = (float)r[0];
}

/* A byte beyond the launched size, or before the start. */
__global__ void overrun(int64_t at) {
    UN_DYNAMIC_SHARED(bytes);
    if (threadIdx.x == ALL - 1) bytes[at] = 1;
}

/* Each block adds what the block before has left. */
__global__ void race_between_blocks(float *out) {
    const unsigned b = blockIdx.x;
    if (threadIdx.x == 0) out[b] = 1 + (b > 0 ? out[b - 1] : 0);
}

__global__ void not_written(float *out) {
    __shared__ float part[ALL];
    UN_DYNAMIC_SHARED(bytes);
    if (threadIdx.x > 0) part[threadIdx.x] = 1;
    __syncthreads();
    out[threadIdx.x] = part[threadIdx.x] + ((float *)bytes)[threadIdx.x];
}

template <int N> __global__ void static_in_template(float *out, int written) {
    __shared__ float part[N];
    if ((int)threadIdx.x < written) part[threadIdx.x] = 1;
    out[threadIdx.x] = part[threadIdx.x];
}

__global__ void nothing(float *) {}

/* ---- what they are tried with ---- */

/* Not inside functions: there, variables that start as zero are taken for shared memory. */
float floats[4 * ALL];
alignas(16) float inputs[4 * ALL];
unsigned seen[2 * 3 * 2 * 4 * 3 * 2];
alignas(16) uint16_t a[256], b[256];
float d[128];

void fill() {
    for (int i = 0; i < 4 * ALL; ++i) {
        floats[i] = -1;
        inputs[i] = (float)(i * 3 % 17);
    }
}

/* Runs f in a child and returns what it said; *signal: how it ended, 0: it did not. */
enum { SAID = 4096 };
void in_child(void (*f)(), char said[SAID], int *signal) {
    int ends[2], status = 0;
    assert_int_equal(pipe(ends), 0);
    fflush(nullptr);
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        ::signal(SIGABRT, SIG_DFL);
        ::signal(SIGSEGV, SIG_DFL);
        dup2(ends[1], 2);
        close(ends[0]);
        f();
        _exit(0);
    }
    close(ends[1]);
    size_t length = 0;
    for (ssize_t n; length < SAID - 1 && (n = read(ends[0], said + length, SAID - 1 - length)) > 0;)
        length += (size_t)n;
    said[length] = 0;
    close(ends[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    *signal = WIFSIGNALED(status) ? WTERMSIG(status) : WIFEXITED(status) && WEXITSTATUS(status) ? -1 : 0;
}

void dies_saying(void (*f)(), const char *words) {
    static const char *const orders[] = {"forward", "reverse", "7"};
    for (size_t i = 0; i < sizeof orders / sizeof *orders; ++i) {
        char said[SAID];
        int signal;
        un_emu_order(orders[i]);
        in_child(f, said, &signal);
        if (signal == 0 || !strstr(said, words))
            fail_msg("order %s: ended with %d, wanted \"%s\", it said: %s", orders[i], signal, words, said);
    }
}

#define LAUNCH(kernel, grid, block, bytes, ...)                                                              \
    [] { UN_LAUNCH(queue, kernel, grid, block, bytes, __VA_ARGS__); }

/* ---- tests ---- */

void kernels_compute(void **) {
    static const char *const orders[] = {"forward", "reverse", "1", "99"};
    for (size_t o = 0; o < sizeof orders / sizeof *orders; ++o) {
        un_emu_order(orders[o]);
        fill();
        UN_LAUNCH(queue, rotate, 3, ALL, ALL * sizeof(float), floats, inputs, 5);
        for (int i = 0; i < ALL; ++i) assert_true(floats[i] == inputs[(i + 5) % ALL]);
        memset(seen, 0, sizeof seen);
        UN_LAUNCH(queue, where, dim3(2, 3, 2), dim3(4, 3, 2), 0, seen);
        for (unsigned i = 0; i < sizeof seen / sizeof *seen; ++i)
            assert_int_equal(seen[i], 1 + i % 24 + 1000 * (i / 24));
    }
}

void warps_compute(void **) {
    static const char *const orders[] = {"forward", "reverse", "1", "99"};
    struct lanes r[32];
    for (size_t o = 0; o < sizeof orders / sizeof *orders; ++o) {
        un_emu_order(orders[o]);
        UN_LAUNCH(queue, shuffle, 1, 32, 0, r);
        for (int i = 0; i < 32; ++i) {
            assert_int_equal(r[i].rotated, (i + 5) % 32);
            assert_int_equal(r[i].swapped, i ^ 3);
            assert_int_equal(r[i].down, i < 28 ? i + 4 : i);
            assert_int_equal(r[i].up, i % 8 >= 4 ? i - 4 : i);
            assert_int_equal(r[i].narrow, i / 8 * 8 + 1);
            assert_int_equal(r[i].odd, 0xAAAAAAAAu);
            assert_int_equal(r[i].some, i < 7 ? 0x7Bu : 0u);
            assert_int_equal(r[i].any, 1);
            assert_int_equal(r[i].all, 0);
            assert_int_equal(r[i].count, 11);
            assert_int_equal(r[i].sum, 496);
        }
    }
}

float small(uint32_t i) { /* a multiple of 1/8 in [-2, 2): products and sums of 16 are exact */
    return (float)un_rng_below(un_rng(5, UN_RNG_TEST, 0, 0, 0, i).v[0], 32) * 0.125f - 2.0f;
}

void matrices_compute(void **) {
    un_emu_order("3");
    for (uint32_t i = 0; i < 256; ++i) {
        a[i] = (uint16_t)un_pack_bf16(small(i), 0);
        b[i] = (uint16_t)un_pack_bf16(small(1000 + i), 0);
    }
    UN_LAUNCH(queue, product, 1, 32, 2 * sizeof a, d, a, b);
    for (int i = 0; i < 16; ++i)
        for (int j = 0; j < 8; ++j) {
            float want = 1;
            for (int k = 0; k < 16; ++k)
                want += __uint_as_float((uint32_t)a[i * 16 + k] << 16) *
                        __uint_as_float((uint32_t)b[k * 16 + j] << 16);
            if (d[i * 8 + j] != want) fail_msg("(%d, %d) is %g, want %g", i, j, d[i * 8 + j], want);
        }
}

/* All 65,536 halves there and back, and floats between two of them. */
void halves(void **) {
    for (uint32_t h = 0; h < 0x10000u; ++h) {
        const float f = un_unpack_f16((uint16_t)h);
        if (f != f) {
            assert_true((h & 0x7C00u) == 0x7C00u && un_pack_f16(f) == 0x7FFF);
            continue;
        }
        assert_int_equal(un_pack_f16(f), h);
        const float next = un_unpack_f16((uint16_t)(h + 1));
        if ((h & 0x7FFFu) >= 0x7BFFu) continue;
        assert_int_equal(un_pack_f16((f + next) / 2), (h & 1u) ? h + 1 : h);
        assert_int_equal(un_pack_f16(f * 0.49f + next * 0.51f), h + 1);
    }
    assert_int_equal(un_pack_f16(65519.0f), 0x7BFF);
    assert_int_equal(un_pack_f16(-65520.0f), 0xFC00);
    assert_int_equal(un_pack_bf16(1.0f, -2.0f), 0xC0003F80u);
    assert_int_equal(un_pack_bf16(__uint_as_float(0x3F808000u), __uint_as_float(0x3F818000u)), 0x3F823F80u);
    assert_int_equal(un_pack_bf16(NAN, INFINITY), 0x7F807FFFu);
    assert_true(un_exp2(-127.0f) == 0.0f && un_exp2(-126.0f) == 0x1p-126f);
    assert_int_equal(__byte_perm(0x33221100u, 0x77665544u, 0x0725u), 0x00772255u);
}

void bad_synchronisation_is_found(void **) {
    dies_saying(LAUNCH(divergent_barrier, 1, ALL, 0, floats), "wait at that of");
    dies_saying(LAUNCH(skipped_barrier, 1, ALL, 0, floats), "ended");
    dies_saying(LAUNCH(early_end, 1, ALL, 0, floats), "ended");
    dies_saying(LAUNCH(barrier_or_shuffle, 1, 32, 0, floats), "deadlock");
    dies_saying(LAUNCH(not_in_mask, 1, 32, 0, floats), "is not in its own mask");
    dies_saying(LAUNCH(from_outside_mask, 1, 32, 0, floats), "which is not in the mask");
    dies_saying(LAUNCH(mask_of_ended, 1, 32, 0, floats), "ended");
    dies_saying(LAUNCH(mask_of_ended, 1, 16, 0, floats), "ended or never were");
    dies_saying(LAUNCH(masks_differ, 1, 32, 0, floats), "emulator: ");
    dies_saying(LAUNCH(two_places, 1, 32, 0, floats), "different warp operations");
}

void bad_copies_are_found(void **) {
    dies_saying(LAUNCH(copy_not_aligned, 1, 1, 0, floats, inputs), "source of an asynchronous copy");
    dies_saying(LAUNCH(copy_to_global, 1, 1, 0, floats, inputs), "target of an asynchronous copy");
    dies_saying(LAUNCH(matrix_not_aligned, 1, 32, 1024, floats), "a row of a matrix load");
    for (int commit = 0; commit < 2; ++commit) {
        fill();
        if (commit)
            UN_LAUNCH(queue, missing_wait, 1, ALL, 0, floats, inputs);
        else
            UN_LAUNCH(queue, missing_commit, 1, ALL, 0, floats, inputs);
        for (int i = 0; i < ALL; ++i) assert_true(isnan(floats[i]));
        for (int i = 0; commit && i < ALL; ++i) assert_true(floats[ALL + i] == inputs[4 * i]);
    }
}

void bad_addresses_are_found(void **) {
    static const char *const words =
        UN_EMU_ASAN ? "use-after-poison"
                    : "memory behind the 100 bytes of dynamic shared memory was overwritten";
    dies_saying(LAUNCH(overrun, 2, ALL, 100, 100), words);
    dies_saying(LAUNCH(overrun, 2, ALL, 100, 127), words);
    dies_saying(LAUNCH(overrun, 2, ALL, 128, 128), UN_EMU_ASAN ? "AddressSanitizer" : "");
    dies_saying(LAUNCH(overrun, 2, ALL, 100, 4000), UN_EMU_ASAN ? "AddressSanitizer" : "");
    dies_saying(LAUNCH(overrun, 2, ALL, 100, -1),
                UN_EMU_ASAN ? "use-after-poison" : "memory before the dynamic shared memory was overwritten");
}

void refused_launches_are_found(void **) {
    dies_saying(LAUNCH(nothing, 1, 1025, 0, floats), "more than 1024 threads");
    dies_saying(LAUNCH(nothing, 1, dim3(8, 1, 65), 0, floats), "more than 1024 threads");
    dies_saying(LAUNCH(nothing, 1, 0, 0, floats), "a block without threads");
    dies_saying(LAUNCH(nothing, 0, 1, 0, floats), "a grid without blocks");
    dies_saying(LAUNCH(nothing, dim3(1, 65536), 1, 0, floats), "65535");
    dies_saying(LAUNCH(nothing, dim3(1, 1, 65536), 1, 0, floats), "65535");
    dies_saying(LAUNCH(nothing, 1u << 31, 1, 0, floats), "2^31");
    dies_saying(LAUNCH(nothing, 1, 1, (48 << 10) + 1, floats), "UN_SHARED_MOST");
    dies_saying([] { UN_SHARED_MOST(queue, nothing, (227 << 10) + 1); }, "at most");
    UN_LAUNCH(queue, nothing, dim3(2, 300), 1024, 48 << 10, floats);
    UN_SHARED_MOST(queue, nothing, 227 << 10);
    UN_LAUNCH(queue, nothing, 1, 1, 227 << 10, floats);
}

/* Not written: a NaN, at every block anew, in dynamic and static memory, in templates too. */
void unwritten_memory_is_found(void **) {
    fill();
    UN_LAUNCH(queue, static_in_template<ALL>, 2, ALL, 0, floats, 3);
    for (int i = 0; i < ALL; ++i) assert_true(i < 3 ? floats[i] == 1 : isnan(floats[i]));
    fill();
    UN_LAUNCH(queue, not_written, 2, ALL, ALL * sizeof(float), floats);
    for (int i = 0; i < ALL; ++i) assert_true(isnan(floats[i]));
    fill();
    UN_LAUNCH(queue, rotate, 1, ALL, ALL * sizeof(float), floats, inputs, 0);
    UN_LAUNCH(queue, static_in_template<ALL>, 1, ALL, 0, floats, 0);
    assert_true(isnan(floats[0]));
}

/* How many of the orders give other results than a kernel without the fault would. */
int wrong_orders(void (*f)(), bool (*right)(int)) {
    static const char *const orders[] = {"forward", "reverse", "1", "2", "3"};
    int wrong = 0;
    for (size_t o = 0; o < sizeof orders / sizeof *orders; ++o) {
        un_emu_order(orders[o]);
        fill();
        f();
        bool good = true;
        for (int i = 0; i < ALL; ++i) good = good && right(i);
        wrong += !good;
    }
    return wrong;
}

void races_are_found(void **) {
    assert_int_equal(wrong_orders(LAUNCH(missing_barrier, 1, ALL, 0, floats),
                                  [](int i) { return floats[i] == (float)(ALL - 1 - i); }),
                     5);
    assert_int_equal(wrong_orders(LAUNCH(missing_second_barrier, 1, ALL, 0, floats),
                                  [](int i) { return floats[i] == (float)(2 * (ALL - 1 - i) + 1); }),
                     5);
    assert_int_equal(wrong_orders(LAUNCH(missing_syncwarp, 1, 32, 0, floats),
                                  [](int i) { return i >= 32 || floats[i] == (float)(i ^ 1); }),
                     5);
    assert_true(wrong_orders(LAUNCH(race_between_blocks, ALL, 32, 0, floats),
                             [](int i) { return floats[i] == (float)(i + 1); }) >= 4);
}

} // namespace

int main() {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kernels_compute),
        cmocka_unit_test(warps_compute),
        cmocka_unit_test(matrices_compute),
        cmocka_unit_test(halves),
        cmocka_unit_test(bad_synchronisation_is_found),
        cmocka_unit_test(bad_copies_are_found),
        cmocka_unit_test(bad_addresses_are_found),
        cmocka_unit_test(refused_launches_are_found),
        cmocka_unit_test(unwritten_memory_is_found),
        cmocka_unit_test(races_are_found),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
