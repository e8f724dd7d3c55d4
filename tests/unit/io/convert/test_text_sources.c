/* Every source of captions and the values of a txt_db, on small made files, good and broken. */
#include "io/convert/format/lines.h"
#include "io/convert/text/import.h"
#include "io/convert/text/txt_db_value.h"
#include "runtime/memory.h"
#include "tests/support/expect.h"
#include "tests/unit/io/convert/text_case.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* "text|image|sentence|url|split;" of all captions. */
static enum un_status captions_of(enum un_status opened, struct un_text_source **opened_source, char *said) {
    struct un_caption c;
    bool more = true;
    said[0] = '\0';
    UN_TRY(opened);
    struct un_text_source *source = *opened_source;
    enum un_status status = UN_OK;
    while (status == UN_OK && more) {
        status = source->ops->next(source, &c, &more);
        if (status != UN_OK || !more) break;
        sprintf(said + strlen(said), "%s|%s|%.*s", c.text_id ? c.text_id : "", c.image_id ? c.image_id : "",
                (int)c.sentence_bytes, c.sentence ? c.sentence : "");
        if (c.url) sprintf(said + strlen(said), "|%s", c.url);
        if (c.split) sprintf(said + strlen(said), "|%s", c.split);
        if (c.why) sprintf(said + strlen(said), "!%s", c.why);
        strcat(said, ";");
    }
    un_text_source_close(source);
    return status;
}
static const struct un_text_names no_names = {"", ""};
#define LINES(path, said)          captions_of(un_text_source_lines(&source, path, &no_names), &source, said)
#define CAPTIONS(form, path, said) captions_of(un_text_source_##form(&source, path), &source, said)

static void test_json_sources(void **state) {
    struct un_text_source *source;
    char said[4096];
    (void)state;
    expect_ok(
        CAPTIONS(coco,
                 FILE_OF("c.json", "{\"images\": [{\"id\": 3, \"file_name\": \"3.jpg\"}], \"annotations\": "
                                   "[{\"image_id\": 3, \"id\": 9, \"caption\": \"a cat\"}, {\"id\": 10, "
                                   "\"image_id\": 4, \"caption\": \"\"}]}"),
                 said));
    assert_string_equal(said, "9|3|a cat;10|4|;");
    expect_ok(CAPTIONS(coco,
                       FILE_OF("k.json",
                               "{\"images\": [{\"filename\": \"C_3.jpg\", \"split\": \"val\", "
                               "\"cocoid\": 3, \"imgid\": 0, \"sentences\": [{\"raw\": \"x\", \"sentid\": "
                               "7, \"imgid\": 0}, {\"raw\": \"y\", \"sentid\": 8}]}, {\"filename\": "
                               "\"d\", \"sentences\": []}], \"dataset\": \"coco\"}"),
                       said));
    assert_string_equal(said, "7|C_3.jpg|x|val;8|C_3.jpg|y|val;");
    expect_ok(CAPTIONS(coco, FILE_OF("s.json", "{\"captions\": [\"a\", \"b\"], \"image_id\": 42}"), said));
    assert_string_equal(said, "|42|a;|42|b;");
    expect_ok(CAPTIONS(coco,
                       FILE_OF("r.json", "[{\"image\": \"i.jpg\", \"caption\": \"a\"}, {\"image\": \"j\", "
                                         "\"caption\": [\"b\", \"c\"]}]"),
                       said));
    assert_string_equal(said, "|i.jpg|a;|j|b;|j|c;");
    expect_ok(CAPTIONS(vg,
                       FILE_OF("v.json",
                               "[{\"id\": 1, \"regions\": [{\"region_id\": 5, \"image_id\": 1, \"phrase\": "
                               "\"p\"}]}, {\"id\": 2, \"regions\": [{\"region_id\": 6, \"phrase\": "
                               "\"q\"}]}]"),
                       said));
    assert_string_equal(said, "5|1|p;6|2|q;");
    expect_ok(CAPTIONS(
        vg, FILE_OF("v.json", "{\"regions\": [{\"region_id\": 5, \"phrase\": \"p\"}], \"id\": 77}"), said));
    assert_string_equal(said, "5|77|p;");
    expect_ok(
        captions_of(un_text_source_sbu(&source,
                                       FILE_OF("b.json", "{\"image_urls\": [\"http://a/1.jpg\", \"u\"], "
                                                         "\"captions\": [\"a\", \"b\"]}"),
                                       NULL),
                    &source, said));
    assert_string_equal(said, "|1|a|http://a/1.jpg;|2|b|u;");
}

