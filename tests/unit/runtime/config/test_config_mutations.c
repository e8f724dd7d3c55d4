/* Thousands of damaged configurations: each is read, refused with a place, or read back the same; never a
 * crash. Meant for a build with sanitizers. The damage is drawn by un_rng, so a case that fails can be
 * repeated by its number. */
// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on
#include "config_tables.h"
#include "runtime/memory.h"
#include "runtime/rng.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char valid[] = "device: cpu\n"
                            "run: {dir: runs/base, seed: 1e6, note: 'it''s'}\n"
                            "data:\n"
                            "  max_txt_len: 30   # words\n"
                            "  train:\n"
                            "    - {name: coco, text: data/coco.txt.h5, mix: &m {mlm: 8, itm: 6.5}}\n"
                            "    - name: \"v\\u00e9g\"\n"
                            "      mix: *m\n"
                            "      text: [a.h5, \"b: #.h5\"]\n"
                            "      ratio: 0.25\n"
                            "optim:\n"
                            "  lr: 1.0e-4\n"
                            "  betas:\n"
                            "    - 0.8\n"
                            "    - 9e-1\n"
                            "  nesterov: on\n"
                            "train: {lanes: 64, tokens_per_lane: 200000}\n";

enum { CASES = 6000, ROOM = 2 * sizeof valid };

/* One to four changes: another byte, a byte of YAML's own, a byte less, one more, or a piece said twice. */
static size_t damage(uint32_t number, char text[ROOM]) {
    static const char special[] = "{}[]:,-#&*!|>'\"%@`?\n \t\\~\xc3\xff";
    size_t length = sizeof valid - 1;
    memcpy(text, valid, length);
    uint32_t changes = 1 + un_rng(1, UN_RNG_TEST, number, 0, 0, 0).v[0] % 4;
    for (uint32_t c = 1; c <= changes; ++c) {
        struct un_rng4 r = un_rng(1, UN_RNG_TEST, number, 0, 0, c);
        size_t at = un_rng_below(r.v[0], (uint32_t)length);
        size_t piece = 1 + r.v[2] % 30;
        switch (r.v[1] % 5) {
        case 0: text[at] = (char)(r.v[2] & 0xFF); break;
        case 1: text[at] = special[r.v[2] % (sizeof special - 1)]; break;
        case 2: memmove(text + at, text + at + 1, --length - at); break;
        case 3:
            memmove(text + at + 1, text + at, length++ - at);
            text[at] = special[r.v[2] % (sizeof special - 1)];
            break;
        default:
            if (at + piece > length) break;
            memmove(text + at + piece, text + at, length - at);
            length += piece;
        }
    }
    text[length] = '\0'; /* a zero byte inside ends the text earlier, as for any reader of C strings */
    return length;
}

/* The text that a well-read configuration writes must be read back as the same one. */
static void check_round_trip(uint32_t number, const struct un_config *config, const struct all *all) {
    char *text = NULL;
    size_t size = 0;
    FILE *file = open_memstream(&text, &size);
    assert_int_equal(un_config_write(config, file), UN_OK);
    fclose(file);
    struct un_config *again = NULL;
    struct all other;
    if (config_load(&again, text, NULL, 0, &other) != UN_OK)
        fail_msg("case %u is not read back: %s\n%s", number, un_error_get()->text, text);
    if (!config_same(all, &other)) fail_msg("case %u is read back as another:\n%s", number, text);
    un_config_free(again);
    free(text);
}

static void damaged_files(void **state) {
    (void)state;
    struct un_memory_counts before = un_memory_counts();
    int read = 0;
    for (uint32_t number = 0; number < CASES; ++number) {
        char text[ROOM];
        damage(number, text);
        un_error_clear();
        struct un_config *config = NULL;
        struct all all;
        enum un_status status = config_load(&config, text, NULL, 0, &all);
        if (status == UN_OK)
            check_round_trip(number, config, &all);
        else if (status != UN_USAGE || strncmp(un_error_get()->text, "big.yaml:", 9) != 0)
            fail_msg("case %u: status %d: %s\n%s", number, (int)status, un_error_get()->text, text);
        read += status == UN_OK;
        un_config_free(config);
        assert_int_equal(un_memory_counts().live_blocks, before.live_blocks);
    }
    print_message("%d damaged configurations: %d still mean something, %d are refused\n", CASES, read,
                  CASES - read);
    assert_true(read > CASES / 50 && read < CASES / 2); /* else the damage does not test both ways */
}

static void damaged_overrides(void **state) {
    (void)state;
    static const char *const sound[] = {"optim.lr=1e-3", "data.train.0.mix={itm: 2}",
                                        "data.train[1].text=[a, b]", "run.note=\"x y\"",
                                        "data.valid.0.name=held"};
    struct un_memory_counts before = un_memory_counts();
    for (uint32_t number = 0; number < CASES; ++number) {
        struct un_rng4 r = un_rng(2, UN_RNG_TEST, number, 0, 0, 0);
        char text[64];
        snprintf(text, sizeof text, "%s", sound[r.v[0] % 5]);
        for (uint32_t change = 0; change <= r.v[1] % 3; ++change) {
            struct un_rng4 c = un_rng(2, UN_RNG_TEST, number, 0, 0, 1 + change);
            text[c.v[0] % strlen(text)] = c.v[1] % 3 == 0 ? ".[]=0"[c.v[2] % 5] : (char)(1 + c.v[2] % 255);
        }
        const char *given = text;
        un_error_clear();
        struct un_config *config = NULL;
        struct all all;
        enum un_status status = config_load(&config, valid, &given, 1, &all);
        if (status == UN_OK)
            check_round_trip(number, config, &all);
        else
            assert_int_equal(status, UN_USAGE);
        un_config_free(config);
        assert_int_equal(un_memory_counts().live_blocks, before.live_blocks);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(damaged_files), cmocka_unit_test(damaged_overrides)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
