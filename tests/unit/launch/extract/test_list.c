/* What a command names: photos, given boxes, terms. */
#include "io/disk/files.h"
#include "launch/extract/folder.h"
#include "launch/extract/given.h"
#include "launch/extract/list.h"
#include "launch/extract/terms.h"
#include "tests/support/check.h"
#include "tests/support/expect.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/un_list_XXXXXX";

static const char *in(const char *name) {
    static char path[4][UN_PATH_MAX];
    static int next;
    char *p = path[next++ % 4];
    snprintf(p, UN_PATH_MAX, "%s/%s", folder, name);
    return p;
}

static void put(const char *name, const char *text) {
    FILE *file = fopen(in(name), "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static int begin(void **state) {
    (void)state;
    if (!mkdtemp(folder)) return -1;
    mkdir(in("sub"), 0777);
    mkdir(in("sub/deeper"), 0777);
    put("sub/b.png", "b");
    put("sub/a.x.jpg", "aa");
    put("sub/.hidden.jpg", "");
    put("c.jpeg", "");
    return 0;
}

static int end(void **state) {
    (void)state;
    char command[64];
    snprintf(command, sizeof command, "rm -r %s", folder);
    return system(command);
}

static void test_names(void **state) {
    (void)state;
    struct un_extract_list l;
    put("list.tsv", "sub/b.png\tid one\r\n\nc.jpeg\nnowhere.jpg\t7\n/no/such.png");
    const char *names[] = {in("sub"), in("c.jpeg"), in("list.tsv")};
    expect_ok(un_extract_list_open(&l, names, 2));
    assert_int_equal(l.n, 3);
    assert_string_equal(l.list[0].id, "a.x");
    assert_string_equal(l.list[1].id, "b");
    assert_string_equal(l.list[2].id, "c");
    assert_int_equal(l.list[0].bytes, 2);
    assert_string_equal(l.list[1].path, in("sub/b.png"));
    un_extract_list_close(&l);
    expect_ok(un_extract_list_open(&l, names + 2, 1));
    assert_int_equal(l.n, 4);
    assert_string_equal(l.list[0].id, "id one");
    assert_string_equal(l.list[0].path, in("sub/b.png"));
    assert_string_equal(l.list[1].path, in("c.jpeg"));
    assert_string_equal(l.list[2].id, "7");
    assert_int_equal(l.list[2].bytes, -1);
    assert_string_equal(l.list[3].path, "/no/such.png");
    un_extract_list_close(&l);
}

static void refused(const char *text, const char *word) {
    struct un_extract_list l;
    const char *name = in("bad.txt");
    put("bad.txt", text);
    expect_error(un_extract_list_open(&l, &name, 1), UN_DATA, "bad.txt", word);
    un_extract_list_close(&l);
}

static void test_refused(void **state) {
    (void)state;
    struct un_extract_list l;
    const char *twice[] = {in("sub"), in("sub/b.png")}, *gone[] = {in("gone.png")},
               *empty[] = {in("sub/deeper")};
    expect_error(un_extract_list_open(&l, twice, 2), UN_DATA, "sub/b.png", "image id, b");
    un_extract_list_close(&l);
    expect_error(un_extract_list_open(&l, gone, 1), UN_IO, "gone.png");
    un_extract_list_close(&l);
    expect_error(un_extract_list_open(&l, empty, 1), UN_DATA, "no files");
    un_extract_list_close(&l);
    refused("c.jpeg\tx\ty\n", ":1: more than a path");
    refused("c.jpeg\n\tx\n", ":2: the path");
    refused("c.jpeg\xff\n", "UTF-8");
    put("bad.txt", "c.jpeg\ta\nsub/b.png\ta\n");
    const char *name = in("bad.txt");
    expect_error(un_extract_list_open(&l, &name, 1), UN_DATA, "c.jpeg", "sub/b.png", "image id, a");
    un_extract_list_close(&l);
}

static void test_digest(void **state) {
    (void)state;
    struct un_extract_list l;
    const char *names[] = {in("sub"), in("c.jpeg")}, *turned[] = {names[1], names[0]};
    expect_ok(un_extract_list_open(&l, names, 2));
    struct un_digest whole = un_extract_list_digest(&l), other;
    un_extract_list_close(&l);
    expect_ok(un_extract_list_open(&l, turned, 2));
    other = un_extract_list_digest(&l);
    assert_false(un_digest_equal(&whole, &other));
    un_extract_list_close(&l);
    expect_ok(un_extract_list_open(&l, names, 2));
    other = un_extract_list_digest(&l);
    assert_true(un_digest_equal(&whole, &other));
    int64_t *members[] = {&l.list[2].bytes, &l.list[0].seconds, &l.list[1].nanoseconds};
    for (int i = 0; i < 3; ++i) {
        ++*members[i];
        other = un_extract_list_digest(&l);
        assert_false(un_digest_equal(&whole, &other));
        --*members[i];
    }
    l.list[1].id[0] = 'z';
    other = un_extract_list_digest(&l);
    assert_false(un_digest_equal(&whole, &other));
    un_extract_list_close(&l);
}

static void test_given(void **state) {
    (void)state;
    struct un_extract_given g;
    float box[12];
    int64_t n;
    put("boxes.tsv",
        "b\t1\t2\t3.5\t4\na\t0\t0\t9\t9\nb\t5\t6\t700\t8\nc\t4\t4\t3\t5\nd\t30\t1\t40\t2\ne\t3\t3\t3\t3\n");
    expect_ok(un_extract_given_open(&g, in("boxes.tsv")));
    assert_int_equal(g.most, 2);
    assert_int_equal(un_extract_given_count(&g, "b"), 2);
    assert_int_equal(un_extract_given_count(&g, "x"), 0);
    expect_ok(un_extract_given_boxes(&g, "b", 20, 10, box, &n));
    assert_int_equal(n, 2);
    const float want[] = {1, 2, 3.5f, 4, 5, 6, 20, 8};
    assert_memory_equal(box, want, sizeof want);
    expect_ok(un_extract_given_boxes(&g, "e", 20, 10, box, &n));
    expect_error(un_extract_given_boxes(&g, "x", 20, 10, box, &n), UN_DATA, "no boxes");
    expect_error(un_extract_given_boxes(&g, "c", 20, 10, box, &n), UN_DATA, "reversed");
    expect_error(un_extract_given_boxes(&g, "d", 20, 10, box, &n), UN_DATA, "not in the photo of 20 x 10");
    un_extract_given_close(&g);
    static const char *const bad[] = {"b\t1\t2\t3\n",      "b 1 2 3 4\n",    "b\t1\t2\t3\t4\t5\n",
                                      "b\t1\t2\tnan\t4\n", "\t1\t2\t3\t4\n", "b\t1\t2\t3x\t4\n"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; ++i) {
        put("boxes.tsv", bad[i]);
        expect_error(un_extract_given_open(&g, in("boxes.tsv")), UN_DATA, "boxes.tsv:1:");
        un_extract_given_close(&g);
    }
}

/* Every term by itself makes another text, and its name is said. */
static void test_terms(void **state) {
    (void)state;
    struct un_extract_list l;
    struct un_extract_keys keys = {.orient = true};
    struct un_detector_how how, other;
    char before[UN_EXTRACT_TERMS], now[UN_EXTRACT_TERMS], said[512];
    const char *name = in("sub");
    expect_ok(un_extract_list_open(&l, &name, 1));
    snprintf(keys.weights, sizeof keys.weights, "%s", in("sub/b.png"));
    un_detector_profile(&how, UN_DETECTOR_CAFFE);
    expect_ok(un_extract_terms(before, &keys, &how, &l, false));
#define DIFFERS(word, change)                                                                                \
    other = how;                                                                                             \
    change;                                                                                                  \
    expect_ok(un_extract_terms(now, &keys, &other, &l, cuda));                                               \
    un_extract_terms_differ(before, now, said, sizeof said);                                                 \
    assert_non_null(strstr(said, word ": "));                                                                \
    assert_null(strstr(said, "; "));
    bool cuda = false;
    DIFFERS("short", other.shorter = 601)
    DIFFERS("long", other.longest = 1001)
    DIFFERS("pre_nms", other.pre_nms = 1)
    DIFFERS("post_nms", other.post_nms = 1)
    DIFFERS("rpn_nms", other.rpn_nms = 0.71)
    DIFFERS("min_side", other.min_side = 15)
    DIFFERS("final_nms", other.final_nms[0] = 0.31)
    DIFFERS("conf_th", other.conf_th = 0.21)
    DIFFERS("min_bb", other.min_bb = 99)
    DIFFERS("max_bb", other.max_bb = 101)
    DIFFERS("profile", other.profile = UN_DETECTOR_PORT)
    DIFFERS("orient", keys.orient = false)
    keys.orient = true;
    DIFFERS("device", cuda = true)
    cuda = false;
    DIFFERS("boxes", strcpy(keys.boxes, keys.weights))
    keys.boxes[0] = '\0';
    DIFFERS("weights", snprintf(keys.weights, sizeof keys.weights, "%s", in("sub/a.x.jpg")))
    snprintf(keys.weights, sizeof keys.weights, "%s", in("sub/b.png"));
    DIFFERS("photos", ++l.list[0].bytes)
#undef DIFFERS
    un_extract_list_close(&l);
}

static void close_folder(struct un_extract_folder *f) {
    un_extract_folder_close(f);
    un_error_clear();
}

static void test_folder(void **state) {
    (void)state;
    struct un_extract_folder f;
    const char *out = in("o.img.h5");
    char path[UN_PATH_MAX];
    expect_ok(un_extract_folder_name(&f, out));
    expect_ok(un_extract_folder_open(&f, out, "a\t1\nb\t2\n", false));
    snprintf(path, sizeof path, "%s/part-000000-000000", f.path);
    FILE *file = fopen(path, "w");
    fclose(file);
    un_extract_folder_ask_stop(&f);
    assert_true(un_extract_folder_stop_asked(&f));
    close_folder(&f);
    /* the same terms: goes on, the wish is over */
    expect_ok(un_extract_folder_name(&f, out));
    expect_ok(un_extract_folder_open(&f, out, "a\t1\nb\t2\n", false));
    assert_int_equal(access(path, F_OK), 0);
    assert_false(un_extract_folder_stop_asked(&f));
    close_folder(&f);
    expect_ok(un_extract_folder_name(&f, out));
    expect_error(un_extract_folder_open(&f, out, "a\t1\nb\t3\n", false), UN_USAGE, "b: 2, now 3",
                 "restart=true");
    close_folder(&f);
    assert_int_equal(access(path, F_OK), 0);
    expect_ok(un_extract_folder_name(&f, out));
    expect_ok(un_extract_folder_open(&f, out, "a\t1\nb\t3\n", true));
    assert_int_not_equal(access(path, F_OK), 0);
    /* parts without terms are of a start that was being thrown away */
    file = fopen(path, "w");
    fclose(file);
    snprintf(path, sizeof path, "%s/terms.tsv", f.path);
    unlink(path);
    close_folder(&f);
    expect_ok(un_extract_folder_name(&f, out));
    expect_ok(un_extract_folder_open(&f, out, "a\t1\n", false));
    snprintf(path, sizeof path, "%s/part-000000-000000", f.path);
    assert_int_not_equal(access(path, F_OK), 0);
    /* OUT is there: this folder was only not removed yet */
    close_folder(&f);
    put("o.img.h5", "");
    expect_ok(un_extract_folder_name(&f, out));
    expect_error(un_extract_folder_open(&f, out, "a\t1\n", false), UN_USAGE, "o.img.h5 exists");
    assert_int_not_equal(access(f.path, F_OK), 0);
    close_folder(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names), cmocka_unit_test(test_refused), cmocka_unit_test(test_digest),
        cmocka_unit_test(test_given), cmocka_unit_test(test_terms),   cmocka_unit_test(test_folder),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
