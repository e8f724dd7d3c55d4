/* What the tasks of the micro-world draw, say and look for alike (pose_private.h). */
#include "io/synth/detect.h"
#include "io/synth/pose_private.h"
#include <stdio.h>
#include <string.h>

bool un_synth_find(struct un_synth_pose *pose, const struct un_synth_try *t, int which,
                   const struct un_synth_wish *wish,
                   bool (*fits)(const struct un_synth_scene *, const void *), const void *context) {
    struct un_synth_place place = t->place;
    struct un_synth_scene *scene = &pose->scene[which];
    uint32_t image = t->place.image * (uint32_t)pose->scenes + (uint32_t)which;
    for (uint32_t i = 0; i < UN_SYNTH_POSE_TRIES; ++i) {
        place.image = image * UN_SYNTH_POSE_TRIES + i;
        un_synth_scene_as_wished(scene, &t->law, &place, wish);
        if (!fits(scene, context)) continue;
        un_synth_detect(scene, &t->law);
        return true;
    }
    return false;
}

int un_synth_draw_class(struct un_synth_draw *d, bool (*good)(int class_, const void *context),
                        const void *context) {
    float weight[UN_SYNTH_LAST_THING + 1] = {0};
    for (int c = 1; c <= UN_SYNTH_LAST_THING; ++c) weight[c] = good(c, context) ? 1 : 0;
    return un_synth_pick(d, weight, UN_SYNTH_LAST_THING + 1);
}

int un_synth_colours_of(int class_) {
    return __builtin_popcount(un_synth_classes[class_].colours);
}
int un_synth_draw_colour(struct un_synth_draw *d, int class_) {
    return un_synth_draw_other_colour(d, class_, -1);
}
int un_synth_draw_other_colour(struct un_synth_draw *d, int class_, int colour) {
    float weight[UN_SYNTH_COLOURS];
    for (int c = 0; c < UN_SYNTH_COLOURS; ++c)
        weight[c] = (un_synth_classes[class_].colours >> c & 1u) != 0 && c != colour ? 1 : 0;
    return un_synth_pick(d, weight, UN_SYNTH_COLOURS);
}

void un_synth_shuffle(struct un_synth_draw *d, int *list, int n) {
    for (int i = n - 1; i > 0; --i) {
        int j = un_synth_int(d, 0, i), kept = list[i];
        list[i] = list[j];
        list[j] = kept;
    }
}

bool un_synth_meet(int a, int b) {
    const struct un_synth_class *p = &un_synth_classes[a], *q = &un_synth_classes[b];
    return (p->indoor && q->indoor) || (p->outdoor && q->outdoor);
}

void un_synth_wish_for(struct un_synth_wish *wish, int class_, int colour) {
    UN_ASSERT(wish->things < UN_SYNTH_MAX_WISHED);
    wish->thing[wish->things++] = (struct un_synth_wished){class_, colour};
}

int un_synth_count(const struct un_synth_scene *s, int class_) {
    int n = 0;
    for (int o = UN_SYNTH_FIRST_THING; o < s->n_objects; ++o) n += s->object[o].class_ == class_;
    return n;
}
int un_synth_only(const struct un_synth_scene *s, int class_) {
    if (un_synth_count(s, class_) != 1) return -1;
    for (int o = UN_SYNTH_FIRST_THING;; ++o)
        if (s->object[o].class_ == class_) return o;
}
int un_synth_related(const struct un_synth_scene *s, enum un_synth_relation relation, int a, int b) {
    int p = un_synth_only(s, a), q = un_synth_only(s, b);
    return p < 0 || q < 0 ? -1 : un_synth_holds(s, relation, p, q);
}
int un_synth_colour_seen(const struct un_synth_scene *s, int class_) {
    int o = un_synth_only(s, class_);
    return o < 0 ? -1 : s->object[o].colour;
}

const char *un_synth_say_colour(char text[24], int class_, int colour) {
    bool person = un_synth_classes[class_].kind == UN_SYNTH_PERSON;
    snprintf(text, 24, "%s%s", person ? "in " : "", un_synth_colours[colour]);
    return text;
}
const char *un_synth_say_relation(enum un_synth_relation relation) {
    return relation == UN_SYNTH_ON ? "on" : relation == UN_SYNTH_LEFT_OF ? "left of" : "right of";
}
const char *un_synth_article(int class_) {
    return strchr("aeiou", un_synth_noun(class_)[0]) != NULL ? "an" : "a";
}
