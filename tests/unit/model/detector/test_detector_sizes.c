/* Sizes off the shapes of a table of tensors, and tables that are broken. */
#include "model/detector/sizes.h"
#include "tests/support/check.h"
#include "tests/support/expect.h"

#include <stdio.h>
#include <string.h>

enum { TENSORS_MOST = 1500 };

struct table {
    int64_t n;
    char name[TENSORS_MOST][96];
    int64_t shape[TENSORS_MOST][6];
    int rank[TENSORS_MOST];
    struct un_detector_file file;
};

static struct un_detector_tensor tensor(void *context, int64_t i) {
    struct table *t = context;
    return (struct un_detector_tensor){t->name[i], t->rank[i], t->shape[i]};
}

static void add(struct table *t, int rank, int64_t a, int64_t b, int64_t side, const char *name,
                const char *ending) {
    assert_true(t->n < TENSORS_MOST);
    snprintf(t->name[t->n], sizeof t->name[0], "%s%s", name, ending);
    const int64_t shape[6] = {a, b, side, side, 1, 1};
    memcpy(t->shape[t->n], shape, sizeof shape);
    t->rank[t->n++] = rank;
}

static void add_conv(struct table *t, int64_t out, int64_t in, int64_t side, const char *name) {
    add(t, 4, out, in, side, name, ".weight");
    add(t, 1, out, 1, 1, name, ".norm.weight");
    add(t, 1, out, 1, 1, name, ".norm.bias");
    add(t, 1, out, 1, 1, name, ".norm.running_mean");
    add(t, 1, out, 1, 1, name, ".norm.running_var");
    add(t, 0, 1, 1, 1, name, ".norm.num_batches_tracked");
}

static void add_stage(struct table *t, const char *stage, int64_t blocks, int64_t in, int64_t inside,
                      int64_t out) {
    char name[80];
    for (int64_t b = 0; b < blocks; ++b, in = out) {
        static const char *const parts[4] = {"shortcut", "conv1", "conv2", "conv3"};
        const int64_t shape[4][3] = {{out, in, 1}, {inside, in, 1}, {inside, inside, 3}, {out, inside, 1}};
        for (int k = in == out; k < 4; ++k) {
            snprintf(name, sizeof name, "%s.%lld.%s", stage, (long long)b, parts[k]);
            add_conv(t, shape[k][0], shape[k][1], shape[k][2], name);
        }
    }
}

static void add_linear(struct table *t, int rank, int64_t out, int64_t in, int64_t side, const char *name) {
    add(t, rank, out, in, side, name, ".weight");
    add(t, 1, out, 1, 1, name, ".bias");
}

static void fill(struct table *t, const struct un_detector_sizes *s) {
    static const char *const stages[4] = {"backbone.res2", "backbone.res3", "backbone.res4",
                                          "roi_heads.res5"};
    int64_t in = s->stem, features = 8 * s->width;
    memset(t, 0, sizeof *t);
    add_conv(t, s->stem, 3, 7, "backbone.stem.conv1");
    for (int k = 0; k < 4; ++k) {
        add_stage(t, stages[k], s->blocks[k], in, s->bottleneck << k, s->width << k);
        in = s->width << k;
    }
    add(t, 2, s->anchors, 4, 1, "proposal_generator.anchor_generator.cell_anchors.0", "");
    add_linear(t, 4, s->rpn, 4 * s->width, 3, "proposal_generator.rpn_head.conv");
    add_linear(t, 4, s->anchors, s->rpn, 1, "proposal_generator.rpn_head.objectness_logits");
    add_linear(t, 4, 4 * s->anchors, s->rpn, 1, "proposal_generator.rpn_head.anchor_deltas");
    add_linear(t, 2, s->classes + 1, features, 1, "roi_heads.box_predictor.cls_score");
    add_linear(t, 2, 4 * s->classes, features, 1, "roi_heads.box_predictor.bbox_pred");
    add(t, 2, s->classes + 1, s->embedding, 1, "roi_heads.box_predictor.cls_embedding", ".weight");
    add_linear(t, 2, s->attribute_hidden, features + s->embedding, 1, "roi_heads.box_predictor.fc_attr");
    add_linear(t, 2, s->attributes + 1, s->attribute_hidden, 1, "roi_heads.box_predictor.attr_score");
    t->file = (struct un_detector_file){"weights.safetensors", t->n, tensor, NULL, t};
}

static const struct un_detector_sizes published = {64,   64,  256, {3, 4, 23, 3}, 512, 12,
                                                   1600, 400, 256, 512,           14};
static const struct un_detector_sizes odd = {7, 5, 12, {1, 3, 2, 3}, 19, 9, 21, 5, 11, 13, 14};
/* res2 keeps the stem's channels: its first block has no shortcut. */
static const struct un_detector_sizes straight = {12, 5, 12, {1, 1, 1, 1}, 3, 1, 1, 1, 1, 1, 14};
static struct table table;

