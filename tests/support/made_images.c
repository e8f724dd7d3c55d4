#include "tests/support/made_images.h"
#include "runtime/half.h"
#include "runtime/memory.h"

#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct un_image_reader {
    struct made *made;
    void *feature, *confidence, *soft;
    float *box;
};

static uint32_t mix(const struct made *m, int64_t a, int64_t b, int64_t c) {
    uint32_t h = m->seed + 0x9E3779B9u;
    const int64_t parts[] = {a, b, c};
    for (int i = 0; i < 3; ++i) h = (h ^ (uint32_t)parts[i]) * 0x85EBCA6Bu, h ^= h >> 13;
    return h * 0xC2B2AE35u ^ h >> 7;
}

int64_t made_regions(const struct made *m, int64_t image) {
    return 1 + mix(m, image, -1, 0) % 13;
}
/* All are halves exactly, so that f16 and f32 hold the same. */
double made_feature(const struct made *m, int64_t image, int64_t region, int64_t column) {
    return (double)(mix(m, image, region, column) % 2048) / 256 - 4;
}
double made_box(const struct made *m, int64_t image, int64_t region, int column) {
    double x1 = mix(m, image, region, -2) % 512 / 1024.0, y1 = mix(m, image, region, -3) % 512 / 1024.0;
    double w = mix(m, image, region, -4) % 512 / 1024.0, h = mix(m, image, region, -5) % 512 / 1024.0;
    const double box[6] = {x1, y1, x1 + w, y1 + h, w, h};
    return box[column];
}
double made_confidence(const struct made *m, int64_t image, int64_t region) {
    if (m->unsorted) return mix(m, image, region, -6) % 8 / 8.0; /* with equal ones */
    return 1.0 - (double)region / 64;
}
double made_soft(const struct made *m, int64_t image, int64_t region, int64_t class_) {
    const uint32_t most = 1024 / (uint32_t)m->shape.classes;
    double rest = 1; /* for class 0: they sum to one, exactly, as halves too */
    if (class_ > 0) return mix(m, image, region, 100000 + class_) % most / 1024.0;
    for (int64_t k = 1; k < m->shape.classes; ++k) rest -= made_soft(m, image, region, k);
    return rest;
}

static enum un_status survey(struct un_image_source *source, struct un_image_list *list) {
    struct made *m = (struct made *)source;
    char id[64];
    list->shape = m->shape;
    for (int64_t i = 0; i < m->n; ++i) {
        snprintf(id, sizeof id, "image_%0*lld", (int)(1 + i % 5), (long long)i);
        UN_TRY(un_image_list_add(list, source->name, id, made_regions(m, i), 0, 0));
    }
    return UN_OK;
}

static void reader_close(struct un_image_reader *r) {
    un_free(r->feature);
    un_free(r->confidence);
    un_free(r->soft);
    un_free(r->box);
    un_free(r);
}

static enum un_status reader_open(struct un_image_source *source, struct un_image_reader **reader) {
    struct un_image_reader *r = *reader = un_alloc(1, sizeof *r, "reader");
    struct made *m = (struct made *)source;
    r->made = m;
    r->feature = un_alloc((size_t)(16 * m->shape.img_dim), 4, "feature");
    r->confidence = un_alloc(16, 4, "confidence");
    r->soft = un_alloc((size_t)(16 * (m->shape.classes + 1)), 4, "soft");
    r->box = un_alloc(16 * 6, sizeof(float), "box");
    return UN_OK;
}

static void put(void *at, enum un_type type, int64_t i, double value) {
    if (type == UN_F16)
        ((uint16_t *)at)[i] = un_half_from((float)value);
    else
        ((float *)at)[i] = (float)value;
}

static void spoil(struct un_image_reader *r, const struct made *m) {
    int64_t k = m->bad_region;
    if (strcmp(m->bad, "nan") == 0)
        put(r->feature, m->shape.feature_type, (k + 1) * m->shape.img_dim - 1, (double)NAN);
    if (strcmp(m->bad, "box") == 0) r->box[6 * k + 2] = 1.25f;
    if (strcmp(m->bad, "width") == 0) r->box[6 * k + 4] += 0.0625f;
    if (strcmp(m->bad, "confidence") == 0) put(r->confidence, m->shape.confidence_type, k, -0.5);
    if (strcmp(m->bad, "soft") == 0) put(r->soft, m->shape.soft_type, k * m->shape.classes + 1, 1.5);
}

static enum un_status read_one(struct un_image_reader *r, const struct un_image_list *list, int64_t index,
                               struct un_image_record *record) {
    struct made *m = r->made;
    const struct un_image_shape *s = &list->shape;
    int64_t n = made_regions(m, index);
    atomic_fetch_add(&m->reads, 1);
    if (m->slow_us) usleep((useconds_t)m->slow_us);
    for (int64_t k = 0; k < n; ++k) {
        for (int64_t c = 0; c < s->img_dim; ++c)
            put(r->feature, s->feature_type, k * s->img_dim + c, made_feature(m, index, k, c));
        for (int c = 0; c < 6; ++c) r->box[6 * k + c] = (float)made_box(m, index, k, c);
        put(r->confidence, s->confidence_type, k, made_confidence(m, index, k));
        for (int64_t c = 0; c < s->classes; ++c)
            put(r->soft, s->soft_type, k * s->classes + c, made_soft(m, index, k, c));
    }
    bool bad = m->bad && index == m->bad_image;
    if (bad) spoil(r, m);
    if (bad && strcmp(m->bad, "read") == 0) return un_fail(UN_DATA, "%s: cut short", m->source.name);
    *record = (struct un_image_record){n + (bad && strcmp(m->bad, "regions") == 0), r->feature, r->box,
                                       s->has_confidence ? r->confidence : NULL, s->classes ? r->soft : NULL};
    return UN_OK;
}

static void close_source(struct un_image_source *source) {
    (void)source;
}

struct made made_source(int64_t n, struct un_image_shape shape) {
    static const struct un_image_source_ops ops = {survey, reader_open, read_one, reader_close, close_source};
    struct made m = {.shape = shape, .n = n, .seed = 7};
    m.source.ops = &ops;
    m.source.stamp = 42;
    snprintf(m.source.name, sizeof m.source.name, "made-up images");
    return m;
}
