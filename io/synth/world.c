/* Scenes: which things, where, and the relations between them. Detections are in detect.c.
 * Plain IEEE arithmetic without library functions, so that every machine makes the same scene. */
#include "io/synth/world.h"
#include "io/synth/detect.h"
#include "runtime/status.h"
#include <stddef.h>

enum { CANVAS_WIDTH = 4, CANVAS_HEIGHT = 3, PLACE_TRIES = 12 };

static const float size_factor[UN_SYNTH_SIZES] = {0.72f, 1.0f, 1.36f};

/* How gladly a kind comes to a place; things forbidden there have weight 0 by their class. */
static const float liking[2][UN_SYNTH_KINDS] = {
    {3, 3, 3, 1, 1, 1, 2, 0, 0}, /* outdoors */
    {3, 3, 0, 2, 3, 2, 2, 0, 0}, /* indoors */
};

static float min2(float a, float b) {
    return a < b ? a : b;
}
static float max2(float a, float b) {
    return a > b ? a : b;
}
static float centre_x(const struct un_synth_box *b) {
    return 0.5f * (b->x1 + b->x2);
}
static float centre_y(const struct un_synth_box *b) {
    return 0.5f * (b->y1 + b->y2);
}
static float width(const struct un_synth_box *b) {
    return b->x2 - b->x1;
}
static float height(const struct un_synth_box *b) {
    return b->y2 - b->y1;
}

static float overlap(const struct un_synth_box *a, const struct un_synth_box *b) {
    float w = min2(a->x2, b->x2) - max2(a->x1, b->x1), h = min2(a->y2, b->y2) - max2(a->y1, b->y1);
    if (w <= 0 || h <= 0) return 0;
    return w * h / min2(width(a) * height(a), width(b) * height(b));
}

static bool allowed(int class_, bool indoor) {
    return indoor ? un_synth_classes[class_].indoor : un_synth_classes[class_].outdoor;
}

static int pick_class(struct un_synth_draw *d, bool indoor, int kind_wanted, const bool *taken) {
    float weight[UN_SYNTH_CLASSES] = {0};
    for (int c = 1; c < UN_SYNTH_CLASSES; ++c) {
        int kind = un_synth_classes[c].kind;
        bool thing = kind != UN_SYNTH_GROUND && kind != UN_SYNTH_BACKDROP;
        if (!allowed(c, indoor) || taken[c] || (kind_wanted < 0 ? !thing : kind != kind_wanted)) continue;
        weight[c] = kind_wanted < 0 ? liking[indoor][kind] : 1;
    }
    return un_synth_pick(d, weight, UN_SYNTH_CLASSES);
}

static int pick_bit(struct un_synth_draw *d, uint32_t set) {
    if (set == 0) return -1;
    int n = __builtin_popcount(set), at = un_synth_int(d, 0, n - 1), bit = 0;
    for (;; ++bit)
        if (set >> bit & 1u && at-- == 0) return bit;
}

static struct un_synth_object new_thing(struct un_synth_draw *d, int class_) {
    const struct un_synth_class *c = &un_synth_classes[class_];
    struct un_synth_object o = {.class_ = class_, .size = UN_SYNTH_MEDIUM, .on = -1, .twin = -1};
    o.colour = pick_bit(d, c->colours);
    o.state = pick_bit(d, c->states);
    if (c->kind != UN_SYNTH_PERSON) o.size = un_synth_int(d, 0, UN_SYNTH_SIZES - 1);
    return o;
}

/* The box of `o` with its foot at (x, y) and drawn `scale` as large. */
static void draw_box(struct un_synth_object *o, float x, float y, float scale) {
    const struct un_synth_class *c = &un_synth_classes[o->class_];
    float h = c->height * size_factor[o->size] * scale;
    float w = h * c->aspect * CANVAS_HEIGHT / CANVAS_WIDTH;
    o->box = (struct un_synth_box){max2(0, x - 0.5f * w), max2(0, y - h), min2(1, x + 0.5f * w), min2(1, y)};
}

static float scale_at(float depth) {
    return 1.0f / (1.0f + 1.6f * depth);
}

