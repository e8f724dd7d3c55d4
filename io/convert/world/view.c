/* What the detector reports of a scene: the named objects, distractors, clutter, by falling confidence.
 *
 * Law of confidence as in the micro-world (io/synth/detect.c): first detections 0.45 .. 0.98, second ones 0.3 ..
 * 0.65, clutter 0.21 .. 0.4 or, when faint, 0.05 .. 0.19. An object looks up to 0.4 like another class, so it
 * is never taken for it. */
#include "io/convert/world/private.h"

enum { PART_DISTRACTORS = 1, SET = 4 /* after the micro-world's own data sets */, TRIES = 8 };

static float clamp01(float x) {
    return x < 0 ? 0 : x > 1 ? 1 : x;
}
/* To 1/1024: exact in f16. */
static float round_confidence(float c) {
    return (float)(int)(c * 1024.0f + 0.5f) * (1.0f / 1024.0f);
}

static bool shows(const struct un_scene_view *v, int class_) {
    for (int o = 0; o < v->named; ++o)
        if (v->object[o].class_ == class_) return true;
    return false;
}

/* Objects of other scenes whose classes nobody names here; fewer when only named ones are drawn. */
static void distract(const struct un_captions_world *w, struct un_scene_view *v) {
    struct un_synth_draw d = un_synth_draw(&v->place, UN_SYNTH_SCENE, PART_DISTRACTORS);
    int n = un_synth_int(&d, (int)w->keys->min_distractors, (int)w->keys->max_distractors);
    for (int i = 0; i < n; ++i)
        for (int try = 0; try < TRIES; ++try) {
            uint64_t word = (uint64_t)un_synth_word(&d) << 32;
            word |= un_synth_word(&d);
            const struct un_scene_object *o = &w->object[word % (uint64_t)w->objects];
            if (shows(v, o->class_)) continue;
            v->object[v->objects++] = *o;
            break;
        }
}

static void put_box(float *box, float x1, float y1, float x2, float y2) {
    box[0] = clamp01(x1);
    box[1] = clamp01(y1);
    box[2] = clamp01(x2);
    box[3] = clamp01(y2);
    box[4] = box[2] - box[0];
    box[5] = box[3] - box[1];
}

static void somewhere(struct un_synth_draw *d, float *box, float least, float most) {
    float w = un_synth_range(d, least, most), h = un_synth_range(d, least, most);
    float x = un_synth_range(d, 0, 1 - w), y = un_synth_range(d, 0, 1 - h);
    put_box(box, x, y, x + w, y + h);
}

static void jitter(struct un_synth_draw *d, float *box, const float *of, float by) {
    float w = of[4] * by, h = of[5] * by, x1 = of[0] + w * un_synth_range(d, -1, 1);
    float y1 = of[1] + h * un_synth_range(d, -1, 1), x2 = of[2] + w * un_synth_range(d, -1, 1);
    put_box(box, x1, y1, x2, of[3] + h * un_synth_range(d, -1, 1));
}

static int another_class(const struct un_captions_world *w, struct un_synth_draw *d, int class_) {
    int n = un_names_count(w->classes);
    if (n == 1) return class_;
    int other = un_synth_int(d, 1, n - 1);
    return other + (other >= class_);
}

static struct un_scene_region *add_region(struct un_scene_view *v, int object) {
    struct un_scene_region *r = &v->region[v->regions];
    *r = (struct un_scene_region){.object = object, .id = v->regions++};
    return r;
}

static void see(const struct un_captions_world *w, struct un_synth_draw *d, struct un_scene_view *v, int o,
                const float *place, bool second) {
    struct un_scene_region *r = add_region(v, o);
    float most = (float)w->keys->noise * 0.8f, u = un_synth_unit(d);
    r->class_ = v->object[o].class_;
    r->lookalike = another_class(w, d, r->class_);
    r->blend = (most < 0.4f ? most : 0.4f) * u * u;
    float sure = second ? 0.65f - 0.35f * r->blend : 0.98f - 0.55f * r->blend;
    r->confidence = round_confidence(sure - 0.14f * un_synth_unit(d));
    jitter(d, r->box, place, second ? 0.14f : 0.03f);
}

static void see_clutter(const struct un_captions_world *w, struct un_synth_draw *d, struct un_scene_view *v) {
    struct un_scene_region *r = add_region(v, -1);
    bool faint = un_synth_chance(d, (float)w->keys->faint);
    r->class_ = 0;
    r->lookalike = v->object[un_synth_int(d, 0, v->objects - 1)].class_;
    r->blend = 0.4f;
    r->confidence =
        round_confidence(faint ? un_synth_range(d, 0.05f, 0.19f) : un_synth_range(d, 0.21f, 0.4f));
    somewhere(d, r->box, 0.06f, 0.4f);
}

/* By falling confidence; equal ones keep their order. */
static void sort_regions(struct un_scene_view *v) {
    for (int i = 1; i < v->regions; ++i) {
        struct un_scene_region r = v->region[i];
        int at = i;
        for (; at > 0 && v->region[at - 1].confidence < r.confidence; --at) v->region[at] = v->region[at - 1];
        v->region[at] = r;
    }
}

void un_captions_view(const struct un_captions_world *w, int64_t scene, struct un_scene_view *v) {
    const struct un_captions_scene *s = &w->scene[scene];
    v->place = (struct un_synth_place){(uint64_t)w->keys->seed, SET, 0, (uint32_t)scene};
    v->named = v->objects = (int)s->objects;
    v->regions = 0;
    for (int o = 0; o < v->named; ++o) v->object[o] = w->object[s->object + o];
    distract(w, v);
    struct un_synth_draw d = un_synth_draw(&v->place, UN_SYNTH_DETECT, 0);
    for (int o = 0; o < v->objects; ++o) {
        float box[6];
        somewhere(&d, box, 0.08f, 0.6f);
        see(w, &d, v, o, box, false);
        if (un_synth_chance(&d, (float)w->keys->duplicates)) see(w, &d, v, o, box, true);
    }
    int clutter = un_synth_int(&d, (int)w->keys->min_background, (int)w->keys->max_background);
    for (int i = 0; i < clutter; ++i) see_clutter(w, &d, v);
    sort_regions(v);
}
