/* Captions to *.txt.h5: read, matched with images, tokenised by several threads, written in the source's
 * order. */
#ifndef UN_TEXT_IMPORT_H
#define UN_TEXT_IMPORT_H

#include "io/convert/text_source.h"
#include "io/convert/wordpiece.h"

struct un_text_import {
    const char
        *images[64]; /* feature files (*.img.h5) to match with; none: image ids are written as they are */
    int n_images;
    int64_t max_txt_len; /* longer texts are left out, counted and listed; 0: none are */
    const char *split;   /* of Karpathy's file: only these images ("train", "restval"); "": all */
    int64_t threads;     /* 0: as many as the process may use */
    bool quiet;
};
/* What was left out stands in OUT.skipped.tsv (line, text id, image id, why), written only if there is any;
 * the counts are said at the end. wordpiece NULL only for sources that are already tokenised. UN_DATA when no
 * text is left. */
enum un_status un_text_import(struct un_text_source *source, const struct un_wordpiece *wordpiece,
                              const char *out, const struct un_text_import *how);

#endif