static void place_once(struct un_synth_draw *d, const struct un_synth_scene *s, struct un_synth_object *o,
                       int support) {
    const struct un_synth_class *c = &un_synth_classes[o->class_];
    if (support >= 0) {
        const struct un_synth_object *under = &s->object[support];
        o->on = support;
        o->depth = under->depth;
        float x = un_synth_range(d, under->box.x1 + 0.15f * width(&under->box),
                                 under->box.x2 - 0.15f * width(&under->box));
        draw_box(o, x, under->box.y1 + un_synth_range(d, 0.1f, 0.3f) * height(&under->box),
                 scale_at(o->depth));
        return;
    }
    o->depth = un_synth_range(d, 0.05f, 1.4f);
    float scale = scale_at(o->depth), x = un_synth_range(d, 0.08f, 0.92f);
    if (c->spot == UN_SYNTH_FLIES) {
        draw_box(o, x, un_synth_range(d, 0.16f, s->horizon), scale);
        return;
    }
    draw_box(o, x, s->horizon + (0.98f - s->horizon) * scale, scale);
}

/* Tries some places and keeps the one that hides least. */
static void place_thing(struct un_synth_draw *d, const struct un_synth_scene *s, struct un_synth_object *o) {
    int support = -1;
    for (int i = UN_SYNTH_FIRST_THING; i < s->n_objects; ++i)
        if (un_synth_classes[s->object[i].class_].spot == UN_SYNTH_SUPPORTS) support = i;
    if (un_synth_classes[o->class_].spot != UN_SYNTH_SMALL || !un_synth_chance(d, 0.65f)) support = -1;
    struct un_synth_object best = *o;
    float least = 1e9f;
    for (int try = 0; try < PLACE_TRIES && least > 0.15f; ++try) {
        struct un_synth_object t = *o;
        place_once(d, s, &t, support);
        float worst = 0;
        for (int i = UN_SYNTH_FIRST_THING; i < s->n_objects; ++i)
            if (i != support) worst = max2(worst, overlap(&t.box, &s->object[i].box));
        if (worst < least) {
            least = worst;
            best = t;
        }
    }
    *o = best;
}

static void add_fill(struct un_synth_draw *d, struct un_synth_scene *s, bool indoor, enum un_synth_kind kind,
                     struct un_synth_box box) {
    bool none[UN_SYNTH_CLASSES] = {false};
    int class_ = pick_class(d, indoor, (int)kind, none);
    s->object[s->n_objects++] = (struct un_synth_object){.class_ = class_,
                                                         .colour = -1,
                                                         .size = UN_SYNTH_MEDIUM,
                                                         .state = -1,
                                                         .on = -1,
                                                         .twin = -1,
                                                         .depth = 2,
                                                         .box = box};
}

/* Draws n different classes, the wished ones first, what carries others before the rest. A pair of alike things
 * takes two places. */
static void add_things(struct un_synth_draw *d, struct un_synth_scene *s, bool indoor, int n,
                       const struct un_synth_wish *wish) {
    bool taken[UN_SYNTH_CLASSES] = {false};
    struct un_synth_object thing[UN_SYNTH_MAX_THINGS];
    int pairs = un_synth_chance(d, 0.2f) && n >= 3 && wish == NULL, wished = wish != NULL ? wish->things : 0;
    for (int i = 0; i < n - pairs; ++i) {
        int class_ = i < wished ? wish->thing[i].class_ : pick_class(d, indoor, -1, taken);
        taken[class_] = true;
        thing[i] = new_thing(d, class_);
        if (i < wished && wish->thing[i].colour >= 0) thing[i].colour = wish->thing[i].colour;
    }
    if (pairs) thing[n - 1] = thing[n - 2];
    for (int round = 0; round < 2; ++round)
        for (int i = 0; i < n; ++i) {
            bool carries = un_synth_classes[thing[i].class_].spot == UN_SYNTH_SUPPORTS;
            if (carries != (round == 0)) continue;
            place_thing(d, s, &thing[i]);
            if (pairs && i == n - 1) {
                thing[i].twin = s->n_objects - 1; /* its like was added just before */
                s->object[s->n_objects - 1].twin = s->n_objects;
            }
            s->object[s->n_objects++] = thing[i];
        }
}

static bool welcome(const struct un_synth_wish *wish, bool indoor) {
    if (wish->ground != 0 && !allowed(wish->ground, indoor)) return false;
    for (int i = 0; i < wish->things; ++i)
        if (!allowed(wish->thing[i].class_, indoor)) return false;
    return true;
}

