/* Weights from a file to the device: read, checked, norms folded into their convolutions in double, channels last.
 *
 *   y = (conv(x) - mean) / sqrt(variance + eps) * gamma + beta = conv(x) * scale + (beta - mean * scale) */
#include "model/detector/private.h"
#include "runtime/bfloat.h"

#include <math.h>
#include <stdio.h>

enum { NAME_MAX_BYTES = 160, AT_ONCE = 1 << 20 };
#define EPSILON 1e-5
#define ANCHORS "proposal_generator.anchor_generator.cell_anchors.0"

enum norm { GAMMA, BETA, MEAN, VARIANCE, NORM_PARTS };

struct filling {
    const struct un_detector_file *file;
    struct un_device *device;
    struct un_queue *queue;
    float *raw, *folded; /* some rows of a weight, as the file and as the device have them */
    int64_t room;        /* floats of each */
    float *norm;         /* [4,out], the widest */
    int64_t widest;
    float *bias; /* [out] */
    double *scale;
};

/* Elements [first, first + count) of a tensor, every one finite. */
static enum un_status read(const struct un_detector_file *file, const char *name, int64_t first,
                           int64_t count, float *out) {
    int64_t i = un_detector_file_find(file, name);
    if (i < 0) return un_fail(UN_DATA, "%s: tensor %s is missing", file->path, name);
    UN_TRY(file->read(file->context, i, first, count, out));
    for (int64_t k = 0; k < count; ++k)
        if (!isfinite(out[k]))
            return un_fail(UN_DATA, "%s: tensor %s: element %lld is %g, not a finite number", file->path,
                           name, (long long)(first + k), (double)out[k]);
    return UN_OK;
}

static enum un_status send(struct filling *f, void *to, const void *from, int64_t count, enum un_type type) {
    f->device->mem->copy_in(f->queue, to, from, (size_t)(count * un_type_bytes(type)));
    return f->device->mem->queue_wait(f->queue); /* `from` is filled again */
}

/* Scale and bias of each output channel. */
static enum un_status read_norm(struct filling *f, const struct un_conv *c, const char *name) {
    static const char *const parts[NORM_PARTS] = {"weight", "bias", "running_mean", "running_var"};
    char full[NAME_MAX_BYTES];
    for (int p = 0; p < NORM_PARTS; ++p) {
        snprintf(full, sizeof full, "%s.norm.%s", name, parts[p]);
        UN_TRY(read(f->file, full, 0, c->out, f->norm + p * f->widest));
    }
    for (int64_t o = 0; o < c->out; ++o) {
        double variance = f->norm[VARIANCE * f->widest + o];
        if (variance < 0)
            return un_fail(UN_DATA, "%s: tensor %s: element %lld is %g, a variance below zero", f->file->path,
                           full, (long long)o, variance);
        f->scale[o] = f->norm[GAMMA * f->widest + o] / sqrt(variance + EPSILON);
        f->bias[o] = (float)(f->norm[BETA * f->widest + o] - f->norm[MEAN * f->widest + o] * f->scale[o]);
    }
    return UN_OK;
}

static enum un_status read_bias(struct filling *f, const struct un_conv *c, const char *name) {
    char full[NAME_MAX_BYTES];
    for (int64_t o = 0; o < c->out; ++o) f->scale[o] = 1;
    if (c->form == UN_CONV_BARE) return UN_OK;
    if (c->form == UN_CONV_NORM) return read_norm(f, c, name);
    snprintf(full, sizeof full, "%s.bias", name);
    return read(f->file, full, 0, c->out, f->bias);
}

/* to[ky,kx,in] = from[in,ky,kx] * scale; what fills up the stride is zero. */
static void turn_row(float *to, const float *from, const struct un_conv *c, double scale) {
    int64_t spots = c->window.size * c->window.size;
    for (int64_t i = 0; i < c->in; ++i)
        for (int64_t s = 0; s < spots; ++s) to[s * c->in + i] = (float)(from[i * spots + s] * scale);
    for (int64_t k = c->inner; k < c->stride; ++k) to[k] = 0;
}

