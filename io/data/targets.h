/* What a text of a task is asked and what is right: optional columns of *.txt.h5 (DESIGN sections 5 and 9). */
#ifndef UN_IO_DATA_TARGETS_H
#define UN_IO_DATA_TARGETS_H

#include <stdbool.h>
#include <stdint.h>

/* Root attribute `task` of a text file; without it the texts are captions. */
enum un_task {
    UN_TASK_NONE,
    UN_TASK_VQA,
    UN_TASK_VE,
    UN_TASK_NLVR2,
    UN_TASK_VCR,
    UN_TASK_RE,
    UN_TASK_RETRIEVAL,
    UN_TASKS
};
extern const char *const un_task_names[UN_TASKS + 1]; /* "none", "vqa", ... and NULL */

/* Soft answers of one text, at most. */
enum { UN_TEXT_ANSWERS = 4096 };
/* What a file says of a question whose kind is not told. */
enum { UN_KIND_NOT_TOLD = 255, UN_KINDS = 3 };

/* vcr: four answers, then four rationales. */
enum { UN_VCR_CHOICES = 4, UN_TEXT_PARTS = 2 * UN_VCR_CHOICES };
/* vcr: words person_0 .. person_80 behind the vocabulary. */
enum { UN_VCR_PERSONS = 81 };

/* Of one text; pointers are borrowed. Members that its task does not use are empty. */
struct un_targets {
    const int32_t *answer; /* [answers] vqa, ve: labels, each once */
    const float *score;    /* [answers] in (0,1] */
    int64_t answers;
    int32_t kind;                       /* vqa: 0 yes/no, 1 number, 2 other, -1 not told */
    int32_t label;                      /* nlvr2: 1 true; vcr: right answer; re: right region; -1 not known */
    int32_t rationale;                  /* vcr: right rationale, -1 not known */
    const char *second_image;           /* nlvr2: the right one; vcr: of the detected boxes; NULL: none */
    const int32_t *part[UN_TEXT_PARTS]; /* vcr: tokens of answers and rationales, without special ones */
    int64_t part_tokens[UN_TEXT_PARTS];
    float box[4];  /* re: annotated box, x y width height in pixels */
    float size[2]; /* re: width and height of the image in pixels */
};

/* Why answer i of some with `num_answers` labels is not allowed, for a message; NULL: it is. */
const char *un_targets_bad_answer(const int32_t *id, const float *score, int64_t i, int64_t num_answers);
/* re: finite numbers, a box with an inside, an image with one. */
bool un_targets_box_good(const float box[4], const float size[2]);

#endif