bool un_synth_wish_meets(const struct un_synth_wish *wish) {
    return welcome(wish, false) || welcome(wish, true);
}

static void make_scene(struct un_synth_scene *s, const struct un_synth_law *law,
                       const struct un_synth_place *place, const struct un_synth_wish *wish) {
    struct un_synth_draw d = un_synth_draw(place, UN_SYNTH_SCENE, 0);
    bool indoor = un_synth_chance(&d, 0.4f);
    if (wish != NULL && !welcome(wish, indoor)) indoor = !indoor;
    s->place = *place;
    s->horizon = un_synth_range(&d, 0.35f, 0.5f);
    s->n_objects = s->n_regions = 0;
    add_fill(&d, s, indoor, UN_SYNTH_GROUND, (struct un_synth_box){0, s->horizon, 1, 1});
    if (wish != NULL && wish->ground != 0) s->object[UN_SYNTH_THE_GROUND].class_ = wish->ground;
    add_fill(&d, s, indoor, UN_SYNTH_BACKDROP, (struct un_synth_box){0, 0, 1, s->horizon});
    int n = un_synth_int(&d, law->min_objects, law->max_objects);
    add_things(&d, s, indoor, wish != NULL && n < wish->things ? wish->things : n, wish);
}

void un_synth_scene(struct un_synth_scene *s, const struct un_synth_law *law,
                    const struct un_synth_place *place) {
    make_scene(s, law, place, NULL);
    un_synth_detect(s, law);
}

void un_synth_scene_as_wished(struct un_synth_scene *s, const struct un_synth_law *law,
                              const struct un_synth_place *place, const struct un_synth_wish *wish) {
    UN_ASSERT(un_synth_wish_meets(wish));
    make_scene(s, law, place, wish);
}

static bool in_front(const struct un_synth_object *a, const struct un_synth_object *b) {
    float shared = min2(a->box.x2, b->box.x2) - max2(a->box.x1, b->box.x1);
    return b->depth - a->depth > 0.2f && shared > 0.3f * min2(width(&a->box), width(&b->box)) &&
           a->box.y2 - b->box.y2 > 0.05f;
}

static bool above(const struct un_synth_object *a, const struct un_synth_object *b) {
    float dx = centre_x(&a->box) - centre_x(&b->box);
    return b->box.y1 - a->box.y2 > -0.02f && centre_y(&b->box) - centre_y(&a->box) > 0.12f && dx < 0.3f &&
           dx > -0.3f;
}

static bool next_to(const struct un_synth_object *a, const struct un_synth_object *b) {
    float gap = max2(a->box.x1, b->box.x1) - min2(a->box.x2, b->box.x2), dz = a->depth - b->depth;
    return gap > -0.3f * min2(width(&a->box), width(&b->box)) && gap < 0.1f && dz < 0.3f && dz > -0.3f;
}

static bool left_of(const struct un_synth_object *a, const struct un_synth_object *b) {
    return centre_x(&b->box) - centre_x(&a->box) > 0.14f &&
           b->box.x1 - a->box.x2 > -0.25f * min2(width(&a->box), width(&b->box));
}

bool un_synth_holds(const struct un_synth_scene *s, enum un_synth_relation relation, int a, int b) {
    const struct un_synth_object *p = &s->object[a], *q = &s->object[b];
    bool carried = p->on == b || q->on == a;
    bool flies = un_synth_classes[p->class_].spot == UN_SYNTH_FLIES ||
                 un_synth_classes[q->class_].spot == UN_SYNTH_FLIES;
    switch (relation) {
    case UN_SYNTH_ON: return p->on == b;
    case UN_SYNTH_IN_FRONT_OF: return !carried && !flies && in_front(p, q);
    case UN_SYNTH_BEHIND: return !carried && !flies && in_front(q, p);
    case UN_SYNTH_ABOVE: return flies && above(p, q);
    case UN_SYNTH_BELOW: return flies && above(q, p);
    case UN_SYNTH_NEXT_TO: return !carried && !flies && next_to(p, q);
    case UN_SYNTH_LEFT_OF: return !carried && left_of(p, q);
    case UN_SYNTH_RIGHT_OF: return !carried && left_of(q, p);
    default: return false;
    }
}
