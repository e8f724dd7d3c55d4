/* Checkpoints on one process: what is saved comes back bit for bit; what is damaged is never taken for whole.
 */
#include "io/checkpoint_folder.h"
#include "io/manifest.h"
#include "io/manifest_private.h"
#include "runtime/memory.h"
#include "tests/data/checkpoint_case.h"
#include "tests/data/expect.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { ROWS = 1100 }; /* 140,800 weights and a bias: three blocks, the last one short */

static struct un_comm *comm;
static char run[512], folder[1024];

static int open_run(void **state) {
    (void)state;
    snprintf(run, sizeof run, "%s/run", scratch_folder());
    un_error_clear();
    return un_comm_open_self(&comm);
}

static int close_run(void **state) {
    (void)state;
    un_comm_close(comm);
    case_remove_tree(run);
    scratch_remove();
    return 0;
}

static void save(struct checkpoint_case *k, int64_t step, int64_t keep) {
    case_fill(k, step);
    expect_ok(un_checkpoint_save(comm, run, keep, &k->c));
}

static const char *find(const char *how) {
    expect_ok(un_checkpoint_find(comm, run, how, folder, sizeof folder));
    return folder;
}

/* find(auto) must give this step, and it must be what was saved. */
static void expect_newest(struct checkpoint_case *k, int64_t step) {
    char expected[1024];
    snprintf(expected, sizeof expected, "%s/ckpt/step_%08lld", run, (long long)step);
    assert_string_equal(find("auto"), expected);
    case_poison(k);
    expect_ok(un_checkpoint_load(comm, folder, &k->c));
    assert_int_equal(k->c.step, step);
    assert_int_equal(case_wrong(k), 0);
}

static int exists(const char *name) {
    char path[1024];
    snprintf(path, sizeof path, "%s/ckpt/%s", run, name);
    return access(path, F_OK) == 0;
}

static char *file_of(int64_t step, const char *name) {
    static char path[1024];
    snprintf(path, sizeof path, "%s/ckpt/step_%08lld/%s", run, (long long)step, name);
    return path;
}

static void overwrite(const char *path, const void *data, size_t bytes) {
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, bytes, f), bytes);
    fclose(f);
}

static char *slurp(const char *path, size_t *bytes) {
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    fseek(f, 0, SEEK_END);
    *bytes = (size_t)ftell(f);
    rewind(f);
    char *text = calloc(*bytes + 1, 1);
    assert_int_equal(fread(text, 1, *bytes, f), *bytes);
    fclose(f);
    return text;
}

static void test_round_trip(void **state) {
    (void)state;
    struct checkpoint_case k;
    uint64_t live = live_blocks();
    case_open(&k, ROWS, 0, 1);
    assert_true(k.params.total > 2 * UN_CKPT_BLOCK && k.params.total % UN_CKPT_BLOCK != 0);
    assert_string_equal(find("auto"), "");
    save(&k, 5000, 0);
    char param[UN_DIGEST_TEXT], state_digest[UN_DIGEST_TEXT], alone[UN_DIGEST_TEXT];
    strcpy(param, k.c.param_digest);
    strcpy(state_digest, k.c.state_digest);
    un_checkpoint_param_digest(k.c.p, k.params.total, alone);
    assert_string_equal(param, alone);
    assert_string_not_equal(param, state_digest);
    expect_newest(&k, 5000);
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
    save(&k, 5001, 0);
    float *m = k.c.m, *v = k.c.v;
    case_poison(&k);
    k.c.m = k.c.v = NULL;
    expect_ok(un_checkpoint_load(comm, file_of(5001, ""), &k.c));
    k.c.m = m;
    k.c.v = v;
    assert_int_equal(case_wrong(&k), 2 * k.params.total);
    case_close(&k);
}

