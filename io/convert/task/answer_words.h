/* One word of an answer, in lower case, as the evaluator has it; "": it is dropped (an article). */
#ifndef UN_IO_CONVERT_TASK_ANSWER_WORDS_H
#define UN_IO_CONVERT_TASK_ANSWER_WORDS_H

const char *un_answer_word(const char *word);

#endif
