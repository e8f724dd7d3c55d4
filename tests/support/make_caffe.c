#include "tests/support/make_caffe.h"
#include "tests/support/expect.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { VARINT, FIXED64, BYTES, GROUP, GROUP_END, FIXED32 };

void wire_free(struct wire_bytes *w) {
    free(w->bytes);
    *w = (struct wire_bytes){0};
}

void wire_put(struct wire_bytes *w, const void *bytes, size_t n) {
    if (w->n + n > w->room) {
        w->room = 2 * (w->n + n);
        w->bytes = realloc(w->bytes, w->room);
        assert_non_null(w->bytes);
    }
    if (n) memcpy(w->bytes + w->n, bytes, n);
    w->n += n;
}

void wire_number(struct wire_bytes *w, uint64_t value) {
    for (; value > 127; value >>= 7) wire_put(w, &(unsigned char){(unsigned char)(value | 128)}, 1);
    wire_put(w, &(unsigned char){(unsigned char)value}, 1);
}

void wire_tag(struct wire_bytes *w, uint32_t field, int type) {
    wire_number(w, (uint64_t)field << 3 | (uint64_t)type);
}

void wire_field(struct wire_bytes *w, uint32_t field, struct wire_bytes *inner) {
    wire_tag(w, field, BYTES);
    wire_number(w, inner->n);
    wire_put(w, inner->bytes, inner->n);
    wire_free(inner);
}

void wire_noise(struct wire_bytes *w) {
    struct wire_bytes text = {0};
    wire_tag(w, 900, VARINT);
    wire_number(w, UINT64_MAX);
    wire_tag(w, 901, FIXED64);
    wire_put(w, "12345678", 8);
    wire_put(&text, "\xff\xff\xff", 3);
    wire_field(w, 902, &text);
    wire_tag(w, 903, GROUP);
    wire_tag(w, 904, GROUP);
    wire_tag(w, 905, FIXED32);
    wire_put(w, "1234", 4);
    wire_tag(w, 904, GROUP_END);
    wire_tag(w, 903, GROUP_END);
    wire_tag(w, (1u << 29) - 1, FIXED32);
    wire_put(w, "1234", 4);
}

const char *wire_save(struct wire_bytes *w, const char *name) {
    const char *path = scratch(name);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    if (w->n > 0) assert_int_equal(fwrite(w->bytes, 1, w->n, f), w->n);
    fclose(f);
    wire_free(w);
    return path;
}

float caffe_value(const char *layer, int blob, int64_t i) {
    uint32_t h = 2166136261u;
    for (const char *c = layer; *c; ++c) h = (h ^ (unsigned char)*c) * 16777619u;
    h = (h ^ (uint32_t)blob) * 16777619u;
    h = (h ^ (uint32_t)i) * 16777619u;
    float value = (float)(int32_t)(h >> 12) / 1048576 - 0.5f;
    bool norm = strncmp(layer, "bn", 2) == 0;
    return norm && blob == 2 ? 3 + value : norm && blob == 1 ? value + 0.5f : value;
}

static void put_value(struct wire_bytes *b, const char *layer, int blob, int64_t i, bool tagged) {
    float value = caffe_value(layer, blob, i);
    if (tagged) wire_tag(b, 5, FIXED32);
    wire_put(b, &value, sizeof value);
}

static void put_packed(struct wire_bytes *b, const char *layer, int blob, int64_t from, int64_t to) {
    struct wire_bytes packed = {0};
    for (int64_t i = from; i < to; ++i) put_value(&packed, layer, blob, i, false);
    wire_field(b, 5, &packed);
}

static void put_values(struct wire_bytes *b, const char *layer, int blob, int64_t n, unsigned forms) {
    int64_t from = 0, to = n;
    if (forms & CAFFE_LOOSE_VALUES) to = 0;
    if (forms & CAFFE_PIECES) to = n / 3;
    put_packed(b, layer, blob, 0, to); /* of nothing, too */
    for (from = to; from < n && !((forms & CAFFE_PIECES) && from > to + 1); ++from)
        put_value(b, layer, blob, from, true);
    if (from < n) put_packed(b, layer, blob, from, n);
}

static void put_shape(struct wire_bytes *b, const struct caffe_made *made, unsigned forms) {
    struct wire_bytes shape = {0}, packed = {0};
    if (forms & CAFFE_OLD_SHAPE) {
        for (int k = 0; k < 4; ++k) {
            wire_tag(b, (uint32_t)k + 1, VARINT);
            wire_number(b, k < 4 - made->rank ? 1 : (uint64_t)made->shape[k - 4 + made->rank]);
        }
        return;
    }
    for (int k = 0; k < made->rank; ++k) {
        if (forms & CAFFE_LOOSE_SHAPE) wire_tag(&shape, 1, VARINT);
        wire_number(forms & CAFFE_LOOSE_SHAPE ? &shape : &packed, (uint64_t)made->shape[k]);
    }
    if (forms & CAFFE_NOISE) wire_noise(&shape);
    if (packed.n) wire_field(&shape, 1, &packed);
    wire_field(b, 7, &shape);
}

