/* Checkpoints on one process: what is saved comes back bit for bit, the newest is found, old ones go. */
#include "io/checkpoint/folder.h"
#include "io/checkpoint/manifest.h"
#include "io/checkpoint/show.h"
#include "runtime/memory.h"
#include "tests/support/checkpoint_case.h"
#include "tests/support/expect.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { ROWS = 1100 }; /* 140,800 weights and a bias: three blocks, the last one short */

static int exists(const char *name) {
    char path[1024];
    snprintf(path, sizeof path, "%s/ckpt/%s", case_run, name);
    return access(path, F_OK) == 0;
}

static void test_round_trip(void **state) {
    (void)state;
    struct checkpoint_case k;
    uint64_t live = live_blocks();
    case_open(&k, ROWS, 0, 1);
    assert_true(k.params.total > 2 * UN_PARAM_BLOCK && k.params.total % UN_PARAM_BLOCK != 0);
    assert_string_equal(case_find(&k, "auto"), "");
    case_save(&k, 5000, 0);
    char param[UN_DIGEST_TEXT], state_digest[UN_DIGEST_TEXT], alone[UN_DIGEST_TEXT];
    strcpy(param, k.c.param_digest);
    strcpy(state_digest, k.c.state_digest);
    un_checkpoint_param_digest(k.c.p, k.params.total, alone);
    assert_string_equal(param, alone);
    assert_string_not_equal(param, state_digest);
    case_expect_newest(&k, 5000);
    assert_string_equal(k.c.param_digest, param);
    assert_string_equal(k.c.state_digest, state_digest);
    k.c.p[k.params.total - 1] += 1;
    un_checkpoint_param_digest(k.c.p, k.params.total, alone);
    assert_string_not_equal(param, alone);
    case_close(&k);
    assert_int_equal(live_blocks(), live);
}

static void test_parameters_alone(void **state) {
    (void)state;
    struct checkpoint_case k;
    case_open(&k, ROWS, 0, 1);
    case_save(&k, 5001, 0);
    float *m = k.c.m, *v = k.c.v;
    case_poison(&k);
    k.c.m = k.c.v = NULL;
    expect_ok(un_checkpoint_load(case_comm, case_file(5001, ""), &k.c));
    k.c.m = m;
    k.c.v = v;
    assert_int_equal(case_wrong(&k), 2 * k.params.total);
    case_close(&k);
}

static void test_find(void **state) {
    (void)state;
    struct checkpoint_case k;
    case_remove_tree(case_run);
    case_open(&k, 3, 0, 1);
    case_save(&k, 7, 0);
    case_save(&k, 123456789, 0); /* more than eight digits */
    assert_string_equal(case_find(&k, "none"), "");
    case_expect_newest(&k, 123456789);
    char path[1100];
    snprintf(path, sizeof path, "%s/ckpt/step_00000007//", case_run);
    case_find(&k, path);
    path[strlen(path) - 2] = '\0';
    assert_string_equal(case_found, path);
    expect_error(un_checkpoint_resume(case_comm, case_run, case_run, &k.c, case_found, sizeof case_found),
                 UN_USAGE, case_run, "manifest.json");
    expect_error(un_checkpoint_resume(case_comm, case_run, path, &k.c, case_found, 8), UN_USAGE, path);
    expect_error(un_checkpoint_load(case_comm, case_run, &k.c), UN_DATA, case_run, "manifest.json");
    case_close(&k);
}

static void test_keep(void **state) {
    (void)state;
    struct checkpoint_case k;
    case_remove_tree(case_run);
    case_open(&k, 3, 0, 1);
    for (int64_t step = 1; step <= 4; ++step) case_save(&k, step, 0);
    assert_true(exists("step_00000001"));
    mkdir(case_file(0, ""), 0777); /* no manifest: neither counted nor removed */
    case_save(&k, 5, 3);
    assert_true(exists("step_00000000") && !exists("step_00000001") && !exists("step_00000002"));
    assert_true(exists("step_00000003") && exists("step_00000004") && exists("step_00000005"));
    case_expect_newest(&k, 5);
    case_save(&k, 2, 1); /* resumed from an older one on purpose: its own save stays */
    assert_true(exists("step_00000002") && !exists("step_00000005"));
    case_close(&k);
}

static void test_keep_every(void **state) {
    (void)state;
    struct checkpoint_case k;
    case_remove_tree(case_run);
    case_open(&k, 3, 0, 1);
    for (int64_t step = 1; step <= 11; ++step) {
        case_fill(&k, step);
        expect_ok(case_write(case_comm, case_run, 2, 4, &k));
    }
    for (int64_t step = 1; step <= 11; ++step) {
        char name[32];
        snprintf(name, sizeof name, "step_%08lld", (long long)step);
        assert_int_equal(exists(name), step == 4 || step == 8 || step >= 10);
    }
    case_expect_newest(&k, 11);
    case_close(&k);
}

