/* What an import of texts says when it is done. */
#ifndef UN_IO_CONVERT_TEXT_SUMMARY_H
#define UN_IO_CONVERT_TEXT_SUMMARY_H

#include "io/convert/text/sink.h"
#include "io/convert/text/skipped.h"

/* Into standard output: texts and tokens of OUT, how fast (`read` texts since un_clock() was `start`), those of other
 * splits, those left out and why. */
void un_text_summary(const char *out, const char *source, const struct un_text_sink *sink,
                     const struct un_skipped *skipped, int64_t read, int64_t other_split, double start);

#endif
