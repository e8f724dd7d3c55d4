/* Names of UNITER and BERT into the flat buffer: what is taken, what keeps its value, what is refused. */
#include "runtime/memory.h"
#include "tests/support/expect.h"
#include "tests/support/weights_case.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static void same_name(const char *ours, char theirs[256]) {
    snprintf(theirs, 256, "%s", ours);
}

/* Is this one of those that a BERT has? */
static bool in_bert(const char *ours) {
    return strncmp(ours, "uniter.img_embeddings.", 22) != 0 &&
           (strncmp(ours, "uniter.", 7) == 0 || strncmp(ours, "cls.predictions.", 16) == 0);
}

static void bert_name(const char *ours, char theirs[256]) {
    theirs[0] = '\0';
    if (!in_bert(ours)) return;
    snprintf(theirs, 256, "%s%s", ours[0] == 'u' ? "bert." : "", ours[0] == 'u' ? ours + 7 : ours);
}

/* As in files of 2018: gamma and beta. */
static void old_bert_name(const char *ours, char theirs[256]) {
    bert_name(ours, theirs);
    char *at = strstr(theirs, "LayerNorm.");
    if (at) strcpy(at + 10, strcmp(at + 10, "weight") == 0 ? "gamma" : "beta");
}

/* As of a bare BertModel: no prefix, no head. */
static void bare_bert_name(const char *ours, char theirs[256]) {
    bert_name(ours, theirs);
    if (strncmp(theirs, "bert.", 5) == 0)
        memmove(theirs, theirs + 5, strlen(theirs + 5) + 1);
    else
        theirs[0] = '\0';
}

static bool in_bare_bert(const char *ours) {
    return in_bert(ours) && ours[0] == 'u';
}

struct loaded {
    struct un_params table;
    struct un_weights_view view;
    struct un_weights_plan plan;
    float *values;
};

static enum un_status load(struct loaded *l, const char *path) {
    memset(l, 0, sizeof *l);
    weights_table(&l->table);
    l->values = un_alloc((size_t)l->table.total, sizeof *l->values, "test");
    for (int64_t i = 0; i < l->table.total; ++i) l->values[i] = -7;
    UN_TRY(un_weights_view_open(&l->view, path));
    UN_TRY(un_weights_plan_open(&l->plan, &l->view, &l->table, UN_FIT_START));
    return un_weights_load(&l->plan, l->values);
}

static void unload(struct loaded *l) {
    un_weights_plan_close(&l->plan);
    un_weights_view_close(&l->view);
    un_free(l->values);
    un_params_free(&l->table);
}

/* Every element of every parameter: the file's where `taken`, else what was there. Gaps are never touched. */
static void expect_values(const struct loaded *l, bool (*taken)(const char *ours)) {
    int64_t wrong = 0, at = 0;
    for (int64_t i = 0; i < l->table.n; ++i) {
        const struct un_param *p = &l->table.list[i];
        for (; at < p->offset; ++at) wrong += l->values[at] != -7;
        for (int64_t k = 0; k < p->count; ++k) {
            float want = taken(p->name) ? weights_value(p->name, k) : -7;
            if (p->zero_row0 && k < p->count / 2 && taken(p->name)) want = 0;
            wrong += l->values[at++] != want;
        }
    }
    assert_int_equal(wrong, 0);
}

static bool all(const char *ours) {
    (void)ours;
    return true;
}

static void lines(void *context, const char *text) {
    strcat(context, text);
    strcat(context, "\n");
}

static void expect_told(const struct loaded *l, const char *const *words) {
    static char text[20000];
    text[0] = '\0';
    un_weights_plan_tell(&l->plan, lines, text);
    for (; *words; ++words)
        if (!strstr(text, *words)) fail_msg("\"%s\" is not in: %s", *words, text);
}
#define expect_told(l, ...) expect_told((l), (const char *const[]){__VA_ARGS__, NULL})