void caffe_layer(struct wire_bytes *net, const char *name, const struct caffe_made *blobs, int n,
                 unsigned forms) {
    struct wire_bytes layer = {0}, text = {0};
    wire_put(&text, name, strlen(name));
    if (!(forms & CAFFE_NAME_LAST)) wire_field(&layer, 1, &text);
    for (int k = 0; k < n; ++k) {
        struct wire_bytes blob = {0};
        int64_t count = 1;
        for (int d = 0; d < blobs[k].rank; ++d) count *= blobs[k].shape[d];
        if (k % 2) put_shape(&blob, &blobs[k], forms);
        if (forms & CAFFE_NOISE) wire_noise(&blob);
        put_values(&blob, name, k, count, forms);
        if (k % 2 == 0) put_shape(&blob, &blobs[k], forms);
        wire_field(&layer, 7, &blob);
        if (forms & CAFFE_NOISE) wire_noise(&layer);
    }
    if (forms & CAFFE_NAME_LAST) wire_field(&layer, 1, &text);
    wire_field(net, 100, &layer);
}

struct making {
    struct wire_bytes *net;
    unsigned forms;
    const char *left_out;
};

static void put(const struct making *m, const char *name, const struct caffe_made *blobs, int n) {
    if (!m->left_out || strcmp(m->left_out, name) != 0) caffe_layer(m->net, name, blobs, n, m->forms);
}

static void put_conv(const struct making *m, const char *const names[3], int64_t out, int64_t in,
                     int64_t side) {
    put(m, names[0], (struct caffe_made[]){{4, {out, in, side, side}}}, 1);
    put(m, names[1], (struct caffe_made[]){{1, {out}}, {1, {out}}, {1, {1}}}, 3);
    put(m, names[2], (struct caffe_made[]){{1, {out}}, {1, {out}}}, 2);
}

static void put_branch(const struct making *m, const char *block, const char *branch, int64_t out, int64_t in,
                       int64_t side) {
    char names[3][64];
    static const char *const fronts[] = {"res", "bn", "scale"};
    for (int k = 0; k < 3; ++k)
        snprintf(names[k], sizeof names[k], "%s%s_branch%s", fronts[k], block, branch);
    put_conv(m, (const char *const[]){names[0], names[1], names[2]}, out, in, side);
}

static void put_linear(const struct making *m, const char *name, int rank, int64_t rows, int64_t columns,
                       int64_t side) {
    put(m, name, (struct caffe_made[]){{rank, {rows, columns, side, side}}, {1, {rows}}}, 2);
}

void caffe_detector(struct wire_bytes *net, unsigned forms, int two, const char *left_out) {
    const struct making m = {net, forms, left_out};
    int64_t in = 3; /* stem */
    put_conv(&m, (const char *const[]){"conv1", "bn_conv1", "scale_conv1"}, in, 3, 7);
    for (int stage = 2; stage <= 5; ++stage) {
        int64_t middle = 1 << (stage - 2), out = 2 * middle;
        for (int b = 0; b < (stage == two ? 2 : 1); ++b) {
            char block[24];
            bool numbered = b && (stage == 3 || stage == 4);
            snprintf(block, sizeof block, "%d%c%s", stage, b ? 'b' : 'a', numbered ? "1" : "");
            if (b == 0 && in != out) put_branch(&m, block, "1", out, in, 1);
            put_branch(&m, block, "2a", middle, in, 1);
            put_branch(&m, block, "2b", middle, middle, 3);
            put_branch(&m, block, "2c", out, middle, 1);
            in = out;
        }
    }
    put_linear(&m, "rpn_conv/3x3", 4, 2, 8, 3);
    put_linear(&m, "rpn_cls_score", 4, 6, 2, 1);
    put_linear(&m, "rpn_bbox_pred", 4, 12, 2, 1);
    put_linear(&m, "cls_score", 2, 3, 16, 0);
    put_linear(&m, "bbox_pred", 2, 12, 16, 0);
    put(&m, "cls_embedding", (struct caffe_made[]){{2, {3, 5}}}, 1);
    put_linear(&m, "fc_attr", 2, 4, 21, 0);
    put_linear(&m, "attr_score", 2, 4, 4, 0);
}
