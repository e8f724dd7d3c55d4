/* What the texts of made files (make_files.h) are asked when they are of a task: pure functions of the settings. */
#ifndef UN_TESTS_SUPPORT_MAKE_TASKS_H
#define UN_TESTS_SUPPORT_MAKE_TASKS_H

#include "io/h5/h5.h"
#include "tests/support/make_files.h"

enum { MAKE_ANSWERS = 3, MAKE_PART_WORDS = 8 }; /* at most */

/* vqa, ve: 0 to 3 answers (ve: one), all different, scores 1/4, 1/2, 3/4 or 1 (ve: 1). */
int64_t make_answers(const struct make_files *m, int64_t text);
int32_t make_answer(const struct make_files *m, int64_t text, int64_t i);
float make_score(const struct make_files *m, int64_t text, int64_t i);
int32_t make_kind(const struct make_files *m, int64_t text); /* vqa: text % 3 */
/* "answer 7", when the file has names */
void make_answer_name(int64_t id, char name[MAKE_ID]);
/* -1 in files without labels. re: one of the image's stored regions. */
int32_t make_label(const struct make_files *m, int64_t text);
int32_t make_rationale(const struct make_files *m, int64_t text); /* vcr */
/* nlvr2, vcr: row of the image file: one of the bare images, or else the next image. */
int64_t make_second(const struct make_files *m, int64_t text);
/* vcr: 1 to 8 tokens. */
int64_t make_part_words(const struct make_files *m, int64_t text, int part);
int32_t make_part_token(const struct make_files *m, int64_t text, int part, int64_t word);
/* re: the box of the right region (the first one's without labels) in pixels, and the size of the image. */
void make_pixel_box(const struct make_files *m, int64_t text, float box[4], float size[2]);

/* The attributes and columns of m->task. */
enum un_status make_task_columns(const struct make_files *m, struct un_h5 *file, int64_t texts);

#endif
