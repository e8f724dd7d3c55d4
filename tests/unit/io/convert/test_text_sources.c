/* JSON by items, lines, image names, every source of captions, the import and the vocabulary, on small made
 * files, good and broken. */
#include "io/convert/format/json_items.h"
#include "io/convert/format/lines.h"
#include "io/convert/text/image_names.h"
#include "io/convert/text/import.h"
#include "io/convert/text/txt_db_value.h"
#include "io/convert/token/vocab_train.h"
#include "io/data/file.h"
#include "runtime/memory.h"
#include "tests/support/expect.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const char *file_of(const char *name, const char *text, size_t bytes) {
    const char *path = scratch(name);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, bytes, file), bytes);
    assert_int_equal(fclose(file), 0);
    return path;
}
#define FILE_OF(name, text) file_of(name, text, sizeof(text) - 1)

/* ---- JSON ---- */

/* "key[index]@line=value;" of all items, or the first error. */
static enum un_status items_of(const char *path, const char *const *keys, int n, char *said) {
    struct un_json_items *items;
    struct un_json_item item;
    bool more = true;
    said[0] = '\0';
    UN_TRY(un_json_items_open(&items, path, keys, n));
    enum un_status status = UN_OK;
    while (status == UN_OK && more) {
        status = un_json_items_next(items, &item, &more);
        if (status != UN_OK || !more) break;
        char *value = json_dumps(item.value, JSON_ENCODE_ANY | JSON_COMPACT);
        sprintf(said + strlen(said), "%s", item.key);
        if (item.element) sprintf(said + strlen(said), "[%d]", (int)item.index);
        sprintf(said + strlen(said), "@%d=%s;", (int)item.line, value);
        free(value);
    }
    un_json_items_close(items);
    return status;
}

static void test_json(void **state) {
    char said[4096];
    static const char *const only[] = {"b", "n"};
    (void)state;
    const char *path =
        FILE_OF("a.json", "\xef\xbb\xbf {\"a\": {\"x\": [1, \"]}\\\"\"]},\n \"b\":[1, \"t\\n\",\n{\"y\":[]}, "
                          "[2,3] ],\"c\":[], \"n\" : null, \"k\\u0041\":-1.5}\n");
    expect_ok(items_of(path, NULL, 0, said));
    assert_string_equal(said,
                        "a@1={\"x\":[1,\"]}\\\"\"]};b[0]@2=1;b[1]@2=\"t\\n\";b[2]@3={\"y\":[]};b[3]@3=[2,3];"
                        "n@3=null;kA@3=-1.5;");
    expect_ok(items_of(path, only, 2, said));
    assert_string_equal(said, "b[0]@2=1;b[1]@2=\"t\\n\";b[2]@3={\"y\":[]};b[3]@3=[2,3];n@3=null;");
    expect_ok(items_of(FILE_OF("b.json", "[1,[2],{}]"), NULL, 0, said));
    assert_string_equal(said, "[0]@1=1;[1]@1=[2];[2]@1={};");
    expect_ok(items_of(FILE_OF("b.json", " [ ] "), NULL, 0, said));
    assert_string_equal(said, "");
    expect_ok(items_of(FILE_OF("b.json", "{}"), NULL, 0, said));
    assert_string_equal(said, "");
}

