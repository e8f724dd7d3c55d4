/* Allocation: alignment, zeros, overflow, exact counts under threads, failing on order; arenas measured and
 * carved. */
// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on
#include "runtime/memory.h"
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static int clear_error(void **state) {
    (void)state;
    un_error_clear();
    un_memory_fail_at(0);
    return 0;
}

static void blocks_are_aligned_and_zero(void **state) {
    (void)state;
    for (size_t bytes = 0; bytes < 300; bytes += 7) {
        unsigned char *block = un_alloc(bytes, 1, "block");
        assert_non_null(block);
        assert_int_equal((uintptr_t)block % UN_ALIGN, 0);
        for (size_t i = 0; i < bytes; ++i) assert_int_equal(block[i], 0);
        memset(block, 0xFF, bytes); /* so that the next one is dirty if it is not cleaned */
        un_free(block);
    }
    un_free(NULL);
}

static void too_much_is_refused(void **state) {
    (void)state;
    assert_null(un_alloc(SIZE_MAX / 2, 3, "huge"));
    assert_int_equal(un_error_get()->status, UN_MEMORY);
    assert_non_null(strstr(un_error_get()->text, "huge"));
    un_error_clear();
    assert_null(un_alloc(SIZE_MAX - 8, 1, "huge with header"));
    assert_int_equal(un_error_get()->status, UN_MEMORY);
}

static void counts_are_exact(void **state) {
    (void)state;
    struct un_memory_counts before = un_memory_counts();
    char *a = un_alloc(10, 100, "a"), *b = un_alloc(1, 24, "b");
    struct un_memory_counts during = un_memory_counts();
    assert_int_equal(during.live_bytes, before.live_bytes + 1024);
    assert_int_equal(during.live_blocks, before.live_blocks + 2);
    un_free(a);
    un_free(b);
    struct un_memory_counts after = un_memory_counts();
    assert_int_equal(after.live_bytes, before.live_bytes);
    assert_int_equal(after.live_blocks, before.live_blocks);
    assert_true(after.peak_bytes >= before.live_bytes + 1024);
}

static void the_nth_fails_once(void **state) {
    (void)state;
    for (uint64_t n = 1; n <= 4; ++n) {
        un_memory_fail_at(n);
        for (uint64_t i = 1; i <= 6; ++i) {
            void *block = un_alloc(1, 8, "counted");
            assert_int_equal(block == NULL, i == n);
            un_free(block);
        }
        assert_int_equal(un_error_get()->status, UN_MEMORY);
        un_error_clear();
    }
}

static void growing_keeps_and_clears(void **state) {
    (void)state;
    void *list = NULL;
    assert_int_equal(un_grow(&list, 0, 4, sizeof(int), "list"), UN_OK);
    int *numbers = list;
    for (int i = 0; i < 4; ++i) numbers[i] = i + 1;
    assert_int_equal(un_grow(&list, 4, 9, sizeof(int), "list"), UN_OK);
    numbers = list;
    for (int i = 0; i < 9; ++i) assert_int_equal(numbers[i], i < 4 ? i + 1 : 0);
    un_memory_fail_at(1);
    assert_int_equal(un_grow(&list, 9, 20, sizeof(int), "list"), UN_MEMORY);
    assert_ptr_equal(list, numbers); /* the old block is untouched */
    assert_int_equal(numbers[3], 4);
    un_free(list);
}

static void texts(void **state) {
    (void)state;
    char *text = un_format("%s-%05d", "step", 42), *copy = un_strdup(text);
    assert_string_equal(text, "step-00042");
    assert_string_equal(copy, text);
    assert_ptr_not_equal(copy, text);
    un_free(text);
    un_free(copy);
    un_memory_fail_at(1);
    assert_null(un_format("%d", 1));
}

static void *allocate_elsewhere(void *unused) {
    (void)unused;
    for (size_t i = 1; i <= 2000; ++i) {
        void *block = un_alloc(i % 97, 3, "threads");
        assert_non_null(block);
        un_free(block);
    }
    return NULL;
}