static void test_same_step_again(void **state) {
    (void)state;
    struct checkpoint_case k;
    case_remove_tree(case_run);
    case_open(&k, ROWS, 0, 1);
    case_save(&k, 9, 2);
    case_fill(&k, 8);
    k.c.step = 9;
    expect_ok(case_write(case_comm, case_run, 2, 0, &k));
    assert_false(exists("step_00000009.partial"));
    case_poison(&k);
    expect_ok(un_checkpoint_load(case_comm, case_find(&k, "auto"), &k.c));
    assert_int_equal(k.c.step, 9);
    k.c.step = 8;
    assert_int_equal(case_wrong(&k), 0);
    case_close(&k);
}

static void leave_partial(int64_t step) {
    char path[UN_PATH_MAX], inside[UN_PATH_MAX];
    expect_ok(un_checkpoint_folder_path(path, case_run, step, true));
    expect_ok(un_files_make_folder(path));
    expect_ok(un_files_join(inside, path, "shard_00000.h5.partial"));
    case_overwrite(inside, "x", 1);
}

static void test_leftovers(void **state) {
    (void)state;
    struct checkpoint_case k;
    case_remove_tree(case_run);
    case_open(&k, 3, 0, 1);
    case_save(&k, 1, 0);
    leave_partial(2);
    leave_partial(3);
    case_expect_newest(&k, 1);
    assert_false(exists("step_00000002.partial") || exists("step_00000003.partial"));
    leave_partial(2);
    case_save(&k, 4, 0);
    assert_false(exists("step_00000002.partial"));
    mkdir(case_file(5, ""), 0777);                 /* a folder of the right name without a manifest */
    case_overwrite(case_file(5, "other"), "x", 1); /* is not a checkpoint */
    case_expect_newest(&k, 4);
    case_close(&k);
}

static void test_other_training(void **state) {
    (void)state;
    struct checkpoint_case k, other;
    case_remove_tree(case_run);
    case_open(&k, 3, 0, 1);
    case_save(&k, 2, 0);
    case_find(&k, "auto");
    struct un_checkpoint c = k.c;
    c.lanes = 4;
    expect_error(un_checkpoint_load(case_comm, case_found, &c), UN_USAGE, case_found, "lanes", "5", "4");
    c = k.c;
    c.n_streams = 8;
    expect_error(un_checkpoint_load(case_comm, case_found, &c), UN_USAGE, "streams", "3", "8");
    c = k.c;
    c.seed = 43;
    expect_error(un_checkpoint_load(case_comm, case_found, &c), UN_USAGE, "seed", "18446744073709551614",
                 "43");
    c = k.c;
    c.plan_digest = 0xfeedu;
    expect_error(un_checkpoint_load(case_comm, case_found, &c), UN_USAGE, "data", "00123456789abcde",
                 "000000000000feed");
    case_open(&other, 4, 0, 1);
    expect_error(un_checkpoint_load(case_comm, case_found, &other.c), UN_USAGE, "uniter.test.weight",
                 "[3,128]", "[4,128]");
    case_close(&other);
    case_open(&other, 3, 0, 1);
    strcpy(other.params.list[1].name, "uniter.else.bias");
    expect_error(un_checkpoint_load(case_comm, case_found, &other.c), UN_USAGE, "uniter.test.bias",
                 "uniter.else.bias");
    other.params.n = 1;
    expect_error(un_checkpoint_load(case_comm, case_found, &other.c), UN_USAGE, "2", "1");
    other.params.n = 2;
    case_close(&other);
    case_close(&k);
}

static void test_list(void **state) {
    (void)state;
    struct checkpoint_case k;
    case_remove_tree(case_run);
    case_open(&k, 3, 0, 1);
    case_save(&k, 1, 0);
    case_save(&k, 2, 0);
    truncate(case_file(1, "shard_00000.h5"), 100);
    leave_partial(3);
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    expect_ok(un_checkpoint_list(case_run, out));
    fclose(out);
    assert_non_null(strstr(text, "step        1  broken"));
    assert_non_null(strstr(text, "step        2  complete"));
    assert_non_null(strstr(text, k.c.param_digest));
    assert_non_null(strstr(text, k.c.state_digest));
    assert_non_null(strstr(text, "step        3  incomplete"));
    assert_true(exists("step_00000003.partial")); /* looking removes nothing */
    free(text);
    case_close(&k);
}

static char *text_of(enum un_status (*body)(const char *path, FILE *out), const char *path,
                     enum un_status *status) {
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    *status = body(path, out);
    fclose(out);
    return text;
}