static const struct weights_entry released_copies[] = {
    {"cls.predictions.decoder.weight", "uniter.embeddings.word_embeddings.weight", {21, 8}, 2},
    {"feat_regress.weight", "uniter.img_embeddings.img_linear.weight", {8, 6}, 2},
    {"vqa_output.3.bias", NULL, {99}, 1},
    {0}};
static const struct weights_entry beside_bert[] = {
    {"cls.predictions.decoder.weight", "uniter.embeddings.word_embeddings.weight", {21, 8}, 2},
    {"cls.predictions.decoder.bias", "cls.predictions.bias", {21}, 1},
    {"cls.seq_relationship.weight", NULL, {2, 8}, 2},
    {"bert.embeddings.position_ids", NULL, {1, 16}, 2},
    {0}};

static void test_uniter(void **state) {
    (void)state;
    struct loaded l;
    struct un_params table = {0};
    uint64_t live = live_blocks();
    weights_table(&table);
    expect_ok(load(&l, weights_file_of("released", &table, same_name, released_copies)));
    expect_values(&l, all);
    assert_int_equal(l.plan.names, UN_NAMES_UNITER);
    assert_int_equal(l.plan.taken, table.n);
    assert_int_equal(l.plan.missing, 0);
    assert_int_equal(l.plan.copies, 2);
    expect_told(&l, "UNITER's names", "0 are missing; 2 tied copies, 1 ignored, 0 unexpected",
                "  ignored (heads of vqa): vqa_output.3.bias");
    unload(&l);
    un_params_free(&table);
    assert_int_equal(live_blocks(), live);
}

static void test_bert(void **state) {
    (void)state;
    static void (*const rename[])(const char *, char[256]) = {bert_name, old_bert_name};
    struct un_params table = {0};
    weights_table(&table);
    for (int i = 0; i < 2; ++i) {
        struct loaded l;
        expect_ok(load(&l, weights_file_of("bert", &table, rename[i], beside_bert)));
        expect_values(&l, in_bert);
        assert_int_equal(l.plan.names, UN_NAMES_BERT);
        assert_int_equal(l.plan.copies, 2);
        assert_int_equal(l.plan.ignored, 2);
        assert_int_equal(l.plan.unexpected, 0);
        assert_int_equal(l.plan.missing, 11 + 5 + 6 + 2);
        expect_told(&l, "BERT's names", "24 are missing", "missing: uniter.img_embeddings.* (11 tensors)",
                    "missing: feat_regress.* (5 tensors)", "missing: region_classifier.* (6 tensors)",
                    "missing: itm_output.weight", "ignored: bert.embeddings.position_ids");
        unload(&l);
    }
    struct loaded l;
    expect_ok(load(&l, weights_file_of("bare", &table, bare_bert_name, NULL)));
    expect_values(&l, in_bare_bert);
    unload(&l);
    un_params_free(&table);
}

/* ---- names one by one ---- */

