/* The loader: errors in their place, ends, memory. */
#include "io/feed/loader.h"
#include "runtime/rng.h"
#include "tests/support/world.h"
#include "tests/unit/io/feed/loader_case.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

/* Reads until the error; returns how many micro-batches came before it. */
static int64_t read_to_error(struct rig *rig, char *message) {
    struct un_loader *loader;
    struct un_loaded got;
    int64_t good = 0;
    world_check(un_loader_open(&loader, &rig->setup));
    enum un_status status;
    while ((status = un_loader_next(loader, &got)) == UN_OK) {
        assert_non_null(got.batch);
        ++good;
        un_loader_release(loader, &got);
    }
    assert_int_equal(status, UN_DATA);
    strcpy(message, un_error_get()->text);
    un_error_clear();
    assert_int_equal(un_loader_next(loader, &got), UN_DATA); /* it stays failed */
    assert_string_equal(un_error_get()->text, message);
    un_error_clear();
    un_loader_close(loader);
    return good;
}

/* A NaN among the rows: the same message after the same micro-batches, whatever the threads. */
static void corrupt_row_is_reported_in_its_place(void **state) {
    (void)state;
    struct rig rig;
    char first[UN_ERROR_MAX] = "", message[UN_ERROR_MAX];
    int64_t good = -1;
    rig_open(&rig, 13, 20, false);
    for (int threads = 1; threads <= 4; ++threads)
        for (int64_t slots = 1; slots <= 9; slots += 4) {
            rig.setup.threads = threads;
            rig.setup.slots = slots;
            int64_t now = read_to_error(&rig, message);
            if (good < 0) strcpy(first, message);
            if (good < 0) good = now;
            assert_int_equal(now, good);
            assert_string_equal(message, first);
        }
    assert_non_null(strstr(first, "img_000013"));
    assert_true(good > 0); /* half-way, not at once */
    rig_close(&rig);
}

static void bad_state_is_reported(void **state) {
    (void)state;
    struct rig rig;
    char message[UN_ERROR_MAX];
    rig_open(&rig, 0, 20, false);
    rig.states[2].stream[1].position = 1000;
    assert_int_equal(read_to_error(&rig, message), 2);
    assert_non_null(strstr(message, "lane 2"));
    rig_close(&rig);
}

static double seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Closing at once, while full, while some are held, and after a failure. */
static void closes_in_bounded_time(void **state) {
    (void)state;
    for (int kind = 0; kind < 12; ++kind) {
        struct rig rig;
        struct un_loader *loader;
        struct un_loaded got;
        rig_open(&rig, kind % 4 == 3 ? 13 : 0, 20, false);
        rig.setup.slots = 3;
        rig.setup.threads = 1 + kind / 4 * 2;
        world_check(un_loader_open(&loader, &rig.setup));
        if (kind % 4 > 0) usleep(20000); /* the ring is full by now */
        if (kind % 4 == 2) world_check(un_loader_next(loader, &got));
        double start = seconds();
        un_loader_close(loader);
        assert_true(seconds() - start < 2);
        rig_close(&rig);
    }
}

static void one_held_too_many_is_an_error(void **state) {
    (void)state;
    struct rig rig;
    struct un_loader *loader;
    struct un_loaded got[3], more;
    rig_open(&rig, 0, 20, false);
    rig.setup.slots = 3;
    world_check(un_loader_open(&loader, &rig.setup));
    for (int i = 0; i < 3; ++i) world_check(un_loader_next(loader, &got[i]));
    assert_int_equal(un_loader_next(loader, &more), UN_INTERNAL);
    un_error_clear();
    un_loader_release(loader, &got[1]); /* and it goes on, in any order of release */
    world_check(un_loader_next(loader, &more));
    assert_int_equal(more.lane, 3);
    un_loader_close(loader);
    rig_close(&rig);
}

/* Memory of the slots comes from the given functions and all of it goes back; the promise of bytes holds. */
struct own {
    int64_t live, bytes;
};
static void *own_alloc(void *context, size_t bytes) {
    struct own *own = context;
    ++own->live;
    own->bytes += (int64_t)bytes;
    return aligned_alloc(UN_ALIGN, (bytes + UN_ALIGN - 1) / UN_ALIGN * UN_ALIGN);
}
static void own_free(void *context, void *ptr) {
    --((struct own *)context)->live;
    free(ptr);
}

static void memory_is_what_was_said(void **state) {
    (void)state;
    struct rig rig;
    struct un_loader *loader;
    struct own own = {0};
    rig_open(&rig, 0, 20, false);
    size_t said = un_loader_bytes(&rig.setup);
    uint64_t before = un_memory_counts().live_bytes;
    world_check(un_loader_open(&loader, &rig.setup));
    assert_int_equal(un_memory_counts().live_bytes - before, said);
    un_loader_close(loader);
    assert_int_equal(un_memory_counts().live_bytes, before);

    rig.setup.host_alloc = own_alloc;
    rig.setup.host_free = own_free;
    rig.setup.context = &own;
    world_check(un_loader_open(&loader, &rig.setup));
    assert_int_equal(own.live, rig.setup.slots);
    assert_int_equal(un_memory_counts().live_bytes - before + (uint64_t)own.bytes, said);
    un_loader_close(loader);
    assert_int_equal(own.live, 0);
    rig_close(&rig);
}

/* Each allocation of opening fails once: an error, nothing left behind. */
static void opening_survives_lack_of_memory(void **state) {
    (void)state;
    struct rig rig;
    struct un_loader *loader;
    rig_open(&rig, 0, 20, false);
    uint64_t before = un_memory_counts().live_blocks, n = 1;
    for (;; ++n) {
        un_memory_fail_at(n);
        enum un_status status = un_loader_open(&loader, &rig.setup);
        un_memory_fail_at(0);
        if (status == UN_OK) break;
        assert_int_equal(status, UN_MEMORY);
        assert_null(loader);
        un_error_clear();
        assert_int_equal(un_memory_counts().live_blocks, before);
    }
    assert_true(n > 10);
    un_loader_close(loader);
    rig_close(&rig);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(corrupt_row_is_reported_in_its_place),
        cmocka_unit_test(bad_state_is_reported),
        cmocka_unit_test(closes_in_bounded_time),
        cmocka_unit_test(one_held_too_many_is_an_error),
        cmocka_unit_test(memory_is_what_was_said),
        cmocka_unit_test(opening_survives_lack_of_memory),
    };
    return cmocka_run_group_tests_name("loader ends", tests, NULL, NULL);
}
