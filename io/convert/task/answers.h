/* Answers of VQA as the label table has them, and the table itself. Source: the authors' ans2label of
 * Teney et al. 2018 (answers that occur at least 9 times), normalised as the public VQA evaluator does it. */
#ifndef UN_IO_CONVERT_TASK_ANSWERS_H
#define UN_IO_CONVERT_TASK_ANSWERS_H

#include "io/disk/ids.h"

enum { UN_ANSWERERS = 10 };                             /* people asked a question */
enum { UN_ANSWER_MAX = 255, UN_ANSWERS_MAX = 1 << 20 }; /* bytes of one; of a table */

/* `raw` [UTF-8, NUL-terminated] with marks, articles and number words taken as the evaluator takes them: lower
 * case, digits for none, zero .. ten, apostrophes in contractions. A byte that is no UTF-8 stays. false: longer than UN_ANSWER_MAX. */
bool un_answer_normal(const char *raw, char normal[UN_ANSWER_MAX + 1]);
/* Of an answer that `count` of the ten people gave: the mean of min(1, matches / 3) over the ten leave-one-out nines. */
float un_answer_score(int count);

struct un_answer_table {
    const char **name; /* [n], by label */
    int64_t n;
    struct un_idmap map;
    char *pool;
};
/* An answer may be empty: the letter "a" is an article too.
 *
 * JSON: {"answer": label, ...} with every label 0 .. n-1 once, or a list of answers. UN_IO; UN_DATA: a label out of
 * range or twice, an answer twice, longer than 255 bytes. */
enum un_status un_answer_table_open(struct un_answer_table *table, const char *path);
void un_answer_table_close(struct un_answer_table *table);
/* -1: not in it. */
int64_t un_answer_table_find(const struct un_answer_table *table, const char *normal);

/* The table of VQA annotations: every normalised multiple_choice_answer that occurs at least min_count times in the
 * files, in the order of first appearance; {"answer": label, ...} into OUT. UN_USAGE: OUT exists. UN_DATA: none is
 * left. */
struct un_answers_make {
    int64_t min_count;
    bool quiet;
    bool (*stop)(void); /* NULL: never */
};
enum un_status un_answers_make(const char *out, const char *const *annotations, int n,
                               const struct un_answers_make *how);

#endif
