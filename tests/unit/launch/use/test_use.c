/* A network at work on a device that does not read the host's memory: the numbers of the CPU; pairs in the order
 * in which they are named; nothing left behind, whatever fails. */
#include "launch/use/lines.h"
#include "launch/use/session.h"
#include "runtime/memory.h"
#include "tests/support/expect.h"
#include "tests/unit/launch/train/pretend_card.h"
#include "tests/unit/launch/use/use_case.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { PAIRS = 5 };

/* match, distance and rank of a pair, and its pooled vector. */
enum { NUMBERS = 3 };
struct results {
    int64_t n, passes;
    float *number, *pooled; /* [n,NUMBERS], [n,USE_WIDTH] */
};

static void keep(struct un_use_session *s, struct results *r, bool rank) {
    for (int64_t i = 0; i < s->pairs.n; ++i) {
        int64_t at = un_use_pairs_index(&s->pairs, i);
        assert_in_range(at, 0, r->n - 1);
        if (rank) {
            r->number[at * NUMBERS + 2] = s->net[1].outputs.score[UN_ITM_RANK][i];
            continue;
        }
        r->number[at * NUMBERS] = s->net[0].outputs.row_loss[UN_ITM][i];
        r->number[at * NUMBERS + 1] = s->net[0].outputs.distance[i];
        memcpy(r->pooled + at * USE_WIDTH, s->net[0].pooled + i * USE_WIDTH, USE_WIDTH * sizeof(float));
    }
}

/* The device as it is, as a card, or as one that wants the same shapes again. */
enum on { CPU, CARD, CARD_OF_SHAPES };

static enum un_status run(struct un_use_session *s, struct results *r, enum on on, const char *const *names,
                          int n) {
    static struct un_use_keys keys;
    keys = use_keys();
    UN_TRY(un_use_session_open(s, &keys, use_weights));
    if (on != CPU) pretend_card(s->device, (size_t)1 << 40);
    s->device->any_shape = on != CARD_OF_SHAPES;
    UN_TRY(un_use_session_pairs(s, names, n, UN_ITM_RANK));
    UN_TRY(un_use_session_network(s, 0, UN_ITM, true));
    UN_TRY(un_use_session_network(s, 1, UN_ITM_RANK, false));
    r->n = un_use_pairs_count(&s->pairs);
    r->number = un_alloc((size_t)(r->n * NUMBERS), sizeof(float), "test");
    r->pooled = un_alloc((size_t)(r->n * USE_WIDTH), sizeof(float), "test");
    if (!r->number || !r->pooled) return UN_MEMORY;
    for (;; ++r->passes) {
        UN_TRY(un_use_pairs_next(&s->pairs));
        if (s->pairs.n == 0) return UN_OK;
        UN_TRY(un_use_network_pass(&s->net[0], &s->pairs.batch));
        keep(s, r, false);
        UN_TRY(un_use_pairs_ask(&s->pairs, UN_ITM_RANK));
        UN_TRY(un_use_network_pass(&s->net[1], &s->pairs.batch));
        keep(s, r, true);
    }
}

static enum un_status use(struct results *r, enum on on, const char *const *names, int n) {
    struct un_use_session s = {0};
    *r = (struct results){0};
    enum un_status status = run(&s, r, on, names, n);
    un_use_session_close(&s);
    return status;
}

static void drop(struct results *r) {
    un_free(r->number);
    un_free(r->pooled);
}

static bool near(const float *a, const float *b, int64_t n) {
    for (int64_t i = 0; i < n; ++i)
        if (!(a[i] - b[i] < 1e-5f && b[i] - a[i] < 1e-5f)) return false;
    return true;
}