static void test_json_sources_refused(void **state) {
    struct un_text_source *source;
    char said[4096];
    (void)state;
    expect_error(CAPTIONS(coco, FILE_OF("c.json", "{\"annotations\": [{\"image_id\": 3, \"id\": 9}]}"), said),
                 UN_DATA, "c.json", "line 1", "no caption");
    expect_error(
        CAPTIONS(coco, FILE_OF("c.json", "{\"annotations\": [{\"caption\": \"x\", \"id\": 9}]}"), said),
        UN_DATA, "c.json", "no image");
    expect_error(CAPTIONS(coco, FILE_OF("c.json", "{\"annotations\": [3]}"), said), UN_DATA,
                 "object is wanted");
    expect_error(CAPTIONS(coco, FILE_OF("c.json", "{\"images\": [{\"id\": 3}]}"), said), UN_DATA,
                 "no captions");
    expect_error(
        CAPTIONS(coco, FILE_OF("c.json", "{\"annotations\": [{\"image_id\": 3, \"caption\": \"x"), said),
        UN_DATA, "cut short");
    expect_error(CAPTIONS(vg, FILE_OF("c.json", "{\"id\": 3}"), said), UN_DATA, "no regions");
    expect_error(CAPTIONS(vg, FILE_OF("c.json", "[{\"id\": 3, \"regions\": 4}]"), said), UN_DATA, "no list");
    expect_error(captions_of(un_text_source_sbu(&source,
                                                FILE_OF("b.json", "{\"image_urls\": [\"u\"], \"captions\": "
                                                                  "[\"a\", \"b\"]}"),
                                                NULL),
                             &source, said),
                 UN_DATA, "not parallel", "1");
}

static void test_line_sources(void **state) {
    struct un_text_source *source;
    char said[4096];
    (void)state;
    expect_ok(CAPTIONS(cc,
                       FILE_OF("c.tsv", "\xef\xbb\xbf"
                                        "a cat\thttp://x/1.jpg\r\n\thttp://e\nb\xff\tu\nlast\tv"),
                       said));
    assert_string_equal(said, "|1|a cat|http://x/1.jpg;|2||http://e;|3||u!not UTF-8;|4|last|v;");
    expect_error(CAPTIONS(cc, FILE_OF("c.tsv", "a\tu\ncut shor"), said), UN_DATA, "c.tsv", "line 2", "TAB");
    expect_ok(LINES(FILE_OF("l.txt", "1.jpg#0\ta b\n1.jpg#1\tc\n2#x\td\n\te\n"), said));
    assert_string_equal(said, "1.jpg#0|1.jpg|a b;1.jpg#1|1.jpg|c;|2#x|d;||!no image id;");
    expect_ok(LINES(FILE_OF("l.txt", "one\n\nthree"), said));
    assert_string_equal(said, "|1|one;|2|;|3|three;");
    expect_error(LINES(FILE_OF("l.txt", "one\nx\ttwo\n"), said), UN_DATA, "line 2", "TAB");
    expect_error(LINES(FILE_OF("l.txt", "x\tone\ntwo\n"), said), UN_DATA, "line 2", "TAB");
    expect_error(LINES(FILE_OF("l.txt", ""), said), UN_DATA, "is empty");
    const char *urls = FILE_OF("u.txt", "http://a/1.jpg\nhttp://a/2.jpg\n"),
               *texts = FILE_OF("t.txt", "one\ntwo\n");
    for (int turned = 0; turned < 2; ++turned) {
        expect_ok(captions_of(un_text_source_sbu(&source, turned ? texts : urls, turned ? urls : texts),
                              &source, said));
        assert_string_equal(said, "|1|one|http://a/1.jpg;|2|two|http://a/2.jpg;");
    }
    expect_error(captions_of(un_text_source_sbu(&source, texts, texts), &source, said), UN_DATA, "neither");
    texts = FILE_OF("t.txt", "one\n");
    expect_error(captions_of(un_text_source_sbu(&source, urls, texts), &source, said), UN_DATA,
                 "t.txt ends after line 1");
    char *line = malloc(UN_LINE_BYTES_MAX + 2);
    memset(line, 'x', UN_LINE_BYTES_MAX + 2);
    expect_error(LINES(file_of("l.txt", line, UN_LINE_BYTES_MAX + 2), said), UN_DATA, "line 1", "longer");
    free(line);
}