static void test_json_refused(void **state) {
    static const struct {
        const char *text, *word;
    } bad[] = {
        {"[1,2", "cut short"},
        {"{\"a\": [{\"b\": 1", "cut short"},
        {"{\"a\": \"x", "cut short"},
        {"{\"a\"", "cut short"},
        {"{\"a\":", "cut short"},
        {"[1,]", "value is wanted"},
        {"[,1]", "value is wanted"},
        {"[1 2]", "comma"},
        {"{\"a\":1 \"b\":2}", "comma"},
        {"{a:1}", "key in quotes"},
        {"{\"a\" 1}", "colon"},
        {"[1] x", "follows the end"},
        {"word", "neither"},
        {"[{\"a\":1,\"a\":2}]", "line 1"},
        {"[[1}]", "do not match"},
        {"[tru]", "line 1"},
        {"\n\n[\"\xff\"]", "line 3"},
        {"[\"\n\"]", "line"},
        {"{\"a\":1,}", "key in quotes"},
    };
    char said[4096], deep[300];
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; ++i) {
        const char *path = file_of("bad.json", bad[i].text, strlen(bad[i].text));
        expect_error(items_of(path, NULL, 0, said), UN_DATA, "bad.json", bad[i].word, "byte");
    }
    memset(deep, '[', sizeof deep);
    expect_error(items_of(file_of("deep.json", deep, sizeof deep), NULL, 0, said), UN_DATA, "deeper");
    expect_error(items_of(FILE_OF("none.json", ""), NULL, 0, said), UN_DATA, "is empty");
    expect_error(items_of(scratch("absent.json"), NULL, 0, said), UN_IO, "absent.json");
    expect_error(items_of(scratch_folder(), NULL, 0, said), UN_DATA, "folder");
}

/* An element across several blocks, and one over the limit. */
static void test_json_large(void **state) {
    enum { TEXT = 700000 };
    static const char *const other[] = {"z"};
    struct un_json_items *items;
    struct un_json_item item;
    bool more;
    (void)state;
    FILE *file = fopen(scratch("large.json"), "wb");
    fputs("{\"a\":[\"", file);
    for (int i = 0; i < TEXT; ++i) putc(i % 2 ? '"' : '\\', file);
    fputs("\", 7]}", file);
    fclose(file);
    expect_ok(un_json_items_open(&items, scratch("large.json"), NULL, 0));
    expect_ok(un_json_items_next(items, &item, &more));
    assert_int_equal(json_string_length(item.value), TEXT / 2);
    expect_ok(un_json_items_next(items, &item, &more));
    assert_int_equal(json_integer_value(item.value), 7);
    expect_ok(un_json_items_next(items, &item, &more));
    assert_false(more);
    assert_int_equal(un_json_items_taken(items), un_json_items_size(items));
    un_json_items_close(items);
    file = fopen(scratch("large.json"), "wb");
    fputs("{\"a\":\"", file);
    for (int64_t i = 0; i <= UN_JSON_ITEM_MAX / 1024; ++i) fprintf(file, "%1024s", "x");
    fputs("\"}", file);
    fclose(file);
    expect_ok(un_json_items_open(&items, scratch("large.json"), other, 1)); /* passed over, still bounded */
    expect_error(un_json_items_next(items, &item, &more), UN_DATA, "larger than 64 MiB");
    un_json_items_close(items);
}

/* ---- image names ---- */

static const char *found_in(const struct un_image_names *names, const char *id) {
    bool ambiguous;
    const char *found = un_image_names_find(names, id, &ambiguous);
    assert_false(found && ambiguous);
    return ambiguous ? "several" : found ? found : "none";
}

