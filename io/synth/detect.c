/* What a detector would report of a scene. Every object once, some twice (looser box, lower confidence), and
 * clutter without an object. With some probability an object half looks like another class of its kind; the
 * soft label says so, the confidence falls, and past one half the detector errs. Law of confidence: first
 * detections 0.45 .. 0.98, second 0.3 .. 0.65, clutter 0.21 .. 0.4 or, when faint, 0.05 .. 0.19. Above 0.76 a
 * region never errs. */
#include "io/synth/detect.h"

static float clamp01(float x) {
    return x < 0 ? 0 : x > 1 ? 1 : x;
}

/* To 1/1024: exact in f16 between 0.0 and 1.0 (11 significant bits from 0.5 up, more below). */
static float round_confidence(float c) {
    return (float)(int)(c * 1024.0f + 0.5f) * (1.0f / 1024.0f);
}

static struct un_synth_box jitter(struct un_synth_draw *d, const struct un_synth_box *b, float by) {
    float w = (b->x2 - b->x1) * by, h = (b->y2 - b->y1) * by;
    return (struct un_synth_box){
        clamp01(b->x1 + w * un_synth_range(d, -1, 1)), clamp01(b->y1 + h * un_synth_range(d, -1, 1)),
        clamp01(b->x2 + w * un_synth_range(d, -1, 1)), clamp01(b->y2 + h * un_synth_range(d, -1, 1))};
}

/* Another class of the same kind. */
static int pick_lookalike(struct un_synth_draw *d, int class_) {
    float weight[UN_SYNTH_CLASSES] = {0};
    for (int c = 1; c < UN_SYNTH_CLASSES; ++c)
        weight[c] = c != class_ && un_synth_classes[c].kind == un_synth_classes[class_].kind;
    return un_synth_pick(d, weight, UN_SYNTH_CLASSES);
}

static struct un_synth_region *add_region(struct un_synth_scene *s) {
    struct un_synth_region *r = &s->region[s->n_regions];
    r->id = s->n_regions++;
    return r;
}

static void see_object(struct un_synth_draw *d, struct un_synth_scene *s, int o,
                       const struct un_synth_law *law, bool second) {
    struct un_synth_region *r = add_region(s);
    float most = law->noise * 1.1f, u = un_synth_unit(d);
    r->object = o;
    r->class_ = s->object[o].class_;
    r->lookalike = pick_lookalike(d, r->class_);
    r->blend = (most < 0.6f ? most : 0.6f) * u * u;
    float sure = second ? 0.65f - 0.35f * r->blend : 0.98f - 0.55f * r->blend;
    r->confidence = round_confidence(sure - 0.14f * un_synth_unit(d));
    r->box = jitter(d, &s->object[o].box, second ? 0.14f : 0.03f);
}

/* A box somewhere that shows nothing whole: half its look is that of one of the objects. */
static void see_clutter(struct un_synth_draw *d, struct un_synth_scene *s, bool faint) {
    struct un_synth_region *r = add_region(s);
    r->object = -1;
    r->class_ = 0;
    r->lookalike = s->object[un_synth_int(d, 0, s->n_objects - 1)].class_;
    r->blend = 0.4f;
    r->confidence =
        round_confidence(faint ? un_synth_range(d, 0.05f, 0.19f) : un_synth_range(d, 0.21f, 0.4f));
    float w = un_synth_range(d, 0.06f, 0.4f), h = un_synth_range(d, 0.06f, 0.4f);
    float x = un_synth_range(d, 0, 1 - w), y = un_synth_range(d, 0, 1 - h);
    r->box = (struct un_synth_box){x, y, clamp01(x + w), clamp01(y + h)};
}

/* By falling confidence; equal ones keep their order. */
static void sort_regions(struct un_synth_scene *s) {
    for (int i = 1; i < s->n_regions; ++i) {
        struct un_synth_region r = s->region[i];
        int at = i;
        for (; at > 0 && s->region[at - 1].confidence < r.confidence; --at) s->region[at] = s->region[at - 1];
        s->region[at] = r;
    }
}

void un_synth_detect(struct un_synth_scene *s, const struct un_synth_law *law) {
    struct un_synth_draw d = un_synth_draw(&s->place, UN_SYNTH_DETECT, 0);
    s->n_regions = 0;
    for (int o = 0; o < s->n_objects; ++o) {
        see_object(&d, s, o, law, false);
        if (un_synth_chance(&d, law->duplicates)) see_object(&d, s, o, law, true);
    }
    int clutter = un_synth_int(&d, law->min_clutter, law->max_clutter);
    for (int i = 0; i < clutter; ++i) see_clutter(&d, s, un_synth_chance(&d, law->faint));
    sort_regions(s);
}

static bool annotated_before(const struct un_synth_scene *s, int a, int b) {
    const struct un_synth_object *p = &s->object[a], *q = &s->object[b];
    bool person = un_synth_classes[p->class_].kind == UN_SYNTH_PERSON;
    if (person != (un_synth_classes[q->class_].kind == UN_SYNTH_PERSON)) return person;
    return p->box.x1 + p->box.x2 < q->box.x1 + q->box.x2;
}

void un_synth_annotate(struct un_synth_scene *s) {
    int order[UN_SYNTH_MAX_OBJECTS], n = 0;
    for (int o = UN_SYNTH_FIRST_THING; o < s->n_objects; ++o) {
        int at = n++;
        for (; at > 0 && annotated_before(s, o, order[at - 1]); --at) order[at] = order[at - 1];
        order[at] = o;
    }
    for (int o = 0; o < UN_SYNTH_FIRST_THING; ++o) order[n++] = o;
    s->n_regions = n;
    for (int i = 0; i < n; ++i) {
        int class_ = s->object[order[i]].class_;
        s->region[i] = (struct un_synth_region){.object = order[i],
                                                .id = UN_SYNTH_MAX_REGIONS + order[i],
                                                .class_ = class_,
                                                .lookalike = class_,
                                                .confidence = 1,
                                                .box = s->object[order[i]].box};
    }
}
