/* Poses: the table of tasks, and what others ask about a scene of theirs. */
#include "io/synth/pose_private.h"
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
