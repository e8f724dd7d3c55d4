/* Cores: order by the machine's description, division among ranks, text; binding a thread; their count by
 * affinity and cgroup quota. */
#include "runtime/cores.h"
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

static void put(const char *root, int cpu, const char *file, int value) {
    char path[512];
    snprintf(path, sizeof path, "mkdir -p %s/cpu%d/topology", root, cpu);
    assert_int_equal(system(path), 0);
    snprintf(path, sizeof path, "%s/cpu%d/topology/%s", root, cpu, file);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fprintf(f, "%d\n", value);
    fclose(f);
}

/* Where the first allowed core belongs to the second package, it comes last. */
static void test_order(void **state) {
    (void)state;
    static struct un_cores plain, ordered;
    char root[] = "/tmp/un-cores-XXXXXX", remove[64];
    assert_non_null(mkdtemp(root));
    un_cores_allowed(&plain, root); /* nothing there: by number */
    assert_true(plain.n >= 1);
    for (int i = 1; i < plain.n; ++i) assert_true(plain.cpu[i] > plain.cpu[i - 1]);
    for (int i = 0; i < plain.n; ++i) {
        put(root, plain.cpu[i], "physical_package_id", i == 0);
        put(root, plain.cpu[i], "core_id", plain.n - i);
    }
    un_cores_allowed(&ordered, root);
    assert_int_equal(ordered.n, plain.n);
    assert_int_equal(ordered.cpu[ordered.n - 1], plain.cpu[0]);
    for (int i = 0; i + 2 < ordered.n; ++i) assert_true(ordered.cpu[i] > ordered.cpu[i + 1]); /* by core_id */
    snprintf(remove, sizeof remove, "rm -r %s", root);
    assert_int_equal(system(remove), 0);
}

static void test_parts_tile(void **state) {
    (void)state;
    static struct un_cores all, part;
    for (int n = 1; n <= 40; ++n) {
        all.n = n;
        for (int i = 0; i < n; ++i) all.cpu[i] = 3 * i;
        for (int ranks = 1; ranks <= n; ++ranks) {
            int at = 0;
            for (int r = 0; r < ranks; ++r) {
                un_cores_part(&part, &all, r, ranks);
                assert_true(part.n == n / ranks || part.n == n / ranks + 1);
                for (int i = 0; i < part.n; ++i) assert_int_equal(part.cpu[i], all.cpu[at++]);
            }
            assert_int_equal(at, n);
        }
        un_cores_part(&part, &all, n, n + 1); /* too few */
        assert_int_equal(part.n, n);
    }
}

static void test_text(void **state) {
    (void)state;
    static struct un_cores c = {.n = 6, .cpu = {0, 1, 2, 5, 8, 9}};
    char text[32], small[5];
    un_cores_print(&c, text, sizeof text);
    assert_string_equal(text, "0-2,5,8-9");
    un_cores_print(&c, small, sizeof small);
    assert_string_equal(small, "0-2,");
    c.n = 0;
    un_cores_print(&c, text, sizeof text);
    assert_string_equal(text, "");
}

static void test_bind(void **state) {
    (void)state;
    static struct un_cores all, one, now;
    un_cores_allowed(&all, "/sys/devices/system/cpu");
    un_cores_part(&one, &all, 0, all.n);
    assert_int_equal(un_cores_bind(&one), UN_OK);
    un_cores_allowed(&now, "/sys/devices/system/cpu");
    assert_int_equal(now.n, 1);
    assert_int_equal(now.cpu[0], one.cpu[0]);
    assert_int_equal(un_cores_bind(&all), UN_OK);
    one.cpu[0] = UN_CORES_MAX - 1; /* no such core */
    assert_int_equal(un_cores_bind(&one), UN_IO);
    un_error_clear();
}

static void cores_follow_the_affinity(void **state) {
    (void)state;
    cpu_set_t all, one;
    if (sched_getaffinity(0, sizeof all, &all) != 0) skip();
    int cores = un_cores_count();
    assert_true(cores >= 1 && cores <= CPU_COUNT(&all));
    CPU_ZERO(&one);
    for (int c = 0; c < CPU_SETSIZE && CPU_COUNT(&one) == 0; ++c)
        if (CPU_ISSET(c, &all)) CPU_SET(c, &one);
    assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
    assert_int_equal(un_cores_count(), 1);
    sched_setaffinity(0, sizeof all, &all);
}

/* Makes `folder`/`path` with all folders above it and writes `text` into it. */
static void put_file(const char *folder, const char *path, const char *text) {
    char full[512];
    snprintf(full, sizeof full, "%s/%s", folder, path);
    for (char *slash = full + 1; (slash = strchr(slash, '/')) != NULL; ++slash) {
        *slash = '\0';
        mkdir(full, 0700);
        *slash = '/';
    }
    FILE *file = fopen(full, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static double quota(const char *folder, const char *groups) {
    char list[512], root[512];
    put_file(folder, "groups", groups);
    snprintf(list, sizeof list, "%s/groups", folder);
    snprintf(root, sizeof root, "%s/sys", folder);
    return un_cores_quota(list, root);
}

static void cores_follow_the_quota(void **state) {
    (void)state;
    char folder[] = "/tmp/un_test_deviceXXXXXX";
    assert_non_null(mkdtemp(folder));
    assert_true(quota(folder, "0::/job/step\n") == 0); /* nothing there */
    put_file(folder, "sys/job/cpu.max", "400000 100000\n");
    put_file(folder, "sys/job/step/cpu.max", "max 100000\n");
    assert_true(quota(folder, "0::/job/step\n") == 4); /* the group above limits too */
    put_file(folder, "sys/job/step/cpu.max", "150000 100000\n");
    assert_true(quota(folder, "0::/job/step\n") == 1.5);
    assert_true(quota(folder, "0::/job\n") == 4);
    assert_true(quota(folder, "0::/job/step/invisible\n") == 1.5);
    assert_true(quota(folder, "0::/\n") == 0);
    put_file(folder, "sys/unified/u/cpu.max", "300000 100000\n");
    assert_true(quota(folder, "0::/u\n") == 3);
    put_file(folder, "sys/cpu/slurm/cpu.cfs_quota_us", "250000\n");
    put_file(folder, "sys/cpu/slurm/cpu.cfs_period_us", "100000\n");
    put_file(folder, "sys/cpu/slurm/free/cpu.cfs_quota_us", "-1\n");
    put_file(folder, "sys/cpu/slurm/free/cpu.cfs_period_us", "100000\n");
    assert_true(quota(folder, "7:memory:/slurm\n4:cpuset:/slurm\n3:cpuacct:/slurm\n") == 0);
    assert_true(quota(folder, "7:memory:/slurm\n3:cpu,cpuacct:/slurm/free\n0::/\n") == 2.5);
    assert_true(quota(folder, "3:cpuacct,cpu:/slurm\n0::/job/step\n") == 1.5); /* the smaller one */
    assert_true(quota(folder, "nonsense\n::\n\n0:\n") == 0);
    assert_true(un_cores_quota("/nowhere", folder) == 0);
    char command[600];
    snprintf(command, sizeof command, "rm -r %s", folder);
    assert_int_equal(system(command), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_order),
                                       cmocka_unit_test(test_parts_tile),
                                       cmocka_unit_test(test_text),
                                       cmocka_unit_test(test_bind),
                                       cmocka_unit_test(cores_follow_the_affinity),
                                       cmocka_unit_test(cores_follow_the_quota)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
