/* Which objects sentences name, which word pieces speak of them, which scenes come of it. */
#include "io/convert/world/private.h"
#include "io/disk/files.h"
#include "runtime/memory.h"
#include "tests/support/expect.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static const char classes_text[] =
    "dog\ntraffic light\nlight\ntennis racket,tennis racquet\nman\nknife\nbus\n"
    "giraffe\ngiraffes\nbrick\nbuilding\nchild\nt-shirt,tee\nbookshelf\ncity\n"
    "pitcher's mound\ncaf\xc3\xa9\npotato\nsheep\npolice car\nperson\nroof\n"
    "orange\nhuman\nbox";
static const char attributes_text[] =
    "red\nlarge,big\nbrown\nwhite\nbrick\norange\nblack and white\nlong sleeve,long-sleeved\nold";
static const char vocab_text[] = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\ntwo\nred\ndog\n##"
                                 "s\ntraffic\nlight\nlights\n.\n,\nand\nbig\nt\n-\n"
                                 "shirt\ncafe\non\nthe\nbr\n##ick\nbus\nblack\nwhite\nold\nnear\n";

static struct un_names *names(const char *text, bool plurals) {
    struct un_names *n;
    expect_ok(un_names_parse(&n, "names.txt", text, strlen(text), plurals));
    return n;
}

/* "class*count[attribute attribute]", the first synonym of each, attributes from the left. */
static void say_mentions(char *out, const struct un_names *classes, const struct un_names *attributes,
                         const char *sentence, int most_alike) {
    static struct un_words words; /* large */
    struct un_mention m[16];
    un_words_cut(&words, sentence, strlen(sentence));
    int n = un_captions_match(classes, attributes, &words, most_alike, m, 16);
    out[0] = '\0';
    for (int i = 0; i < n; ++i) {
        const char *line = un_names_line(classes, m[i].class_);
        sprintf(out + strlen(out), "%s%.*s", i ? "; " : "", (int)strcspn(line, ","), line);
        if (m[i].count != 1) sprintf(out + strlen(out), "*%d", m[i].count);
        for (int a = m[i].attributes - 1; a >= 0; --a) {
            line = un_names_line(attributes, m[i].attribute[a]);
            sprintf(out + strlen(out), "%s%.*s%s", a == m[i].attributes - 1 ? "[" : " ",
                    (int)strcspn(line, ","), line, a == 0 ? "]" : "");
        }
        assert_true(m[i].name.begin < m[i].name.end && m[i].name.end <= (int)strlen(sentence));
    }
}

static void test_mentions(void **state) {
    (void)state;
    static const struct {
        const char *sentence, *mentions;
    } table[] = {
        {"", ""},
        {"Nothing here at all.", ""},
        {"A dog.", "dog"},
        {"DOG, dog; dogs!", "dog; dog; dog*2"},
        {"a hotdogs stand", ""}, /* whole words only */
        {"two dogs", "dog*2"},
        {"2 dogs and three men", "dog*2; man*3"},
        {"ten dogs", "dog*4"}, /* at most four alike */
        {"one dog", "dog"},
        {"two sheep and a sheep", "sheep*2; sheep"},
        {"two old dogs", "dog*2[old]"},
        {"a traffic light", "traffic light"},
        {"the traffic lights", "traffic light*2"},
        {"the traffic, lights", "light*2"}, /* no name across a comma */
        {"traffic-light", "traffic light"},
        {"tennis racquets", "tennis racket*2"},
        {"men with knives near children", "man*2; knife*2; child*2"},
        {"the man's dog", "man; dog"},
        {"buses and boxes in cities by bookshelves", "bus*2; box*2; city*2; bookshelf*2"},
        {"humans, people, persons", "human*2; person*2; person*2"},
        {"giraffe, giraffes", "giraffe; giraffes*2"}, /* a class of its own */
        {"potatoes on roofs", "potato*2; roof*2"},
        {"a T-shirt, a t shirt and tees", "t-shirt; t-shirt; t-shirt*2"},
        {"pitcher\xe2\x80\x99s mound", "pitcher's mound"},
        {"CAF\xc3\x89", "caf\xc3\xa9"},
        {"a red bus", "bus[red]"},
        {"a big, red bus", "bus[large red]"},
        {"a big and red bus", "bus[large red]"},
        {"red and the bus", "bus"},
        {"red. bus", "bus"},
        {"red, bus", "bus"},
        {"brick, building", "brick; building"},
        {"the bus is red", "bus"},
        {"a black and white dog", "dog[black and white]"},
        {"a large long-sleeved t-shirt", "t-shirt[large long sleeve]"},
        {"a brick building", "building[brick]"},
        {"a brick, a building", "brick; building"},
        {"an orange brick building of brick", "building[orange brick]; brick"},
        {"an orange, brick building", "building[orange brick]"},
        {"orange and brick building", "building[orange brick]"},
        {"dog and orange brick", "dog; brick[orange]"},
        {"red white brown old large dog", "dog[white brown old large]"}, /* the nearest four */
        {"red dog white dog", "dog[red]; dog[white]"},
        {"police car dog", "police car; dog"},
        {"dog\xff"
         "dog",
         "dog; dog"},
    };
    struct un_names *classes = names(classes_text, true), *attributes = names(attributes_text, false);
    char said[1024];
    for (size_t i = 0; i < sizeof table / sizeof *table; ++i) {
        say_mentions(said, classes, attributes, table[i].sentence, 4);
        if (strcmp(said, table[i].mentions) != 0)
            fail_msg("\"%s\": \"%s\", not \"%s\"", table[i].sentence, said, table[i].mentions);
    }
    say_mentions(said, classes, NULL, "a red brick building", 4);
    assert_string_equal(said, "brick; building");
    un_names_close(classes);
    un_names_close(attributes);
    assert_int_equal(live_blocks(), 0);
}

