/* RefCOCO: pickle, instances and the order of regions, good and broken. */
#include "runtime/memory.h"
#include "tests/support/expect.h"
#include "tests/unit/io/convert/task_case.h"

static const struct un_task_how authors = {0};

/* A reference in protocol 0; sentences: the list's values with their APPENDs. */
#define REF(ann, image, split, sentences)                                                                    \
    "(dVann_id\nI" ann "\nsVimage_id\nI" image "\nsVsplit\nV" split                                          \
    "\nsVref_id\nI0\nsVsentences\n(l" sentences "s"
#define SENTENCE(id, sent) "(dVsent_id\nI" id "\nsVsent\nV" sent "\nsVraw\nVRaw!\nsa"
#define REFS(refs)         "(l" refs "."
static const char instances[] = "{\"info\": {}, \"images\": [{\"id\": 42, \"width\": 640, \"height\": 480, "
                                "\"file_name\": \"x\"}, {\"id\": 43, "
                                "\"width\": 10, \"height\": 20}], \"annotations\": [{\"id\": 9, "
                                "\"image_id\": 42, \"bbox\": [1.5, 2, 3, 4], "
                                "\"segmentation\": [[1]], \"category_id\": 1}, {\"id\": 7, \"image_id\": 42, "
                                "\"bbox\": [10, 20, 100, 200]}, {\"id\": "
                                "8, \"image_id\": 43, \"bbox\": [0, 0, 1, 1]}], \"categories\": []}";
static const char order[] = "{\"iid_to_ann_ids\": {\"42\": [7, 9], \"43\": [5]}}";

static enum un_status refcoco_of(const char *refs, size_t n, const char *boxes, const char *ids,
                                 const struct un_task_how *names, char *said) {
    struct un_task_source *source = NULL;
    char paths[3][512] = {"", "", ""};
    snprintf(paths[0], sizeof paths[0], "%s", file_of("refs.p", refs, n));
    snprintf(paths[1], sizeof paths[1], "%s", file_of("instances.json", boxes, strlen(boxes)));
    if (ids) snprintf(paths[2], sizeof paths[2], "%s", file_of("order.json", ids, strlen(ids)));
    enum un_status status = un_task_source_refcoco(&source, paths[0], paths[1], paths[2], names);
    return say_source(source, status, said);
}
#define REFCOCO(refs, boxes, ids) refcoco_of(refs, sizeof(refs) - 1, boxes, ids, &authors, said)
#define ONE                       REFS(REF("7", "42", "train", SENTENCE("0", "red cup")) "a")

static void test_refcoco(void **state) {
    static const struct un_task_how train = {.split = "val"};
    static const char refs[] =
        REFS(REF("9", "42", "train", SENTENCE("5", "left") SENTENCE("4", "the \\u00e9")) "a" REF(
            "7", "42", "val", SENTENCE("6", "it")) "a");
    char said[2048];
    (void)state;
    expect_ok(REFCOCO(refs, instances, order));
    assert_string_equal(
        said, "5 visual_grounding_coco_gt_000000000042 'left' k-1 l1 r-1 1.5,2,3,4 of 640x480;"
              "4 visual_grounding_coco_gt_000000000042 'the \xc3\xa9' k-1 l1 r-1 1.5,2,3,4 of 640x480;"
              "6 visual_grounding_coco_gt_000000000042 'it' k-1 l0 r-1 10,20,100,200 of 640x480;");
    expect_ok(refcoco_of(refs, sizeof refs - 1, instances, NULL, &train, said));
    assert_string_equal(
        said, "6 visual_grounding_det_coco_000000000042 'it' k-1 l-1 r-1 10,20,100,200 of 640x480;");
}

