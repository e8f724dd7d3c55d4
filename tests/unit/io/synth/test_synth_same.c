/* The micro-world is the same every time, and no scene is another. */
#include "io/synth/class.h"
#include "runtime/memory.h"
#include "tests/support/expect.h"
#include "tests/support/synth_files.h"
#include "tests/unit/io/synth/small_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void assert_same_images(const struct synth_images *a, const struct synth_images *b, int64_t images) {
    int64_t rows = a->region_offset[images];
    assert_memory_equal(a->region_offset, b->region_offset, (images + 1) * 8);
    assert_memory_equal(a->feature, b->feature, rows * a->img_dim * 4);
    assert_memory_equal(a->box, b->box, rows * 24);
    assert_memory_equal(a->confidence, b->confidence, rows * 4);
    assert_memory_equal(a->soft_label, b->soft_label, rows * a->img_label_dim * 4);
    assert_memory_equal(a->id, b->id, images * a->id_stride);
}
static void assert_same_texts(const struct synth_texts *a, const struct synth_texts *b, int64_t texts) {
    assert_memory_equal(a->token_offset, b->token_offset, (texts + 1) * 8);
    assert_memory_equal(a->sentence_offset, b->sentence_offset, (texts + 1) * 8);
    assert_memory_equal(a->align_offset, b->align_offset, (texts + 1) * 8);
    assert_memory_equal(a->token, b->token, a->token_offset[texts] * 4);
    assert_memory_equal(a->align_token, b->align_token, a->align_offset[texts] * 4);
    assert_memory_equal(a->align_region, b->align_region, a->align_offset[texts] * 4);
    assert_memory_equal(a->sentence, b->sentence, a->sentence_offset[texts]);
    assert_memory_equal(a->id, b->id, texts * a->id_stride);
}

/* The same bytes again, also when other data sets are left out and more images are made. */
static void the_world_is_the_same_every_time(void **state) {
    (void)state;
    struct un_synth_keys again = small("again"), more = small("more");
    expect_ok(un_synth(&again));
    snprintf(more.sets, sizeof more.sets, "sbu,vg");
    more.train_images = 150;
    expect_ok(un_synth(&more));
    assert_int_equal(synth_count(&more), 2 * 4 + 2);
    for (int p = 0; p < PARTS; ++p) {
        struct synth_images a = synth_read_images(&shared, parts[p]), b = synth_read_images(&again, parts[p]);
        struct synth_texts s = synth_read_texts(&shared, parts[p]), t = synth_read_texts(&again, parts[p]);
        assert_same_images(&a, &b, a.images);
        assert_same_texts(&s, &t, s.texts);
        synth_free_images(&b);
        synth_free_texts(&t);
        if (strchr("sv", parts[p][0])) {
            b = synth_read_images(&more, parts[p]);
            t = synth_read_texts(&more, parts[p]);
            assert_same_images(&a, &b, a.images);
            assert_same_texts(&s, &t, s.texts);
            synth_free_images(&b);
            synth_free_texts(&t);
        }
        synth_free_images(&a);
        synth_free_texts(&s);
    }
    synth_remove(&again);
    synth_remove(&more);
}

static int compare_rows(const void *a, const void *b) {
    return memcmp(*(float *const *)a, *(float *const *)b, 6 * 4);
}

/* No region of any split or data set has the box of another: the scenes are disjoint. And another seed is
 * another world. */
static void scenes_are_all_different(void **state) {
    (void)state;
    struct synth_images s[PARTS];
    int64_t rows = 0, n = 0;
    for (int p = 0; p < PARTS; ++p) rows += (s[p] = synth_read_images(&shared, parts[p])).regions;
    float **box = un_alloc((size_t)rows, sizeof *box, "boxes");
    for (int p = 0; p < PARTS; ++p)
        for (int64_t r = 0; r < s[p].regions; ++r) box[n++] = s[p].box + 6 * r;
    qsort(box, (size_t)n, sizeof *box, compare_rows);
    for (int64_t i = 1; i < n; ++i) assert_memory_not_equal(box[i - 1], box[i], 24);
    struct un_synth_keys other = small("other");
    snprintf(other.sets, sizeof other.sets, "coco");
    other.seed = 2;
    expect_ok(un_synth(&other));
    struct synth_images o = synth_read_images(&other, "coco_valid");
    assert_memory_not_equal(o.region_offset, s[1].region_offset, (o.images + 1) * 8);
    assert_memory_not_equal(o.feature, s[1].feature, o.img_dim * 4);
    synth_free_images(&o);
    synth_remove(&other);
    for (int p = 0; p < PARTS; ++p) synth_free_images(&s[p]);
    un_free(box);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_world_is_the_same_every_time),
        cmocka_unit_test(scenes_are_all_different),
    };
    return cmocka_run_group_tests(tests, make_shared, remove_shared);
}
