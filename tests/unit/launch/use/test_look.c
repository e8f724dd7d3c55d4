/* Everything of one pair: on a device that does not read the host's memory the numbers of the CPU, guesses as the losses say, patterns of
 * attention by name, nothing left behind whatever fails. */
#include "launch/use/look.h"
#include "runtime/memory.h"
#include "tests/support/expect.h"
#include "tests/unit/launch/train/pretend_card.h"
#include "tests/unit/launch/use/use_case.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum on { CPU, CARD, CARD_OF_SHAPES };
static char all[] = "all", two[] = "0,1", beyond[] = "9", first[] = "1", unicorn[] = "unicorn";
static char *all_list[] = {all}, *two_list[] = {two}, *beyond_list[] = {beyond}, *first_list[] = {first},
            *unicorn_list[] = {unicorn};
static const struct un_use_names no_names;

/* What is compared, as text: every number of the JSON. */
struct told {
    char *text;
    double match, region_loss;
    struct un_picture_unit last; /* region */
    int64_t words, regions;
};

static enum un_status look(struct told *told, enum on on, const struct un_use_look_keys *k) {
    static struct un_use_keys keys;
    const struct un_dataset *d = use_world.datasets[0];
    const char *names[] = {un_dataset_image_id(d, un_dataset_text_image(d, 5)), un_dataset_text_id(d, 5)};
    struct un_use_session s = {0};
    struct un_use_look l = {0};
    keys = use_keys();
    *told = (struct told){0};
    enum un_status status = un_use_session_open(&s, &keys, use_weights);
    if (status == UN_OK && on != CPU) pretend_card(s.device, (size_t)1 << 40);
    if (status == UN_OK) s.device->any_shape = on != CARD_OF_SHAPES;
    if (status == UN_OK) status = un_use_session_pairs(&s, names, 2, UN_USE_NO_TASK);
    if (status == UN_OK) status = un_use_look_open(&l, &s, &no_names, k);
    if (status == UN_OK) {
        struct un_text_out out = {0};
        un_picture_json(&out, &l.picture);
        if (out.failed) status = UN_MEMORY;
        told->text = out.text;
        told->match = l.picture.match;
        told->last = l.region[l.picture.regions - 1];
        told->words = l.picture.words;
        told->regions = l.picture.regions;
        if (k->guess) told->region_loss = (double)s.net[0].outputs.row_loss[UN_MRC][0];
    }
    if (l.session) un_use_look_close(&l);
    un_use_session_close(&s);
    return status;
}

static struct un_use_look_keys keys_of(bool guess) {
    return (struct un_use_look_keys){.layer = {all_list, 1}, .head = {all_list, 1}, .top = 3, .guess = guess};
}

/* The numbers of two texts of JSON are alike. */
static void same_numbers(const char *a, const char *b, double bound) {
    int64_t n = 0;
    while (*a && *b) {
        char *after_a, *after_b;
        double x = strtod(a, &after_a), y = strtod(b, &after_b);
        if (after_a > a && after_b > b) {
            if (!(fabs(x - y) <= bound)) fail_msg("%.40s and %.40s", a, b);
            a = after_a, b = after_b;
            ++n;
        } else {
            assert_int_equal(*a, *b);
            ++a, ++b;
        }
    }
    assert_true(*a == *b && n > 300);
}

static void as_on_a_card(void **state) {
    (void)state;
    struct un_use_look_keys k = keys_of(true);
    struct told cpu, card, shapes;
    uint64_t live = live_blocks();
    expect_ok(look(&cpu, CPU, &k));
    expect_ok(look(&card, CARD, &k));
    expect_ok(look(&shapes, CARD_OF_SHAPES, &k));
    assert_int_equal(pretend_counts().races, 0);
    assert_string_equal(cpu.text, card.text);
    same_numbers(cpu.text, shapes.text, 1e-5); /* products of other sizes */
    un_free(cpu.text);
    un_free(card.text);
    un_free(shapes.text);
    assert_int_equal(live_blocks(), live);
}

/* The last pass asked about the last region: the loss of its row is that of the class, or of class 0 where none is known. */
static void guesses_are_of_the_losses(void **state) {
    (void)state;
    struct un_use_look_keys k = keys_of(true);
    struct told told;
    expect_ok(look(&told, CPU, &k));
    assert_true(told.last.id > 0 && told.last.guesses == 3);
    assert_true(fabs(-log(told.last.truth) - told.region_loss) < 1e-5);
    for (int g = 1; g < 3; ++g)
        assert_true(told.last.guess[g - 1].probability >= told.last.guess[g].probability);
    assert_true(told.last.guess[0].probability >= told.last.truth);
    assert_true(told.match > 0 && told.match < 1);
    un_free(told.text);
}