static void test_refs_refused(void **state) {
    char said[2048];
    (void)state;
    expect_error(
        REFCOCO(REFS(REF("7", "42", "train", "") "a" REF("1", "42", "train", "") "a"), instances, order),
        UN_DATA, "refs.p: row 2: annotation 1", "instances.json");
    expect_error(REFCOCO(REFS(REF("7", "1", "train", "") "a"), instances, order), UN_DATA, "row 1: image 1",
                 "instances.json");
    expect_error(REFCOCO(REFS(REF("8", "42", "train", "") "a"), instances, order), UN_DATA,
                 "row 1: annotation 8 is of image 42", "of 43");
    expect_error(REFCOCO(REFS(REF("8", "43", "train", "") "a"), instances, order), UN_DATA,
                 "order.json: image 43", "annotation 8 is not among its 1");
    expect_error(REFCOCO(REFS("I1\na"), instances, order), UN_DATA, "row 1", "a dict");
    expect_error(REFCOCO("(dVann_id\nI1\ns.", instances, order), UN_DATA, "refs.p: a list");
    expect_error(REFCOCO(REFS("(dVann_id\nI1\nsa"), instances, order), UN_DATA,
                 "row 1: sentences: is missing");
    expect_error(REFCOCO(REFS(REF("7", "42", "train", "") "Vann_id\nI9\nsa"), instances, order), UN_DATA,
                 "row 1: ann_id: the key stands twice");
    expect_error(REFCOCO(REFS(REF("7", "42", "train", "Nag0\n")), instances, order), UN_DATA, "refs.p: byte",
                 "memo");
    expect_error(REFCOCO(REFS(REF("7", "42", "train", "Na") "a"), instances, order), UN_DATA,
                 "row 1: sentences: a dict");
    expect_error(REFCOCO(REFS(REF("7", "42", "train", "(dVsent_id\nVx\nsa") "a"), instances, order), UN_DATA,
                 "row 1: sent_id");
    expect_error(
        REFCOCO(REFS(REF("7", "42", "train", "(dVsent_id\nI1\nsVsent\nS'\\xff'\nsa") "a"), instances, order),
        UN_DATA, "row 1: sent: not UTF-8");
    expect_error(REFCOCO("cos\nsystem\n(S'x'\ntR.", instances, order), UN_DATA, "refs.p: byte 0", "GLOBAL");
    expect_error(refcoco_of(ONE, sizeof ONE - 12, instances, order, &authors, said), UN_DATA, "refs.p: byte",
                 "cut short");
}

static void test_boxes_refused(void **state) {
    static const struct {
        const char *boxes, *words[2];
    } bad[] = {
        {"{\"images\": [], \"annotations\": []}", {"\"images\"", "wanted"}},
        {"{\"images\": [{\"id\": 1, \"width\": 0, \"height\": 2}]}", {"row 1", "width"}},
        {"{\"images\": [{\"id\": 1, \"width\": \"3\", \"height\": 2}]}", {"row 1: width", "pixels"}},
        {"{\"images\": [{\"width\": 3, \"height\": 2}]}", {"row 1: id", "whole number"}},
        {"{\"images\": [{\"id\": 1, \"width\": 3, \"height\": 2}, {\"id\": 1, \"width\": 3, \"height\": 2}], "
         "\"annotations\": [{\"id\": 1, \"image_id\": 1, \"bbox\": [1, 1, 1, 1]}]}",
         {"images 1 and 2", "id 1"}},
        {"{\"images\": [{\"id\": 1, \"width\": 3, \"height\": 2}], \"annotations\": [{\"id\": 1, "
         "\"image_id\": 1, "
         "\"bbox\": [1, 1, 1, 1]}, {\"id\": 1, \"image_id\": 1, \"bbox\": [1, 1, 1, 1]}]}",
         {"annotations 1 and 2", "id 1"}},
        {"{\"annotations\": [{\"id\": 1, \"image_id\": 1, \"bbox\": [1, 1, 1]}]}",
         {"row 1: bbox", "4 are wanted"}},
        {"{\"annotations\": [{\"id\": 1, \"image_id\": 1, \"bbox\": [1, 1, -1, 1]}]}",
         {"row 1: bbox", "pixels"}},
        {"{\"annotations\": [7]}", {"row 1", "object"}},
    };
    char said[2048];
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; ++i)
        expect_error(REFCOCO(ONE, bad[i].boxes, order), UN_DATA, "instances.json", bad[i].words[0],
                     bad[i].words[1]);
    expect_error(REFCOCO(ONE, instances, "{}"), UN_DATA, "order.json", "iid_to_ann_ids");
    expect_error(REFCOCO(ONE, instances, "{\"iid_to_ann_ids\": {}}"), UN_DATA, "order.json",
                 "image 42 has no list");
    expect_error(REFCOCO(ONE, instances, "{\"iid_to_ann_ids\": {\"42\": [7, 7]}}"), UN_DATA,
                 "order.json: image 42", "annotation 7 stands there twice");
    expect_error(REFCOCO(ONE, instances, "{\"iid_to_ann_ids\": {\"42\": [7], \"42\": [7]}}"), UN_DATA,
                 "order.json", "duplicate");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_refcoco, no_memory_held),
        cmocka_unit_test_teardown(test_refs_refused, no_memory_held),
        cmocka_unit_test_teardown(test_boxes_refused, no_memory_held),
    };
    return cmocka_run_group_tests(tests, NULL, remove_scratch);
}