static void test_find(void **state) {
    (void)state;
    struct checkpoint_case k;
    case_remove_tree(run);
    case_open(&k, 3, 0, 1);
    save(&k, 7, 0);
    save(&k, 123456789, 0); /* more than eight digits */
    assert_string_equal(find("none"), "");
    expect_newest(&k, 123456789);
    char path[1100];
    snprintf(path, sizeof path, "%s/ckpt/step_00000007//", run);
    find(path);
    path[strlen(path) - 2] = '\0';
    assert_string_equal(folder, path);
    expect_error(un_checkpoint_find(comm, run, run, folder, sizeof folder), UN_USAGE, run, "manifest.json");
    expect_error(un_checkpoint_find(comm, run, path, folder, 8), UN_USAGE, path);
    expect_error(un_checkpoint_load(comm, run, &k.c), UN_DATA, run, "manifest.json");
    case_close(&k);
}

static void test_keep(void **state) {
    (void)state;
    struct checkpoint_case k;
    case_remove_tree(run);
    case_open(&k, 3, 0, 1);
    for (int64_t step = 1; step <= 4; ++step) save(&k, step, 0);
    assert_true(exists("step_00000001"));
    mkdir(file_of(0, ""), 0777); /* no manifest: neither counted nor removed */
    save(&k, 5, 3);
    assert_true(exists("step_00000000") && !exists("step_00000001") && !exists("step_00000002"));
    assert_true(exists("step_00000003") && exists("step_00000004") && exists("step_00000005"));
    expect_newest(&k, 5);
    save(&k, 2, 1); /* resumed from an older one on purpose: its own save stays */
    assert_true(exists("step_00000002") && !exists("step_00000005"));
    case_close(&k);
}

static void test_same_step_again(void **state) {
    (void)state;
    struct checkpoint_case k;
    case_remove_tree(run);
    case_open(&k, ROWS, 0, 1);
    save(&k, 9, 2);
    case_fill(&k, 8);
    k.c.step = 9;
    expect_ok(un_checkpoint_save(comm, run, 2, &k.c));
    assert_false(exists("step_00000009.partial"));
    case_poison(&k);
    expect_ok(un_checkpoint_load(comm, find("auto"), &k.c));
    assert_int_equal(k.c.step, 9);
    k.c.step = 8;
    assert_int_equal(case_wrong(&k), 0);
    case_close(&k);
}

static void leave_partial(int64_t step) {
    char path[UN_PATH_MAX], inside[UN_PATH_MAX];
    expect_ok(un_checkpoint_folder_path(path, run, step, true));
    expect_ok(un_files_make_folder(path));
    expect_ok(un_files_join(inside, path, "shard_00000.h5.partial"));
    overwrite(inside, "x", 1);
}

static void test_leftovers(void **state) {
    (void)state;
    struct checkpoint_case k;
    case_remove_tree(run);
    case_open(&k, 3, 0, 1);
    save(&k, 1, 0);
    leave_partial(2);
    leave_partial(3);
    expect_newest(&k, 1);
    assert_false(exists("step_00000002.partial") || exists("step_00000003.partial"));
    leave_partial(2);
    save(&k, 4, 0);
    assert_false(exists("step_00000002.partial"));
    mkdir(file_of(5, ""), 0777);            /* a folder of the right name without a manifest */
    overwrite(file_of(5, "other"), "x", 1); /* is not a checkpoint */
    expect_newest(&k, 4);
    case_close(&k);
}

/* Damages the newest of two; auto falls back to the older one, and asking for it by name is an error with the
 * words. */
static void expect_damaged(struct checkpoint_case *k, const char *word) {
    assert_string_equal(find("auto") + strlen(folder) - 13, "step_00000001");
    char path[1024];
    snprintf(path, sizeof path, "%s", file_of(2, ""));
    expect_error(un_checkpoint_load(comm, path, &k->c), UN_DATA, "step_00000002", word);
}

