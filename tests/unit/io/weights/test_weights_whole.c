/* Whole networks only: holes, other networks and adapters are refused; wrapped names and sharded files are read. */
#include "runtime/memory.h"
#include "tests/support/expect.h"
#include "tests/support/weights_case.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const char *left_out, *front = "";

static void but_left_out(const char *ours, char theirs[256]) {
    snprintf(theirs, 256, "%s", strncmp(ours, left_out, strlen(left_out)) == 0 ? "" : ours);
}

/* BERT's name behind `front`; "" for what a BERT does not have. */
static void bert_name(const char *ours, char theirs[256]) {
    bool body = strncmp(ours, "uniter.", 7) == 0 && strncmp(ours, "uniter.img_", 11) != 0;
    bool head = strncmp(ours, "cls.", 4) == 0;
    theirs[0] = '\0';
    if (body || head) snprintf(theirs, 256, "%s%s%s", front, body ? "bert." : "", body ? ours + 7 : ours);
}

static enum un_status load(const char *path, const struct un_params *table, float *values) {
    struct un_weights_view view;
    struct un_weights_plan plan = {0};
    enum un_status status = un_weights_view_open(&view, path);
    if (status == UN_OK) status = un_weights_plan_open(&plan, &view, table, UN_FIT_START);
    if (status == UN_OK) status = un_weights_load(&plan, values);
    un_weights_plan_close(&plan);
    un_weights_view_close(&view);
    return status;
}

static void with_table(void (*check)(const struct un_params *table, float *values)) {
    struct un_params table = {0};
    uint64_t live = live_blocks();
    weights_table(&table);
    float *values = un_alloc((size_t)table.total, sizeof *values, "test");
    check(&table, values);
    un_free(values);
    un_params_free(&table);
    assert_int_equal(live_blocks(), live);
}

static bool in_bert(const char *ours) {
    char name[256];
    bert_name(ours, name);
    return name[0] != '\0';
}

static int64_t wrong_values(const struct un_params *table, const float *values) {
    int64_t wrong = 0;
    for (int64_t i = 0; i < table->n; ++i) {
        const struct un_param *p = &table->list[i];
        for (int64_t k = 0; k < p->count && in_bert(p->name); ++k)
            wrong += values[p->offset + k] != weights_value(p->name, k);
    }
    return wrong;
}

static void check_holes(const struct un_params *table, float *values) {
    for (int64_t i = 0; i < table->n; ++i) {
        left_out = table->list[i].name;
        expect_error(load(weights_file_of("hole", table, but_left_out, NULL), table, values), UN_DATA,
                     left_out, "1 tensors are missing", "hole");
    }
    static const char *const parts[] = {"uniter.pooler.", "uniter.img_embeddings.", "cls.",
                                        "feat_regress.",  "region_classifier.",     "itm_output."};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; ++i) {
        left_out = parts[i];
        expect_ok(load(weights_file_of("part", table, but_left_out, NULL), table, values));
    }
    left_out = "uniter.encoder.layer.1.";
    expect_error(load(weights_file_of("short", table, but_left_out, NULL), table, values), UN_DATA,
                 "1 encoder layers, the model has 2", "16 tensors");
    left_out = "uniter.encoder.layer.0.";
    expect_error(load(weights_file_of("late", table, but_left_out, NULL), table, values), UN_DATA,
                 "16 tensors are missing", "not a whole network");
    left_out = "uniter.embeddings.";
    expect_error(load(weights_file_of("late", table, but_left_out, NULL), table, values), UN_DATA,
                 "uniter.embeddings.", "not a whole network");
}
static void test_holes(void **state) {
    (void)state;
    with_table(check_holes);
}

static void uniter_name(const char *ours, char theirs[256]) {
    snprintf(theirs, 256, "%s", ours);
}

static void check_foreign(const struct un_params *table, float *values) {
    static const struct {
        const char *tensor, *word;
        bool in_uniter;
    } cases[] = {{"bert.encoder.layer.0.attention.self.query.lora_A.default.weight", "LoRA", true},
                 {"bert.encoder.layer.0.attention.self.query.base_layer.weight", "LoRA", true},
                 {"bert.encoder.layer.0.output.adapters.x.weight", "adapters", true},
                 {"roberta.embeddings.LayerNorm.bias", "RoBERTa", false},
                 {"lm_head.bias", "RoBERTa", false},
                 {"embeddings_project.weight", "ELECTRA", false},
                 {"bert.encoder.r_layers.0.output.dense.bias", "LXMERT", false},
                 {"bert.encoder.x_layers.0.output.dense.bias", "LXMERT", false},
                 {"bert.embeddings.visual_projection.weight", "VisualBERT", false},
                 {"encoder.relative_attention_bias.weight", "MPNet", false},
                 {"encoder.layer.0.attention.self.query_proj.weight", "DeBERTa", false},
                 {"transformer.layer.0.attention.q_lin.weight", "DistilBERT", false}};
    front = "";
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        const struct weights_entry more[] = {{cases[i].tensor, NULL, {8}, 1}, {0}};
        expect_error(load(weights_file_of("foreign", table, bert_name, more), table, values), UN_DATA,
                     cases[i].tensor, cases[i].word, "foreign");
        enum un_status status = load(weights_file_of("uniter", table, uniter_name, more), table, values);
        assert_int_equal(status, cases[i].in_uniter ? UN_DATA : UN_OK);
        un_error_clear();
    }
}
static void test_foreign(void **state) {
    (void)state;
    with_table(check_foreign);
}

