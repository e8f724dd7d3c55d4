/* Tasks of the micro-world: what is asked about scenes, and what is right.
 *
 * A pose is some scenes and the texts asked about them. What is asked and what shall be right are drawn first, and
 * then a scene is looked for in which it is right. So right answers are spread evenly over a text whatever scenes
 * are like: who sees the text alone can only guess, and who sees the image alone does not know what is asked.
 * Names and answers are those of the scene, not of what the detector makes of it. A pose is a pure function of
 * (seed, task, split, its number). */
#ifndef UN_IO_SYNTH_POSE_H
#define UN_IO_SYNTH_POSE_H

#include "io/synth/world.h"
#include "runtime/status.h"
#include <stddef.h>

enum un_synth_task {
    UN_SYNTH_VQA,
    UN_SYNTH_VE,
    UN_SYNTH_NLVR2,
    UN_SYNTH_VCR,
    UN_SYNTH_RE,      /* with words of place */
    UN_SYNTH_RE_PLUS, /* without */
    UN_SYNTH_RETRIEVAL,
    UN_SYNTH_TASKS,
    UN_SYNTH_NO_TASK = UN_SYNTH_TASKS /* captions */
};
/* "vqa", .., "re+", "retrieval". */
extern const char *const un_synth_task_names[UN_SYNTH_TASKS];
/* Root attribute `task` of the task's text files. */
extern const char *const un_synth_task_forms[UN_SYNTH_TASKS];
/* Member `set` of a task's places: beyond those of captions. */
static inline uint32_t un_synth_pose_set(enum un_synth_task task) {
    return 16 + 2 * (uint32_t)task; /* each has up to four splits */
}

enum {
    UN_SYNTH_POSE_SCENES = 8,
    UN_SYNTH_POSE_TEXTS = 8,
    UN_SYNTH_CHOICES = 4,
    UN_SYNTH_PARTS = 2 * UN_SYNTH_CHOICES,
    UN_SYNTH_PERSONS = 81,      /* words person_0 .. behind the vocabulary of vcr */
    UN_SYNTH_POSE_TRIES = 1024, /* scenes that one image may be looked for in */
    UN_SYNTH_MAX_POSED_IMAGES = 1 << 22,
    UN_SYNTH_PIXELS_WIDE = 640,
    UN_SYNTH_PIXELS_HIGH = 480
};
enum { UN_SYNTH_YES_NO, UN_SYNTH_NUMBER, UN_SYNTH_OTHER }; /* kinds of answers */
enum { UN_SYNTH_CONTRADICTION, UN_SYNTH_ENTAILMENT, UN_SYNTH_NEUTRAL, UN_SYNTH_VE_LABELS };

/* Words are apart by blanks; "?" is a word without one. */
struct un_synth_asked {
    char text[96];
    char part[UN_SYNTH_PARTS][64]; /* vcr: answers, then rationales */
    int scene, second;             /* of the pose; second: nlvr2's right image */
    int answer, kind;              /* vqa, ve */
    int label, rationale;          /* nlvr2, vcr; re: the object */
};
struct un_synth_pose {
    int scenes, texts;
    struct un_synth_scene scene[UN_SYNTH_POSE_SCENES];
    struct un_synth_asked asked[UN_SYNTH_POSE_TEXTS];
};
/* Scenes and texts of a pose of the task; not for retrieval, which has captions. */
void un_synth_pose_size(enum un_synth_task task, int *scenes, int *texts);
/* Pose `number` of a split; the law says what the detector does, and nothing of the number of things. */
enum un_status un_synth_pose(struct un_synth_pose *pose, enum un_synth_task task,
                             const struct un_synth_law *law, uint64_t seed, uint32_t split, uint32_t number);

/* What vqa's answers are called; NULL behind the last one. The same for ve. */
int un_synth_answers(enum un_synth_task task);
const char *un_synth_answer_name(enum un_synth_task task, int answer);
/* Box of an object in pixels: x y width height. */
void un_synth_pixels(const struct un_synth_box *box, float pixels[4]);
/* The region that shows the object best: highest intersection over union. */
int un_synth_best_region(const struct un_synth_scene *scene, int object);
/* Calls put for every word of tasks that captions do not have. */
void un_synth_each_task_word(void (*put)(void *context, const char *word, size_t length), void *context);

#endif
