/* What the tasks of the micro-world share: draws of classes, wishes, questions to a scene, and the search. */
#ifndef UN_IO_SYNTH_POSE_PRIVATE_H
#define UN_IO_SYNTH_POSE_PRIVATE_H

#include "io/synth/pose.h"

enum { UN_SYNTH_LAST_THING = 35 }; /* classes 1 .. this are things */

/* One try at a pose: its place, draws and law. */
struct un_synth_try {
    struct un_synth_place place; /* image: number of the pose */
    struct un_synth_draw draw;
    struct un_synth_law law;
};
/* false: nothing found; another try is made. */
typedef bool un_synth_poser(struct un_synth_pose *pose, struct un_synth_try *t);
un_synth_poser un_synth_pose_vqa, un_synth_pose_ve, un_synth_pose_nlvr2, un_synth_pose_vcr, un_synth_pose_re,
    un_synth_pose_re_plus;

/* Looks for scene number `which` of the pose: one that grants the wish and fits, its regions detected. */
bool un_synth_find(struct un_synth_pose *pose, const struct un_synth_try *t, int which,
                   const struct un_synth_wish *wish,
                   bool (*fits)(const struct un_synth_scene *scene, const void *context),
                   const void *context);

/* A thing's class of those that `good` takes, all alike likely. */
int un_synth_draw_class(struct un_synth_draw *d, bool (*good)(int class_, const void *context),
                        const void *context);
/* A colour of the class, which has some. */
int un_synth_draw_colour(struct un_synth_draw *d, int class_);
int un_synth_colours_of(int class_);
/* Another colour of the class. */
int un_synth_draw_other_colour(struct un_synth_draw *d, int class_, int colour);
void un_synth_shuffle(struct un_synth_draw *d, int *list, int n);
/* Can both be in one place? */
bool un_synth_meet(int a, int b);
void un_synth_wish_for(struct un_synth_wish *wish, int class_, int colour);

int un_synth_count(const struct un_synth_scene *scene, int class_);
/* Index of the only thing of the class, -1: none or several. */
int un_synth_only(const struct un_synth_scene *scene, int class_);
/* The only thing of class a in the relation to that of class b: 1 yes, 0 no, -1 not both there once. */
int un_synth_related(const struct un_synth_scene *scene, enum un_synth_relation relation, int a, int b);
/* The colour of the only thing of a class, -1: there is none or there are several. */
int un_synth_colour_seen(const struct un_synth_scene *scene, int class_);

/* "red"; of people "in red". */
const char *un_synth_say_colour(char text[24], int class_, int colour);
const char *un_synth_say_relation(enum un_synth_relation relation);
const char *un_synth_article(int class_);
static inline const char *un_synth_noun(int class_) {
    return un_synth_classes[class_].name;
}

#endif
