/* Captions to *.txt.h5: read, matched with images, tokenised by several threads, written in the source's
 * order. */
#ifndef UN_IO_CONVERT_TEXT_IMPORT_H
#define UN_IO_CONVERT_TEXT_IMPORT_H

#include "io/convert/text/source.h"
#include "io/convert/token/wordpiece.h"
#include "runtime/config/config.h"

struct un_text_import {
    struct un_strings images; /* feature files (*.img.h5) or patterns to match with; none: image ids are
                                 written as they are */
    const char *ids;     /* a file with an image id a line, a line a text of the source; "" or NULL: none */
    bool by_url;         /* the image's id is the last part of its URL, not what the source calls it */
    int64_t max_txt_len; /* longer texts are left out, counted and listed; 0: none are */
    const char *split;   /* of Karpathy's file: only these images ("train", "restval"); "" or NULL: all */
    int64_t threads;     /* 0: as many as the process may use */
    bool quiet;
    bool (*stop)(void); /* NULL: never; asked between batches */
};
/* Refuses (UN_USAGE) when OUT or OUT.skipped.tsv exists. What was left out stands in OUT.skipped.tsv (line,
 * text id, image id, why), written only if there is any; the counts are said at the end. A text without an id
 * gets its running number in the source, from 1. wordpiece NULL only for sources that are already tokenised.
 * UN_DATA when no text is left; UN_STOPPED, with nothing left behind, when stop() says so. */
enum un_status un_text_import(struct un_text_source *source, const struct un_wordpiece *wordpiece,
                              const char *out, const struct un_text_import *how);

/* Is the folder a txt_db (meta.json in it)? */
bool un_text_import_is_db(const char *path);

#endif
