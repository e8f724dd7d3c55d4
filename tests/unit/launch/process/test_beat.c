/* Lines of RUN/log/beats: what is printed is parsed; damaged lines count as absent; the verdict names the
 * ranks that are behind and those that are silent. */
#include "launch/process/beat.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char token[] = "0123456789abcdef";

static struct un_beat beat_of(int rank, uint64_t number, uint64_t count) {
    struct un_beat b = {.present = true, .rank = rank, .pid = 1000 + rank, .step = 17, .count = count};
    snprintf(b.host, sizeof b.host, "node%d", rank / 2);
    snprintf(b.phase, sizeof b.phase, "step");
    b.begun[UN_PULSE_MAIN] = number;
    b.under_way[UN_PULSE_MAIN] = true;
    for (int i = 0; i < UN_PULSE_COUNT; ++i) snprintf(b.what[i], sizeof b.what[i], "sum of integers");
    return b;
}

static void test_round_trip(void **state) {
    (void)state;
    char line[UN_BEAT_BYTES];
    struct un_beat a = beat_of(3, 1234567890123456789u, 42), b;
    a.phase_time = 12.5;
    un_beat_print(line, &a, token);
    assert_int_equal(line[UN_BEAT_BYTES - 1], '\n');
    assert_null(memchr(line, '\n', UN_BEAT_BYTES - 1));
    assert_null(memchr(line, '\0', UN_BEAT_BYTES));
    un_beat_parse(&b, line, token, 3);
    assert_true(b.present);
    assert_int_equal(b.pid, a.pid);
    assert_int_equal(b.step, a.step);
    assert_true(b.count == a.count && b.begun[UN_PULSE_MAIN] == a.begun[UN_PULSE_MAIN]);
    assert_true(b.under_way[UN_PULSE_MAIN] && !b.under_way[UN_PULSE_GRADIENTS]);
    assert_string_equal(b.what[UN_PULSE_MAIN], "sum of integers");
    assert_string_equal(b.host, a.host);
    assert_string_equal(b.phase, a.phase);
    un_beat_parse(&b, line, "fedcba9876543210", 3); /* of another run */
    assert_false(b.present);
    un_beat_parse(&b, line, token, 2); /* another rank's */
    assert_false(b.present);
}

/* Names as long as they may be still fit. */
static void test_longest(void **state) {
    (void)state;
    char line[UN_BEAT_BYTES];
    struct un_beat a = beat_of(1 << 24, UINT64_MAX, UINT64_MAX), b;
    a.pid = a.step = INT64_MIN;
    memset(a.host, 'h', sizeof a.host - 1);
    memset(a.phase, 'p', sizeof a.phase - 1);
    for (int i = 0; i < UN_PULSE_COUNT; ++i) {
        memset(a.what[i], 'w', sizeof a.what[i] - 1);
        a.begun[i] = UINT64_MAX;
    }
    un_beat_print(line, &a, token);
    un_beat_parse(&b, line, token, 1 << 24);
    assert_true(b.present);
    assert_true(b.begun[UN_PULSE_COUNT - 1] == UINT64_MAX);
}

/* A line that anybody may have written: never read beyond its end, nor believed without its number. */
static void test_damage(void **state) {
    (void)state;
    char line[UN_BEAT_BYTES];
    struct un_beat a = beat_of(1, 5, 6), b;
    for (uint32_t i = 0; i < 20000; ++i) {
        un_beat_print(line, &a, token);
        for (uint32_t k = 0; k < 1 + i % 5; ++k) {
            uint64_t r = (i * 2654435761u + k * 40503u) * 0x9E3779B97F4A7C15u;
            line[(r >> 20) % (i % 3 ? 170 : UN_BEAT_BYTES)] = (char)(r >> 50);
        }
        un_beat_parse(&b, line, token, 1);
        if (b.present) assert_int_equal(b.rank, 1);
    }
    memset(line, 'x', sizeof line);
    un_beat_parse(&b, line, token, 1);
    assert_false(b.present);
}

enum { SIZE = 8 };

static const char *say(struct un_verdict *v, struct un_beat *early, struct un_beat *final) {
    static char text[4000];
    v->size = SIZE;
    if (final) v->mine = &final[1];
    v->early = early;
    v->final = final;
    v->timeout = 5;
    un_beat_verdict(v, text, sizeof text);
    return text;
}

static void has(const char *text, const char *part) {
    if (!strstr(text, part)) print_message("%s\n  lacks: %s\n", text, part);
    assert_non_null(strstr(text, part));
}

static void test_verdict(void **state) {
    (void)state;
    struct un_beat early[SIZE], final[SIZE];
    for (int r = 0; r < SIZE; ++r) {
        early[r] = beat_of(r, 7, 10);
        final[r] = beat_of(r, 8, 12);
    }
    struct un_verdict v = {.line = UN_PULSE_MAIN, .collective_time = 5.1, .phase_time = 5.2};
    const char *text = say(&v, early, final);
    has(text, "collective 8 (sum of integers) of main has lasted 5.1 s");
    has(text, "update 17");
    has(text, "all 8 ranks have arrived and live: the network");
    final[4].begun[UN_PULSE_MAIN] = 9; /* further than we: it has arrived */
    final[3].begun[UN_PULSE_MAIN] = final[5].begun[UN_PULSE_MAIN] = final[6].begun[UN_PULSE_MAIN] = 7;
    final[6].count = early[6].count;
    final[0] = (struct un_beat){0};
    text = say(&v, early, final);
    has(text, "did not arrive: ranks 0, 3, 5-6 (4 of 8); no sign of life from rank 6 (1 of 8)");
    has(text, "; rank 6 (host node3, pid 1006) was last seen in phase step of update 17, in collective 7");
    has(text, "; rank 0 has left no line");
    assert_true(strstr(text, "rank 6 (host") < strstr(text, "rank 0 has left")); /* the silent one first */
    text = say(&v, NULL, final);
    assert_null(strstr(text, "sign of life"));
    text = say(&v, NULL, NULL);
    assert_null(strstr(text, "arrived and"));
    snprintf(final[2].phase, sizeof final[2].phase, UN_BEAT_ENDED);
    has(say(&v, early, final), "rank 2 has said why");
    v.line = -1;
    final[2] = beat_of(2, 8, 12);
    has(say(&v, early, final),
        "phase step of update 17 has lasted 5.2 s; run.timeout is 5 s; this rank waits for no other");
}

static void test_unreadable(void **state) {
    (void)state;
    struct un_beat mine = beat_of(1, 8, 12);
    struct un_verdict v = {.mine = &mine, .size = SIZE, .line = UN_PULSE_MAIN, .timeout = 5};
    char text[4000], small[60];
    un_beat_verdict(&v, text, sizeof text);
    has(text, "could not be read");
    snprintf(mine.phase, sizeof mine.phase, UN_BEAT_UNKNOWN);
    v.line = -1;
    un_beat_verdict(&v, text, sizeof text);
    has(text, "phase start of MPI");
    has(text, "do not know each other yet");
    un_beat_verdict(&v, small, sizeof small); /* cut, not overrun */
    assert_int_equal(strlen(small), sizeof small - 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_round_trip), cmocka_unit_test(test_longest),
                                       cmocka_unit_test(test_damage), cmocka_unit_test(test_verdict),
                                       cmocka_unit_test(test_unreadable)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
