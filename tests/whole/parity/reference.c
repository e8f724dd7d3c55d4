/* See reference.h. */
#include "tests/whole/parity/reference.h"

#include "runtime/memory.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static enum un_status read_dims(struct un_h5 *f, struct un_dims *d, bool of_tasks) {
    const struct {
        const char *name;
        int64_t *value;
    } sizes[] = {{"vocab_size", &d->vocab_size},
                 {"hidden_size", &d->hidden_size},
                 {"num_hidden_layers", &d->num_hidden_layers},
                 {"num_attention_heads", &d->num_attention_heads},
                 {"intermediate_size", &d->intermediate_size},
                 {"max_position_embeddings", &d->max_position_embeddings},
                 {"img_dim", &d->img_dim},
                 {"img_label_dim", &d->img_label_dim},
                 {"type_vocab_size", &d->type_vocab_size}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes - (of_tasks ? 1 : 0); ++i)
        UN_TRY(un_h5_attr_i64(f, "", sizes[i].name, sizes[i].value));
    double eps;
    UN_TRY(un_h5_attr_f64(f, "", "layer_norm_eps", &eps));
    if (eps != 1e-12) return un_fail(UN_DATA, "%s: layer_norm_eps %g, known is 1e-12", un_h5_path(f), eps);
    return UN_OK;
}

static enum un_status read_losses(struct reference *ref) {
    double beta, epsilon;
    int64_t iterations, sinkhorn_iterations;
    UN_TRY(un_h5_attr_f64(ref->file, "", "ot_lambda", &ref->ot_lambda));
    UN_TRY(un_h5_attr_f64(ref->file, "", "ot_beta", &beta));
    UN_TRY(un_h5_attr_i64(ref->file, "", "ot_iterations", &iterations));
    UN_TRY(un_h5_attr_f64(ref->file, "", "sinkhorn_epsilon", &epsilon));
    UN_TRY(un_h5_attr_i64(ref->file, "", "sinkhorn_iterations", &sinkhorn_iterations));
    ref->ipot =
        (struct un_transport){.solver = UN_SOLVER_IPOT, .iterations = (int)iterations, .beta = (float)beta};
    ref->sinkhorn = (struct un_transport){
        .solver = UN_SOLVER_SINKHORN, .iterations = (int)sinkhorn_iterations, .epsilon = (float)epsilon};
    return UN_OK;
}

enum un_status reference_open(struct reference *ref, const char *path) {
    const char *slash = strrchr(path, '/');
    *ref = (struct reference){.name = slash ? slash + 1 : path};
    enum un_status status;
    UN_TRY_GOTO(un_h5_open(&ref->file, path, false), failed);
    UN_TRY_GOTO(un_h5_has_attr(ref->file, "", "num_special_tokens", &ref->of_tasks), failed);
    UN_TRY_GOTO(read_dims(ref->file, &ref->dims, ref->of_tasks), failed);
    UN_TRY_GOTO(un_h5_attr_f64(ref->file, "", "param_scale", &ref->param_scale), failed);
    if (!ref->of_tasks) UN_TRY_GOTO(read_losses(ref), failed);
    return UN_OK;
failed:
    reference_close(ref);
    return status;
}

void reference_close(struct reference *ref) {
    if (ref->file) un_h5_close(ref->file);
    ref->file = NULL;
}

static uint64_t splitmix64(uint64_t x) {
    x += 0x9E3779B97F4A7C15u;
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
    return x ^ (x >> 31);
}

static uint64_t fnv1a64(const char *text) {
    uint64_t h = 0xCBF29CE484222325u;
    for (; *text; ++text) h = (h ^ (unsigned char)*text) * 0x100000001B3u;
    return h;
}

