/* Words of a task's text to ids. */
#ifndef UN_IO_CONVERT_TASK_ENCODE_H
#define UN_IO_CONVERT_TASK_ENCODE_H

#include "io/convert/token/wordpiece.h"

/* Every word between white space by itself, as the authors' scripts do it (Python's str.split: control characters
 * part words too); with persons > 0 the word person_k, k < persons, is the id vocab_size + k. ids [bytes of text].
 * Returns how many there are. */
int64_t un_task_encode(const struct un_wordpiece *wordpiece, int persons, const char *text, int32_t *ids);

#endif
