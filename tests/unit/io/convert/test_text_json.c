/* JSON by items, and image names, on small made files, good and broken. */
#include "io/convert/format/json_items.h"
#include "io/convert/format/lines.h"
#include "io/convert/text/image_names.h"
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

static const char *found_in(const struct un_image_names *names, const char *id) {
    enum un_image_match how;
    const char *found = un_image_names_find(names, id, &how);
    assert_true((found != NULL) == (how >= UN_MATCH_WRITTEN));
    return how == UN_MATCH_SEVERAL ? "several" : found ? found : "none";
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
    static const char *const words[] = {"0123abc7.npz", "c0ffee0000abc003", "img9", "img-8"};
    expect_ok(un_image_names_make(&names, "made", words, 4));
    assert_string_equal(found_in(names, "7"), "none"); /* the end of a word, no number */
    assert_string_equal(found_in(names, "3"), "none");
    assert_string_equal(found_in(names, "9"), "none");
    assert_string_equal(found_in(names, "8"), "img-8");
    assert_string_equal(found_in(names, "0123ABC7.jpg"), "0123abc7.npz");
    un_image_names_close(names);
    static const char *const twice[] = {"a", "b", "a"};
    expect_error(un_image_names_make(&names, "made", twice, 3), UN_DATA, "made", "stands twice", "0", "2");
    expect_error(un_image_names_make(&names, "made", twice, 0), UN_DATA, "no images");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_json, no_memory_held),
        cmocka_unit_test_teardown(test_json_refused, no_memory_held),
        cmocka_unit_test_teardown(test_json_large, no_memory_held),
        cmocka_unit_test_teardown(test_image_names, no_memory_held),
    };
    return cmocka_run_group_tests(tests, NULL, remove_scratch);
}
