/* NLVR2, VCR and retrieval, on small made files of the original form, good and broken. */
#include "io/convert/task/encode.h"
#include "runtime/memory.h"
#include "tests/support/expect.h"
#include "tests/unit/io/convert/task_case.h"

#include <sys/stat.h>

static const struct un_task_how authors = {0};

/* ---- NLVR2 ---- */

static enum un_status nlvr2(const char *text, const char *missing, char *said) {
    struct un_task_source *source = NULL;
    char list[512] = "";
    if (missing) snprintf(list, sizeof list, "%s", file_of("missing.json", missing, strlen(missing)));
    enum un_status status =
        un_task_source_nlvr2(&source, file_of("nlvr2.json", text, strlen(text)), list, &authors);
    return say_source(source, status, said);
}
#define STATEMENT(id, label)                                                                                 \
    "{\"validation\": {\"61\": \"True\"}, \"sentence\": \"Both.\", \"left_url\": \"http://x\", "             \
    "\"identifier\": \"" id "\"" label "}\n"

static void test_nlvr2(void **state) {
    char said[2048];
    (void)state;
    const char *text = STATEMENT("dev-850-0-0", ", \"label\": \"True\"")
        STATEMENT("train-1-0-1", ", \"label\": \"False\"") STATEMENT("test2-1-0-1", "");
    expect_ok(nlvr2(text, NULL, said));
    assert_string_equal(said, "dev-850-0-0 nlvr2_dev-850-0-img0+nlvr2_dev-850-0-img1 'Both.' k-1 l1 r0;"
                              "train-1-0-1 nlvr2_train-1-0-img0+nlvr2_train-1-0-img1 'Both.' k-1 l0 r0;"
                              "test2-1-0-1 nlvr2_test2-1-0-img0+nlvr2_test2-1-0-img1 'Both.' k-1 l-1 r0;");
    expect_ok(nlvr2(text, "[\"nlvr2_train-1-0-img1.npz\", \"nlvr2_x-1-0-img1.npz\"]", said));
    assert_non_null(strstr(said, "img1 'Both.' k-1 l1 r0;train"));
    assert_non_null(strstr(said, "l0 r0 left out: an image is in the list of missing ones;test2"));
    expect_ok(nlvr2(text, "[]", said));
    assert_null(strstr(said, "left out"));
}

static void test_nlvr2_refused(void **state) {
    char said[2048];
    (void)state;
    expect_error(
        nlvr2(STATEMENT("dev-1-0-0", "") STATEMENT("dev-1-0-1", ", \"label\": \"Maybe\""), NULL, said),
        UN_DATA, "nlvr2.json: row 2: label", "True or False");
    expect_error(nlvr2(STATEMENT("dev", ""), NULL, said), UN_DATA, "row 1: identifier",
                 "split-set-pair-sentence");
    expect_error(nlvr2("{\"identifier\": \"a-0\"}", NULL, said), UN_DATA, "row 1: sentence");
    expect_error(nlvr2("{\"sentence\": \"x\"}", NULL, said), UN_DATA, "row 1: identifier");
    expect_error(nlvr2("{\"sentence\": ", NULL, said), UN_DATA, "nlvr2.json: row 1, byte");
    const char *good = STATEMENT("dev-1-0-0", "");
    expect_error(nlvr2(good, "{}", said), UN_DATA, "missing.json", "list");
    expect_error(nlvr2(good, "[\"a\", 7]", said), UN_DATA, "missing.json: element 1", "name");
    expect_error(nlvr2(good, "[\"a.npz\", \"b\", \"a.npz\"]", said), UN_DATA, "missing.json", "twice",
                 "0 and 2");
    struct un_task_source *source;
    expect_error(un_task_source_nlvr2(&source, FILE_OF("n.json", "{}"), scratch("absent.json"), &authors),
                 UN_IO, "absent.json");
}

/* ---- VCR ---- */

static enum un_status vcr(const char *text, const char *metadata, char *said) {
    struct un_task_source *source = NULL;
    enum un_status status =
        un_task_source_vcr(&source, file_of("vcr.jsonl", text, strlen(text)), metadata, &authors);
    return say_source(source, status, said);
}
#define CHOICES "[[\"a\", [0]], [\"b\"], [[0, 1], \"talk\"], [[2], \"'s\"]]"
#define VCR(id, objects, question, answers, labels)                                                          \
    "{\"movie\": \"m\", \"objects\": " objects                                                               \
    ", \"img_fn\": \"lsmdc_X/X_00.01-02@0.jpg\", \"metadata_fn\": \"X@0.json\", \"question\": " question     \
    ", \"answer_choices\": " answers ", \"rationale_choices\": " CHOICES labels ", \"annot_id\": \"" id      \
    "\"}\n"
#define OBJECTS "[\"person\", \"person\", \"dining table\"]"
#define LABELS  ", \"answer_label\": 2, \"rationale_label\": 3"