static bool ends_in(const char *text, const char *end) {
    size_t n = strlen(text), m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

void reference_values(const struct reference *ref, const struct un_params *table, float *values) {
    memset(values, 0, (size_t)table->total * sizeof *values);
    for (int64_t k = 0; k < table->n; ++k) {
        const struct un_param *p = &table->list[k];
        double scale = p->ndim > 1 ? ref->param_scale : 0.1;
        double offset = p->ndim == 1 && ends_in(p->name, "weight") ? 1 : 0;
        uint64_t hash = fnv1a64(p->name);
        for (int64_t i = 0; i < p->count; ++i) {
            double u = (double)(splitmix64(hash + (uint64_t)i) >> 40) * 0x1p-24;
            values[p->offset + i] = (float)(offset + scale * (2 * u - 1));
        }
        if (ends_in(p->name, "mask_embedding.weight"))
            memset(values + p->offset, 0, (size_t)p->shape[1] * sizeof *values);
    }
}

/* Array `name` of the samples, kept in out->arrays; NULL with no error when the file does not have it. */
static enum un_status read_array(struct reference *ref, struct reference_samples *out, const char *task,
                                 const char *name, enum un_type type, const void **array) {
    char path[160];
    struct un_h5_shape shape;
    snprintf(path, sizeof path, "tasks/%s/samples/%s", task, name);
    *array = NULL;
    if (!un_h5_exists(ref->file, path)) return UN_OK;
    void *data;
    UN_TRY(un_h5_read_all(ref->file, path, type, &shape, &data));
    out->arrays[out->arrays_count++] = data;
    if (strcmp(name, "txt_len") == 0) out->n = shape.dims[0];
    *array = data;
    return UN_OK;
}

struct arrays {
    const int32_t *txt_len, *num_bb, *input_ids, *txt_labels, *target, *txt_type, *img_type;
    const float *img_feat, *img_pos_feat, *soft_labels;
    const uint8_t *img_mask;
};

static enum un_status need(const struct reference *ref, const char *task, const char *name,
                           const void *array) {
    if (array) return UN_OK;
    return un_fail(UN_DATA, "%s: tasks/%s/samples/%s is missing", ref->name, task, name);
}

static enum un_status read_arrays(struct reference *ref, struct reference_samples *out, const char *task,
                                  enum un_objective t, struct arrays *a) {
    const struct {
        const char *name;
        enum un_type type;
        const void **array;
        bool needed;
    } list[] = {
        {"txt_len", UN_I32, (const void **)&a->txt_len, true},
        {"num_bb", UN_I32, (const void **)&a->num_bb, true},
        {"input_ids", UN_I32, (const void **)&a->input_ids, true},
        {"img_feat", UN_F32, (const void **)&a->img_feat, true},
        {"img_pos_feat", UN_F32, (const void **)&a->img_pos_feat, true},
        {"txt_labels", UN_I32, (const void **)&a->txt_labels, t == UN_MLM},
        {"img_mask", UN_U8, (const void **)&a->img_mask, t == UN_MRFR || t == UN_MRC || t == UN_MRCKL},
        {"soft_labels", UN_F32, (const void **)&a->soft_labels, t == UN_MRC || t == UN_MRCKL},
        {"target", UN_I32, (const void **)&a->target, t == UN_ITM},
        {"txt_type", UN_I32, (const void **)&a->txt_type, false},
        {"img_type", UN_I32, (const void **)&a->img_type, false}};
    for (size_t i = 0; i < sizeof list / sizeof *list; ++i) {
        UN_TRY(read_array(ref, out, task, list[i].name, list[i].type, list[i].array));
        if (list[i].needed) UN_TRY(need(ref, task, list[i].name, *list[i].array));
    }
    return UN_OK;
}

/* Cuts the arrays, in which samples stand one after another, into samples. */
static void cut(struct reference_samples *out, const struct arrays *a, const struct un_dims *dims,
                enum un_objective t) {
    int64_t word = 0, region = 0;
    for (int64_t s = 0; s < out->n; ++s) {
        struct sample *x = &out->list[s];
        *x = (struct sample){.objective = t,
                             .words = a->txt_len[s],
                             .regions = a->num_bb[s],
                             .id = a->input_ids + word,
                             .feature = a->img_feat + region * dims->img_dim,
                             .box = a->img_pos_feat + region * UN_BOX_WIDTH};
        if (a->txt_labels) x->label = a->txt_labels + word;
        if (a->img_mask) x->mask = a->img_mask + region;
        if (a->soft_labels) x->soft = a->soft_labels + region * dims->img_label_dim;
        if (a->target) x->target = a->target[s];
        if (a->txt_type) x->word_type = a->txt_type + word;
        if (a->img_type) x->region_type = a->img_type + region;
        word += a->txt_len[s];
        region += a->num_bb[s];
    }
}

enum un_status reference_samples_read(struct reference *ref, struct reference_samples *out, const char *task,
                                      enum un_objective t) {
    struct arrays arrays = {0};
    *out = (struct reference_samples){0};
    enum un_status status;
    UN_TRY_GOTO(read_arrays(ref, out, task, t, &arrays), failed);
    out->list = un_alloc((size_t)out->n, sizeof *out->list, "samples");
    UN_TRY_GOTO(out->list ? UN_OK : un_error_get()->status, failed);
    cut(out, &arrays, &ref->dims, t);
    return UN_OK;
failed:
    reference_samples_free(out);
    return status;
}

void reference_samples_free(struct reference_samples *samples) {
    for (int i = 0; i < samples->arrays_count; ++i) un_free(samples->arrays[i]);
    un_free(samples->list);
    *samples = (struct reference_samples){0};
}

enum un_status reference_floats(struct reference *ref, float **out, int64_t *count, const char *format, ...) {
    char path[200];
    struct un_h5_shape shape;
    void *data;
    va_list args;
    va_start(args, format);
    vsnprintf(path, sizeof path, format, args);
    va_end(args);
    *out = NULL;
    UN_TRY(un_h5_read_all(ref->file, path, UN_F32, &shape, &data));
    *out = data;
    *count = (shape.rank > 0 ? shape.dims[0] : 1) * (shape.rank > 1 ? shape.dims[1] : 1);
    return UN_OK;
}