static void types_left_out(const char *ours, char theirs[256]) {
    bert_name(strstr(ours, "token_type") ? "" : ours, theirs);
}

static void check_wrapped(const struct un_params *table, float *values) {
    static const char *const fronts[] = {"",
                                         "module.",
                                         "_orig_mod.",
                                         "model.",
                                         "_orig_mod.module.",
                                         "module.model.",
                                         "model.module._orig_mod."};
    for (size_t i = 0; i < sizeof fronts / sizeof *fronts; ++i) {
        front = fronts[i];
        memset(values, 0, (size_t)table->total * sizeof *values);
        expect_ok(load(weights_file_of("wrapped", table, bert_name, NULL), table, values));
        assert_int_equal(wrong_values(table, values), 0);
    }
    front = "";
    const struct weights_entry one_type[] = {
        {"bert.embeddings.token_type_embeddings.weight", NULL, {1, 8}, 2}, {0}};
    expect_error(load(weights_file_of("bare", table, types_left_out, one_type), table, values), UN_DATA,
                 "token_type_embeddings", "one token type", "RoBERTa");
}
static void test_wrapped(void **state) {
    (void)state;
    with_table(check_wrapped);
}

/* ---- shards ---- */

static bool weights;
static void half_of_bert(const char *ours, char theirs[256]) {
    bool here = (strstr(ours, "weight") != NULL) == weights;
    bert_name(here ? ours : "", theirs);
}

/* An index of both halves as FOLDER/name; `last` follows the entries, `folder` stands in front of the files' names. */
static const char *index_of(const struct un_params *table, const char *name, const char *folder,
                            const char *skipped, const char *last) {
    const char *path = scratch(name);
    FILE *f = fopen(path, "w");
    fputs("{\"metadata\":{\"total_size\":1},\"weight_map\":{", f);
    bool first = true;
    for (int64_t i = 0; i < table->n; ++i) {
        char theirs[256];
        bert_name(table->list[i].name, theirs);
        if (!theirs[0] || strcmp(theirs, skipped) == 0) continue;
        fprintf(f, "%s\"%s\":\"%smodel-0000%d-of-00002.safetensors\"", first ? "" : ",", theirs, folder,
                strstr(table->list[i].name, "weight") ? 1 : 2);
        first = false;
    }
    fprintf(f, "%s}}", last);
    fclose(f);
    return path;
}

static void check_shards(const struct un_params *table, float *values) {
    front = "";
    weights = true;
    const char *shard = weights_file_of("model-00001-of-00002.safetensors", table, half_of_bert, NULL);
    expect_error(load(shard, table, values), UN_DATA, "one shard", "index.json");
    weights = false;
    weights_file_of("model-00002-of-00002.safetensors", table, half_of_bert, NULL);
    memset(values, 0, (size_t)table->total * sizeof *values);
    expect_ok(load(index_of(table, "i.json", "", "", ""), table, values));
    assert_int_equal(wrong_values(table, values), 0);
    expect_error(load(index_of(table, "i.json", "../", "", ""), table, values), UN_DATA, "i.json",
                 "not beside");
    expect_error(load(index_of(table, "i.json", "", "bert.pooler.dense.bias", ""), table, values), UN_DATA,
                 "i.json", "2 files hold 44 tensors", "names 43");
    expect_error(
        load(index_of(table, "i.json", "", "", ",\"x\":\"model-00001-of-00002.safetensors\""), table, values),
        UN_DATA, "tensor x", "does not have it");
    expect_error(load(index_of(table, "i.json", "", "", ",\"x\":\"none.safetensors\""), table, values), UN_IO,
                 "none.safetensors");
    expect_error(
        load(index_of(table, "i.json", "", "", ",\"x\":\"pytorch_model-00001-of-00002.bin\""), table, values),
        UN_DATA, "PyTorch", "pt_safetensors.py");
    expect_error(load(index_of(table, "i.json", "", "", ",\"x\":7"), table, values), UN_DATA, "x",
                 "no file's name");
    expect_error(load(index_of(table, "i.json", "", "", ",\"x\""), table, values), UN_DATA, "not JSON");
    unlink(scratch("model-00002-of-00002.safetensors"));
    expect_error(load(index_of(table, "i.json", "", "", ""), table, values), UN_IO, "model-00002-of-00002");
    expect_ok(
        load(weights_file_of("model-00001-of-00001.safetensors", table, bert_name, NULL), table, values));
    FILE *f = fopen(scratch("config.json"), "w");
    fputs("\n {\"hidden_size\": 8}", f);
    fclose(f);
    expect_error(load(scratch("config.json"), table, values), UN_DATA, "no index of weights", "weight_map");
}
static void test_shards(void **state) {
    (void)state;
    with_table(check_shards);
}

static int teardown(void **state) {
    (void)state;
    scratch_remove();
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_holes),
        cmocka_unit_test(test_foreign),
        cmocka_unit_test(test_wrapped),
        cmocka_unit_test(test_shards),
    };
    return cmocka_run_group_tests_name("weights_whole", tests, NULL, teardown);
}
