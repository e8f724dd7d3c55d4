/* What inspect.c and verify.c share of tasks (targets.c). */
#ifndef UN_IO_INSPECT_PRIVATE_H
#define UN_IO_INSPECT_PRIVATE_H

#include "io/data/file.h"

/* Every answer and every token of a part: what opening a file does not look at. */
enum un_status un_inspect_targets_check(const struct un_text_file *f);
/* "vqa, 11 of 12 texts with answers, 21 answers of 7": what a file with a task asks. */
void un_inspect_targets_say(const struct un_text_file *f, char *text, size_t size);

#endif