static void test_damaged_shard(void **state) {
    (void)state;
    struct checkpoint_case k;
    case_remove_tree(run);
    case_open(&k, ROWS, 0, 1);
    save(&k, 1, 0);
    save(&k, 2, 0);
    size_t bytes;
    char *shard = slurp(file_of(2, "shard_00000.h5"), &bytes);
    for (size_t at = 0; at < bytes; at += bytes / 13) { /* head, arrays, tail */
        shard[at] ^= 0x10;
        overwrite(file_of(2, "shard_00000.h5"), shard, bytes);
        expect_damaged(&k, "digest");
        shard[at] ^= 0x10;
    }
    overwrite(file_of(2, "shard_00000.h5"), shard, bytes - 1);
    expect_damaged(&k, "bytes long");
    overwrite(file_of(2, "shard_00000.h5"), shard, 0);
    expect_damaged(&k, "bytes long");
    remove(file_of(2, "shard_00000.h5"));
    expect_damaged(&k, "missing");
    mkfifo(file_of(2, "shard_00000.h5"), 0666); /* must not hang */
    expect_error(un_checkpoint_load(comm, "", &k.c), UN_DATA, "manifest.json");
    char path[1024];
    snprintf(path, sizeof path, "%s", file_of(2, ""));
    expect_error(un_checkpoint_load(comm, path, &k.c), UN_IO, "not a regular file");
    remove(file_of(2, "shard_00000.h5"));
    overwrite(file_of(2, "shard_00000.h5"), shard, bytes);
    expect_newest(&k, 2);
    free(shard);
    case_close(&k);
}

/* Any one changed byte, and any shorter file. */
static void test_damaged_manifest(void **state) {
    (void)state;
    struct checkpoint_case k;
    case_remove_tree(run);
    case_open(&k, 3, 0, 1);
    save(&k, 1, 0);
    save(&k, 2, 0);
    size_t bytes;
    char *text = slurp(file_of(2, "manifest.json"), &bytes);
    struct un_manifest m;
    for (size_t at = 0; at < bytes; ++at) {
        text[at] ^= 0x01;
        assert_int_equal(un_manifest_parse(&m, "m", text, bytes), UN_DATA);
        un_error_clear();
        un_manifest_free(&m);
        text[at] ^= 0x01;
        assert_int_equal(un_manifest_parse(&m, "m", text, at), UN_DATA);
        un_error_clear();
        un_manifest_free(&m);
    }
    expect_ok(un_manifest_parse(&m, "m", text, bytes));
    un_manifest_free(&m);
    overwrite(file_of(2, "manifest.json"), "{}\n", 3);
    expect_damaged(&k, "manifest");
    overwrite(file_of(2, "manifest.json"), text, bytes / 2);
    expect_damaged(&k, "truncated");
    overwrite(file_of(2, "manifest.json"), "", 0);
    expect_damaged(&k, "0 bytes");
    free(text);
    case_close(&k);
}

/* The text with `from` replaced by `to` (or, for from == NULL, all of it) and an honest digest at its end. */
static char *forge(const char *text, const char *from, const char *to) {
    const char *tail = strstr(text, UN_MANIFEST_TAIL_BEGIN), *at = from ? strstr(text, from) : text;
    assert_non_null(tail);
    assert_non_null(at);
    assert_true(at < tail);
    size_t skip = from ? strlen(from) : (size_t)(tail - text), size = strlen(text) + strlen(to) + 256;
    char *forged = calloc(size, 1), hex[UN_DIGEST_TEXT];
    snprintf(forged, size, "%.*s%s%.*s", (int)(at - text), text, to, (int)(tail - at - (ptrdiff_t)skip),
             at + skip);
    struct un_digest own = un_digest_of(forged, strlen(forged));
    un_digest_print(&own, hex);
    strcat(forged, UN_MANIFEST_TAIL_BEGIN);
    strcat(forged, hex);
    strcat(forged, UN_MANIFEST_TAIL_END);
    return forged;
}

