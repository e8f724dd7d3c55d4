/* Checkpoints that are damaged or hostile are never taken for whole, whatever broke in them. */
#include "io/checkpoint/manifest.h"
#include "io/checkpoint/manifest_private.h"
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

/* Damages the newest of two; auto falls back to the older one, and asking for it by name is an error with the
 * words. */
static void expect_damaged(struct checkpoint_case *k, const char *word) {
    assert_string_equal(case_find(k, "auto") + strlen(case_found) - 13, "step_00000001");
    char path[1024];
    snprintf(path, sizeof path, "%s", case_file(2, ""));
    expect_error(un_checkpoint_load(case_comm, path, &k->c), UN_DATA, "step_00000002", word);
}

static void test_damaged_shard(void **state) {
    (void)state;
    struct checkpoint_case k;
    case_remove_tree(case_run);
    case_open(&k, ROWS, 0, 1);
    case_save(&k, 1, 0);
    case_save(&k, 2, 0);
    size_t bytes;
    char *shard = case_slurp(case_file(2, "shard_00000.h5"), &bytes);
    for (size_t at = 0; at < bytes; at += bytes / 13) { /* head, arrays, tail */
        shard[at] ^= 0x10;
        case_overwrite(case_file(2, "shard_00000.h5"), shard, bytes);
        expect_damaged(&k, "shard_00000.h5: damaged: the digest");
        shard[at] ^= 0x10;
    }
    case_overwrite(case_file(2, "shard_00000.h5"), shard, bytes - 1);
    expect_damaged(&k, "bytes long");
    case_overwrite(case_file(2, "shard_00000.h5"), shard, 0);
    expect_damaged(&k, "bytes long");
    remove(case_file(2, "shard_00000.h5"));
    expect_damaged(&k, "missing");
    mkfifo(case_file(2, "shard_00000.h5"), 0666); /* must not hang */
    expect_error(un_checkpoint_load(case_comm, "", &k.c), UN_DATA, "manifest.json");
    char path[1024];
    snprintf(path, sizeof path, "%s", case_file(2, ""));
    expect_error(un_checkpoint_load(case_comm, path, &k.c), UN_IO, "not a regular file");
    remove(case_file(2, "shard_00000.h5"));
    case_overwrite(case_file(2, "shard_00000.h5"), shard, bytes);
    case_expect_newest(&k, 2);
    free(shard);
    case_close(&k);
}

