/* Which scenes come of captions, what is seen of them, which input is refused. */
#include "io/convert/world/private.h"
#include "io/disk/files.h"
#include "runtime/memory.h"
#include "tests/support/expect.h"
#include "tests/unit/io/convert/world_case.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static void put_file(const char *name, const char *text) {
    FILE *file = fopen(scratch(name), "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, strlen(text), file), strlen(text));
    assert_int_equal(fclose(file), 0);
}

static struct un_captions_keys keys_for(const char *out) {
    struct un_captions_keys k = {.valid = 0.25, .seed = 3, .img_dim = 10, .most_alike = 4, .max_txt_len = 20};
    k.min_distractors = 1;
    k.max_distractors = 3;
    k.max_background = 2;
    k.duplicates = 0.5;
    k.faint = 0.5;
    k.noise = 0.5;
    k.quiet = true;
    snprintf(k.out, sizeof k.out, "%s", scratch(out));
    snprintf(k.captions, sizeof k.captions, "%s", scratch("captions.txt"));
    snprintf(k.classes, sizeof k.classes, "%s", scratch("classes.txt"));
    snprintf(k.attributes, sizeof k.attributes, "%s", scratch("attributes.txt"));
    snprintf(k.vocab, sizeof k.vocab, "%s", scratch("vocab.txt"));
    return k;
}

static void put_inputs(const char *captions) {
    put_file("captions.txt", captions);
    put_file("classes.txt", classes_text);
    put_file("attributes.txt", attributes_text);
    put_file("vocab.txt", vocab_text);
}

static void open_world(struct un_captions_world *w, const struct un_captions_keys *k) {
    *w = (struct un_captions_world){.keys = k, .img_label_dim = 26};
    expect_ok(un_names_open(&w->classes, k->classes, true));
    expect_ok(un_names_open(&w->attributes, k->attributes, false));
    expect_ok(un_wordpiece_open(&w->wordpiece, k->vocab, UN_WORDPIECE_AUTO));
    expect_ok(un_captions_read(w));
    expect_ok(un_captions_build(w));
}

/* The scene's objects: "class[attributes] ...", and for each mention of each text the set of its objects. */
static void expect_scene(const struct un_captions_world *w, int64_t scene, const char *objects,
                         const char *sets) {
    char said[512] = "", meant[512] = "";
    const struct un_captions_scene *s = &w->scene[scene];
    for (int64_t o = s->object; o < s->object + s->objects; ++o) {
        sprintf(said + strlen(said), "%s%d", o > s->object ? " " : "", w->object[o].class_);
        for (int a = 0; a < w->object[o].attributes; ++a)
            sprintf(said + strlen(said), "%s%d", a ? "," : ":", w->object[o].attribute[a]);
    }
    for (int64_t t = s->text; t < s->text + s->texts; ++t) {
        const struct un_captions_text *text = &w->text[w->by_scene[t]];
        if (t > s->text) strcat(meant, "|");
        for (int64_t i = 0; i < text->saids; ++i)
            sprintf(meant + strlen(meant), "%s%llu", i ? " " : "",
                    (unsigned long long)w->said[text->said + i].objects);
    }
    assert_string_equal(said, objects);
    assert_string_equal(meant, sets);
}