static void test_verify_and_show(void **state) {
    (void)state;
    struct checkpoint_case k;
    enum un_status status;
    size_t bytes;
    case_remove_tree(case_run);
    expect_error(un_checkpoint_verify(case_run, stdout), UN_USAGE, case_run);
    case_open(&k, ROWS, 0, 1);
    case_save(&k, 1, 0);
    case_save(&k, 2, 0);
    char *text = text_of(un_checkpoint_verify, case_run, &status);
    expect_ok(status);
    assert_true(strstr(text, "step        1  right") && strstr(text, "step        2  right"));
    free(text);
    char *shard = case_slurp(case_file(1, "shard_00000.h5"), &bytes);
    shard[bytes / 2] ^= 1; /* the list does not read so far, verify does */
    case_overwrite(case_file(1, "shard_00000.h5"), shard, bytes);
    free(shard);
    text = text_of(un_checkpoint_list, case_run, &status);
    expect_ok(status);
    assert_true(strstr(text, "step        1  complete") && strstr(text, "1 shard"));
    free(text);
    text = text_of(un_checkpoint_verify, case_run, &status);
    expect_error(status, UN_DATA, "1 broken");
    assert_true(strstr(text, "step        1  broken") && strstr(text, "step        2  right"));
    free(text);
    text = text_of(un_checkpoint_verify, case_file(2, ""), &status);
    expect_ok(status);
    free(text);
    text = text_of(un_checkpoint_show, case_run, &status);
    expect_ok(status);
    assert_true(strstr(text, "step          2\n") && strstr(text, "uniter.test.weight") &&
                strstr(text, "1100 x 128") && strstr(text, "stream 2") && strstr(text, k.c.param_digest));
    free(text);
    case_close(&k);
}

/* Each allocation of a save and a load fails once: an error, nothing lost, and the next attempt works. */
static void test_out_of_memory(void **state) {
    (void)state;
    struct checkpoint_case k;
    case_remove_tree(case_run);
    case_open(&k, 3, 0, 1);
    case_save(&k, 1, 0);
    uint64_t live = live_blocks();
    int failures = 0, well = 0; /* a few allocations may fail without harm: those of the sweep */
    for (uint64_t n = 1; well < 12; ++n) {
        case_fill(&k, 2);
        un_memory_fail_at(n);
        enum un_status status = case_write(case_comm, case_run, 0, 0, &k);
        if (status == UN_OK)
            status = un_checkpoint_resume(case_comm, case_run, "auto", &k.c, case_found, sizeof case_found);
        if (status == UN_OK) status = un_checkpoint_load(case_comm, case_found, &k.c);
        un_memory_fail_at(0);
        assert_int_equal(live_blocks(), live);
        failures += status != UN_OK;
        well = status == UN_OK ? well + 1 : 0;
        un_error_clear();
        assert_int_equal(
            un_checkpoint_resume(case_comm, case_run, "auto", &k.c, case_found, sizeof case_found), UN_OK);
        assert_true(case_found[0] != '\0');
    }
    assert_true(failures > 10);
    case_expect_newest(&k, 2);
    case_close(&k);
}

/* The run's folder is moved away behind the look at its owner: as if the owner's were another one, which is there. */
static void test_moved_away(void **state) {
    (void)state;
    char held[UN_PATH_MAX], gone[UN_PATH_MAX], path[UN_PATH_MAX];
    struct un_owner owner;
    expect_ok(un_files_join(held, case_run, "held"));
    expect_ok(un_files_join(gone, case_run, "gone"));
    expect_ok(un_owner_take(&owner, held, 1, 1));
    assert_int_equal(un_checkpoint_folder_begin(&owner, gone, 4), UN_IO);
    assert_non_null(strstr(un_error_get()->text, gone));
    un_error_clear();
    assert_int_equal(access(gone, F_OK), -1);
    expect_ok(un_files_join(path, held, "ckpt")); /* removed by hand: made again */
    assert_int_equal(rmdir(path), 0);
    expect_ok(un_checkpoint_folder_begin(&owner, held, 4));
    expect_ok(un_checkpoint_folder_begin(&owner, held, 4)); /* another rank was first */
    expect_ok(un_checkpoint_folder_path(path, held, 4, true));
    assert_int_equal(access(path, F_OK), 0);
    un_owner_release(&owner);
    case_remove_tree(held);
}

int main(void) {
    un_log_set(0, UN_LOG_ERROR); /* the warnings about what the tests break */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),    cmocka_unit_test(test_parameters_alone),
        cmocka_unit_test(test_find),          cmocka_unit_test(test_keep),
        cmocka_unit_test(test_keep_every),    cmocka_unit_test(test_same_step_again),
        cmocka_unit_test(test_leftovers),     cmocka_unit_test(test_other_training),
        cmocka_unit_test(test_list),          cmocka_unit_test(test_verify_and_show),
        cmocka_unit_test(test_out_of_memory), cmocka_unit_test(test_moved_away),
    };
    return cmocka_run_group_tests(tests, case_run_open, case_run_close);
}
