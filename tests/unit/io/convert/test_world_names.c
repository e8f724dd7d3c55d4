/* Which objects sentences name, which word pieces speak of them. */
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

#include <cmocka.h>

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

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mentions),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_pieces),
    };
    un_log_set(0, UN_LOG_ERROR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
