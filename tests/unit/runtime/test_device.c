/* Backends by name, cores by affinity and cgroup quota, and the one restart that gives the BLAS its right
 * kernel. */
// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on
#include "runtime/device.h"
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static int clear_error(void **state) {
    (void)state;
    un_error_clear();
    return 0;
}

static void backends_by_name(void **state) {
    (void)state;
    struct un_device *device;
    assert_int_equal(un_device_open("cpu", 1, 0, &device), UN_OK);
    assert_int_equal(device->kind, UN_DEVICE_CPU);
    assert_int_equal(device->threads, 1);
    un_device_close(device);
    un_device_close(NULL);
    assert_int_equal(un_device_open("gpu", 1, 0, &device), UN_USAGE);
    assert_null(device);
    assert_string_equal(un_error_get()->text, "device: \"gpu\" is none of auto, cpu, cuda");
}

/* Without a card, whatever the reason, auto is the CPU and cuda an error that names the reason. */
static void no_card(void **state) {
    (void)state;
    if (un_cuda_count() > 0) skip();
    struct un_device *device;
    assert_int_equal(un_device_open("auto", 0, 3, &device), UN_OK);
    assert_int_equal(device->kind, UN_DEVICE_CPU);
    assert_int_equal(device->threads, un_device_cores());
    un_device_close(device);
    assert_int_equal(un_device_open("cuda", 0, 0, &device), UN_USAGE);
    const char *reason = un_cuda_count() < 0 ? "this build has no CUDA" : "no card answers";
    assert_non_null(strstr(un_error_get()->text, reason));
}

static void cores_follow_the_affinity(void **state) {
    (void)state;
    cpu_set_t all, one;
    if (sched_getaffinity(0, sizeof all, &all) != 0) skip();
    int cores = un_device_cores();
    assert_true(cores >= 1 && cores <= CPU_COUNT(&all));
    CPU_ZERO(&one);
    for (int c = 0; c < CPU_SETSIZE && CPU_COUNT(&one) == 0; ++c)
        if (CPU_ISSET(c, &all)) CPU_SET(c, &one);
    assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
    assert_int_equal(un_device_cores(), 1);
    sched_setaffinity(0, sizeof all, &all);
}

/* Makes `folder`/`path` with all folders above it and writes `text` into it. */
static void put(const char *folder, const char *path, const char *text) {
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
    put(folder, "groups", groups);
    snprintf(list, sizeof list, "%s/groups", folder);
    snprintf(root, sizeof root, "%s/sys", folder);
    return un_device_quota(list, root);
}

static void cores_follow_the_quota(void **state) {
    (void)state;
    char folder[] = "/tmp/un_test_deviceXXXXXX";
    assert_non_null(mkdtemp(folder));
    assert_true(quota(folder, "0::/job/step\n") == 0); /* nothing there */
    put(folder, "sys/job/cpu.max", "400000 100000\n");
    put(folder, "sys/job/step/cpu.max", "max 100000\n");
    assert_true(quota(folder, "0::/job/step\n") == 4); /* the group above limits too */
    put(folder, "sys/job/step/cpu.max", "150000 100000\n");
    assert_true(quota(folder, "0::/job/step\n") == 1.5);
    assert_true(quota(folder, "0::/job\n") == 4);
    assert_true(quota(folder, "0::/job/step/invisible\n") == 1.5);
    assert_true(quota(folder, "0::/\n") == 0);
    put(folder, "sys/unified/u/cpu.max", "300000 100000\n");
    assert_true(quota(folder, "0::/u\n") == 3);
    put(folder, "sys/cpu/slurm/cpu.cfs_quota_us", "250000\n");
    put(folder, "sys/cpu/slurm/cpu.cfs_period_us", "100000\n");
    put(folder, "sys/cpu/slurm/free/cpu.cfs_quota_us", "-1\n");
    put(folder, "sys/cpu/slurm/free/cpu.cfs_period_us", "100000\n");
    assert_true(quota(folder, "7:memory:/slurm\n4:cpuset:/slurm\n3:cpuacct:/slurm\n") == 0);
    assert_true(quota(folder, "7:memory:/slurm\n3:cpu,cpuacct:/slurm/free\n0::/\n") == 2.5);
    assert_true(quota(folder, "3:cpuacct,cpu:/slurm\n0::/job/step\n") == 1.5); /* the smaller one */
    assert_true(quota(folder, "nonsense\n::\n\n0:\n") == 0);
    assert_true(un_device_quota("/nowhere", folder) == 0);
    char command[600];
    snprintf(command, sizeof command, "rm -r %s", folder);
    assert_int_equal(system(command), 0);
}

/* What this program says of itself when it is started as "PROGRAM --child 'x y'". */
static int child(int argc, char **argv) {
    un_device_prepare(argv);
    const char *guard = getenv("UN_RESTARTED"), *core = getenv("OPENBLAS_CORETYPE");
    printf("%s %s %d %s\n", guard == NULL ? "-" : guard, core == NULL ? "-" : core, argc, argv[2]);
    return 0;
}

/* The remedy as a process without the variable sees it: this one may have been started with another kernel. */
static int remedy(void) {
    const char *core = un_cpu_blas_remedy();
    puts(core == NULL ? "-" : core);
    return 0;
}

/* First line of this program started as "PROGRAM ARGUMENTS" in that environment. */
static void say_of_child(const char *environment, const char *arguments, char *line, int size) {
    char self[512], command[1024];
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    assert_true(length > 0);
    self[length] = '\0';
    snprintf(command, sizeof command,
             "env -u OPENBLAS_CORETYPE -u UN_RESTARTED OMP_WAIT_POLICY=passive %s %s %s 2>/dev/null",
             environment, self, arguments);
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    assert_non_null(fgets(line, size, pipe));
    assert_int_equal(pclose(pipe), 0);
}

/* Whether this machine needs a remedy or not: the child ends in the state that needs none, arguments whole. */
static void one_restart_at_most(void **state) {
    (void)state;
    char core[64], line[256], expected[256];
    say_of_child("", "--remedy", core, sizeof core);
    core[strcspn(core, "\n")] = '\0';
    print_message("remedy of this machine: %s\n", core);
    say_of_child("", "--child 'x y'", line, sizeof line);
    snprintf(expected, sizeof expected, "%s %s 3 x y\n", strcmp(core, "-") == 0 ? "-" : "1", core);
    assert_string_equal(line, expected);
    say_of_child("UN_RESTARTED=1", "--child 'x y'", line, sizeof line); /* it did not help: no second try */
    assert_string_equal(line, "1 - 3 x y\n");
    say_of_child("OPENBLAS_CORETYPE=Haswell", "--child 'x y'", line,
                 sizeof line); /* the user's choice stands */
    assert_string_equal(line, "- Haswell 3 x y\n");
}

int main(int argc, char **argv) {
    if (argc == 3 && strcmp(argv[1], "--child") == 0) return child(argc, argv);
    if (argc == 2 && strcmp(argv[1], "--remedy") == 0) return remedy();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(backends_by_name, clear_error),
        cmocka_unit_test_setup(no_card, clear_error),
        cmocka_unit_test_setup(cores_follow_the_affinity, clear_error),
        cmocka_unit_test_setup(cores_follow_the_quota, clear_error),
        cmocka_unit_test_setup(one_restart_at_most, clear_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
