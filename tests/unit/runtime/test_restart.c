/* The restart with a BLAS that complains on order, and OpenMP's spinning; and cards dealt over ranks: this
 * program is linked with restart.c and device.c themselves and plays their backends. It starts itself as a child and reads what that says
 * after all restarts. */
// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on
#include "runtime/backends.h"
#include "runtime/device.h"
#include "runtime/restart.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* TEST_BLAS: "slow" wants a remedy until the variable is set, "picky" then another one, "hopeless" goes on wanting them
 * until none is left, else it is content. */
const char *un_cpu_blas_remedy(const char *tried) {
    const char *blas = getenv("TEST_BLAS");
    if (blas == NULL || (tried == NULL && getenv("OPENBLAS_CORETYPE") != NULL)) return NULL;
    const bool hopeless = strcmp(blas, "hopeless") == 0, picky = strcmp(blas, "picky") == 0;
    if (tried == NULL) return hopeless || picky || strcmp(blas, "slow") == 0 ? "TESTCORE" : NULL;
    if (strcmp(tried, "TESTCORE") == 0) return hopeless || picky ? "OTHER" : NULL;
    return hopeless && strcmp(tried, "OTHER") == 0 ? "LAST" : NULL;
}

enum un_status un_cpu_open(int threads, struct un_device **device) {
    *device = NULL;
    return un_fail(UN_INTERNAL, "%d threads asked for", threads);
}

int un_cuda_count(void) {
    return 2;
}

enum un_status un_cuda_open(int ordinal, struct un_device **device) {
    *device = NULL;
    return un_fail(UN_INTERNAL, "card %d asked for", ordinal);
}

/* `ps`, `top` and `pkill` must go on finding the program. */
static void check_name(void) {
    char name[32] = "", want[16] = "";
    FILE *comm = fopen("/proc/self/comm", "re");
    if (comm == NULL || fgets(name, sizeof name, comm) == NULL) exit(1);
    fclose(comm);
    name[strcspn(name, "\n")] = '\0';
    memcpy(want, program_invocation_short_name, strnlen(program_invocation_short_name, sizeof want - 1));
    if (strcmp(name, want) != 0) printf("called %s ", name);
}

static int child(int argc, char **argv) {
    un_restart_prepare(argv);
    check_name();
    static const char *const variable[] = {"UN_RESTARTED", "OPENBLAS_CORETYPE", "GOMP_SPINCOUNT",
                                           "OPENBLAS_NUM_THREADS"};
    for (int i = 0; i < 4; ++i) printf("%s ", getenv(variable[i]) == NULL ? "-" : getenv(variable[i]));
    printf("%d %s\n", argc, argv[2]);
    return 0;
}

/* All that a child with these variables prints, log lines first. */
static void check_child(const char *environment, const char *expected) {
    char self[512], command[1024], said[1024];
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    assert_true(length > 0);
    self[length] = '\0';
    snprintf(command, sizeof command,
             "env -u OPENBLAS_CORETYPE -u GOMP_SPINCOUNT -u OMP_WAIT_POLICY -u UN_RESTARTED -u "
             "OPENBLAS_NUM_THREADS -u "
             "OMPI_COMM_WORLD_RANK "
             "-u PMIX_RANK -u PMI_RANK -u SLURM_PROCID %s %s --child 'x y' 2>&1",
             environment, self);
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    said[fread(said, 1, sizeof said - 1, pipe)] = '\0';
    assert_int_equal(pclose(pipe), 0);
    assert_string_equal(said, expected);
}

#define LINE_OF(core)                                                                                        \
    "uniter[0] OpenBLAS chose a slow kernel for this processor: starting anew with "                         \
    "OPENBLAS_CORETYPE=" core "\n"
#define LOG_LINE LINE_OF("TESTCORE")

static void starts_anew(void **state) {
    (void)state;
    check_child("TEST_BLAS=content OMP_WAIT_POLICY=passive OPENBLAS_NUM_THREADS=3", "- - - 3 3 x y\n");
    check_child("TEST_BLAS=content OMP_WAIT_POLICY=passive", "1 - - 1 3 x y\n");
    check_child("TEST_BLAS=content", "1 - 3000 1 3 x y\n");
    check_child("TEST_BLAS=content OPENBLAS_NUM_THREADS=3", "1 - 3000 3 3 x y\n");
    check_child("TEST_BLAS=slow", LOG_LINE "TESTCORE TESTCORE 3000 1 3 x y\n");
    check_child("TEST_BLAS=slow GOMP_SPINCOUNT=7", LOG_LINE "TESTCORE TESTCORE 7 1 3 x y\n");
    check_child("TEST_BLAS=picky", LOG_LINE LINE_OF("OTHER") "OTHER OTHER 3000 1 3 x y\n");
    check_child("TEST_BLAS=hopeless", LOG_LINE LINE_OF("OTHER") LINE_OF("LAST") "LAST LAST 3000 1 3 x y\n");
    check_child("TEST_BLAS=hopeless UN_RESTARTED=1", "1 - - - 3 x y\n");
    check_child("TEST_BLAS=slow OPENBLAS_CORETYPE=Mine GOMP_SPINCOUNT=7 OPENBLAS_NUM_THREADS=1",
                "- Mine 7 1 3 x y\n");
}

/* Of many ranks one speaks, before any of them knows its rank from MPI. */
static void one_rank_speaks(void **state) {
    (void)state;
    check_child("TEST_BLAS=slow OMPI_COMM_WORLD_RANK=0", LOG_LINE "TESTCORE TESTCORE 3000 1 3 x y\n");
    check_child("TEST_BLAS=slow OMPI_COMM_WORLD_RANK=5", "TESTCORE TESTCORE 3000 1 3 x y\n");
    check_child("TEST_BLAS=slow SLURM_PROCID=1", "TESTCORE TESTCORE 3000 1 3 x y\n");
}

static void check_open(const char *name, int threads, int ordinal, const char *expected) {
    struct un_device *device;
    un_error_clear();
    assert_int_equal(un_device_open(name, threads, ordinal, &device), UN_INTERNAL);
    assert_int_equal(strncmp(un_error_get()->text, expected, strlen(expected)), 0);
}

/* Two cards: auto takes one, ranks are dealt over them; cpu stays cpu. */
static void cards_are_dealt(void **state) {
    (void)state;
    check_open("auto", 4, 0, "card 0 asked for");
    check_open("auto", 4, 1, "card 1 asked for");
    check_open("cuda", 4, 5, "card 1 asked for");
    check_open("cuda", 4, -1, "card 0 asked for");
    check_open("cpu", 4, 5, "4 threads asked for");
}

int main(int argc, char **argv) {
    if (argc == 3 && strcmp(argv[1], "--child") == 0) return child(argc, argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(starts_anew),
        cmocka_unit_test(one_rank_speaks),
        cmocka_unit_test(cards_are_dealt),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
