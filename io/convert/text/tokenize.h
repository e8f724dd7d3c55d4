/* `uniter data tokenize`: lines of text in, a line "text TAB ids" (or pieces) out for each, in their order. */
#ifndef UN_IO_CONVERT_TEXT_TOKENIZE_H
#define UN_IO_CONVERT_TEXT_TOKENIZE_H

#include "io/convert/token/wordpiece.h"

#include <stdio.h>

/* paths: files, or "-" for the standard input. The ids stand behind the last TAB of a line, with spaces
 * between. threads 0: as many as the process may use. UN_IO when `out` cannot be written. */
enum un_status un_tokenize(const struct un_wordpiece *wordpiece, const char *const *paths, int n, bool pieces,
                           int64_t threads, FILE *out);

#endif
