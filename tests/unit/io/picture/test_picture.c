/* Pictures of made numbers: of every size and every name something is drawn, wrong paths and too much are refused, and nothing is left. */
#include "io/disk/files.h"
#include "io/picture/picture.h"
#include "runtime/memory.h"
#include "tests/support/expect.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { WORDS_MOST = 62, REGIONS_MOST = 100, TOKENS_MOST = WORDS_MOST + REGIONS_MOST };

struct made {
    struct un_picture picture;
    struct un_picture_unit unit[TOKENS_MOST];
    struct un_picture_head head[200];
    double mass[WORDS_MOST * REGIONS_MOST];
    float cost[WORDS_MOST * REGIONS_MOST], box[REGIONS_MOST * 4], probability[TOKENS_MOST * TOKENS_MOST];
    uint8_t bgr[40 * 30 * 3];
};
static struct made made;

/* Names that a drawing may stumble over. */
static const char *const names[] = {
    "ball",
    "",
    "<&>\"'",
    "caf\xC3\xA9",
    "\xC3",
    "\xED\xA0\x80",
    "##s",
    "a\nb\x01",
    "a name that is much longer than the room that there is for it in any of the places"};
enum { NAMES = sizeof names / sizeof *names };

static struct un_picture *make(int64_t words, int64_t regions, int64_t heads) {
    struct un_picture *p = &made.picture;
    memset(&made, 0, sizeof made);
    for (int64_t i = 0; i < words + regions; ++i) {
        struct un_picture_unit *u = &made.unit[i];
        *u = (struct un_picture_unit){
            .name = names[i % NAMES], .id = i % 7 - 1, .shown = i > 0, .truth = 0.25, .guesses = i % 5};
        for (int64_t g = 0; g < u->guesses; ++g)
            u->guess[g] = (struct un_picture_guess){names[(i + g) % NAMES], g, 0.5 / (double)(g + 1)};
    }
    for (int64_t i = 0; i < words * regions; ++i) made.mass[i] = 1 / (double)(words * regions);
    for (int64_t r = 0; r < regions; ++r) {
        float *box = made.box + r * 4, at = (float)(r % 10) / 10;
        box[0] = at, box[1] = at / 2, box[2] = r % 3 ? at + 0.3f : at,
        box[3] = 1.5f; /* thin, and beyond the edge */
    }
    for (int64_t i = 0; i < TOKENS_MOST * TOKENS_MOST; ++i)
        made.probability[i] = 1 / (float)(words + regions);
    for (int64_t h = 0; h < heads; ++h)
        made.head[h] = (struct un_picture_head){
            .layer = h, .head = 1, .probability = made.probability, .pattern = "block"};
    *p = (struct un_picture){.weights = "w",
                             .text_id = "t\xFF",
                             .image_id = "i",
                             .words = words,
                             .regions = regions,
                             .word = made.unit,
                             .region = made.unit + words,
                             .box = made.box,
                             .box_width = 4};
    p->match = 0.5, p->cost = made.cost, p->head = made.head, p->heads = heads;
    p->solver = (struct un_picture_plan){"IPOT", made.mass, 0.5, 1e-4, 1e-5, words * regions};
    p->exact = (struct un_picture_plan){"network simplex", made.mass, 0.25, 0, 0, words + regions - 1};
    return p;
}

static const char *path_of(const char *end) {
    static char path[512];
    snprintf(path, sizeof path, "%s%s", scratch("picture"), end);
    return path;
}

/* The file of a picture; un_free by the caller. */
static char *draw(const struct un_picture *p, const char *end, size_t *bytes) {
    char *text = NULL;
    expect_ok(un_picture_write(p, path_of(end)));
    expect_ok(un_files_read(path_of(end), (size_t)1 << 28, &text, bytes));
    return text;
}