/* Frozen is a state of the thread: its allocations are counted, those of loaders are not. */
static void frozen_allocations_are_counted(void **state) {
    (void)state;
    uint64_t before = un_memory_counts().frozen_allocs;
    un_memory_freeze(true);
    void *block = un_alloc(1, 1, "in a step");
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, allocate_elsewhere, NULL), 0);
    pthread_join(thread, NULL);
    un_memory_freeze(false);
    un_free(block);
    un_free(un_alloc(1, 1, "outside"));
    assert_int_equal(un_memory_counts().frozen_allocs, before + 1);
}

static void counts_stand_threads(void **state) {
    (void)state;
    struct un_memory_counts before = un_memory_counts();
    pthread_t thread[4];
    for (int i = 0; i < 4; ++i)
        assert_int_equal(pthread_create(&thread[i], NULL, allocate_elsewhere, NULL), 0);
    for (int i = 0; i < 4; ++i) pthread_join(thread[i], NULL);
    struct un_memory_counts after = un_memory_counts();
    assert_int_equal(after.live_bytes, before.live_bytes);
    assert_int_equal(after.live_blocks, before.live_blocks);
}

/* The same takes, measured with base NULL and carved from what was measured. */
static void take_all(struct un_arena *arena, unsigned char *part[4]) {
    static const size_t count[4] = {1, 0, 65, 7}, size[4] = {1, 8, 1, 8};
    for (int i = 0; i < 4; ++i) part[i] = un_arena_take(arena, count[i], size[i]);
}

static void arenas_measure_then_carve(void **state) {
    (void)state;
    unsigned char *part[4];
    struct un_arena measured = {.name = "test"};
    take_all(&measured, part);
    for (int i = 0; i < 4; ++i) assert_null(part[i]);
    assert_int_equal(measured.used, 64 + 0 + 128 + 64);
    struct un_arena carved = {
        .name = "test", .base = un_alloc(measured.used, 1, "arena"), .size = measured.used};
    take_all(&carved, part);
    assert_int_equal(carved.used, measured.used);
    for (int i = 0; i < 4; ++i) assert_int_equal((uintptr_t)part[i] % UN_ALIGN, 0);
    assert_ptr_equal(part[2], part[0] + 64);
    assert_ptr_equal(part[3], part[2] + 128);
    size_t mark = un_arena_mark(&carved);
    assert_int_equal(mark, carved.size);
    un_arena_reset(&carved, 64);
    assert_ptr_equal(un_arena_take(&carved, 1, 1), part[2]);
    assert_int_equal(carved.peak, mark);
    un_free(carved.base);
}

/* In a child: an assertion ends it there (debug), or the take is refused with an error (release). */
static void check_refused(size_t arena_bytes, size_t count, size_t size) {
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        fclose(stderr);
        static unsigned char base[2 * UN_ALIGN];
        struct un_arena arena = {.name = "small", .base = base, .size = arena_bytes};
        bool refused = un_arena_take(&arena, count, size) == NULL && arena.used == 0;
        _exit(refused && un_error_get()->status == UN_INTERNAL ? 7 : 0);
    }
    int how = 0;
    assert_int_equal(waitpid(child, &how, 0), child);
    assert_true((WIFSIGNALED(how) && WTERMSIG(how) == SIGABRT) || (WIFEXITED(how) && WEXITSTATUS(how) == 7));
}

static void what_does_not_fit_is_refused(void **state) {
    (void)state;
    check_refused(64, 65, 1);
    check_refused(128, SIZE_MAX / 2, 3);
    check_refused(128, SIZE_MAX, 1);
    check_refused(0, 1, 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(blocks_are_aligned_and_zero, clear_error),
        cmocka_unit_test_setup(too_much_is_refused, clear_error),
        cmocka_unit_test_setup(counts_are_exact, clear_error),
        cmocka_unit_test_setup(the_nth_fails_once, clear_error),
        cmocka_unit_test_setup(growing_keeps_and_clears, clear_error),
        cmocka_unit_test_setup(texts, clear_error),
        cmocka_unit_test_setup(frozen_allocations_are_counted, clear_error),
        cmocka_unit_test_setup(counts_stand_threads, clear_error),
        cmocka_unit_test_setup(arenas_measure_then_carve, clear_error),
        cmocka_unit_test_setup(what_does_not_fit_is_refused, clear_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