static void test_image_names(void **state) {
    static const char *const ids[] = {"coco_val2014_000000000042.npz",
                                      "COCO_train2014_000000000007",
                                      "flickr_5",
                                      "vg_5",
                                      "12.jpg",
                                      "a.JPG.npz",
                                      "A.png",
                                      "000013",
                                      "9223372036854775807999"};
    struct un_image_names *names;
    (void)state;
    expect_ok(un_image_names_make(&names, "made", ids, sizeof ids / sizeof *ids));
    assert_string_equal(found_in(names, "coco_val2014_000000000042.npz"), ids[0]);
    assert_string_equal(found_in(names, "COCO_val2014_000000000042.jpg"), ids[0]);
    assert_string_equal(found_in(names, "val2014/COCO_val2014_000000000042.jpg"), ids[0]);
    assert_string_equal(found_in(names, "42"), ids[0]);
    assert_string_equal(found_in(names, "000000000042.jpg"), ids[0]);
    assert_string_equal(found_in(names, "coco_val2014_42"), ids[0]);
    assert_string_equal(found_in(names, "COCO_test_42"), "none"); /* other words before the number */
    assert_string_equal(found_in(names, "7"), ids[1]);
    assert_string_equal(found_in(names, "5"), "several");
    assert_string_equal(found_in(names, "vg_5.npz"), "vg_5");
    assert_string_equal(found_in(names, "img_5"), "none");
    assert_string_equal(found_in(names, "x_12"), "12.jpg");
    assert_string_equal(found_in(names, "a"), "several");
    assert_string_equal(found_in(names, "A.png"), "A.png");
    assert_string_equal(found_in(names, "13"), "000013");
    assert_string_equal(found_in(names, "9223372036854775807999"), ids[8]);
    assert_string_equal(found_in(names, "7999"), "none");
    assert_string_equal(found_in(names, ""), "none");
    assert_string_equal(found_in(names, "/"), "none");
    un_image_names_close(names);
    static const char *const twice[] = {"a", "b", "a"};
    expect_error(un_image_names_make(&names, "made", twice, 3), UN_DATA, "made", "stands twice", "0", "2");
    expect_error(un_image_names_make(&names, "made", twice, 0), UN_DATA, "no images");
}

/* ---- sources ---- */

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
    expect_ok(CAPTIONS(lines, FILE_OF("l.txt", "1.jpg#0\ta b\n1.jpg#1\tc\n2#x\td\n\te\n"), said));
    assert_string_equal(said, "1.jpg#0|1.jpg|a b;1.jpg#1|1.jpg|c;|2#x|d;||!no image id;");
    expect_ok(CAPTIONS(lines, FILE_OF("l.txt", "one\n\nthree"), said));
    assert_string_equal(said, "|1|one;|2|;|3|three;");
    expect_error(CAPTIONS(lines, FILE_OF("l.txt", "one\nx\ttwo\n"), said), UN_DATA, "line 2", "TAB");
    expect_error(CAPTIONS(lines, FILE_OF("l.txt", "x\tone\ntwo\n"), said), UN_DATA, "line 2", "TAB");
    expect_error(CAPTIONS(lines, FILE_OF("l.txt", ""), said), UN_DATA, "is empty");
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
    expect_error(CAPTIONS(lines, file_of("l.txt", line, UN_LINE_BYTES_MAX + 2), said), UN_DATA, "line 1",
                 "longer");
    free(line);
}

/* ---- import ---- */

static const char vocabulary[] = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\ncat\ndog\n##s\n";

static enum un_status import_text(const char *text, size_t bytes, const char *out,
                                  struct un_text_import how) {
    struct un_text_source *source = NULL;
    struct un_wordpiece *wordpiece;
    how.quiet = true;
    expect_ok(
        un_wordpiece_parse(&wordpiece, "v-vocab.txt", vocabulary, sizeof vocabulary - 1, UN_WORDPIECE_AUTO));
    enum un_status status = un_text_source_cc(&source, file_of("in.tsv", text, bytes));
    if (status == UN_OK) status = un_text_import(source, wordpiece, out, &how);
    un_text_source_close(source);
    un_wordpiece_close(wordpiece);
    return status;
}
#define IMPORT(text, out, ...) import_text(text, sizeof(text) - 1, out, (struct un_text_import){__VA_ARGS__})

static void remove_out(const char *out) {
    char list[600];
    snprintf(list, sizeof list, "%s.skipped.tsv", out);
    unlink(out);
    unlink(list);
}

static bool stop_at_once(void) {
    return true;
}

