/* The scenes of one split as images: features and soft labels of every region.
 *
 * feature = relu(0.3 + (1-blend) P[class] + blend P[lookalike] + 0.8 / sqrt(k) sum of the k P[attribute]
 *                + 0.35 ((x1+x2-1) G0 + (y1+y2-1) G1 + w G2 + h G3) + noise e),   rounded to f16
 * with independent draws P, G, e as in io/synth/render.h. soft_label: a mass of 0.7 .. 0.9 for class and
 * lookalike, a fifth of the rest for the background, the others share what is left. */
#include "io/convert/world/private.h"
#include "io/synth/render.h"
#include "runtime/half.h"
#include "runtime/memory.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <xxhash.h>

enum { PROTOTYPE_STEP = 0x43415054, CLASSES = 1, ATTRIBUTES = 2, PLACES = 3, DIRECTIONS = 4 };
static const float bias = 0.3f, attribute_weight = 0.8f, place_weight = 0.35f;

struct source {
    struct un_image_source source; /* first */
    const struct un_captions_world *w;
    bool valid;
    int64_t f, f4;
    float *classes, *attributes, *places; /* prototypes [.., f4], row 0 of the first: the background */
};
struct un_image_reader {
    const struct source *source;
    struct un_scene_view view;
    float *sum;                            /* [f4] */
    uint16_t *feature, *soft, *confidence; /* [UN_SCENE_REGIONS, ..] */
    float box[UN_SCENE_REGIONS * 6];
};

static enum un_status make_prototypes(float **rows, const struct source *s, int n, uint32_t part) {
    *rows = un_alloc((size_t)n, (size_t)s->f4 * sizeof **rows, "prototypes of classes");
    if (!*rows) return UN_MEMORY;
    for (int i = 0; i < n; ++i)
        un_synth_add_bell(*rows + i * s->f4, 1, s->f4, (uint64_t)s->w->keys->seed, PROTOTYPE_STEP,
                          (uint32_t)UN_SYNTH_PROTOTYPE | part << 8, (uint32_t)i);
    return UN_OK;
}

static enum un_status survey(struct un_image_source *source, struct un_image_list *list) {
    const struct source *s = (const struct source *)source;
    struct un_scene_view *view = un_alloc(1, sizeof *view, "a scene");
    if (!view) return UN_MEMORY;
    list->shape = (struct un_image_shape){.img_dim = s->f,
                                          .classes = s->w->img_label_dim,
                                          .feature_type = UN_F16,
                                          .confidence_type = UN_F16,
                                          .soft_type = UN_F16,
                                          .has_confidence = true};
    enum un_status status = UN_OK;
    for (int64_t i = 0; i < s->w->scenes && status == UN_OK; ++i) {
        const struct un_captions_scene *scene = &s->w->scene[i];
        if (scene->objects == 0 || scene->valid != s->valid) continue;
        un_captions_view(s->w, i, view);
        status = un_image_list_add(list, source->name, s->w->text[s->w->by_scene[scene->text]].image_id,
                                   view->regions, i, 0);
    }
    un_free(view);
    return status;
}

static void reader_close(struct un_image_reader *r) {
    un_free(r->sum);
    un_free(r->feature);
    un_free(r->soft);
    un_free(r->confidence);
    un_free(r);
}

static enum un_status reader_open(struct un_image_source *source, struct un_image_reader **reader) {
    const struct source *s = (const struct source *)source;
    struct un_image_reader *r = *reader = un_alloc(1, sizeof *r, "a reader of scenes");
    if (!r) return UN_MEMORY;
    r->source = s;
    r->sum = un_alloc((size_t)s->f4, sizeof *r->sum, "a feature");
    r->feature = un_alloc(UN_SCENE_REGIONS, (size_t)s->f * sizeof *r->feature, "features of a scene");
    r->soft =
        un_alloc(UN_SCENE_REGIONS, (size_t)s->w->img_label_dim * sizeof *r->soft, "soft labels of a scene");
    r->confidence = un_alloc(UN_SCENE_REGIONS, sizeof *r->confidence, "confidences of a scene");
    if (r->sum && r->feature && r->soft && r->confidence) return UN_OK;
    reader_close(r);
    *reader = NULL;
    return UN_MEMORY;
}

static void add_row(float *restrict sum, const float *restrict row, float weight, int64_t n) {
    for (int64_t i = 0; i < n; ++i) sum[i] += weight * row[i];
}

