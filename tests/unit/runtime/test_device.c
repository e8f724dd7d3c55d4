/* Backends by name, and the one restart that gives the BLAS its right kernel. */
// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on
#include "runtime/backends.h"
#include "runtime/cores.h"
#include "runtime/device.h"
#include "runtime/restart.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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
    if (un_device_count(UN_DEVICE_CUDA) > 0) skip();
    struct un_device *device;
    assert_int_equal(un_device_open("auto", 0, 3, &device), UN_OK);
    assert_int_equal(device->kind, UN_DEVICE_CPU);
    assert_int_equal(device->threads, un_cores_count());
    un_device_close(device);
    assert_int_equal(un_device_open("cuda", 0, 0, &device), UN_USAGE);
    const char *reason = un_device_count(UN_DEVICE_CUDA) < 0 ? "this build has no CUDA" : "no card answers";
    assert_non_null(strstr(un_error_get()->text, reason));
}

/* What this program says of itself when it is started as "PROGRAM --child 'x y'". */
static int child(int argc, char **argv) {
    un_restart_prepare(argv);
    const char *guard = getenv("UN_RESTARTED"), *core = getenv("OPENBLAS_CORETYPE");
    printf("%s %s %d %s\n", guard == NULL ? "-" : guard, core == NULL ? "-" : core, argc, argv[2]);
    return 0;
}

/* The remedy as a process without the variable sees it: this one may have been started with another kernel. */
static int remedy(void) {
    const char *core = un_cpu_blas_remedy(NULL);
    puts(core == NULL ? "-" : core);
    return 0;
}

/* First line of this program started as "PROGRAM ARGUMENTS" in that environment. */
static void say_of_child(const char *environment, const char *arguments, char *line, int size) {
    char self[512], command[1024];
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    assert_true(length > 0);
    self[length] = '\0';
    snprintf(
        command, sizeof command,
        "env -u OPENBLAS_CORETYPE -u UN_RESTARTED OMP_WAIT_POLICY=passive OPENBLAS_NUM_THREADS=1 %s %s %s "
        "2>/dev/null",
        environment, self, arguments);
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    assert_non_null(fgets(line, size, pipe));
    assert_int_equal(pclose(pipe), 0);
}

/* Whether this machine needs a remedy or not: the child ends in the state that needs none, arguments whole. */
static void few_restarts(void **state) {
    (void)state;
    char core[64], line[256], expected[256];
    say_of_child("", "--remedy", core, sizeof core);
    core[strcspn(core, "\n")] = '\0';
    print_message("remedy of this machine: %s\n", core);
    say_of_child("", "--child 'x y'", line, sizeof line);
    snprintf(expected, sizeof expected, "%s %s 3 x y\n", core, core);
    if (strcmp(core, "SAPPHIRERAPIDS") != 0) /* an OpenBLAS without it is started with another */
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
        cmocka_unit_test_setup(few_restarts, clear_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