static void test_names(void **state) {
    (void)state;
    static const struct {
        enum un_weights_names names;
        const char *from, *to;
        enum un_weights_kind kind;
    } cases[] = {
        {UN_NAMES_BERT, "bert.encoder.layer.11.attention.self.query.weight",
         "uniter.encoder.layer.11.attention.self.query.weight", UN_WEIGHTS_TAKEN},
        {UN_NAMES_BERT, "embeddings.LayerNorm.beta", "uniter.embeddings.LayerNorm.bias", UN_WEIGHTS_TAKEN},
        {UN_NAMES_BERT, "cls.predictions.transform.LayerNorm.gamma",
         "cls.predictions.transform.LayerNorm.weight", UN_WEIGHTS_TAKEN},
        {UN_NAMES_BERT, "bert.pooler.dense.bias", "uniter.pooler.dense.bias", UN_WEIGHTS_TAKEN},
        {UN_NAMES_BERT, "cls.predictions.decoder.weight", "uniter.embeddings.word_embeddings.weight",
         UN_WEIGHTS_COPY},
        {UN_NAMES_BERT, "cls.predictions.decoder.bias", "cls.predictions.bias", UN_WEIGHTS_COPY},
        {UN_NAMES_BERT, "embeddings.position_ids", "", UN_WEIGHTS_IGNORED},
        {UN_NAMES_BERT, "cls.seq_relationship.bias", "", UN_WEIGHTS_IGNORED},
        {UN_NAMES_BERT, "bert.cls.predictions.bias", "", UN_WEIGHTS_UNEXPECTED},
        {UN_NAMES_BERT, "classifier.weight", "", UN_WEIGHTS_UNEXPECTED},
        {UN_NAMES_UNITER, "feat_regress.weight", "uniter.img_embeddings.img_linear.weight", UN_WEIGHTS_COPY},
        {UN_NAMES_UNITER, "uniter.embeddings.LayerNorm.gamma", "uniter.embeddings.LayerNorm.weight",
         UN_WEIGHTS_TAKEN},
        {UN_NAMES_UNITER, "bert.pooler.dense.bias", "bert.pooler.dense.bias", UN_WEIGHTS_TAKEN},
    };
    char to[UN_WEIGHTS_NAME];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        assert_int_equal(un_weights_name(cases[i].names, cases[i].from, to), cases[i].kind);
        assert_string_equal(to, cases[i].to);
    }
}

/* ---- tied copies ---- */

static void only_not_words(const char *ours, char theirs[256]) {
    same_name(ours, theirs);
    if (strstr(ours, "word_embeddings")) theirs[0] = '\0';
}

static void test_tied(void **state) {
    (void)state;
    struct loaded l;
    struct un_params table = {0};
    weights_table(&table);
    /* the copy stands in for its partner */
    expect_ok(load(&l, weights_file_of("stand_in", &table, only_not_words, released_copies)));
    expect_values(&l, all);
    assert_int_equal(l.plan.missing, 0);
    assert_int_equal(l.plan.copies, 1);
    unload(&l);
    /* the partner counts where both are there and differ */
    static const struct weights_entry other[] = {{"feat_regress.weight", NULL, {8, 6}, 2}, {0}};
    expect_ok(load(&l, weights_file_of("other", &table, same_name, other)));
    expect_values(&l, all);
    unload(&l);
    un_params_free(&table);
}

/* ---- refusals ---- */

static const char *changed_name;
static void all_but_changed(const char *ours, char theirs[256]) {
    same_name(ours, theirs);
    if (strcmp(ours, changed_name) == 0) theirs[0] = '\0';
}

static void refuse(const char *name, int64_t rows, int64_t cols, int rank, const char *words1,
                   const char *words2) {
    struct loaded l;
    struct un_params table = {0};
    uint64_t live = live_blocks();
    const struct weights_entry more[] = {{name, NULL, {rows, cols}, rank}, {0}};
    weights_table(&table);
    changed_name = name;
    expect_error(load(&l, weights_file_of("refused", &table, all_but_changed, more)), UN_USAGE, name, words1,
                 words2);
    unload(&l);
    un_params_free(&table);
    assert_int_equal(live_blocks(), live);
}

static void test_shapes(void **state) {
    (void)state;
    refuse("uniter.pooler.dense.weight", 8, 9, 2, "shape [8,9]",
           "in the model uniter.pooler.dense.weight [8,8]");
    refuse("uniter.pooler.dense.weight", 9, 8, 2, "shape [9,8]", "[8,8]");
    refuse("uniter.pooler.dense.weight", 64, 0, 1, "shape [64]", "[8,8]");
    refuse("uniter.pooler.dense.bias", 1, 8, 2, "shape [1,8]", "[8]");
    refuse("uniter.embeddings.position_embeddings.weight", 24, 8, 2, "shape [24,8]", "[16,8]");
    refuse("uniter.embeddings.word_embeddings.weight", 20, 8, 2, "20 words", "model.vocab_size) is 21");
    refuse("uniter.embeddings.word_embeddings.weight", 22, 8, 2, "22 words", "model.vocab_size) is 21");
    refuse("uniter.embeddings.word_embeddings.weight", 32, 8, 2, "32 words", "multiple of 8");
    refuse("uniter.embeddings.word_embeddings.weight", 24, 7, 2, "shape [24,7]", "[21,8]");
    refuse("cls.predictions.bias", 22, 0, 1, "22 words", "is 21");
    refuse("cls.predictions.decoder.weight", 23, 8, 2, "23 words", "is 21");
}