static void test_vcr(void **state) {
    char said[4096];
    (void)state;
    expect_ok(vcr(VCR("val-0", OBJECTS, "[\"Why\", [1, 2], \"?\"]", CHOICES, LABELS)
                      VCR("test-1", OBJECTS, "[[0]]", CHOICES, ""),
                  NULL, said));
#define PARTS "'a person_0''b''person_0 person_1 talk''dining table 's'"
    assert_string_equal(
        said, "val-0 vcr_gt_val_X_00.01-02@0+vcr_val_X_00.01-02@0 'Why person_1 dining table ?'" PARTS PARTS
              " k-1 l2 r3;"
              "test-1 vcr_gt_test_X_00.01-02@0+vcr_test_X_00.01-02@0 'person_0'" PARTS PARTS " k-1 l-1 r-1;");
}

static void test_vcr_refused(void **state) {
    char said[4096];
    (void)state;
    expect_error(vcr(VCR("val-0", OBJECTS, "[[3]]", CHOICES, LABELS), NULL, said), UN_DATA,
                 "vcr.jsonl: row 1: question", "0 .. 2");
    expect_error(vcr(VCR("val-0", OBJECTS, "[[-1]]", CHOICES, LABELS), NULL, said), UN_DATA,
                 "row 1: question");
    expect_error(vcr(VCR("val-0", OBJECTS, "[[\"x\"]]", CHOICES, LABELS), NULL, said), UN_DATA,
                 "row 1: question");
    expect_error(vcr(VCR("val-0", OBJECTS, "[7]", CHOICES, LABELS), NULL, said), UN_DATA, "row 1: question",
                 "a word");
    expect_error(vcr(VCR("val-0", OBJECTS, "\"x\"", CHOICES, LABELS), NULL, said), UN_DATA, "row 1: question",
                 "list");
    expect_error(vcr(VCR("val-0", "[1]", "[[0]]", CHOICES, LABELS), NULL, said), UN_DATA, "row 1: objects");
    expect_error(vcr(VCR("val-0", OBJECTS, "[\"x\"]", "[[\"a\"]]", LABELS), NULL, said), UN_DATA,
                 "row 1: answer_choices has 1 elements, 4 are wanted");
    expect_error(vcr(VCR("val-0", OBJECTS, "[\"x\"]", CHOICES, ", \"answer_label\": 4"), NULL, said), UN_DATA,
                 "row 1: answer_label is 4, outside 0 .. 3");
    expect_error(vcr(VCR("val-0", OBJECTS, "[\"x\"]", CHOICES, ", \"rationale_label\": -1"), NULL, said),
                 UN_DATA, "row 1: rationale_label is -1");
    expect_error(vcr(VCR("val", OBJECTS, "[\"x\"]", CHOICES, LABELS), NULL, said), UN_DATA,
                 "row 1: annot_id");
    char many[2048] = "[\"person\"";
    for (int i = 0; i < 81; ++i) strcat(many, ", \"person\"");
    strcat(many, "]");
    char row[8192];
    snprintf(row, sizeof row,
             "{\"annot_id\": \"val-0\", \"img_fn\": \"x.jpg\", \"objects\": %s, \"question\": [[81]]}", many);
    expect_error(vcr(row, NULL, said), UN_DATA, "row 1: question: person_81", "81 people");
}

/* Metadata must have the same objects. */
static void test_vcr_metadata(void **state) {
    static const struct {
        const char *text, *word;
    } bad[] = {{"{\"boxes\": [[1], [1]], \"names\": [\"person\", \"person\"]}", "3 objects"},
               {"{\"boxes\": [1, 2], \"names\": [\"person\", \"person\", \"dining table\"]}", "2 boxes"},
               {"{\"boxes\": [1, 2, 3], \"names\": [\"person\", \"dog\", \"dining table\"]}", "object 1"},
               {"{\"names\": []}", "\"boxes\""},
               {"{\"names\": ", "X@0.json"}};
    char said[4096];
    (void)state;
    const char *good = VCR("val-0", OBJECTS, "[\"x\"]", CHOICES, LABELS);
    FILE_OF("X@0.json", "{\"boxes\": [[1, 2, 3, 4, 0.5], [], []], \"names\": " OBJECTS "}");
    expect_ok(vcr(good, scratch_folder(), said));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; ++i) {
        file_of("X@0.json", bad[i].text, strlen(bad[i].text));
        expect_error(vcr(good, scratch_folder(), said), UN_DATA, "X@0.json", bad[i].word);
    }
    remove(scratch("X@0.json"));
    expect_error(vcr(good, scratch_folder(), said), UN_IO, "X@0.json");
    const char *outside = "{\"annot_id\": \"val-0\", \"objects\": [], \"metadata_fn\": \"../x\"}";
    expect_error(vcr(outside, scratch_folder(), said), UN_DATA, "metadata_fn", "within the folder");
}

/* ---- retrieval ---- */

static enum un_status retrieval(const char *text, const struct un_task_how *names, char *said) {
    struct un_task_source *source = NULL;
    enum un_status status =
        un_task_source_retrieval(&source, file_of("data.json", text, strlen(text)), names);
    return say_source(source, status, said);
}
#define IMAGE(file, split, more, sentences)                                                                  \
    "{\"filename\": \"" file "\", \"imgid\": 0, \"split\": \"" split "\", \"sentids\": [0]" more             \
    ", \"sentences\": [" sentences "]}"