/* Every value that breaks a rule is refused with its key, although the digest is right. */
static void test_hostile_manifest(void **state) {
    (void)state;
    static const struct {
        const char *from, *to, *word;
    } forgeries[] = {
        {NULL, "", "not JSON"},
        {NULL, "[1, 2,", "not JSON"},
        {NULL, "{\"format\": \"uniter-checkpoint\",", "version"},
        {"uniter-checkpoint", "uniter-something", "format"},
        {"\"version\": 1", "\"version\": 2", "version"},
        {"\"version\": 1", "\"version\": 1.0", "version"},
        {"\"step\": 2", "\"step\": -2", "step"},
        {"\"step\": 2", "\"step\": 4294967296", "step"},
        {"\"step\": 2", "\"step\": 99999999999999999999", "not JSON"},
        {"\"step\": 2", "\"step\": \"2\"", "step"},
        {"\"step\": 2,", "\"step\": 2, \"step\": 3,", "not JSON"},
        {"\"step\": 2,", "", "step"},
        {"18446744073709551614", "-1", "seed"},
        {"18446744073709551614", "18446744073709551616", "seed"},
        {"18446744073709551614", " 42", "seed"},
        {"00123456789abcde", "123456789abcde", "plan_digest"},
        {"00123456789abcde", "x0123456789abcde", "plan_digest"},
        {"\"lanes\": 5", "\"lanes\": 0", "lanes"},
        {"\"lanes\": 5", "\"lanes\": 4", "states"},
        {"\"lanes\": 5", "\"lanes\": 16000000", "states"},
        {"\"lanes\": 5", "\"lanes\": 9000000000000000000", "lanes"},
        {"\"streams\": 3", "\"streams\": 2", "states[0]"},
        {"\"streams\": 3", "\"streams\": 81", "streams"},
        {"\"states\": [", "\"states\": [7, ", "states"},
        {"\"states\": [\n [1,", "\"states\": [\n [-2,", "states[0]"},
        {"\"states\": [\n [1,", "\"states\": [\n [3,", "states[0]"},
        {"\"states\": [\n [1,0,", "\"states\": [\n [1,-1,", "states[0]"},
        {"\"states\": [\n [1,0,", "\"states\": [\n [1,null,", "states[0]"},
        {"\"states\": [\n [1,0,", "\"states\": [\n [1,1e3,", "states[0]"},
        {"\"total\": ", "\"total\": 9", "shards"},
        {"\"total\": ", "\"total\": -", "total"},
        {"\"total\": ", "\"total\": 1, \"t\": ", "params[0]"},
        {"[3,128]", "[3,129]", "params[1].offset"},
        {"[3,128]", "[3,-128]", "params[0].shape"},
        {"[3,128]", "[3,128,1]", "params[0].shape"},
        {"[3,128]", "[]", "params[0].shape"},
        {"[3,128]", "[4611686018427387904,4]", "params[0].shape"},
        {"[3,128]", "3", "params[0].shape"},
        {"uniter.test.weight", "", "params[0].name"},
        {"uniter.test.weight", "a\\u0000b", "not JSON"},
        {"\"uniter.test.weight\"", "7", "params[0].name"},
        {"\"offset\":0", "\"offset\":-1", "params[0].offset"},
        {"\"offset\":0", "\"offset\":1000", "params[0].offset"},
        {"\"params\": [", "\"params\": [null,", "params[0]"},
        {"shard_00000.h5", "../shard_00000.h5", "shards[0].file"},
        {"shard_00000.h5", "/etc/passwd", "shards[0].file"},
        {"shard_00000.h5", ".", "shards[0].file"},
        {"shard_00000.h5", "", "shards[0].file"},
        {"\"first\":0", "\"first\":1", "shards[0].first"},
        {"\"count\":", "\"count\":0, \"c\":", "shards[0].count"},
        {"\"count\":", "\"count\":1, \"c\":", "shards"},
        {"\"count\":", "\"count\":9", "shards[0].count"},
        {"\"bytes\":", "\"bytes\":-", "shards[0].bytes"},
        {"\"xxh3_128\":\"", "\"xxh3_128\":\"0", "shards[0].xxh3_128"},
        {"\"param_digest\": \"", "\"param_digest\": \"G", "param_digest"},
        {"\"state_digest\"", "\"state_digest_\"", "state_digest"},
    };
    struct checkpoint_case k;
    case_remove_tree(run);
    case_open(&k, 3, 0, 1);
    save(&k, 2, 0);
    size_t bytes;
    char *text = slurp(file_of(2, "manifest.json"), &bytes);
    uint64_t live = live_blocks();
    for (size_t i = 0; i < sizeof forgeries / sizeof *forgeries; ++i) {
        struct un_manifest m;
        char *forged = forge(text, forgeries[i].from, forgeries[i].to);
        enum un_status status = un_manifest_parse(&m, "m", forged, strlen(forged));
        if (status != UN_DATA || !strstr(un_error_get()->text, forgeries[i].word))
            fail_msg("forgery %zu (%s): status %d, \"%s\"", i, forgeries[i].to, (int)status,
                     un_error_get()->text);
        un_error_clear();
        un_manifest_free(&m);
        free(forged);
    }
    assert_int_equal(live_blocks(), live);
    /* An honest forgery passes, so the digest was not what refused the others. */
    char *honest = forge(text, "\"step\": 2", "\"step\": 3");
    struct un_manifest m;
    expect_ok(un_manifest_parse(&m, "m", honest, strlen(honest)));
    assert_int_equal(m.step, 3);
    un_manifest_free(&m);
    overwrite(file_of(2, "manifest.json"), honest, strlen(honest)); /* but it is not the step of its folder */
    expect_error(un_checkpoint_find(comm, run, "auto", folder, sizeof folder), UN_DATA, "broken");
    free(honest);
    free(text);
    case_close(&k);
}