/* Any one changed byte, and any shorter file. */
static void test_damaged_manifest(void **state) {
    (void)state;
    struct checkpoint_case k;
    case_remove_tree(case_run);
    case_open(&k, 3, 0, 1);
    case_save(&k, 1, 0);
    case_save(&k, 2, 0);
    size_t bytes;
    char *text = case_slurp(case_file(2, "manifest.json"), &bytes);
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
    case_overwrite(case_file(2, "manifest.json"), "{}\n", 3);
    expect_damaged(&k, "manifest");
    case_overwrite(case_file(2, "manifest.json"), text, bytes / 2);
    expect_damaged(&k, "truncated");
    case_overwrite(case_file(2, "manifest.json"), "", 0);
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

/* What breaks a rule, and the key that must be named. */
static const struct {
    const char *from, *to, *word;
} forgeries[] = {
    {NULL, "", "not JSON"},
    {NULL, "[1, 2,", "not JSON"},
    {NULL, "{\"format\": \"uniter-checkpoint\",", "version"},
    {"uniter-checkpoint", "uniter-something", "format"},
    {"\"version\": 2", "\"version\": 2.0", "version"},
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
    {"\"streams\": 3", "\"streams\": 241", "streams"},
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
    {"\"runs\":[[0,", "\"runs\":[[4096,", "shards[0].runs"},
    {"\"runs\":[[0,512]]", "\"runs\":[[0,511]]", "shards[0].runs"},
    {"\"runs\":[[0,512]]", "\"runs\":[[0,513]]", "shards[0].runs"},
    {"\"runs\":[[0,512]]", "\"runs\":[[0,0]]", "shards[0].runs"},
    {"\"runs\":[[0,512]]", "\"runs\":[[-4096,4608]]", "shards[0].runs"},
    {"\"runs\":[[0,512]]", "\"runs\":[[0,512],[0,512]]", "shards[0].runs"},
    {"\"runs\":[[0,512]]", "\"runs\":[[0,9223372036854775807]]", "shards[0].runs"},
    {"\"runs\":[[0,512]]", "\"runs\":[[0,512,1]]", "shards[0].runs"},
    {"\"runs\":[[0,512]]", "\"runs\":[[0,5.12e2]]", "shards[0].runs"},
    {"\"runs\":[[0,512]]", "\"runs\":[0,512]", "shards[0].runs"},
    {"\"runs\":[[0,512]]", "\"runs\":[]", "shards[0].runs"},
    {"\"runs\":[[0,512]]", "\"runs\":7", "shards[0].runs"},
    {"\"bytes\":", "\"bytes\":-", "shards[0].bytes"},
    {"\"bytes\":", "\"bytes\":100, \"b\":", "shards[0].bytes"},
    {"\"at\":[", "\"at\":[-", "shards[0].at"},
    {"\"at\":[", "\"at\":[1,", "shards[0].at"},
    {"\"at\":[", "\"at\":[99999999,99999999,99999999], \"a\":[", "shards[0].at"},
    {"\"at\":[", "\"at\":[2048,2048,9000], \"a\":[", "shards[0].at"},
    {"\"at\":[", "\"at\":[2048], \"a\":[", "shards[0].at"},
    {"\"head\":\"", "\"head\":\"0", "shards[0].head"},
    {"\"xxh3_128\":[\"", "\"xxh3_128\":[\"0", "shards[0].xxh3_128"},
    {"\"xxh3_128\":[", "\"xxh3_128\":[7,", "shards[0].xxh3_128"},
    {"\"shards\": [", "\"shards\": [], \"s\": [", "shards"},
    {"\"version\": 2", "\"version\": 1", "shards[0].first"},
    {"\"version\": 2", "\"version\": 3", "version"},
    {"\"param_digest\": \"", "\"param_digest\": \"G", "param_digest"},
    {"\"state_digest\"", "\"state_digest_\"", "state_digest"},
    {"\"param_digest\"", "\"amax\": [[1]], \"param_digest\"", "amax"},
    {"\"param_digest\"", "\"amax_updates\": 1, \"param_digest\"", "amax"},
    {"\"param_digest\"", "\"amax_updates\": 3, \"amax\": [[1]], \"param_digest\"", "amax"},
    {"\"param_digest\"", "\"amax_updates\": -1, \"amax\": [[1]], \"param_digest\"", "amax"},
    {"\"param_digest\"", "\"amax_updates\": 1, \"amax\": [], \"param_digest\"", "amax"},
    {"\"param_digest\"", "\"amax_updates\": 1, \"amax\": [[]], \"param_digest\"", "amax"},
    {"\"param_digest\"", "\"amax_updates\": 1, \"amax\": [7], \"param_digest\"", "amax"},
    {"\"param_digest\"", "\"amax_updates\": 1, \"amax\": [[1],[1,2]], \"param_digest\"", "amax"},
    {"\"param_digest\"", "\"amax_updates\": 1, \"amax\": [[2139095040]], \"param_digest\"", "amax"},
    {"\"param_digest\"", "\"amax_updates\": 1, \"amax\": [[-1]], \"param_digest\"", "amax"},
    {"\"param_digest\"", "\"amax_updates\": 1, \"amax\": [[1.5]], \"param_digest\"", "amax"},
};

/* Every value that breaks a rule is refused with its key, although the digest is right. */
static void test_hostile_manifest(void **state) {
    (void)state;
    struct checkpoint_case k;
    case_remove_tree(case_run);
    case_open(&k, 3, 0, 1);
    case_save(&k, 2, 0);
    size_t bytes;
    char *text = case_slurp(case_file(2, "manifest.json"), &bytes);
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
    case_overwrite(case_file(2, "manifest.json"), honest,
                   strlen(honest)); /* but it is not the step of its folder */
    expect_error(un_checkpoint_resume(case_comm, case_run, "auto", &k.c, case_found, sizeof case_found),
                 UN_DATA, "broken");
    free(honest);
    free(text);
    case_close(&k);
}

/* Shards of any number and in any order of their elements, as long as each element stands once. */
static void test_cover(void **state) {
    (void)state;
    enum { B = UN_PARAM_BLOCK, TOTAL = 4 * B + 64 };
    static const struct {
        struct un_run runs[4];
        const char *word; /* NULL: a cover */
    } cases[] = {
        {{{0, B, 0, 0}, {3 * B, TOTAL, 0, B}, {B, 2 * B, 1, 0}, {2 * B, 3 * B, 1, B}}, NULL},
        {{{3 * B, 4 * B, 0, 0}, {4 * B, TOTAL, 0, B}, {0, B, 1, 0}, {B, 3 * B, 1, B}}, NULL},
        {{{0, B, 0, 0}, {3 * B, TOTAL, 0, B}, {B, 2 * B, 1, 0}, {3 * B, 4 * B, 1, B}}, "a gap or an overlap"},
        {{{0, B, 0, 0}, {3 * B, TOTAL, 0, B}, {0, 2 * B, 1, 0}, {2 * B, 3 * B, 1, 2 * B}},
         "a gap or an overlap"},
        {{{B, 2 * B, 0, 0}, {3 * B, TOTAL, 0, B}, {B, 2 * B, 1, 0}, {2 * B, 3 * B, 1, B}},
         "a gap or an overlap"},
        {{{0, B, 0, 0}, {B, 2 * B, 0, B}, {2 * B, 3 * B, 1, 0}, {3 * B, 4 * B, 1, B}}, "as long as total"},
    };
    struct checkpoint_case k;
    case_remove_tree(case_run);
    case_open(&k, 3, 0, 1);
    case_save(&k, 2, 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        struct un_manifest m, again;
        expect_ok(un_manifest_read(&m, case_file(2, "")));
        struct un_shard_file shards[2] = {m.shards[0], m.shards[0]};
        struct un_run runs[4];
        memcpy(runs, cases[i].runs, sizeof runs);
        for (int64_t s = 0; s < 2; ++s) {
            shards[s].run = 2 * s;
            shards[s].n_runs = 2;
            shards[s].bytes = 1 << 20;
            for (int j = 0; j < UN_CKPT_ARRAYS; ++j) shards[s].at[j] = 2048 + j * 300000;
        }
        struct un_manifest other = m;
        other.total = TOTAL;
        other.shards = shards;
        other.n_shards = 2;
        other.runs = runs;
        other.n_runs = 4;
        expect_ok(un_manifest_write(&other, case_file(2, "")));
        un_manifest_free(&m);
        if (cases[i].word) {
            expect_error(un_manifest_read(&again, case_file(2, "")), UN_DATA, "shards", cases[i].word);
        } else {
            expect_ok(un_manifest_read(&again, case_file(2, "")));
            assert_int_equal(again.n_runs, 4);
            assert_int_equal(again.order[3].end, TOTAL);
        }
        un_manifest_free(&again);
        case_save(&k, 2, 0);
    }
    case_close(&k);
}

/* Digests of files are right, but what they hold is not what the manifest says of the whole. */
static void test_wrong_content(void **state) {
    (void)state;
    struct checkpoint_case k;
    case_remove_tree(case_run);
    case_open(&k, 3, 0, 1);
    case_save(&k, 2, 0);
    size_t bytes;
    char *text = case_slurp(case_file(2, "manifest.json"), &bytes), wrong[64], path[1024];
    snprintf(path, sizeof path, "%s", case_file(2, ""));
    const char *const names[] = {"param_digest", "state_digest"};
    for (int i = 0; i < 2; ++i) {
        snprintf(wrong, sizeof wrong, "\"%s\": \"", names[i]);
        char right[64];
        snprintf(right, sizeof right, "\"%s\": \"%.4s", names[i], strstr(text, wrong) + strlen(wrong));
        snprintf(wrong, sizeof wrong, "\"%s\": \"%s", names[i], strstr(right, "0000") ? "1111" : "0000");
        char *forged = forge(text, right, wrong);
        case_overwrite(case_file(2, "manifest.json"), forged, strlen(forged));
        expect_error(un_checkpoint_load(case_comm, path, &k.c), UN_DATA, names[i]);
        free(forged);
    }
    free(text);
    case_close(&k);
}

static void test_all_broken(void **state) {
    (void)state;
    struct checkpoint_case k;
    case_remove_tree(case_run);
    case_open(&k, 3, 0, 1);
    case_save(&k, 1, 0);
    case_save(&k, 2, 0);
    truncate(case_file(1, "shard_00000.h5"), 100);
    truncate(case_file(2, "shard_00000.h5"), 100);
    expect_error(un_checkpoint_resume(case_comm, case_run, "auto", &k.c, case_found, sizeof case_found),
                 UN_DATA, case_run, "2 checkpoints");
    assert_string_equal(case_find(&k, "none"), "");
    case_close(&k);
}

int main(void) {
    un_log_set(0, UN_LOG_ERROR); /* the warnings about what the tests break */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_damaged_shard),    cmocka_unit_test(test_damaged_manifest),
        cmocka_unit_test(test_hostile_manifest), cmocka_unit_test(test_cover),
        cmocka_unit_test(test_wrong_content),    cmocka_unit_test(test_all_broken),
    };
    return cmocka_run_group_tests(tests, case_run_open, case_run_close);
}
