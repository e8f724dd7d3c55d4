/* Records of photos that outlive a kill: what is whole is found, what is torn is cut off, what is damaged is refused. */
#include "launch/extract/parts.h"
#include "launch/extract/record_private.h"
#include "runtime/memory.h"
#include "tests/support/check.h"
#include "tests/support/expect.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PHOTOS = 5, FEATURES = 3, CLASSES = 4, REGIONS_MOST = 3 };
static char folder[] = "/tmp/un_parts_XXXXXX";

struct values {
    float feature[REGIONS_MOST * FEATURES], box6[REGIONS_MOST * 6], confidence[REGIONS_MOST];
    float soft[REGIONS_MOST * CLASSES], box[REGIONS_MOST * 4], probability[REGIONS_MOST];
    int32_t class_number[REGIONS_MOST], attribute[REGIONS_MOST];
};

/* Regions of photo `index`: 1 + index % 3 of them, every number another. */
static struct un_extract_result make(struct values *v, int64_t index) {
    float *at = (float *)v;
    for (size_t i = 0; i < sizeof *v / 4; ++i) at[i] = (float)index * 1000 + (float)i;
    for (int i = 0; i < REGIONS_MOST; ++i) {
        v->class_number[i] = (int32_t)index * 10 + i;
        v->attribute[i] = (int32_t)index * 20 + i;
    }
    return (struct un_extract_result){.index = index,
                                      .width = 640 + index,
                                      .height = 480 + index,
                                      .regions = 1 + index % 3,
                                      .features = FEATURES,
                                      .classes = CLASSES,
                                      .feature = v->feature,
                                      .box6 = v->box6,
                                      .confidence = v->confidence,
                                      .soft = v->soft,
                                      .box = v->box,
                                      .class_number = v->class_number,
                                      .attribute = v->attribute,
                                      .attribute_probability = v->probability};
}

static void add(struct un_extract_part *part, int64_t index) {
    struct values v;
    struct un_extract_result r = make(&v, index);
    expect_ok(un_extract_part_add(part, &r));
}

static void add_bad(struct un_extract_part *part, int64_t index, enum un_status status, const char *why) {
    struct un_extract_result r = {.index = index, .status = status};
    strcpy(r.why, why);
    expect_ok(un_extract_part_add(part, &r));
}

static void expect_photo(const struct un_extract_parts *parts, int64_t index) {
    struct un_extract_record record = {0};
    struct un_extract_result got;
    struct values v;
    struct un_extract_result want = make(&v, index);
    size_t n = (size_t)want.regions;
    expect_ok(un_extract_parts_result(parts, index, &record, &got));
    assert_int_equal(got.index, index);
    assert_int_equal(got.status, UN_OK);
    assert_int_equal(got.width, want.width);
    assert_int_equal(got.height, want.height);
    assert_int_equal(got.regions, n);
    assert_memory_equal(got.feature, v.feature, n * FEATURES * 4);
    assert_memory_equal(got.box6, v.box6, n * 24);
    assert_memory_equal(got.confidence, v.confidence, n * 4);
    assert_memory_equal(got.soft, v.soft, n * CLASSES * 4);
    assert_memory_equal(got.box, v.box, n * 16);
    assert_memory_equal(got.class_number, v.class_number, n * 4);
    assert_memory_equal(got.attribute, v.attribute, n * 4);
    assert_memory_equal(got.attribute_probability, v.probability, n * 4);
    un_extract_record_free(&record);
}