/* 21 words padded to 24, as the authors pad: the first 21 are taken. */
static void padded(const char *ours, char theirs[256]) {
    same_name(ours, theirs);
    if (strstr(ours, "word_embeddings") || strcmp(ours, "cls.predictions.bias") == 0) theirs[0] = '\0';
}
static void test_padding(void **state) {
    (void)state;
    static const struct weights_entry more[] = {
        {"uniter.embeddings.word_embeddings.weight", NULL, {24, 8}, 2},
        {"cls.predictions.bias", NULL, {24}, 1},
        {"cls.predictions.decoder.weight", "uniter.embeddings.word_embeddings.weight", {24, 8}, 2},
        {0}};
    struct loaded l;
    struct un_params table = {0};
    weights_table(&table);
    expect_ok(load(&l, weights_file_of("padded", &table, padded, more)));
    expect_values(&l, all);
    assert_int_equal(l.plan.surplus, 3);
    expect_told(&l, "3 words of padding are dropped");
    unload(&l);
    un_params_free(&table);
}

static void test_nothing_known(void **state) {
    (void)state;
    static const struct weights_entry foreign[] = {{"model.layer.weight", NULL, {3, 3}, 2}, {0}},
                                      none[] = {{0}}, another[] = {{"uniter.elsewhere", NULL, {3}, 1}, {0}},
                                      twice[] = {{"bert.pooler.dense.bias", NULL, {8}, 1},
                                                 {"pooler.dense.bias", NULL, {8}, 1},
                                                 {0}};
    struct loaded l;
    expect_error(load(&l, weights_file("foreign", foreign)), UN_DATA,
                 "no tensor has a name of UNITER or BERT", "model.layer.weight");
    unload(&l);
    expect_error(load(&l, weights_file("none", none)), UN_DATA, "of 0 is (none)");
    unload(&l);
    expect_error(load(&l, weights_file("another", another)), UN_DATA, "none of its 1 tensors");
    unload(&l);
    expect_error(load(&l, weights_file("twice", twice)), UN_DATA, "both bert.pooler.dense.bias",
                 "pooler.dense.bias are uniter.pooler.dense.bias");
    unload(&l);
    expect_error(load(&l, scratch("missing")), UN_IO, "missing");
    unload(&l);
    expect_error(load(&l, scratch_folder()), UN_USAGE, "neither a checkpoint", "nor a run");
    unload(&l);
}

static void test_not_finite(void **state) {
    (void)state;
    struct loaded l;
    struct un_params table = {0};
    weights_table(&table);
    const char *path = weights_file_of("nan", &table, same_name, NULL);
    const float nan_value = NAN;
    FILE *f = fopen(path, "r+b");
    fseek(f, -4, SEEK_END); /* of the last one by name */
    fwrite(&nan_value, 4, 1, f);
    fclose(f);
    expect_error(load(&l, path), UN_DATA, "uniter.pooler.dense.weight", "element 63", "nan");
    unload(&l);
    un_params_free(&table);
}

static int teardown(void **state) {
    (void)state;
    scratch_remove();
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_uniter),        cmocka_unit_test(test_bert),
        cmocka_unit_test(test_names),         cmocka_unit_test(test_tied),
        cmocka_unit_test(test_shapes),        cmocka_unit_test(test_padding),
        cmocka_unit_test(test_nothing_known), cmocka_unit_test(test_not_finite),
    };
    return cmocka_run_group_tests_name("weights", tests, NULL, teardown);
}