static void every_size(void **state) {
    (void)state;
    static const int64_t size[][3] = {{1, 1, 0}, {2, 1, 1}, {3, 100, 7}, {62, 100, 2}, {14, 36, 0}};
    static const struct {
        const char *end, *begin;
    } kind[] = {{".svg", "<?xml"}, {".png", "\x89PNG"}, {".pdf", "%PDF"}, {".json", "{\"weights\": \"w\""}};
    for (size_t s = 0; s < sizeof size / sizeof *size; ++s)
        for (size_t k = 0; k < 4; ++k) {
            size_t bytes;
            struct un_picture *p = make(size[s][0], size[s][1], size[s][2]);
            if (s % 2) p->bgr = made.bgr, p->width = 40, p->height = 30;
            char *text = draw(p, kind[k].end, &bytes);
            assert_true(bytes > (k < 3 ? 2000 : 200));
            assert_memory_equal(text, kind[k].begin, strlen(kind[k].begin));
            un_free(text);
        }
}

static void photos_of_any_shape(void **state) {
    (void)state;
    static const int64_t size[][2] = {{1, 1}, {1, 900}, {900, 1}, {40, 30}};
    for (size_t s = 0; s < 4; ++s) {
        size_t bytes;
        struct un_picture *p = make(4, 5, 1);
        p->bgr = made.bgr, p->width = size[s][0], p->height = size[s][1];
        un_free(draw(p, ".svg", &bytes));
        assert_true(bytes > 2000);
    }
}

static void words_as_a_line(void **state) {
    (void)state;
    struct un_text_out out = {0};
    struct un_picture *p = make(6, 1, 0);
    static const char *const piece[] = {"[CLS]", "play", "##ing", "", "ball", "[SEP]"};
    for (int i = 0; i < 6; ++i) made.unit[i].name = piece[i], made.unit[i].id = 10 + i;
    un_picture_sentence(&out, p);
    assert_string_equal(out.text, "playing #13 ball");
    un_free(out.text);
    out = (struct un_text_out){0};
    un_picture_sentence(&out, make(2, 1, 0));
    assert_string_equal(out.text, "");
    un_free(out.text);
    p = make(2, 3, 0);
    made.mass[4] = made.mass[5] = 0.9;
    assert_int_equal(un_picture_best(p, &p->solver, 1), 1); /* the first of equals */
}

static void refused(void **state) {
    (void)state;
    expect_error(un_picture_write(make(2, 2, 0), path_of(".gif")), UN_USAGE, ".gif", ".svg");
    expect_error(un_picture_check_path("x.SVG"), UN_USAGE, "x.SVG");
    expect_ok(un_picture_check_path("a.b/x.pdf"));
    expect_error(un_picture_write(make(2, 2, 0), "/nowhere/x.svg"), UN_IO, "/nowhere/x.svg");
    static struct un_picture_head many[1200];
    struct un_picture *p = make(2, 2, 1);
    for (int i = 0; i < 1200; ++i) many[i] = made.head[0];
    p->head = many, p->heads = 1200;
    expect_error(un_picture_write(p, path_of(".png")), UN_USAGE, "pixels high", "32767");
}

/* Memory of our own that fails at any point is an error, and nothing stays. */
static void memory(void **state) {
    (void)state;
    for (int k = 0; k < 2; ++k) {
        enum un_status status = UN_MEMORY;
        uint64_t live = live_blocks(), n = 1;
        for (; status != UN_OK; ++n) {
            un_memory_fail_at(n);
            status = un_picture_write(make(4, 5, 1), path_of(k ? ".json" : ".svg"));
            un_memory_fail_at(0);
            assert_true(status == UN_OK || status == UN_MEMORY);
            assert_int_equal(live_blocks(), live);
            un_error_clear();
        }
        assert_true(n > (k ? 3 : 6));
    }
}

static int teardown(void **state) {
    (void)state;
    scratch_remove();
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_size), cmocka_unit_test(photos_of_any_shape),
                                       cmocka_unit_test(words_as_a_line), cmocka_unit_test(refused),
                                       cmocka_unit_test(memory)};
    return cmocka_run_group_tests_name("picture", tests, NULL, teardown);
}