static void test_scenes(void **state) {
    (void)state;
    struct un_captions_world w;
    /* classes: 1 dog, 2 traffic light, 7 bus; attributes: 1 red, 2 large, 4 white */
    put_inputs("x\ta red bus\n"
               "y\ttwo dogs\n"
               "x\ta red bus near a white bus\n"  /* red is the first, white another */
               "x\ta big bus and the white bus\n" /* big: the red one, which is free; white: the second */
               "x\ta white bus\n"                 /* the one that is white already */
               "y\ta dog near the traffic lights\n"
               "z\tnothing\n"
               "z\tnor here\n"
               "v\ttwo red dogs near two white dogs and a dog\n");
    const struct un_captions_keys k = keys_for("none");
    open_world(&w, &k);
    assert_int_equal(w.scenes, 4);
    expect_scene(&w, 0, "7:1,2 7:4", "1|1 2|1 2|2");
    expect_scene(&w, 1, "1 1 2 2", "0|0 0"); /* 0: all of the class */
    expect_scene(&w, 2, "", "|");
    expect_scene(&w, 3, "1:1 1:1 1:4 1:4", "3 12 0");
    assert_int_equal(w.counts.unnamed, 2);
    assert_int_equal(w.seen[1], 5);
    un_captions_world_close(&w);
    assert_int_equal(live_blocks(), 0);
}

/* A view holds what its scene says, in the order of confidence, and nobody names a distractor. */
static void test_views(void **state) {
    (void)state;
    struct un_captions_world w;
    struct un_scene_view v;
    char *text = un_alloc(1 << 16, 1, "captions");
    for (int i = 0; i < 400; ++i)
        strcat(text, i % 4 == 0   ? "two red dogs on a bus\n"
                     : i % 4 == 1 ? "a man\n"
                     : i % 4 == 2 ? "big city\n"
                                  : "sheep near knives\n");
    put_inputs(text);
    un_free(text);
    const struct un_captions_keys k = keys_for("none");
    int clutter = 0, twice = 0, distractors = 0;
    open_world(&w, &k);
    for (int64_t s = 0; s < w.scenes; ++s) {
        int first[UN_SCENE_OBJECTS + UN_SCENE_DISTRACTORS] = {0};
        un_captions_view(&w, s, &v);
        assert_int_equal(v.named, w.scene[s].objects);
        distractors += v.objects - v.named;
        for (int o = v.named; o < v.objects; ++o)
            for (int i = 0; i < v.named; ++i) assert_int_not_equal(v.object[o].class_, v.object[i].class_);
        for (int r = 0; r < v.regions; ++r) {
            const struct un_scene_region *p = &v.region[r];
            assert_true(r == 0 || v.region[r - 1].confidence >= p->confidence);
            assert_true(p->box[0] >= 0 && p->box[2] <= 1 && p->box[4] > 0 && p->box[5] > 0 &&
                        p->blend <= 0.4f);
            assert_true(p->object < v.objects && p->lookalike != p->class_);
            assert_int_equal(p->class_, p->object < 0 ? 0 : v.object[p->object].class_);
            clutter += p->object < 0;
            if (p->object >= 0) twice += first[p->object]++ > 0;
        }
        for (int o = 0; o < v.objects; ++o) assert_true(first[o] >= 1 && first[o] <= 2);
    }
    assert_in_range(clutter, 300, 500);     /* 0..2 a scene */
    assert_in_range(distractors, 700, 900); /* 1..3 a scene */
    assert_in_range(twice, 700, 1000);      /* half of 2.25 + 2 objects a scene */
    un_captions_world_close(&w);
    assert_int_equal(live_blocks(), 0);
}

static void expect_equal_files(const char *a, const char *b, bool equal) {
    char *p, *q;
    size_t m, n;
    expect_ok(un_files_read(scratch(a), 1 << 26, &p, &m));
    expect_ok(un_files_read(scratch(b), 1 << 26, &q, &n));
    bool same = m == n && memcmp(p, q, m) == 0;
    if (same != equal) fail_msg("%s and %s: %s", a, b, same ? "equal" : "not equal");
    un_free(p);
    un_free(q);
}

