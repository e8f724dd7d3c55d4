/* Tasks of the micro-world: the same keys make the same tasks, captions do not know of them, and what their files
 * hold beside what is asked. */
#include "io/disk/files.h"
#include "runtime/memory.h"
#include "tests/unit/io/synth/small_tasks.h"

#include <string.h>

static void assert_same_file(const struct un_synth_keys *a, const struct un_synth_keys *b, const char *name) {
    char path[1024], *bytes[2];
    size_t n[2];
    for (int i = 0; i < 2; ++i) {
        snprintf(path, sizeof path, "%s/%s", i == 0 ? a->out : b->out, name);
        expect_ok(un_files_read(path, 1 << 26, &bytes[i], &n[i]));
    }
    assert_int_equal(n[0], n[1]);
    assert_memory_equal(bytes[0], bytes[1], n[0]);
    un_free(bytes[0]);
    un_free(bytes[1]);
}

/* A task does not change with the others that are made, nor captions but for the vocabulary's size. */
static void tasks_do_not_know_of_each_other(void **state) {
    (void)state;
    struct un_synth_keys some = tasks_of("some", "re+,vcr"), none = tasks_of("none", "");
    expect_ok(un_synth(&some));
    expect_ok(un_synth(&none));
    const char *same[] = {"re+_train.txt.h5", "re+_valid.img.h5", "vcr_train.txt.h5", "vcr_gt_train.img.h5",
                          "vcr_valid.img.h5"};
    for (size_t i = 0; i < sizeof same / sizeof *same; ++i) assert_same_file(&made, &some, same[i]);
    assert_int_equal(synth_count(&none), 4 + 2);
    assert_int_equal(synth_count(&some), 4 + 4 + 6 + 2);
    assert_same_file(&made, &none, "vg_train.img.h5");
    struct synth_texts with = synth_read_texts(&made, "vg_train"),
                       without = synth_read_texts(&none, "vg_train");
    assert_true(with.vocab_size > without.vocab_size);
    assert_int_equal(with.words, without.words);
    assert_memory_equal(with.token, without.token, with.words * 4);
    assert_memory_equal(with.sentence, without.sentence, with.bytes);
    synth_free_texts(&with);
    synth_free_texts(&without);
    synth_remove(&some);
    synth_remove(&none);
}

static void retrieval_has_a_test_split(void **state) {
    (void)state;
    struct synth_texts test = synth_read_texts(&made, "retrieval_test");
    struct synth_images images = synth_read_images(&made, "retrieval_test");
    assert_int_equal(test.texts, 5);
    assert_int_equal(images.images, 5);
    assert_string_equal(test.id, "0");
    assert_memory_equal(test.image_id, "retrieval_test_00000000", 23);
    synth_free_texts(&test);
    synth_free_images(&images);
}

/* Annotated regions: people from left to right first, each object once. */
static void annotators_list_people_first(void **state) {
    (void)state;
    struct synth_images s = synth_read_images(&made, "vcr_gt_train");
    for (int64_t i = 0; i < s.images; ++i) {
        const int64_t at = s.region_offset[i];
        for (int64_t r = at; r < s.region_offset[i + 1]; ++r)
            assert_int_equal(un_synth_classes[synth_class(&s, r)].kind == UN_SYNTH_PERSON, r < at + 2);
        assert_true(s.box[6 * at] + s.box[6 * at + 2] < s.box[6 * at + 6] + s.box[6 * at + 8]);
    }
    synth_free_images(&s);
}

static void wrong_tasks_are_refused(void **state) {
    (void)state;
    struct un_synth_keys keys = tasks_of("wrong", "vqa,re-");
    expect_error(un_synth(&keys), UN_USAGE, "no task \"re-\"");
    keys = tasks_of("wrong", "ve");
    keys.train_images = 5000000;
    expect_error(un_synth(&keys), UN_USAGE, "at most");
    assert_int_equal(synth_count(&keys), -1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tasks_do_not_know_of_each_other),
        cmocka_unit_test(retrieval_has_a_test_split),
        cmocka_unit_test(annotators_list_people_first),
        cmocka_unit_test(wrong_tasks_are_refused),
    };
    return cmocka_run_group_tests(tests, make_tasks, remove_tasks);
}