/* Rows [first, first + rows) of a weight, from f->folded; in bf16 they are rounded in f->raw, which is free by then. */
static enum un_status send_rows(struct filling *f, const struct un_conv *c, int64_t first, int64_t rows) {
    const int64_t count = rows * c->stride;
    char *to = (char *)c->weight + first * c->stride * un_type_bytes(c->type);
    uint16_t *low = (uint16_t *)(void *)f->raw;
    if (c->type == UN_F32) return send(f, to, f->folded, count, UN_F32);
    for (int64_t k = 0; k < count; ++k) low[k] = un_bfloat_from(f->folded[k]);
    return send(f, to, low, count, c->type);
}

/* Numbers that the fold has carried beyond float. */
static enum un_status check_folded(const struct filling *f, const float *x, int64_t count, const char *name,
                                   const char *part) {
    for (int64_t k = 0; k < count; ++k)
        if (!isfinite(x[k]))
            return un_fail(UN_DATA, "%s: tensor %s.%s: with its norm folded in it is not finite",
                           f->file->path, name, part);
    return UN_OK;
}

static enum un_status fill(void *context, struct un_conv *c, const char *name) {
    struct filling *f = context;
    char weight[NAME_MAX_BYTES];
    int64_t step = f->room / c->stride;
    snprintf(weight, sizeof weight, "%s.weight", name);
    UN_TRY(read_bias(f, c, name));
    for (int64_t o = 0; o < c->out; o += step) {
        int64_t rows = c->out - o < step ? c->out - o : step;
        UN_TRY(read(f->file, weight, o * c->inner, rows * c->inner, f->raw));
        for (int64_t r = 0; r < rows; ++r)
            turn_row(f->folded + r * c->stride, f->raw + r * c->inner, c, f->scale[o + r]);
        UN_TRY(check_folded(f, f->folded, rows * c->stride, name, "weight"));
        UN_TRY(send_rows(f, c, o, rows));
    }
    if (c->form == UN_CONV_BARE) return UN_OK;
    UN_TRY(check_folded(f, f->bias, c->out, name, "bias"));
    return send(f, c->bias, f->bias, c->out, UN_F32);
}

/* Room for the widest layer. */
static enum un_status measure(void *context, struct un_conv *c, const char *name) {
    struct filling *f = context;
    (void)name;
    if (c->stride > f->room) f->room = c->stride;
    if (c->out > f->widest) f->widest = c->out;
    return UN_OK;
}

enum un_status un_detector_weights_fill(struct un_detector_weights *w, const struct un_detector_sizes *sizes,
                                        const struct un_detector_file *file, struct un_queue *queue,
                                        struct un_device *device, float *anchors) {
    struct filling f = {.file = file, .device = device, .queue = queue, .room = AT_ONCE};
    enum un_status status = un_detector_each(w, sizes, measure, &f);
    f.raw = device->mem->host_alloc(device, (size_t)f.room * sizeof(float), "weights as the file has them");
    f.folded = device->mem->host_alloc(device, (size_t)f.room * sizeof(float), "weights of the detector");
    f.norm = un_alloc((size_t)(NORM_PARTS * f.widest), sizeof(float), "norms of the detector");
    f.bias = un_alloc((size_t)f.widest, sizeof(float), "biases of the detector");
    f.scale = un_alloc((size_t)f.widest, sizeof(double), "norms of the detector");
    if (!f.raw || !f.folded || !f.norm || !f.bias || !f.scale) status = un_error_get()->status;
    if (status == UN_OK) status = un_detector_each(w, sizes, fill, &f);
    if (status == UN_OK) status = read(file, ANCHORS, 0, 4 * sizes->anchors, anchors);
    un_free(f.scale);
    un_free(f.bias);
    un_free(f.norm);
    if (f.folded) device->mem->host_free(device, f.folded);
    if (f.raw) device->mem->host_free(device, f.raw);
    return status;
}