static void expect_refused(const char *text, size_t bytes, const char *word, const char *other) {
    struct un_names *n;
    expect_error(un_names_parse(&n, "names.txt", text, bytes, true), UN_DATA, "names.txt", word, other);
    assert_null(n);
    assert_int_equal(live_blocks(), 0);
}

static void test_names(void **state) {
    (void)state;
    char wide[400];
    struct un_names *n = names("a\r\nb, b ,B\nc", true);
    assert_int_equal(un_names_count(n), 3);
    assert_string_equal(un_names_line(n, 1), "a");
    un_names_close(n);
    expect_refused("", 0, "0 lines", "");
    expect_refused("dog\ncat\nDog\n", 12, "\"dog\" stands twice", "line 1 and line 3");
    expect_refused("tee shirt\ntee-shirt\n", 20, "tee shirt", "line 2");
    expect_refused("dog\n\ncat\n", 9, "line 2", "0 words");
    expect_refused("dog,,cat\n", 9, "line 1", "0 words");
    expect_refused("dog\0cat\n", 8, "zero byte", "");
    memset(wide, 'x', sizeof wide);
    expect_refused(wide, sizeof wide, "line 1", "400 bytes");
    for (size_t i = 1; i < sizeof wide; i += 2) wide[i] = ' ';
    expect_refused(wide, 100, "line 1", "50 words");
}

/* "piece piece" of each span in the order of the sentence, spans parted by "|". */
static bool say_pieces(char *out, const struct un_wordpiece *wordpiece, const struct un_names *classes,
                       const struct un_names *attributes, const char *sentence, size_t bytes) {
    static struct un_words words;            /* large */
    static int32_t token[UN_CAPTION_PIECES]; /* large */
    struct un_mention m[16];
    struct un_said said[16];
    struct un_piece_ranges ranges[16];
    int64_t tokens;
    un_words_cut(&words, sentence, bytes);
    int n = un_captions_match(classes, attributes, &words, 4, m, 16);
    for (int i = 0; i < n; ++i) said[i] = (struct un_said){.mention = m[i]};
    if (!un_captions_pieces(wordpiece, sentence, (int32_t)bytes, said, n, token, &tokens, ranges))
        return false;
    out[0] = '\0';
    for (int i = 0; i < n; ++i)
        for (int a = m[i].attributes - 1; a >= -1; --a) {
            struct un_piece_range r = a >= 0 ? ranges[i].said[a] : ranges[i].name;
            if (out[0]) strcat(out, "|");
            for (int32_t t = r.first; t < r.after; ++t)
                sprintf(out + strlen(out), "%s%d:%s", t > r.first ? " " : "", t,
                        un_wordpiece_piece(wordpiece, token[t]));
        }
    return true;
}

static void test_pieces(void **state) {
    (void)state;
    static const struct {
        const char *sentence, *pieces;
    } table[] = {
        {"a dog", "1:dog"},
        {"A Dog.", "1:dog"},
        {"two dogs", "1:dog 2:##s"},
        {"a , big dogs", "2:big|3:dog 4:##s"},
        {"traffic-lights. dog", "0:traffic 1:- 2:lights|4:dog"},
        {"the big and red bus", "1:big|3:red|4:bus"},
        {"t-shirt on caf\xc3\xa9", "0:t 1:- 2:shirt|4:cafe"},
        {"unknownword dogs", "1:dog 2:##s"},
        {"brick", "0:br 1:##ick"},
        {"", ""},
    };
    struct un_names *classes = names(classes_text, true), *attributes = names(attributes_text, false);
    struct un_wordpiece *w;
    char said[1024];
    expect_ok(un_wordpiece_parse(&w, "v.txt", vocab_text, strlen(vocab_text), UN_WORDPIECE_AUTO));
    for (size_t i = 0; i < sizeof table / sizeof *table; ++i) {
        assert_true(say_pieces(said, w, classes, attributes, table[i].sentence, strlen(table[i].sentence)));
        assert_string_equal(said, table[i].pieces);
    }
    /* a soft hyphen vanishes for the tokenizer, so the word before it is no word of its own */
    assert_false(say_pieces(said, w, classes, attributes,
                            "dog\xc2\xad"
                            "s",
                            6));
    un_names_close(classes);
    un_names_close(attributes);
    un_wordpiece_close(w);
    assert_int_equal(live_blocks(), 0);
}

/* ---- scenes ---- */

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
        cmocka_unit_test(test_mentions), cmocka_unit_test(test_names), cmocka_unit_test(test_pieces),
        cmocka_unit_test(test_scenes),   cmocka_unit_test(test_views), cmocka_unit_test(test_same_files),
        cmocka_unit_test(test_refused),
    };
    un_log_set(0, UN_LOG_ERROR);
    return cmocka_run_group_tests(tests, NULL, clean);
}
