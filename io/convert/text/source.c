/* What all sources of captions have in common (source.h). */
#include "io/convert/text/source.h"
#include "io/convert/text/private.h"

#include <stdio.h>

void un_text_source_close(struct un_text_source *source) {
    if (source) source->ops->close(source);
}

void un_text_source_name(struct un_text_source *source, const char *kind, const char *path) {
    snprintf(source->name, sizeof source->name, "%s %.*s", kind, (int)sizeof source->name - 16, path);
}

void un_caption_reject(struct un_caption *caption, const char *why) {
    caption->why = why;
    caption->sentence = NULL;
    caption->sentence_bytes = 0;
}
