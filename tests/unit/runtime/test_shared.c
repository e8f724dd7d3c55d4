/* Memory that processes of one host share: what one puts in, another finds; what is not it is not taken for it. */
#include "runtime/memory.h"
#include "runtime/shared.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static const char first[] = "the first piece", second[] = "the second, behind it";
static char why[UN_SHARED_WHY];

static void make(struct un_shared *s, struct un_shared_name *name) {
    assert_true(un_shared_make(s, why));
    assert_true(un_shared_put(s, first, sizeof first, why));
    assert_true(un_shared_put(s, second, sizeof second, why));
    assert_true(un_shared_seal(s, name, why));
}

static bool right(const struct un_shared *s) {
    const char *data = s->data;
    return s->bytes == UN_ALIGN + sizeof second && (uintptr_t)data % UN_ALIGN == 0 &&
           memcmp(data, first, sizeof first) == 0 && memcmp(data + UN_ALIGN, second, sizeof second) == 0 &&
           un_shared_holds(s, data + s->bytes - 1) && !un_shared_holds(s, data + s->bytes);
}

/* What another process finds: 0 all of it, 1 nothing, 2 something else. */
static int found_by_child(const struct un_shared_name *name) {
    int status;
    pid_t child = fork();
    if (child == 0) {
        struct un_shared s;
        int code = !un_shared_open(&s, name, why) ? 1 : right(&s) ? 0 : 2;
        un_shared_close(&s);
        _exit(code);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void test_found(void **state) {
    (void)state;
    struct un_shared s, again;
    struct un_shared_name name;
    make(&s, &name);
    assert_true(right(&s));
    assert_int_equal(found_by_child(&name), 0);
    assert_true(un_shared_open(&again, &name, why));
    un_shared_hide(&s);
    assert_int_equal(found_by_child(&name), 1);
    un_shared_close(&s);
    assert_true(right(&again)); /* who has it keeps it */
    un_shared_close(&again);
    un_shared_close(&again);
}

static void test_sealed(void **state) {
    (void)state;
    struct un_shared s;
    struct un_shared_name name;
    make(&s, &name);
    assert_int_equal(pwrite(s.fd, "x", 1, UN_ALIGN), -1);
    assert_int_equal(ftruncate(s.fd, 1), -1);
    assert_ptr_equal(mmap(NULL, 1, PROT_READ | PROT_WRITE, MAP_SHARED, s.fd, 0), MAP_FAILED);
    un_shared_close(&s);
}

/* Each wrong in one thing alone. */
static void test_not_taken(void **state) {
    (void)state;
    struct un_shared s, other;
    struct un_shared_name name, wrong;
    int pipes[2], plain = memfd_create("uniter", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    make(&s, &name);
    make(&other, &wrong);
    memcpy(wrong.token, name.token, sizeof wrong.token);
    assert_false(
        un_shared_open(&other, &wrong, why)); /* another's file, as after a PID of another container */
    wrong = name, wrong.token[1] ^= 1;
    assert_false(un_shared_open(&other, &wrong, why));
    wrong = name, wrong.bytes -= 1;
    assert_false(un_shared_open(&other, &wrong, why));
    wrong = name, wrong.pid = 1 << 30;
    assert_false(un_shared_open(&other, &wrong, why));
    assert_non_null(strstr(why, "/proc/1073741824/fd/"));
    assert_int_equal(pipe(pipes), 0);
    wrong = name, wrong.fd = pipes[0];
    assert_false(un_shared_open(&other, &wrong, why));
    assert_int_equal(ftruncate(plain, UN_ALIGN + name.bytes), 0);
    assert_int_equal(pwrite(plain, name.token, sizeof name.token, 0), sizeof name.token);
    wrong = name, wrong.fd = plain; /* as ours, but not sealed: it could shrink under who reads it */
    assert_false(un_shared_open(&other, &wrong, why));
    assert_int_equal(fcntl(plain, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE), 0);
    assert_true(un_shared_open(&other, &wrong, why));
    un_shared_close(&other);
    close(pipes[0]), close(pipes[1]), close(plain);
    un_shared_close(&s);
}

static int open_files(void) {
    int n = 0;
    for (int fd = 0; fd < 256; ++fd) n += fcntl(fd, F_GETFD) >= 0;
    return n;
}

static void test_nothing_left(void **state) {
    (void)state;
    int before = open_files();
    test_found(NULL);
    test_sealed(NULL);
    struct un_shared s;
    assert_true(un_shared_make(&s, why));
    assert_int_equal(fcntl(s.fd, F_ADD_SEALS, F_SEAL_WRITE), 0);
    assert_false(un_shared_put(&s, first, sizeof first, why));
    assert_non_null(strstr(why, "memfd: "));
    assert_int_equal(open_files(), before);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_found),
        cmocka_unit_test(test_sealed),
        cmocka_unit_test(test_not_taken),
        cmocka_unit_test(test_nothing_left),
    };
    return cmocka_run_group_tests_name("runtime/shared", tests, NULL, NULL);
}