static void test_txt_value(void **state) {
    /* lz4 frames with one block that is not compressed: 11 bytes of head, 4 of size, then 4 of end */
    static const unsigned char head[] = {0x04, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x82};
    static const struct {
        const char *bytes, *word;
        size_t n;
    } cases[] = {
        {"\x83\xa9input_ids\x93\x01\xcd\x01\x00\xce\x00\x01\x00\x00\xa9img_fname\xa1i\xa1x\x92\x80\x91\xcb"
         "12345678",
         NULL, 47},
        {"\x81\xa9input_ids\x91\xff", "no token id", 13},
        {"\x81\xa9input_ids\x92\x01", "cut short", 13},
        {"\x81\xa9input_ids\xdd\xff\xff\xff\xff", "cut short", 16},
        {"\x81\xa1x\xdf\xff\xff\xff\xff", "cut short", 8},
        {"\x80", "no input_ids", 1},
        {"\x90", "no msgpack map", 1},
        {"\x80\x80", "follows", 2},
        {"\xdf\xff\xff\xff\xff", "cut short", 5},
        {"\x81\xa9img_fname\x01", "img_fname is no text", 12},
    };
    struct un_txt_reader *reader;
    struct un_txt_value value;
    (void)state;
    expect_ok(un_txt_reader_open(&reader));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        unsigned char frame[128];
        size_t n = cases[i].n;
        memcpy(frame, head, sizeof head);
        memcpy(frame + 7, (const unsigned char[]){(unsigned char)n, 0, 0, 0x80}, 4);
        memcpy(frame + 11, cases[i].bytes, n);
        memset(frame + 11 + n, 0, 4);
        if (cases[i].word) {
            expect_error(un_txt_value_read(reader, "where", frame, n + 15, &value), UN_DATA, "where",
                         cases[i].word);
            continue;
        }
        expect_ok(un_txt_value_read(reader, "where", frame, n + 15, &value));
        assert_int_equal(value.tokens, 3);
        assert_int_equal(value.token[1], 256);
        assert_int_equal(value.token[2], 65536);
        assert_memory_equal(value.image, "i", value.image_bytes);
        assert_null(value.sentence);
        for (size_t cut = 0; cut < n + 15; ++cut) {
            assert_int_equal(un_txt_value_read(reader, "where", frame, cut, &value), UN_DATA);
            un_error_clear();
        }
    }
    un_txt_reader_close(reader);
}