/* Digests of files are right, but what they hold is not what the manifest says of the whole. */
static void test_wrong_content(void **state) {
    (void)state;
    struct checkpoint_case k;
    case_remove_tree(run);
    case_open(&k, 3, 0, 1);
    save(&k, 2, 0);
    size_t bytes;
    char *text = slurp(file_of(2, "manifest.json"), &bytes), wrong[64], path[1024];
    snprintf(path, sizeof path, "%s", file_of(2, ""));
    const char *const names[] = {"param_digest", "state_digest"};
    for (int i = 0; i < 2; ++i) {
        snprintf(wrong, sizeof wrong, "\"%s\": \"", names[i]);
        char right[64];
        snprintf(right, sizeof right, "\"%s\": \"%.4s", names[i], strstr(text, wrong) + strlen(wrong));
        snprintf(wrong, sizeof wrong, "\"%s\": \"%s", names[i], strstr(right, "0000") ? "1111" : "0000");
        char *forged = forge(text, right, wrong);
        overwrite(file_of(2, "manifest.json"), forged, strlen(forged));
        expect_error(un_checkpoint_load(comm, path, &k.c), UN_DATA, names[i]);
        free(forged);
    }
    free(text);
    case_close(&k);
}

static void test_other_training(void **state) {
    (void)state;
    struct checkpoint_case k, other;
    case_remove_tree(run);
    case_open(&k, 3, 0, 1);
    save(&k, 2, 0);
    find("auto");
    struct un_checkpoint c = k.c;
    c.lanes = 4;
    expect_error(un_checkpoint_load(comm, folder, &c), UN_USAGE, folder, "lanes", "5", "4");
    c = k.c;
    c.n_streams = 8;
    expect_error(un_checkpoint_load(comm, folder, &c), UN_USAGE, "streams", "3", "8");
    c = k.c;
    c.seed = 43;
    expect_error(un_checkpoint_load(comm, folder, &c), UN_USAGE, "seed", "18446744073709551614", "43");
    c = k.c;
    c.plan_digest = 0xfeedu;
    expect_error(un_checkpoint_load(comm, folder, &c), UN_USAGE, "data", "00123456789abcde",
                 "000000000000feed");
    case_open(&other, 4, 0, 1);
    expect_error(un_checkpoint_load(comm, folder, &other.c), UN_USAGE, "uniter.test.weight", "[3,128]",
                 "[4,128]");
    case_close(&other);
    case_open(&other, 3, 0, 1);
    strcpy(other.params.list[1].name, "uniter.else.bias");
    expect_error(un_checkpoint_load(comm, folder, &other.c), UN_USAGE, "uniter.test.bias",
                 "uniter.else.bias");
    other.params.n = 1;
    expect_error(un_checkpoint_load(comm, folder, &other.c), UN_USAGE, "2", "1");
    other.params.n = 2;
    case_close(&other);
    case_close(&k);
}

