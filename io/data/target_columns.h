/* The columns of a task in a text file (io/data/targets.h says what they mean): opened, checked, indexed. */
#ifndef UN_IO_DATA_TARGET_COLUMNS_H
#define UN_IO_DATA_TARGET_COLUMNS_H

#include "io/data/targets.h"
#include "io/h5/column.h"

struct un_text_file;

/* What the task does not use is empty. */
struct un_target_columns {
    enum un_task task;
    int64_t num_answers;
    struct un_column answer_id, answer_score, part; /* i32, f32, i32 */
    char *answer_names;                             /* [num_answers] cells, NULL: no names */
    int64_t name_stride;
    /* the index, until un_target_columns_drop_index; [texts] each */
    int64_t *answer_offset; /* [texts + 1] */
    int64_t *part_offset;   /* [UN_TEXT_PARTS * texts + 1] */
    int32_t *kind;          /* NULL: not in this file; -1: not told */
    int32_t *label, *rationale;
    char *second_ids; /* cells; NULL: no second images */
    int64_t second_stride;
    float *box, *size; /* [texts,4], [texts,2] */
};

/* Of a file whose ids are read: every rule of these columns but those of single answers and tokens, which are
 * checked when they are read. */
enum un_status un_target_columns_open(struct un_text_file *file);
/* Without the index: the task, the columns of single answers and tokens, what answers are called. */
enum un_status un_target_columns_open_rows(struct un_text_file *file);
void un_target_columns_set_tries(struct un_target_columns *c, int tries);
/* Does any column still need HDF5? */
bool un_target_columns_need_h5(const struct un_target_columns *c);
void un_target_columns_drop_index(struct un_target_columns *c);
void un_target_columns_close(struct un_target_columns *c);

/* Do two files ask the same, of the same table of answers? UN_DATA names both. */
enum un_status un_target_columns_agree(const struct un_target_columns *a, const char *path,
                                       const struct un_target_columns *b, const char *first_path);

/* Words of a text as data.max_txt_len counts them. vcr: four times the question and its longest answer, and the
 * longest rationale, as the authors' files of lengths say. */
int64_t un_target_columns_words(const struct un_text_file *file, int64_t row);

/* Answers [first, first + n) of text `row`, checked: labels in [0, num_answers), none twice, scores in (0, 1]. */
enum un_status un_target_columns_answers(const struct un_text_file *file, const char *text_id, int64_t row,
                                         int64_t first, int64_t n, int32_t *id, float *score);
/* Tokens [first, first + n) of parts of text `row`, checked: in [0, vocab_size). */
enum un_status un_target_columns_part(const struct un_text_file *file, const char *text_id, int64_t first,
                                      int64_t n, int32_t *token);

#endif