static int fresh(void **state) {
    (void)state;
    un_error_clear();
    strcpy(folder + strlen(folder) - 6, "XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int clear(void **state) {
    (void)state;
    return (int)un_files_remove_folder(folder, NULL);
}

/* Photos 0, 1 and 2 in one part that was never synced, so that every value is looked at; its bytes. */
static size_t three(int64_t end[3], char path[UN_PATH_MAX], char **bytes) {
    struct un_extract_part part;
    size_t n;
    expect_ok(un_extract_part_open(&part, folder, 0, 0));
    for (int64_t i = 0; i < 3; ++i) {
        add(&part, i);
        end[i] = part.at;
    }
    strcpy(path, part.path);
    un_extract_part_close(&part);
    expect_ok(un_files_read(path, 1 << 20, bytes, &n));
    assert_int_equal(n, end[2]);
    return n;
}

static void store(const char *path, const char *bytes, size_t n) {
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    assert_int_equal(write(fd, bytes, n), (ssize_t)n);
    close(fd);
}

static int64_t size_of(const char *path) {
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    return st.st_size;
}

static void test_found(void **state) {
    (void)state;
    struct un_extract_part part;
    struct un_extract_parts parts;
    expect_ok(un_extract_part_open(&part, folder, 0, 0));
    add(&part, 3);
    add(&part, 0);
    un_extract_part_close(&part);
    expect_ok(un_extract_part_open(&part, folder, 0, 7));
    add(&part, 4);
    expect_ok(un_extract_part_sync(&part));
    un_extract_part_close(&part);
    expect_ok(un_extract_part_open(&part, folder, 2, 1));
    un_extract_part_close(&part); /* empty: goes */
    expect_ok(un_extract_parts_read(&parts, folder, PHOTOS));
    assert_int_equal(parts.parts, 2);
    assert_int_equal(parts.session, 1);
    assert_int_equal(parts.done, 3);
    assert_int_equal(parts.regions, 1 + 1 + 2);
    assert_int_equal(parts.features, FEATURES);
    assert_int_equal(parts.classes, CLASSES);
    for (int64_t i = 0; i < PHOTOS; ++i) {
        bool there = i != 1 && i != 2;
        assert_int_equal(parts.place[i].part >= 0, there);
        if (there) expect_photo(&parts, i);
    }
    un_extract_parts_free(&parts);
    expect_error(un_extract_part_open(&part, folder, 0, 7), UN_IO, "part-000000-000007");
    un_extract_part_close(&part);
}

/* Cut after every byte: the photos whose records are whole, the file cut behind them. */
static void test_torn_everywhere(void **state) {
    (void)state;
    char path[UN_PATH_MAX], *bytes;
    int64_t end[3];
    size_t n = three(end, path, &bytes);
    un_log_set(1, UN_LOG_WARN);
    for (size_t cut = 0; cut <= n; ++cut) {
        struct un_extract_parts parts;
        int64_t whole = 0;
        store(path, bytes, cut);
        for (int i = 0; i < 3; ++i) whole += end[i] <= (int64_t)cut;
        expect_ok(un_extract_parts_read(&parts, folder, PHOTOS));
        assert_int_equal(parts.done, whole);
        assert_int_equal(size_of(path), whole ? end[whole - 1] : 0);
        for (int64_t i = 0; i < whole; ++i) expect_photo(&parts, i);
        un_extract_parts_free(&parts);
    }
    un_free(bytes);
}

/* A byte that is not what was written ends the part before its record, wherever it stands. */
static void test_spoilt_everywhere(void **state) {
    (void)state;
    char path[UN_PATH_MAX], *bytes;
    int64_t end[3];
    size_t n = three(end, path, &bytes);
    un_log_set(1, UN_LOG_WARN);
    for (size_t at = 0; at < n; ++at) {
        struct un_extract_parts parts;
        int64_t whole = 0;
        bytes[at] ^= 0x10;
        store(path, bytes, n);
        bytes[at] ^= 0x10;
        while (end[whole] <= (int64_t)at) ++whole;
        expect_ok(un_extract_parts_read(&parts, folder, PHOTOS));
        assert_int_equal(parts.done, whole);
        assert_int_equal(size_of(path), whole ? end[whole - 1] : 0);
        un_extract_parts_free(&parts);
    }
    un_free(bytes);
}

/* Values that a later head calls durable are not read again at the start; damage there is met when they are used. */
static void test_durable_is_trusted(void **state) {
    (void)state;
    struct un_extract_part part;
    struct un_extract_parts parts;
    struct un_extract_record record = {0};
    struct un_extract_result result;
    char path[UN_PATH_MAX], *bytes;
    size_t n;
    expect_ok(un_extract_part_open(&part, folder, 0, 0));
    add(&part, 0);
    int64_t first = part.at;
    expect_ok(un_extract_part_sync(&part));
    add(&part, 1);
    strcpy(path, part.path);
    un_extract_part_close(&part);
    expect_ok(un_files_read(path, 1 << 20, &bytes, &n));
    bytes[first - 1] ^= 1;
    store(path, bytes, n);
    expect_ok(un_extract_parts_read(&parts, folder, PHOTOS));
    assert_int_equal(parts.done, 2);
    expect_photo(&parts, 1);
    expect_error(un_extract_parts_result(&parts, 0, &record, &result), UN_DATA, path, "damaged");
    un_extract_parts_free(&parts);
    un_extract_record_free(&record);
    un_free(bytes);
}

static void test_reasons(void **state) {
    (void)state;
    struct un_extract_part part;
    struct un_extract_parts parts;
    struct un_extract_record record = {0};
    struct un_extract_result result;
    expect_ok(un_extract_part_open(&part, folder, 0, 0));
    add_bad(&part, 0, UN_IO, "gone");
    add_bad(&part, 1, UN_IO, "gone for a while");
    add_bad(&part, 2, UN_DATA, "not an image");
    add(&part, 3);
    un_extract_part_close(&part);
    expect_ok(un_extract_part_open(&part, folder, 1, 0));
    add_bad(&part, 0, UN_IO, "gone again");
    add(&part, 1);
    add_bad(&part, 3, UN_IO, "gone, but was there");
    un_extract_part_close(&part);
    expect_ok(un_extract_parts_read(&parts, folder, PHOTOS));
    assert_int_equal(parts.done, 2);
    assert_int_equal(parts.session, 2);
    expect_photo(&parts, 1);
    expect_photo(&parts, 3);
    assert_int_equal(parts.place[4].part, -1);
    expect_ok(un_extract_parts_result(&parts, 0, &record, &result));
    assert_int_equal(result.status, UN_IO);
    assert_string_equal(result.why, "gone again");
    expect_ok(un_extract_parts_result(&parts, 2, &record, &result));
    assert_int_equal(result.status, UN_DATA);
    assert_string_equal(result.why, "not an image");
    un_extract_parts_free(&parts);
    un_extract_record_free(&record);
}

/* Numbers of a head that cannot be are no head, whatever its digest says. */
static void test_heads(void **state) {
    (void)state;
    struct un_extract_record record = {0};
    struct values v;
    struct un_extract_result r = make(&v, 2);
    size_t bytes;
    expect_ok(un_extract_record_pack(&record, &r, 0, &bytes));
    struct un_extract_head good, h;
    memcpy(&good, record.bytes, sizeof good);
    assert_true(un_extract_head_good(&good, PHOTOS));
    assert_false(un_extract_head_good(&good, 2)); /* of a longer list */
#define REFUSED(change)                                                                                      \
    h = good;                                                                                                \
    change;                                                                                                  \
    h.head = un_digest_of(&h, offsetof(struct un_extract_head, head));                                       \
    assert_false(un_extract_head_good(&h, PHOTOS));
    REFUSED(h.index = -1)
    REFUSED(h.regions = 0)
    REFUSED(h.regions = INT64_MAX)
    REFUSED(h.features = INT64_MAX / 2)
    REFUSED(h.classes = -1)
    REFUSED(h.bytes += 1)
    REFUSED(h.bytes = -1)
    REFUSED(h.status = UN_MEMORY)
    REFUSED((h.status = UN_IO, h.bytes = UN_ERROR_MAX))
    REFUSED(h.durable = -1)
#undef REFUSED
    un_extract_record_free(&record);
}

static void test_other_network(void **state) {
    (void)state;
    struct un_extract_part part;
    struct un_extract_parts parts;
    struct values v;
    expect_ok(un_extract_part_open(&part, folder, 0, 0));
    add(&part, 0);
    struct un_extract_result r = make(&v, 1);
    r.features = FEATURES - 1;
    expect_ok(un_extract_part_add(&part, &r));
    un_extract_part_close(&part);
    expect_error(un_extract_parts_read(&parts, folder, PHOTOS), UN_DATA, "another network");
    un_extract_parts_free(&parts);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, fresh, clear)
    const struct CMUnitTest tests[] = {
        TEST(test_found),
        TEST(test_torn_everywhere),
        TEST(test_spoilt_everywhere),
        TEST(test_durable_is_trusted),
        TEST(test_reasons),
        TEST(test_heads),
        TEST(test_other_network),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
