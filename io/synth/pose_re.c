/* Expressions for one thing of a scene of three pairs: every thing has another of its class beside it, so each of
 * the six may be meant and its class alone does not say which. With words of place the two differ in place, without
 * in colour. */
#include "io/synth/pose_private.h"
#include <stdio.h>
#include <string.h>

enum { CLASSES = 3, THINGS = 2 * CLASSES };

static bool often_coloured(int class_, const void *context) {
    const struct un_synth_wish *taken = context;
    for (int i = 0; i < taken->things; ++i)
        if (taken->thing[i].class_ == class_) return false;
    return class_ > 0 && un_synth_colours_of(class_) > 1;
}

/* The word of place that is true of a and not of b, NULL: they stand too near. */
static const char *place_of(const struct un_synth_scene *s, int a, int b) {
    float dz = s->object[a].depth - s->object[b].depth;
    bool flies = un_synth_classes[s->object[a].class_].spot == UN_SYNTH_FLIES;
    bool carried = s->object[a].on >= 0 || s->object[b].on >= 0;
    if (un_synth_holds(s, UN_SYNTH_LEFT_OF, a, b)) return "on the left";
    if (un_synth_holds(s, UN_SYNTH_RIGHT_OF, a, b)) return "on the right";
    if (flies || carried || (dz < 0.3f && dz > -0.3f)) return NULL;
    return dz < 0 ? "in front" : "at the back";
}

/* The other one of its class, -1 unless there is exactly one. */
static int other_of(const struct un_synth_scene *s, int thing) {
    int other = -1;
    for (int o = UN_SYNTH_FIRST_THING; o < s->n_objects; ++o) {
        if (o == thing || s->object[o].class_ != s->object[thing].class_) continue;
        if (other >= 0) return -1;
        other = o;
    }
    return other;
}

static bool can_be_told(const struct un_synth_scene *s, const void *context) {
    bool placed = *(const bool *)context;
    for (int o = UN_SYNTH_FIRST_THING; o < s->n_objects; ++o) {
        int other = other_of(s, o);
        if (other < 0) return false;
        if (placed ? place_of(s, o, other) == NULL : s->object[o].colour == s->object[other].colour)
            return false;
    }
    return s->n_objects == UN_SYNTH_FIRST_THING + THINGS;
}

static void say(const struct un_synth_scene *s, int thing, bool placed, char *text, size_t size) {
    const struct un_synth_object *o = &s->object[thing];
    char colour[24];
    const char *noun = un_synth_noun(o->class_), *said = un_synth_say_colour(colour, o->class_, o->colour);
    bool person = un_synth_classes[o->class_].kind == UN_SYNTH_PERSON;
    if (placed)
        snprintf(text, size, "the %s %s", noun, place_of(s, thing, other_of(s, thing)));
    else
        snprintf(text, size, "the %s %s", person ? noun : said, person ? said : noun);
}

static bool pose_things(struct un_synth_pose *pose, struct un_synth_try *t, bool placed) {
    struct un_synth_wish wish;
    int thing[THINGS];
    t->law.min_objects = t->law.max_objects = THINGS;
    do {
        wish = (struct un_synth_wish){0};
        for (int i = 0; i < CLASSES; ++i) {
            int class_ = un_synth_draw_class(&t->draw, often_coloured, &wish);
            int colour = placed ? -1 : un_synth_draw_colour(&t->draw, class_);
            un_synth_wish_for(&wish, class_, colour);
            un_synth_wish_for(&wish, class_,
                              placed ? -1 : un_synth_draw_other_colour(&t->draw, class_, colour));
        }
    } while (!un_synth_wish_meets(&wish));
    if (!un_synth_find(pose, t, 0, &wish, can_be_told, &placed)) return false;
    for (int i = 0; i < THINGS; ++i) thing[i] = UN_SYNTH_FIRST_THING + i;
    un_synth_shuffle(&t->draw, thing, THINGS);
    for (int i = 0; i < pose->texts; ++i) {
        say(&pose->scene[0], thing[i], placed, pose->asked[i].text, sizeof pose->asked[i].text);
        pose->asked[i].label = thing[i];
    }
    return true;
}

bool un_synth_pose_re(struct un_synth_pose *pose, struct un_synth_try *t) {
    return pose_things(pose, t, true);
}
bool un_synth_pose_re_plus(struct un_synth_pose *pose, struct un_synth_try *t) {
    return pose_things(pose, t, false);
}
