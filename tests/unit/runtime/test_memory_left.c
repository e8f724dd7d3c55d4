/* What is left of the memory: of the machine, and of control groups of both versions, the tightest counts. */
#include "runtime/memory_left.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static void put(const char *root, const char *folder, const char *file, const char *text) {
    char path[512];
    snprintf(path, sizeof path, "mkdir -p %s%s", root, folder);
    assert_int_equal(system(path), 0);
    snprintf(path, sizeof path, "%s%s/%s", root, folder, file);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static void take_away(const char *root) {
    char command[128];
    snprintf(command, sizeof command, "rm -r %s", root);
    assert_int_equal(system(command), 0);
}

static void put_meminfo(const char *root) {
    put(root, "/proc", "meminfo",
        "MemTotal:       24683520 kB\nMemFree:          200000 kB\nMemAvailable:    1000000 kB\n");
}

static void test_machine(void **state) {
    (void)state;
    char root[] = "/tmp/un-left-XXXXXX";
    assert_non_null(mkdtemp(root));
    assert_int_equal(un_memory_left(root), -1); /* nothing there */
    put(root, "/proc", "meminfo", "MemTotal: 12 kB\n");
    assert_int_equal(un_memory_left(root), -1); /* an old system */
    put_meminfo(root);
    assert_int_equal(un_memory_left(root), 1000000LL * 1024);
    assert_true(un_memory_left("") > 0);
    take_away(root);
}

/* Files in memory are given back, shared memory is not; a group without a limit, and one above it that has one. */
static void test_groups(void **state) {
    (void)state;
    char root[] = "/tmp/un-left-XXXXXX";
    assert_non_null(mkdtemp(root));
    put_meminfo(root);
    put(root, "/proc/self", "cgroup", "0::/job/step\n");
    put(root, "/sys/fs/cgroup/job/step", "memory.max", "max\n");
    assert_int_equal(un_memory_left(root), 1000000LL * 1024);
    put(root, "/sys/fs/cgroup/job", "memory.max", "700000000\n");
    put(root, "/sys/fs/cgroup/job", "memory.current", "600000000\n");
    put(root, "/sys/fs/cgroup/job", "memory.stat", "anon 100000000\nfile 500000000\nshmem 20000000\n");
    assert_int_equal(un_memory_left(root), 700000000 - (600000000 - 480000000));
    put(root, "/sys/fs/cgroup/job", "memory.max", "100000000\n"); /* less than it has: nothing */
    assert_int_equal(un_memory_left(root), 0);
    put(root, "/proc/self", "cgroup", "0::/other\n"); /* a group whose name the container hides */
    put(root, "/sys/fs/cgroup", "memory.max", "300000000\n");
    put(root, "/sys/fs/cgroup", "memory.current", "1000\n");
    put(root, "/sys/fs/cgroup", "memory.stat", "file 0\n");
    assert_int_equal(un_memory_left(root), 300000000 - 1000);
    take_away(root);
}

static void test_first_version(void **state) {
    (void)state;
    char root[] = "/tmp/un-left-XXXXXX";
    assert_non_null(mkdtemp(root));
    put_meminfo(root);
    put(root, "/proc/self", "cgroup", "12:cpu:/slurm\n4:memory:/slurm/job_7\nrubbish\n0::/\n");
    put(root, "/sys/fs/cgroup/memory/slurm/job_7", "memory.limit_in_bytes", "5000000\n");
    put(root, "/sys/fs/cgroup/memory/slurm/job_7", "memory.usage_in_bytes", "4000000\n");
    put(root, "/sys/fs/cgroup/memory/slurm/job_7", "memory.stat",
        "cache 1\ntotal_cache 2500000\ntotal_shmem 0\n");
    assert_int_equal(un_memory_left(root), 5000000 - (4000000 - 2500000));
    take_away(root);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_machine),
        cmocka_unit_test(test_groups),
        cmocka_unit_test(test_first_version),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