static void test_columns(void **state) {
    static const struct un_text_names named = {"en.caption", "image/key"}, column = {"note", "file"};
    struct un_text_source *source;
    char said[4096];
    (void)state;
    expect_ok(CAPTIONS(cc, FILE_OF("c.tsv", "https://h/1.jpg\ta cat\nhttps://h/2.jpg\thttp is a word\n"),
                       said)); /* CC12M */
    assert_string_equal(said, "|1|a cat|https://h/1.jpg;|2|http is a word|https://h/2.jpg;");
    expect_ok(CAPTIONS(cc, FILE_OF("c.tsv", "caption\turl\na cat\thttps://h/1.jpg\n"), said));
    assert_string_equal(said, "|2|a cat|https://h/1.jpg;");
    expect_ok(CAPTIONS(cc, FILE_OF("c.tsv", "\"url\"\t\"caption\"\nhttps://h/1.jpg\ta cat\n"), said));
    assert_string_equal(said, "|2|a cat|https://h/1.jpg;");
    expect_error(CAPTIONS(cc, FILE_OF("c.tsv", "a\tb\tc\n"), said), UN_DATA, "line 1 has 3 columns",
                 "caption TAB url");
    expect_error(CAPTIONS(cc, FILE_OF("c.tsv", "a cat\n"), said), UN_DATA, "no TAB");

    expect_ok(LINES(FILE_OF("l.csv", "image,caption\n1.jpg,a cat\n2.jpg,\"one, \"\"two\"\"\"\n"), said));
    assert_string_equal(said, "|1.jpg|a cat;|2.jpg|one, \"two\";");
    expect_ok(LINES(FILE_OF("l.csv", "caption,split,Image_ID\na cat,train,9\n"), said));
    assert_string_equal(said, "|9|a cat;");
    expect_ok(
        LINES(FILE_OF("l.csv", "image_name| comment_number| comment\n1.jpg| 0| a | b\n1.jpg| 1| c\n"), said));
    assert_string_equal(said, "1.jpg#0|1.jpg|a | b;1.jpg#1|1.jpg|c;");
    expect_ok(LINES(FILE_OF("l.txt", "image_id\tcaption\n7\ta cat\n"), said));
    assert_string_equal(said, "|7|a cat;");
    expect_ok(LINES(FILE_OF("l.txt", "7\t0\ta cat\n7\t1\ta dog\n"), said));
    assert_string_equal(said, "7#0|7|a cat;7#1|7|a dog;");
    expect_ok(LINES(FILE_OF("l.txt", "\"7\"\t\"a \"\"cat\"\"\"\n\"8\"\t\"b\"\n"), said));
    assert_string_equal(said, "|7|a \"cat\";|8|b;");
    expect_ok(LINES(FILE_OF("l.txt", "the cat, the dog\nimage, caption\n"), said)); /* commas of captions */
    assert_string_equal(said, "|1|the cat, the dog;|2|image, caption;");
    expect_ok(
        captions_of(un_text_source_lines(&source, FILE_OF("l.csv", "file,caption,note\n1,x,y\n"), &column),
                    &source, said));
    assert_string_equal(said, "|1|y;");
    expect_error(LINES(FILE_OF("l.txt", "7\ta cat\n8\ta\tb\n"), said), UN_DATA, "line 2 has more columns");
    expect_error(LINES(FILE_OF("l.txt", "7\tx\ta cat\n"), said), UN_DATA, "line 1 has 3 columns");
    expect_error(LINES(FILE_OF("l.csv", "1.jpg,a cat\n"), said), UN_DATA, "does not name the columns");
    expect_error(LINES(FILE_OF("l.csv", "image,caption\n1.jpg,\"a cat\n"), said), UN_DATA, "line 2",
                 "quote that does not end");
    expect_error(LINES(FILE_OF("l.csv", "image,caption\n1.jpg\n"), said), UN_DATA,
                 "line 2 has fewer columns");
    expect_error(captions_of(un_text_source_lines(&source, FILE_OF("l.csv", "file,caption\n1,x\n"), &column),
                             &source, said),
                 UN_DATA, "does not name the columns note file");

    expect_ok(LINES(FILE_OF("l.jsonl",
                            "{\"image_id\": 3, \"caption\": \"a\", \"more\": [1]}\n\n{\"image_id\": \"x\", "
                            "\"caption\": \"b\"}"),
                    said));
    assert_string_equal(said, "|3|a;|x|b;");
    expect_ok(captions_of(
        un_text_source_lines(
            &source, FILE_OF("l.jsonl", "{\"image/key\": \"k\", \"en\": {\"caption\": [\"a\", \"b\"]}}\n"),
            &named),
        &source, said));
    assert_string_equal(said, "|k|a;|k|b;");
    expect_error(LINES(FILE_OF("l.jsonl", "{\"image/key\": \"k\", \"en\": {\"caption\": [\"a\"]}}\n"), said),
                 UN_DATA, "which key holds the caption", "image/key, en", "caption=KEY");
    expect_error(
        LINES(FILE_OF("l.jsonl", "{\"image_id\": 3, \"caption\": \"a\"}\n{\"image_id\": 4}\n"), said),
        UN_DATA, "line 2", "no text");
    expect_error(LINES(FILE_OF("l.jsonl", "{\"image_id\": 3, \"caption\": \"a\"}\n{\"ima\n"), said), UN_DATA,
                 "line 2");
    expect_error(LINES(FILE_OF("l.json", "[{\"image_id\": 3, \"caption\": \"a\"}]\n"), said), UN_DATA,
                 "import coco");
    expect_error(LINES(file_of("l.pkl", "\x80\x04\x95\x10", 4), said), UN_DATA, "pickle");
    expect_error(LINES(file_of("l.txt",
                               "\xff\xfe"
                               "a\0\n\0",
                               6),
                       said),
                 UN_DATA, "UTF-16", "iconv");
    expect_error(LINES(file_of("l.bin", "a\0b\n", 4), said), UN_DATA, "zero bytes");
    expect_error(LINES(FILE_OF("l.txt", "7\ta\r8\tb\r"), said), UN_DATA, "carriage returns");
    static const char *const others[][2] = {
        {"(lp0\n(dp1\nVsent_ids\n", "a pickle of Python"},
        {"(dp12\n", "a pickle of Python"},
        {"<?xml version=\"1.0\"?>\n", "XML or HTML"},
        {"<html>\n", "XML or HTML"},
        {"<annotation><filename>1.jpg</filename></annotation>\n", "XML or HTML"},
        {"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git lfs pull"},
        {"[/EN#1/people A man] holds [/EN#2/other a cup] .\n", "Flickr30k Entities"},
        {"Two dogs chase [/EN#1/other a ball] .\n", "Flickr30k Entities"},
    };
    for (size_t i = 0; i < sizeof others / sizeof *others; ++i) {
        expect_error(LINES(file_of("l.txt", others[i][0], strlen(others[i][0])), said), UN_DATA,
                     "l.txt: ", others[i][1], "lines of UTF-8 are wanted");
        expect_error(un_text_source_cc(&source, file_of("l.txt", others[i][0], strlen(others[i][0]))),
                     UN_DATA, others[i][1]);
    }
    static const char *const captions[] = {"(left) a cup\n", "[UNK] a cup\n", "<start> a cup <end>\n",
                                           "(lp) a record\n", "<b>a</b> cup\n"};
    for (size_t i = 0; i < sizeof captions / sizeof *captions; ++i)
        expect_ok(LINES(file_of("l.txt", captions[i], strlen(captions[i])), said));
    expect_error(LINES("/dev/null", said), UN_USAGE, "/dev/null", "a pipe or a device");
}