static void test_import(void **state) {
    struct un_text_file file;
    char sentence[64], list[600], *text;
    size_t bytes;
    (void)state;
    char out[512];
    snprintf(out, sizeof out, "%s", scratch("o.txt.h5"));
    expect_ok(IMPORT("a cats\thttp://h/x.jpg?1\n \tu\ndog dog dog\tw\na \xff\tq\ndog\thttp://h/y/", out,
                     .max_txt_len = 3, .by_url = true, .threads = 3));
    expect_ok(un_text_file_open(&file, out));
    assert_int_equal(file.texts, 3);
    assert_int_equal(file.token_offset[1], 3);
    assert_int_equal(file.token_offset[3], 7);
    assert_string_equal(file.image_ids, "x.jpg");
    assert_string_equal(file.image_ids + 2 * file.image_stride, "y");
    assert_string_equal(file.text_ids + file.text_stride, "3");
    assert_string_equal(file.vocab.tokenizer, "v");
    expect_ok(un_text_file_sentence(&file, 0, sentence, sizeof sentence));
    assert_string_equal(sentence, "a cats");
    un_text_file_close(&file);
    snprintf(list, sizeof list, "%s.skipped.tsv", out);
    FILE *skipped = fopen(list, "rb");
    assert_non_null(skipped);
    text = calloc(1, 512);
    bytes = fread(text, 1, 511, skipped);
    fclose(skipped);
    assert_true(bytes > 0);
    assert_string_equal(text, "line\ttext_id\timage_id\twhy\n2\t2\tu\tempty\n4\t4\tq\tnot UTF-8\n");
    free(text);
    expect_error(IMPORT("a\tu\n", out, .threads = 1), UN_USAGE, "exists");
    unlink(out);
    expect_error(IMPORT("a\tu\n", out, .threads = 1), UN_USAGE, "skipped.tsv exists");
    remove_out(out);
}

static void test_import_refused(void **state) {
    (void)state;
    char out[512]; /* scratch() keeps only the last few */
    const char *ids;
    snprintf(out, sizeof out, "%s", scratch("o.txt.h5"));
    expect_error(IMPORT(" \tu\n\tv\n", out, .threads = 1), UN_DATA, "no text is left of 2", "empty",
                 "line 1");
    expect_error(IMPORT("dog dog\tu\n", out, .max_txt_len = 1), UN_DATA, "max_txt_len");
    expect_error(IMPORT("a\tu\nb", out, .threads = 1), UN_DATA, "line 2");
    expect_error(IMPORT("a\tu\n", out, .stop = stop_at_once), UN_STOPPED, "stopped");
    expect_error(IMPORT("a\tu\n", out, .split = "train"), UN_USAGE, "split");
    ids = FILE_OF("ids.txt", "one\n");
    expect_error(IMPORT("a\tu\na\tv\n", out, .ids = ids), UN_DATA, "ids.txt", "more texts");
    ids = FILE_OF("ids.txt", "one\ntwo\n");
    expect_error(IMPORT("a\tu\n", out, .ids = ids), UN_DATA, "ids.txt", "more ids");
    assert_int_equal(access(out, F_OK), -1); /* nothing half-made */
    char path[600];
    snprintf(path, sizeof path, "%s.skipped.tsv.partial", out);
    assert_int_equal(access(path, F_OK), -1);
    expect_ok(IMPORT("a\tu\n", out, .ids = FILE_OF("ids.txt", "one\n")));
    struct un_text_file file;
    expect_ok(un_text_file_open(&file, out));
    assert_string_equal(file.image_ids, "one");
    un_text_file_close(&file);
    remove_out(out);
}

/* ---- txt_db values ---- */

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

/* ---- vocabulary ---- */