static void test_same_files(void **state) {
    (void)state;
    static const char *const files[] = {"captions_train.img.h5", "captions_train.txt.h5",
                                        "captions_valid.img.h5", "captions_valid.txt.h5",
                                        "classes.txt",           "vocab.txt"};
    char a[64], b[64];
    put_inputs("a red dog\ntwo dogs on the bus\nthe old city\na bus\nold brick building\nmen\nknives\nbox\n");
    struct un_captions_keys one = keys_for("one"), three = keys_for("three"), other = keys_for("other");
    one.threads = 1;
    three.threads = 3;
    other.seed = 4;
    expect_ok(un_captions(&one));
    usleep(1100000); /* no file may hold the time, which HDF5 counts in seconds */
    expect_ok(un_captions(&three));
    expect_ok(un_captions(&other));
    for (size_t i = 0; i < sizeof files / sizeof *files; ++i) {
        snprintf(a, sizeof a, "one/%s", files[i]);
        snprintf(b, sizeof b, "three/%s", files[i]);
        expect_equal_files(a, b, true);
        snprintf(b, sizeof b, "other/%s", files[i]);
        expect_equal_files(a, b, i >= 4);
    }
    expect_error(un_captions(&one), UN_USAGE, "captions_train.img.h5", "exists");
    expect_ok(un_files_remove_folder(scratch("one"), NULL));
    expect_ok(un_files_remove_folder(scratch("three"), NULL));
    expect_ok(un_files_remove_folder(scratch("other"), NULL));
    assert_int_equal(live_blocks(), 0);
}

static void test_refused(void **state) {
    (void)state;
    struct stat st;
    struct un_captions_keys k = keys_for("refused");
    put_inputs("x\ta dog\na bus\n");
    expect_error(un_captions(&k), UN_DATA, "captions.txt", "line 2", "no tab");
    put_inputs("a dog\nx\ta bus\n");
    expect_error(un_captions(&k), UN_DATA, "captions.txt", "line 2", "a tab");
    put_inputs("\ta dog\n");
    expect_error(un_captions(&k), UN_DATA, "captions.txt", "line 1", "image id");
    put_inputs("");
    expect_error(un_captions(&k), UN_DATA, "captions.txt", "no caption");
    put_inputs("\n \n");
    expect_error(un_captions(&k), UN_DATA, "captions.txt", "2 empty");
    put_inputs("nothing\n");
    expect_error(un_captions(&k), UN_DATA, "captions.txt", "none of its 1 captions");
    put_inputs("a dog\n");
    expect_error(un_captions(&k), UN_USAGE, "valid=0.25", "none to train on");
    put_inputs("a dog\na bus\n");
    k.img_label_dim = 25;
    expect_error(un_captions(&k), UN_USAGE, "img_label_dim=25", "25 classes");
    k.img_label_dim = 0;
    k.min_distractors = 4;
    expect_error(un_captions(&k), UN_USAGE, "min_distractors=4", "max_distractors=3");
    k.min_distractors = 1;
    put_file("vocab.txt", "dog\n");
    expect_error(un_captions(&k), UN_DATA, "vocab.txt");
    put_file("vocab.txt", vocab_text);
    /* after a failure that late, what was written before is taken away */
    expect_ok(un_files_make_folder(scratch("refused/captions_valid.txt.h5.partial")));
    enum un_status late = un_captions(&k);
    assert_int_not_equal(late, UN_OK);
    un_error_clear();
    assert_int_not_equal(stat(scratch("refused/captions_train.img.h5"), &st), 0);
    assert_int_not_equal(stat(scratch("refused/captions_train.txt.h5"), &st), 0);
    assert_int_not_equal(stat(scratch("refused/classes.txt"), &st), 0);
    assert_int_equal(rmdir(scratch("refused/captions_valid.txt.h5.partial")), 0);
    assert_int_equal(rmdir(scratch("refused")), 0); /* empty */
    assert_int_equal(live_blocks(), 0);
}

static int clean(void **state) {
    (void)state;
    scratch_remove();
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scenes),
        cmocka_unit_test(test_views),
        cmocka_unit_test(test_same_files),
        cmocka_unit_test(test_refused),
    };
    un_log_set(0, UN_LOG_ERROR);
    return cmocka_run_group_tests(tests, NULL, clean);
}
