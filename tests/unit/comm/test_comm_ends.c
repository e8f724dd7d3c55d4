/* A rank that ends badly brings the others down in bounded time.
 *
 * Without a launcher this program starts itself under mpirun once for each bad end and looks at the exit code
 * and the time; under a launcher it is the rank that ends badly, or one of those that wait for it. Arguments:
 * mpirun and its options, given by CMake. */
#include "comm/comm.h"
#include "comm/launcher.h"
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

enum { ARGUMENTS_MAX = 32, LIMIT_SECONDS = 20 };

static char **launcher_words; /* set once by main: cmocka's tests take no arguments */
static int launcher_count;

/* Ranks other than 1 wait in a collective that rank 1 never joins. */
static int be_rank(int argc, char **argv) {
    const char *how = argv[argc - 1];
    struct un_comm *c = NULL;
    if (un_comm_open(&argc, &argv, &c) != UN_OK) return 1;
    if (c->ops->barrier(c) != UN_OK) return 1;
    if (c->rank == 1) {
        if (strcmp(how, "abort") == 0) {
            fprintf(stderr, "rank 1 has bad data\n");
            c->ops->abort(c, 65);
        }
        if (strcmp(how, "kill") == 0) raise(SIGKILL);
        if (strcmp(how, "leave") == 0) _exit(74); /* without a word to the others */
    }
    c->ops->barrier(c);
    un_comm_close(c);
    return 0;
}

/* Exit code of `mpirun ... self how`, -1 when it was killed by a signal (of `timeout`); *said what it
 * printed. */
static int start_ranks(const char *how, double *seconds, char *said, size_t size) {
    char *words[ARGUMENTS_MAX] = {NULL};
    char self[4096];
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    assert_true(length > 0 && launcher_count + 3 < ARGUMENTS_MAX);
    self[length] = '\0';
    memcpy(words, launcher_words, (size_t)launcher_count * sizeof *words);
    words[launcher_count] = self;
    words[launcher_count + 1] = (char *)how;
    int pipes[2];
    assert_int_equal(pipe(pipes), 0);
    struct timespec begin, end;
    clock_gettime(CLOCK_MONOTONIC, &begin);
    pid_t pid = fork();
    if (pid == 0) {
        dup2(pipes[1], 1);
        dup2(pipes[1], 2);
        close(pipes[0]);
        close(pipes[1]);
        execvp(words[0], words);
        _exit(127);
    }
    close(pipes[1]);
    size_t used = 0;
    char spill[256];
    for (ssize_t n = 1; n > 0;) {
        bool full = used + 1 >= size;
        n = read(pipes[0], full ? spill : said + used, full ? sizeof spill : size - 1 - used);
        if (n > 0 && !full) used += (size_t)n;
    }
    said[used] = '\0';
    close(pipes[0]);
    int ended;
    waitpid(pid, &ended, 0);
    clock_gettime(CLOCK_MONOTONIC, &end);
    *seconds = (double)(end.tv_sec - begin.tv_sec) + 1e-9 * (double)(end.tv_nsec - begin.tv_nsec);
    return WIFEXITED(ended) ? WEXITSTATUS(ended) : -1;
}

static void expect(const char *how, int code, const char *text) {
    double seconds;
    char said[8192];
    int got = start_ranks(how, &seconds, said, sizeof said);
    if (got != code || seconds > LIMIT_SECONDS)
        print_message("%s: code %d, %.1f s\n%s\n", how, got, seconds, said);
    assert_int_equal(got, code);
    assert_true(seconds < LIMIT_SECONDS);
    if (text) assert_non_null(strstr(said, text));
}

static void test_good_end(void **state) {
    (void)state;
    expect("none", 0, NULL);
}

static void test_abort(void **state) {
    (void)state;
    expect("abort", 65, "rank 1 has bad data");
}

static void test_killed(void **state) {
    (void)state;
    expect("kill", 128 + SIGKILL, NULL);
}

static void test_left(void **state) {
    (void)state;
    expect("leave", 74, NULL);
}

int main(int argc, char **argv) {
    if (un_launcher_find().name) return be_rank(argc, argv);
    launcher_words = argv + 1;
    launcher_count = argc - 1;
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_good_end), cmocka_unit_test(test_abort),
                                       cmocka_unit_test(test_killed), cmocka_unit_test(test_left)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