static void test_image_files(void **state) {
    struct un_text_source *source;
    struct un_caption c;
    bool more;
    char said[1024];
    (void)state;
    expect_ok(un_text_source_coco(
        &source,
        FILE_OF("n.json", "{\"annotations\": [{\"id\": 0, \"image_id\": 1, \"caption\": \"a\"}, {\"id\": 1, "
                          "\"image_id\": 2, \"caption\": \"b\"}], \"images\": [{\"id\": 1, \"file_name\": "
                          "\"0123abc7.jpg\"}]}")));
    expect_ok(source->ops->next(source, &c, &more));
    assert_string_equal(c.image_id, "1");
    assert_string_equal(c.image_name, "0123abc7.jpg");
    expect_ok(source->ops->next(source, &c, &more));
    assert_null(c.image_name);
    un_text_source_close(source);
    expect_error(
        un_text_source_coco(
            &source,
            FILE_OF("n.json",
                    "{\"annotations\": [{\"id\": 0, \"image_id\": 1, \"caption\": \"a\"}], \"images\": "
                    "[{\"id\": 1, \"file_name\": \"a\"}, {\"id\": 1, \"file_name\": \"b\"}]}")),
        UN_DATA, "id 1 stands twice", "a and b");
    expect_ok(CAPTIONS(coco,
                       FILE_OF("t.json", "{\"dataset_name\": \"textcaps\", \"data\": [{\"image_id\": "
                                         "\"ab1\", \"caption_str\": \"a sign\", "
                                         "\"caption_id\": 5}]}"),
                       said));
    assert_string_equal(said, "5|ab1|a sign;");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_columns, no_memory_held),
        cmocka_unit_test_teardown(test_image_files, no_memory_held),
        cmocka_unit_test_teardown(test_json_sources, no_memory_held),
        cmocka_unit_test_teardown(test_json_sources_refused, no_memory_held),
        cmocka_unit_test_teardown(test_line_sources, no_memory_held),
        cmocka_unit_test_teardown(test_txt_value, no_memory_held),
    };
    return cmocka_run_group_tests(tests, NULL, remove_scratch);
}
