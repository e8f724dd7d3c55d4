/* The parameter table: names and shapes of the released checkpoints, order, decay, glue; and against the
 * reference files where they are. */
#include "model/net/network.h"
#include "tests/support/check.h"
#include "tests/whole/parity/reference.h"

#include <glob.h>
#include <stdio.h>
#include <string.h>

static struct un_dims base(void) {
    struct un_dims d = {.vocab_size = 28996, .img_dim = 2048, .img_label_dim = 1601};
    assert_int_equal(un_dims_resolve(&d, 1), UN_OK);
    return d;
}

static const struct un_param *find(const struct un_params *p, const char *name) {
    int64_t index = un_params_find(p, name);
    if (index < 0) fail_msg("%s is missing", name);
    return &p->list[index];
}

static void shape_is(const struct un_params *p, const char *name, int64_t rows, int64_t cols, bool decay) {
    const struct un_param *x = find(p, name);
    assert_int_equal(x->shape[0], rows);
    assert_int_equal(x->shape[1], cols);
    assert_int_equal(x->ndim, cols ? 2 : 1);
    assert_int_equal(x->decay, decay);
}

static void names_and_shapes(void **state) {
    (void)state;
    struct un_dims d = base();
    struct un_params p;
    assert_int_equal(un_model_params_build(&p, &d), UN_OK);
    shape_is(&p, "uniter.embeddings.word_embeddings.weight", 28996, 768, true);
    shape_is(&p, "uniter.embeddings.LayerNorm.weight", 768, 0, false);
    shape_is(&p, "uniter.img_embeddings.img_linear.weight", 768, 2048, true);
    shape_is(&p, "uniter.img_embeddings.img_layer_norm.weight", 768, 0,
             true); /* the authors' substring rule */
    shape_is(&p, "uniter.img_embeddings.mask_embedding.weight", 2, 2048, true);
    shape_is(&p, "uniter.encoder.layer.11.attention.self.key.bias", 768, 0, false);
    shape_is(&p, "uniter.encoder.layer.0.output.dense.weight", 768, 3072, true);
    shape_is(&p, "cls.predictions.bias", 28996, 0, false);
    shape_is(&p, "feat_regress.net.2.weight", 768, 0, true);
    shape_is(&p, "region_classifier.net.3.weight", 1601, 768, true);
    shape_is(&p, "itm_output.weight", 2, 768, true);
    assert_int_equal(p.n, 16 + 12 * 16 + 20); /* embeddings, layers, heads */
    assert_true(find(&p, "uniter.img_embeddings.mask_embedding.weight")->zero_row0);
    un_params_free(&p);
}

/* query | key | value is one [3H,H] matrix and one [3H] bias, also where H*H is no multiple of the alignment.
 */
static void glued(void **state) {
    (void)state;
    struct un_dims d = {.vocab_size = 11,
                        .hidden_size = 6,
                        .num_hidden_layers = 2,
                        .num_attention_heads = 2,
                        .intermediate_size = 5,
                        .img_dim = 3,
                        .img_label_dim = 4};
    struct un_params p;
    assert_int_equal(un_dims_resolve(&d, 0), UN_OK);
    assert_int_equal(un_model_params_build(&p, &d), UN_OK);
    int64_t w = find(&p, "uniter.encoder.layer.1.attention.self.query.weight")->offset;
    int64_t b = find(&p, "uniter.encoder.layer.1.attention.self.query.bias")->offset;
    assert_int_equal(find(&p, "uniter.encoder.layer.1.attention.self.key.weight")->offset, w + 36);
    assert_int_equal(find(&p, "uniter.encoder.layer.1.attention.self.value.weight")->offset, w + 72);
    assert_int_equal(find(&p, "uniter.encoder.layer.1.attention.self.key.bias")->offset, b + 6);
    assert_int_equal(find(&p, "uniter.encoder.layer.1.attention.self.value.bias")->offset, b + 12);
    assert_int_equal(w % UN_PARAM_ALIGN, 0);
    for (int64_t i = 1; i < p.n; ++i)
        assert_true(p.list[i].offset >= p.list[i - 1].offset + p.list[i - 1].count);
    un_params_free(&p);
}

static void sizes_must_be_known(void **state) {
    (void)state;
    struct un_dims d = base();
    struct un_params p;
    d.vocab_size = 0;
    assert_int_equal(un_model_params_build(&p, &d), UN_USAGE);
    assert_non_null(strstr(un_error_get()->text, "vocab_size"));
    un_error_clear();
}

/* With MLM alone the row of masked regions is left alone, unless regions are masked beside the words. */
static void joint_masking_reaches_the_mask(void **state) {
    (void)state;
    struct un_dims d = base();
    d.taught = un_objective_bit(UN_MLM);
    for (int both = 0; both < 2; ++both) {
        struct un_params p;
        d.mask_both = both;
        assert_int_equal(un_model_params_build(&p, &d), UN_OK);
        assert_int_equal(find(&p, "uniter.img_embeddings.mask_embedding.weight")->left, !both);
        un_params_free(&p);
    }
    d.taught = un_objective_bit(UN_VQA); /* nothing is masked for a task */
    d.heads = d.taught;
    d.num_labels = 5;
    struct un_params p;
    assert_int_equal(un_model_params_build(&p, &d), UN_OK);
    assert_true(find(&p, "uniter.img_embeddings.mask_embedding.weight")->left);
    un_params_free(&p);
}

static void same_shape(struct reference *ref, const struct un_param *p) {
    char path[200];
    struct un_h5_data *data;
    struct un_h5_shape shape;
    snprintf(path, sizeof path, "tasks/mlm/grads/%s/value", p->name);
    if (!un_h5_exists(ref->file, path)) return; /* a file with probes only */
    assert_int_equal(un_h5_data_open(ref->file, path, &data, &shape), UN_OK);
    un_h5_data_close(data);
    assert_int_equal(shape.rank, p->ndim);
    assert_int_equal(shape.dims[0], p->shape[0]);
    if (p->ndim > 1) assert_int_equal(shape.dims[1], p->shape[1]);
}

static void compare_file(const char *path) {
    struct reference ref;
    struct un_params p;
    int64_t n, stride;
    char *names;
    assert_int_equal(reference_open(&ref, path), UN_OK);
    assert_int_equal(un_model_params_build(&p, &ref.dims), UN_OK);
    assert_int_equal(un_h5_read_texts(ref.file, "param_names", &n, &stride, &names), UN_OK);
    assert_int_equal(n, p.n);
    for (int64_t i = 0; i < n; ++i) same_shape(&ref, find(&p, names + i * stride));
    un_free(names);
    un_params_free(&p);
    reference_close(&ref);
}

static void reference_files(void **state) {
    (void)state;
    glob_t found = {0};
    if (glob("../shared/reference/*.h5", 0, NULL, &found) != 0) {
        print_message("skipped: no files in ../shared/reference\n");
        skip();
    }
    for (size_t i = 0; i < found.gl_pathc; ++i) compare_file(found.gl_pathv[i]);
    globfree(&found);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_and_shapes), cmocka_unit_test(glued), cmocka_unit_test(sizes_must_be_known),
        cmocka_unit_test(joint_masking_reaches_the_mask), cmocka_unit_test(reference_files)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
