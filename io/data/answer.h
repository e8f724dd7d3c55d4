/* VQA answers in one form: that of the table of labels, as the official evaluation makes them equal. */
#ifndef UN_IO_DATA_ANSWER_H
#define UN_IO_DATA_ANSWER_H

enum { UN_ANSWERERS = 10 }; /* people asked a question */

/* The answer, UTF-8, without marks and articles, in lower case, number words as digits, contractions with their
 * apostrophes, words joined by single blanks; "" when nothing is left. Fresh memory (un_free), NULL on failure. */
char *un_answer_normal(const char *raw);
/* Soft score of an answer that `given` of the ten people gave: the mean of min(1, matches / 3) over the ten
 * leave-one-out nines. */
float un_answer_score(int given);

#endif
