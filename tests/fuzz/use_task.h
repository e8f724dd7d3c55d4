/* What an import does with a source of a task, without the file it makes. */
#ifndef UN_TESTS_FUZZ_USE_TASK_H
#define UN_TESTS_FUZZ_USE_TASK_H

#include "io/convert/task/source.h"

/* Reads the texts, looks at their targets, tokenises them; closes the source (NULL allowed). */
void use_task(struct un_task_source *source);
/* Splits the input at its first zero byte: the front, and what is behind. */
const unsigned char *cut_front(const unsigned char *data, size_t size, size_t *front, size_t *behind);

#endif