/* Masks are taken back: what is seen before them does not depend on them. */
static void guesses_change_nothing(void **state) {
    (void)state;
    struct un_use_look_keys k = keys_of(true), none = keys_of(false);
    struct told with, without;
    expect_ok(look(&with, CPU, &k));
    expect_ok(look(&without, CPU, &none));
    const char *cost = strstr(with.text, "\"cost\""), *other = strstr(without.text, "\"cost\"");
    assert_true(cost && other);
    assert_string_equal(cost, other);
    assert_null(strstr(without.text, "guesses"));
    un_free(with.text);
    un_free(without.text);
}

static void chosen(void **state) {
    (void)state;
    struct un_use_look_keys k = keys_of(false);
    struct told told;
    k.layer = (struct un_strings){two_list, 1};
    k.word = (struct un_strings){first_list, 1};
    expect_ok(look(&told, CPU, &k));
    un_free(told.text);
    k.layer = (struct un_strings){beyond_list, 1};
    expect_error(look(&told, CPU, &k), UN_USAGE, "layer", "9");
    k = keys_of(false);
    k.word = (struct un_strings){unicorn_list, 1};
    expect_error(look(&told, CPU, &k), UN_USAGE, "unicorn");
}

/* ---- patterns ---- */

enum { WORDS = 6, REGIONS = 4, TOKENS = WORDS + REGIONS };

static const char *pattern(struct un_picture_head *h, float (*value)(int64_t row, int64_t column)) {
    static float p[TOKENS * TOKENS];
    for (int64_t t = 0; t < TOKENS; ++t) {
        float sum = 0;
        for (int64_t u = 0; u < TOKENS; ++u) sum += value(t, u);
        for (int64_t u = 0; u < TOKENS; ++u) p[t * TOKENS + u] = value(t, u) / sum;
    }
    *h = (struct un_picture_head){.probability = p};
    un_use_attention_pattern(h, WORDS, REGIONS);
    return h->pattern;
}
static float even(int64_t t, int64_t u) {
    return (float)(t >= 0) * (float)(u >= 0);
}
static float vertical(int64_t t, int64_t u) {
    return t >= 0 && u == WORDS - 1 ? 30 : 1;
}
static float diagonal(int64_t t, int64_t u) {
    return t == u ? 30 : 1;
}
static float both(int64_t t, int64_t u) {
    return (t == u ? 20.0f : 1) + (u == 0 ? 20.0f : 0);
}
static float block(int64_t t, int64_t u) {
    return (t < WORDS) == (u < WORDS) ? 10 : 1;
}
static float reversed(int64_t t, int64_t u) {
    return (t < WORDS) == (u < WORDS) ? 1 : 10;
}

static void patterns(void **state) {
    (void)state;
    struct un_picture_head h;
    assert_string_equal(pattern(&h, even), "heterogeneous");
    assert_true(fabs(h.special - 0.2) < 1e-6 && fabs(h.inside - 0.5) < 1e-6);
    assert_true(fabs(h.near - (4 * 2 + 6 * 3) / 100.0) <
                1e-6); /* of 10: 2 at the four ends, 3 between them */
    assert_string_equal(pattern(&h, vertical), "vertical");
    assert_string_equal(pattern(&h, diagonal), "diagonal");
    assert_string_equal(pattern(&h, both), "vertical + diagonal");
    assert_string_equal(pattern(&h, block), "block");
    assert_string_equal(pattern(&h, reversed), "reversed block");
}

/* ---- memory ---- */

static void memory(void **state) {
    (void)state;
    struct un_use_look_keys k = keys_of(true);
    enum un_status status = UN_MEMORY;
    uint64_t live = live_blocks(), n = 1;
    for (; status != UN_OK; ++n) {
        struct told told;
        un_memory_fail_at(n);
        status = look(&told, CPU, &k);
        un_memory_fail_at(0);
        un_free(told.text);
        assert_true(status == UN_OK || status == UN_MEMORY);
        un_error_clear();
        assert_int_equal(live_blocks(), live);
    }
    assert_true(n > 40);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_on_a_card),
        cmocka_unit_test(guesses_are_of_the_losses),
        cmocka_unit_test(guesses_change_nothing),
        cmocka_unit_test(chosen),
        cmocka_unit_test(patterns),
        cmocka_unit_test(memory),
    };
    return cmocka_run_group_tests_name("look", tests, use_open, use_close);
}