static void test_vocab(void **state) {
    struct un_vocab_words words;
    const struct un_vocab_train how = {.size = 100, .min_count = 2, .alphabet = 100};
    char *text;
    size_t bytes;
    (void)state;
    static const char *const corpus[] = {"hug", "hug", "hugs", "pug", "bun", "hug", "[MASK]"};
    expect_ok(un_vocab_words_open(&words, 100));
    for (size_t i = 0; i < 7; ++i) un_vocab_words_add(&words, corpus[i], (int)strlen(corpus[i]));
    expect_ok(words.status);
    assert_int_equal(words.n, 4);
    assert_int_equal(words.total, 6);
    expect_ok(un_vocab_build(&words, &how, &text, &bytes));
    /* ug 5 times, then hug 4 */
    assert_string_equal(text, "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nb\nh\np\n##g\n##n\n##s\n##u\n##ug\nhug\n");
    un_free(text);
    struct un_vocab_train small = how;
    small.size = 12;
    expect_ok(un_vocab_build(&words, &small, &text, &bytes));
    assert_string_equal(text, "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nb\nh\np\n##g\n##n\n##s\n##u\n");
    un_free(text);
    small.size = 11;
    expect_error(un_vocab_build(&words, &small, &text, &bytes), UN_USAGE, "size=11", "12 lines");
    small = how;
    small.alphabet = 3; /* g u h: pug, bun and hugs have others */
    expect_ok(un_vocab_build(&words, &small, &text, &bytes));
    assert_string_equal(text, "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nh\n##g\n##u\nhu\nhug\n");
    un_free(text);
    un_vocab_words_close(&words);
}

/* Beyond its limit the table forgets the rarest; runs of one letter are joined without end. */
static void test_vocab_limits(void **state) {
    struct un_vocab_words words;
    const struct un_vocab_train how = {.size = 60, .min_count = 1, .alphabet = 100};
    char word[100], *text;
    size_t bytes;
    (void)state;
    expect_ok(un_vocab_words_open(&words, 64));
    for (int i = 0; i < 200; ++i) {
        un_vocab_words_add(&words, "kept", 4);
        un_vocab_words_add(&words, word, sprintf(word, "w%d", i));
    }
    expect_ok(words.status);
    assert_true(words.n <= 64);
    assert_true(words.forgotten > 100);
    assert_int_equal(words.word[0].count, 200);
    un_vocab_words_close(&words);
    expect_ok(un_vocab_words_open(&words, 64));
    memset(word, 'a', sizeof word);
    un_vocab_words_add(&words, word, 100);
    expect_ok(un_vocab_build(&words, &how, &text, &bytes));
    struct un_wordpiece *wordpiece;
    expect_ok(un_wordpiece_parse(&wordpiece, "made", text, bytes, UN_WORDPIECE_AUTO));
    assert_int_equal(un_wordpiece_encode(wordpiece, word, 100, NULL, 0),
                     1); /* the whole word became a piece */
    un_wordpiece_close(wordpiece);
    un_free(text);
    un_vocab_words_close(&words);
}

static int remove_scratch(void **state) {
    (void)state;
    scratch_remove();
    return 0;
}

static int no_memory_held(void **state) {
    (void)state;
    return live_blocks() == 0 ? 0 : -1;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_json, no_memory_held),
        cmocka_unit_test_teardown(test_json_refused, no_memory_held),
        cmocka_unit_test_teardown(test_json_large, no_memory_held),
        cmocka_unit_test_teardown(test_image_names, no_memory_held),
        cmocka_unit_test_teardown(test_json_sources, no_memory_held),
        cmocka_unit_test_teardown(test_json_sources_refused, no_memory_held),
        cmocka_unit_test_teardown(test_line_sources, no_memory_held),
        cmocka_unit_test_teardown(test_import, no_memory_held),
        cmocka_unit_test_teardown(test_import_refused, no_memory_held),
        cmocka_unit_test_teardown(test_txt_value, no_memory_held),
        cmocka_unit_test_teardown(test_vocab, no_memory_held),
        cmocka_unit_test_teardown(test_vocab_limits, no_memory_held),
    };
    return cmocka_run_group_tests(tests, NULL, remove_scratch);
}
