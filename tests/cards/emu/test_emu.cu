/* The emulator itself: what it computes, and that each fault planted in a kernel is found. A faulty kernel
 * runs in a child process; what counts is that the child ends by a signal and what it says before. Faults
 * that only show as other results are looked for under both orders of threads and of blocks. */
#include "tests/cards/emu/faults.cuh"
#include "tests/cards/emu/sanitizer.h"

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

void *const queue = nullptr;

/* ---- what they are tried with ---- */

/* Not inside functions: there, variables of a kernel file that start as zero are taken for shared memory. */
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