static void test_card(void **state) {
    (void)state;
    struct results cpu, card, shapes;
    uint64_t live = live_blocks();
    expect_ok(use(&cpu, CPU, NULL, 0));
    expect_ok(use(&card, CARD, NULL, 0));
    expect_ok(use(&shapes, CARD_OF_SHAPES, NULL, 0));
    assert_int_equal(pretend_counts().races, 0);
    assert_int_equal(cpu.n, card.n);
    assert_int_equal(cpu.n, shapes.n);
    assert_true(cpu.passes > 2);
    assert_memory_equal(cpu.number, card.number, (size_t)(cpu.n * NUMBERS) * sizeof(float));
    assert_memory_equal(cpu.pooled, card.pooled, (size_t)(cpu.n * USE_WIDTH) * sizeof(float));
    assert_true(near(cpu.number, shapes.number, cpu.n * NUMBERS)); /* products of other sizes */
    assert_true(near(cpu.pooled, shapes.pooled, cpu.n * USE_WIDTH));
    for (int64_t i = 0; i < cpu.n * NUMBERS; ++i) assert_true(cpu.number[i] != 0);
    drop(&cpu);
    drop(&card);
    drop(&shapes);
    assert_int_equal(live_blocks(), live);
}

/* Named pairs are those of the file in another order, and one of them with another image. */
static void test_named(void **state) {
    (void)state;
    const struct un_dataset *d = use_world.datasets[0];
    const int64_t texts[PAIRS] = {7, 0, 3, 7, 12};
    const char *names[2 * PAIRS];
    struct results all, some;
    uint64_t live = live_blocks();
    for (int i = 0; i < PAIRS; ++i) {
        names[2 * i] = un_dataset_image_id(d, un_dataset_text_image(d, texts[i]));
        names[2 * i + 1] = un_dataset_text_id(d, texts[i]);
    }
    names[2] = un_dataset_image_id(d, USE_IMAGES - 1);
    expect_ok(use(&all, CPU, NULL, 0));
    expect_ok(use(&some, CPU, names, 2 * PAIRS));
    assert_int_equal(some.n, PAIRS);
    for (int i = 0; i < PAIRS; ++i)
        assert_int_equal(near(some.number + i * NUMBERS, all.number + texts[i] * NUMBERS, NUMBERS), i != 1);
    drop(&all);
    drop(&some);
    assert_int_equal(live_blocks(), live);
}

/* Memory that fails at any point is an error, and nothing stays. */
static void test_memory(void **state) {
    (void)state;
    const struct un_dataset *d = use_world.datasets[0];
    const char *names[] = {un_dataset_image_id(d, 1), un_dataset_text_id(d, 5)};
    uint64_t live = live_blocks();
    enum un_status status = UN_MEMORY;
    int64_t failures = 0;
    for (uint64_t n = 1; status != UN_OK; ++n, ++failures) {
        struct results r;
        un_memory_fail_at(n);
        status = use(&r, CPU, names, 2);
        un_memory_fail_at(0);
        drop(&r);
        if (status != UN_OK) assert_int_equal(status, UN_MEMORY);
        un_error_clear();
        assert_int_equal(live_blocks(), live);
    }
    assert_true(failures > 20);
}

/* ---- JSON ---- */

static void expect_text(const char *text_in, const char *want) {
    char *got = NULL;
    size_t bytes;
    FILE *f = tmpfile();
    assert_non_null(f);
    un_use_print_text(f, text_in);
    bytes = (size_t)ftell(f);
    got = un_alloc(bytes + 1, 1, "test");
    rewind(f);
    assert_int_equal(fread(got, 1, bytes, f), bytes);
    fclose(f);
    assert_string_equal(got, want);
    un_free(got);
}

static void test_text(void **state) {
    (void)state;
    expect_text("plain", "\"plain\"");
    expect_text("a \"b\" \\ c", "\"a \\\"b\\\" \\\\ c\"");
    expect_text("tab\tand\x01", "\"tab\\u0009and\\u0001\"");
    expect_text("caf\xC3\xA9 \xF0\x9F\x98\x80", "\"caf\xC3\xA9 \xF0\x9F\x98\x80\"");
    expect_text("\xC3", "\"\xEF\xBF\xBD\"");                                                 /* cut */
    expect_text("\xC0\xAF", "\"\xEF\xBF\xBD\xEF\xBF\xBD\"");                                 /* too long */
    expect_text("\xED\xA0\x80", "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\"");                 /* a surrogate */
    expect_text("\xF4\x90\x80\x80", "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\""); /* beyond */
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_card), cmocka_unit_test(test_named),
                                       cmocka_unit_test(test_memory), cmocka_unit_test(test_text)};
    return cmocka_run_group_tests_name("use", tests, use_open, use_close);
}