static void make_feature(struct un_image_reader *r, const struct un_scene_region *shown, uint16_t *feature) {
    const struct source *s = r->source;
    const float *b = shown->box;
    const float at[DIRECTIONS] = {b[0] + b[2] - 1, b[1] + b[3] - 1, b[4], b[5]};
    for (int64_t i = 0; i < s->f4; ++i) r->sum[i] = bias;
    add_row(r->sum, s->classes + shown->class_ * s->f4, 1 - shown->blend, s->f4);
    add_row(r->sum, s->classes + shown->lookalike * s->f4, shown->blend, s->f4);
    for (int i = 0; i < DIRECTIONS; ++i) add_row(r->sum, s->places + i * s->f4, place_weight * at[i], s->f4);
    const struct un_scene_object *o = shown->object >= 0 ? &r->view.object[shown->object] : NULL;
    for (int i = 0; o && i < o->attributes; ++i)
        add_row(r->sum, s->attributes + (o->attribute[i] - 1) * s->f4,
                attribute_weight / sqrtf((float)o->attributes), s->f4);
    un_synth_add_bell(r->sum, (float)s->w->keys->noise, s->f4, r->view.place.seed,
                      un_synth_step(&r->view.place), UN_SYNTH_NOISE | (uint32_t)shown->id << 8,
                      r->view.place.image);
    for (int64_t i = 0; i < s->f; ++i) feature[i] = un_half_from(r->sum[i] > 0 ? r->sum[i] : 0);
}

/* The class gets what rounding took from the others, so that the row sums to 1. */
static void make_soft(const struct un_image_reader *r, const struct un_scene_region *shown, uint16_t *soft) {
    int64_t c = r->source->w->img_label_dim;
    struct un_synth_draw d = un_synth_draw(&r->view.place, UN_SYNTH_DETECT, (uint32_t)shown->id + 1);
    float mass = un_synth_range(&d, 0.7f, 0.9f), rest = 1 - mass, floor = 0.8f * rest / (float)c;
    uint16_t low = un_half_from(floor);
    for (int64_t i = 0; i < c; ++i) soft[i] = low;
    soft[0] = un_half_from(floor + 0.2f * rest);
    if (shown->lookalike != shown->class_) soft[shown->lookalike] = un_half_from(floor + mass * shown->blend);
    int others = 1 + (shown->class_ != 0) + (shown->lookalike != shown->class_);
    double sum = (double)un_half_to(low) * (double)(c - others);
    if (shown->class_ != 0) sum += (double)un_half_to(soft[0]);
    if (shown->lookalike != shown->class_) sum += (double)un_half_to(soft[shown->lookalike]);
    soft[shown->class_] = un_half_from((float)(1 - sum));
}

static enum un_status read(struct un_image_reader *r, const struct un_image_list *list, int64_t index,
                           struct un_image_record *record) {
    un_captions_view(r->source->w, list->list[index].at, &r->view);
    for (int i = 0; i < r->view.regions; ++i) {
        const struct un_scene_region *shown = &r->view.region[i];
        make_feature(r, shown, r->feature + i * r->source->f);
        make_soft(r, shown, r->soft + i * r->source->w->img_label_dim);
        memcpy(r->box + 6 * i, shown->box, sizeof shown->box);
        r->confidence[i] = un_half_from(shown->confidence);
    }
    *record = (struct un_image_record){r->view.regions, r->feature, r->box, r->confidence, r->soft};
    return UN_OK;
}

static void source_close(struct un_image_source *source) {
    struct source *s = (struct source *)source;
    un_free(s->classes);
    un_free(s->attributes);
    un_free(s->places);
    un_free(s);
}

enum un_status un_captions_source(struct un_image_source **source, const struct un_captions_world *w,
                                  bool valid) {
    static const struct un_image_source_ops ops = {survey, reader_open, read, reader_close, source_close};
    struct source *s = un_alloc(1, sizeof *s, "a source of scenes");
    *source = NULL;
    if (!s) return UN_MEMORY;
    s->source.ops = &ops;
    s->source.stamp = w->digest;
    snprintf(s->source.name, sizeof s->source.name, "uniter data synth captions=%.200s seed=%lld",
             w->keys->captions, (long long)w->keys->seed);
    s->w = w;
    s->valid = valid;
    s->f = w->keys->img_dim;
    s->f4 = (s->f + 3) / 4 * 4;
    enum un_status status = make_prototypes(&s->classes, s, un_names_count(w->classes) + 1, CLASSES);
    if (status == UN_OK) status = make_prototypes(&s->places, s, DIRECTIONS, PLACES);
    if (status == UN_OK && w->attributes)
        status = make_prototypes(&s->attributes, s, un_names_count(w->attributes), ATTRIBUTES);
    if (status != UN_OK) {
        source_close(&s->source);
        return status;
    }
    *source = &s->source;
    return UN_OK;
}