static void read_off(void **state) {
    (void)state;
    const struct un_detector_sizes *const all[] = {&published, &odd, &straight};
    for (size_t i = 0; i < sizeof all / sizeof *all; ++i) {
        struct un_detector_sizes got;
        fill(&table, all[i]);
        expect_ok(un_detector_sizes_of(&got, &table.file));
        assert_memory_equal(&got, all[i], sizeof got);
    }
    fill(&table, &published);
    int64_t counters = 0;
    for (int64_t i = 0; i < table.n; ++i) counters += strstr(table.name[i], "num_batches") != NULL;
    assert_int_equal(counters, 104); /* as the public file has */
    assert_int_equal(table.n, 536 + 104);
    assert_int_equal(un_detector_file_find(&table.file, "backbone.stem.conv1.norm.weight"), 1);
    assert_int_equal(un_detector_file_find(&table.file, "backbone.stem.conv1.norm"), -1);
}

static bool counter(int64_t i) {
    return strstr(table.name[i], "num_batches_tracked") != NULL;
}

/* Each tensor left out in turn: named, but for counters, which nobody needs, and the last block of a stage, whose absence
 * makes a detector of fewer blocks: then the rest of it is over. */
static void missing(void **state) {
    (void)state;
    struct un_detector_sizes got;
    fill(&table, &odd);
    for (int64_t i = 0; i < table.n; ++i) {
        char was[96];
        memcpy(was, table.name[i], sizeof was);
        snprintf(table.name[i], sizeof table.name[i], "another");
        if (strstr(was, "num_batches_tracked"))
            expect_ok(un_detector_sizes_of(&got, &table.file));
        else if (strstr(was, "conv1.weight") && !strstr(was, "stem") && !strstr(was, ".0."))
            (void)0; /* counts the blocks */
        else
            expect_error(un_detector_sizes_of(&got, &table.file), UN_DATA, "weights.safetensors", was);
        memcpy(table.name[i], was, sizeof was);
    }
    fill(&table, &straight);
    expect_ok(un_detector_sizes_of(&got, &table.file));
}

/* Each size of each tensor one larger, or of another rank. Some sizes say how large others are: then those are named. */
static void wrong_shapes(void **state) {
    (void)state;
    struct un_detector_sizes got;
    fill(&table, &odd);
    for (int64_t i = 0; i < table.n; ++i) {
        if (counter(i)) continue;
        for (int axis = 0; axis < table.rank[i]; ++axis) {
            table.shape[i][axis] += 1;
            expect_error(un_detector_sizes_of(&got, &table.file), UN_DATA, "weights.safetensors", "tensor ");
            table.shape[i][axis] -= 1;
        }
        for (int change = -1; change <= 1; change += 2) {
            table.rank[i] += change;
            expect_error(un_detector_sizes_of(&got, &table.file), UN_DATA, "weights.safetensors",
                         table.name[i]);
            table.rank[i] -= change;
        }
    }
    expect_ok(un_detector_sizes_of(&got, &table.file));
}

/* Shapes of hostile files: nothing follows from a size of 0, below 0, or beyond all measure. */
static void hostile_sizes(void **state) {
    (void)state;
    static const int64_t bad[] = {0, -1, INT64_MIN, INT64_MAX, ((int64_t)1 << 20) + 1, (int64_t)1 << 62};
    struct un_detector_sizes got;
    fill(&table, &odd);
    for (int64_t i = 0; i < table.n; ++i) {
        if (counter(i)) continue;
        for (int axis = 0; axis < table.rank[i]; ++axis)
            for (size_t b = 0; b < sizeof bad / sizeof *bad; ++b) {
                int64_t was = table.shape[i][axis];
                table.shape[i][axis] = bad[b];
                expect_error(un_detector_sizes_of(&got, &table.file), UN_DATA, "weights.safetensors");
                table.shape[i][axis] = was;
            }
    }
}

/* The largest size that is believed, in a table that agrees with itself. */
static void largest_size(void **state) {
    (void)state;
    struct un_detector_sizes got, one = odd;
    one.embedding = (int64_t)1 << 20;
    fill(&table, &one);
    expect_ok(un_detector_sizes_of(&got, &table.file));
    one.embedding += 1;
    fill(&table, &one);
    expect_error(un_detector_sizes_of(&got, &table.file), UN_DATA, "cls_embedding", "1 to 1048576");
}

static void not_one(void **state) {
    (void)state;
    struct un_detector_sizes got, one = odd;
    fill(&table, &odd);
    table.file.n = 0;
    expect_error(un_detector_sizes_of(&got, &table.file), UN_DATA, "weights.safetensors",
                 "not a region detector", "backbone.stem.conv1.weight");
    one.classes = 0;
    fill(&table, &one);
    for (int64_t i = 0; i < table.n; ++i)
        if (strstr(table.name[i], "bbox_pred")) table.shape[i][0] = 1;
    expect_error(un_detector_sizes_of(&got, &table.file), UN_DATA, "0 classes");
    one = odd;
    one.attributes = 0;
    fill(&table, &one);
    expect_error(un_detector_sizes_of(&got, &table.file), UN_DATA, "0 attributes");
    one = odd;
    one.blocks[2] = UN_DETECTOR_BLOCKS_MAX + 1;
    one.blocks[1] = one.blocks[3] = 1;
    fill(&table, &one);
    expect_error(un_detector_sizes_of(&got, &table.file), UN_DATA, "more than 64 blocks", "backbone.res4");
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(read_off),     cmocka_unit_test(missing),
                                       cmocka_unit_test(wrong_shapes), cmocka_unit_test(hostile_sizes),
                                       cmocka_unit_test(largest_size), cmocka_unit_test(not_one)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