#define SENTENCE(id, raw)     "{\"tokens\": [\"x\"], \"raw\": \"" raw "\", \"imgid\": 0, \"sentid\": " id "}"
#define DATASET(name, images) "{\"images\": [" images "], \"dataset\": \"" name "\"}"

static void test_retrieval(void **state) {
    static const struct un_task_how val = {.split = "val"}, own = {.image = "my_NAME"};
    char said[2048];
    (void)state;
    const char *coco = DATASET(
        "coco",
        IMAGE("COCO_val2014_000000391895.jpg", "restval", ", \"filepath\": \"val2014\"",
              SENTENCE("1", "A man.") ", " SENTENCE(
                  "2", "A bike.")) ", " IMAGE("COCO_train2014_000000000009.jpg", "train", "",
                                              SENTENCE("3", "x")) ", " IMAGE("COCO_val2014_000000000010.jpg",
                                                                             "val", "", SENTENCE("4", "y")));
    expect_ok(retrieval(coco, &authors, said));
    assert_string_equal(said, "1 coco_val2014_000000391895 'A man.' k-1 l0 r0;"
                              "2 coco_val2014_000000391895 'A bike.' k-1 l0 r0;"
                              "3 coco_train2014_000000000009 'x' k-1 l0 r0;"
                              "4 coco_val2014_000000000010 'y' k-1 l0 r0;");
    expect_ok(retrieval(coco, &val, said));
    assert_string_equal(said, "4 coco_val2014_000000000010 'y' k-1 l0 r0;");
    const char *flickr = DATASET("flickr30k", IMAGE("1000092795.jpg", "test", "", SENTENCE("0", "Two.")));
    expect_ok(retrieval(flickr, &authors, said));
    assert_string_equal(said, "0 flickr30k_001000092795 'Two.' k-1 l0 r0;");
    expect_ok(retrieval(flickr, &own, said));
    assert_string_equal(said, "0 my_1000092795 'Two.' k-1 l0 r0;");
    expect_error(retrieval(DATASET("flickr8k", ""), &authors, said), UN_DATA, "data.json", "image=PATTERN");
    expect_error(retrieval("{\"dataset\": \"coco\"}", &authors, said), UN_DATA, "data.json", "images");
    expect_error(retrieval(DATASET("coco", "{\"split\": \"val\"}"), &authors, said), UN_DATA,
                 "row 1: sentences");
    expect_error(retrieval(DATASET("coco", IMAGE("x.jpg", "val", "", SENTENCE("1", "x"))), &authors, said),
                 UN_DATA, "row 1", "NUMBER");
    expect_error(retrieval(DATASET("coco", IMAGE("1.jpg", "val", "", SENTENCE("null", "x"))), &authors, said),
                 UN_DATA, "row 1: sentid");
    expect_error(retrieval(DATASET("coco", IMAGE("1.jpg", "val", "", "{\"sentid\": 1}")), &authors, said),
                 UN_DATA, "row 1: raw");
}

/* ---- words ---- */

static void test_encode(void **state) {
    static const char vocabulary[] = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\nb\n##b\nperson\n_\n1\n";
    static const struct {
        const char *text;
        int persons, n;
        int32_t id[8];
    } cases[] = {
        {"a b", 0, 2, {5, 6}},
        {"ab [SEP]", 0, 3, {5, 7, 3}},
        {"a\x1c"
         "b\xc2\x85"
         "a\x0b"
         "b",
         0,
         4,
         {5, 6, 5, 6}}, /* Python's white space */
        {"person_1", 0, 3, {8, 9, 10}},
        {"person_1 a", 2, 2, {12, 5}},
        {"person_0\tperson_80", 81, 2, {11, 91}},
        {"person_1", 1, 3, {8, 9, 10}}, /* no such person */
        {"person_01", 81, 3, {8, 9, 1}},
        {"person_", 81, 2, {8, 9}},
        {" ", 81, 0, {0}},
    };
    struct un_wordpiece *w;
    (void)state;
    expect_ok(un_wordpiece_parse(&w, "v.txt", vocabulary, sizeof vocabulary - 1, UN_WORDPIECE_AUTO));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        int32_t ids[32];
        assert_int_equal(un_task_encode(w, cases[i].persons, cases[i].text, ids), cases[i].n);
        assert_memory_equal(ids, cases[i].id, (size_t)cases[i].n * sizeof *ids);
    }
    un_wordpiece_close(w);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_nlvr2, no_memory_held),
        cmocka_unit_test_teardown(test_nlvr2_refused, no_memory_held),
        cmocka_unit_test_teardown(test_vcr, no_memory_held),
        cmocka_unit_test_teardown(test_vcr_refused, no_memory_held),
        cmocka_unit_test_teardown(test_vcr_metadata, no_memory_held),
        cmocka_unit_test_teardown(test_retrieval, no_memory_held),
        cmocka_unit_test_teardown(test_encode, no_memory_held),
    };
    return cmocka_run_group_tests(tests, NULL, remove_scratch);
}
