/* What the sources of captions (source_*.c) share. */
#ifndef UN_IO_CONVERT_TEXT_PRIVATE_H
#define UN_IO_CONVERT_TEXT_PRIVATE_H

#include "io/convert/text/source.h"

enum { UN_ID_MAX = 255 };

/* "KIND PATH" into source->name. */
void un_text_source_name(struct un_text_source *source, const char *kind, const char *path);
/* No text: sets why, without a sentence. */
void un_caption_reject(struct un_caption *caption, const char *why);
/* JSON lines; `line` is the first. */
enum un_status un_text_source_jsonl(struct un_text_source **source, const char *path, const char *line,
                                    const struct un_text_names *names);
/* SBU's two files of lines, in any order. */
enum un_status un_text_source_parallel(struct un_text_source **source, const char *path, const char *second);

#endif
