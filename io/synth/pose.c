/* Poses: the table of tasks, the search for scenes, and what the tasks draw, say and look for alike. */
#include "io/synth/detect.h"
#include "io/synth/pose_private.h"
#include <stdio.h>
#include <string.h>

enum { FEWEST_THINGS = 3, MOST_THINGS = 6, ROUNDS = 256 };

const char *const un_synth_task_names[UN_SYNTH_TASKS] = {"vqa", "ve",  "nlvr2",    "vcr",
                                                         "re",  "re+", "retrieval"};
const char *const un_synth_task_forms[UN_SYNTH_TASKS] = {"vqa", "ve", "nlvr2",    "vcr",
                                                         "re",  "re", "retrieval"};

static const struct {
    un_synth_poser *pose;
    int scenes, texts;
} posers[UN_SYNTH_TASKS] = {
    [UN_SYNTH_VQA] = {un_synth_pose_vqa, 1, 2},
    [UN_SYNTH_VE] = {un_synth_pose_ve, 1, 3},
    [UN_SYNTH_NLVR2] = {un_synth_pose_nlvr2, 8, 8},
    [UN_SYNTH_VCR] = {un_synth_pose_vcr, 1, 1},
    [UN_SYNTH_RE] = {un_synth_pose_re, 1, 2},
    [UN_SYNTH_RE_PLUS] = {un_synth_pose_re_plus, 1, 2},
    [UN_SYNTH_RETRIEVAL] = {NULL, 1, 0},
};

void un_synth_pose_size(enum un_synth_task task, int *scenes, int *texts) {
    *scenes = posers[task].scenes;
    *texts = posers[task].texts;
}

enum un_status un_synth_pose(struct un_synth_pose *pose, enum un_synth_task task,
                             const struct un_synth_law *law, uint64_t seed, uint32_t split, uint32_t number) {
    struct un_synth_try t = {{seed, un_synth_pose_set(task), split, number}, {0}, *law};
    t.law.min_objects = FEWEST_THINGS;
    t.law.max_objects = MOST_THINGS;
    for (uint32_t round = 0; round < ROUNDS; ++round) {
        memset(pose->asked, 0, sizeof pose->asked);
        pose->scenes = posers[task].scenes;
        pose->texts = posers[task].texts;
        t.draw = un_synth_draw(&t.place, UN_SYNTH_POSE, round);
        for (int i = 0; i < pose->texts; ++i) pose->asked[i].second = -1;
        if (posers[task].pose(pose, &t)) return UN_OK;
    }
    return un_fail(UN_INTERNAL, "%s: no scenes for pose %u of seed %llu", un_synth_task_names[task],
                   (unsigned)number, (unsigned long long)seed);
}

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

void un_synth_pixels(const struct un_synth_box *b, float pixels[4]) {
    pixels[0] = b->x1 * UN_SYNTH_PIXELS_WIDE;
    pixels[1] = b->y1 * UN_SYNTH_PIXELS_HIGH;
    pixels[2] = (b->x2 - b->x1) * UN_SYNTH_PIXELS_WIDE;
    pixels[3] = (b->y2 - b->y1) * UN_SYNTH_PIXELS_HIGH;
}

static float shared(float a1, float a2, float b1, float b2) {
    float low = a1 > b1 ? a1 : b1, high = a2 < b2 ? a2 : b2;
    return high > low ? high - low : 0;
}

int un_synth_best_region(const struct un_synth_scene *s, int object) {
    const struct un_synth_box *a = &s->object[object].box;
    float area = (a->x2 - a->x1) * (a->y2 - a->y1), most = -1;
    int best = -1;
    for (int r = 0; r < s->n_regions; ++r) {
        const struct un_synth_box *b = &s->region[r].box;
        float inner = shared(a->x1, a->x2, b->x1, b->x2) * shared(a->y1, a->y2, b->y1, b->y2);
        float iou = inner / (area + (b->x2 - b->x1) * (b->y2 - b->y1) - inner);
        if (s->region[r].object != object || iou <= most) continue;
        most = iou;
        best = r;
    }
    return best;
}

void un_synth_each_task_word(void (*put)(void *context, const char *word, size_t length), void *context) {
    static const char *const words[] = {"?",    "what",  "colour", "the",  "how",     "many",    "there",
                                        "are",  "where", "in",     "both", "images",  "image",   "exactly",
                                        "one",  "shows", "has",    "same", "picture", "because", "that",
                                        "left", "right", "front",  "back", "at",      "of",      "on"};
    for (size_t i = 0; i < sizeof words / sizeof *words; ++i) put(context, words[i], strlen(words[i]));
}