static void test_all_broken(void **state) {
    (void)state;
    struct checkpoint_case k;
    case_remove_tree(run);
    case_open(&k, 3, 0, 1);
    save(&k, 1, 0);
    save(&k, 2, 0);
    truncate(file_of(1, "shard_00000.h5"), 100);
    truncate(file_of(2, "shard_00000.h5"), 100);
    expect_error(un_checkpoint_find(comm, run, "auto", folder, sizeof folder), UN_DATA, run, "2 checkpoints");
    assert_string_equal(find("none"), "");
    case_close(&k);
}

static void test_list(void **state) {
    (void)state;
    struct checkpoint_case k;
    case_remove_tree(run);
    case_open(&k, 3, 0, 1);
    save(&k, 1, 0);
    save(&k, 2, 0);
    truncate(file_of(1, "shard_00000.h5"), 100);
    leave_partial(3);
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    expect_ok(un_checkpoint_list(run, out));
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

/* Each allocation of a save and a load fails once: an error, nothing lost, and the next attempt works. */
static void test_out_of_memory(void **state) {
    (void)state;
    struct checkpoint_case k;
    case_remove_tree(run);
    case_open(&k, 3, 0, 1);
    save(&k, 1, 0);
    uint64_t live = live_blocks();
    int failures = 0, well = 0; /* a few allocations may fail without harm: those of the sweep */
    for (uint64_t n = 1; well < 12; ++n) {
        case_fill(&k, 2);
        un_memory_fail_at(n);
        enum un_status status = un_checkpoint_save(comm, run, 0, &k.c);
        if (status == UN_OK) status = un_checkpoint_find(comm, run, "auto", folder, sizeof folder);
        if (status == UN_OK) status = un_checkpoint_load(comm, folder, &k.c);
        un_memory_fail_at(0);
        assert_int_equal(live_blocks(), live);
        failures += status != UN_OK;
        well = status == UN_OK ? well + 1 : 0;
        un_error_clear();
        assert_int_equal(un_checkpoint_find(comm, run, "auto", folder, sizeof folder), UN_OK);
        assert_true(folder[0] != '\0');
    }
    assert_true(failures > 10);
    expect_newest(&k, 2);
    case_close(&k);
}

int main(void) {
    un_log_set(0, UN_LOG_ERROR); /* the warnings about what the tests break */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_parameters_alone),
        cmocka_unit_test(test_find),
        cmocka_unit_test(test_keep),
        cmocka_unit_test(test_same_step_again),
        cmocka_unit_test(test_leftovers),
        cmocka_unit_test(test_damaged_shard),
        cmocka_unit_test(test_damaged_manifest),
        cmocka_unit_test(test_hostile_manifest),
        cmocka_unit_test(test_wrong_content),
        cmocka_unit_test(test_other_training),
        cmocka_unit_test(test_all_broken),
        cmocka_unit_test(test_list),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, open_run, close_run);
}
