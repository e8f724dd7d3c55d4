/* Annotations of a task to *.txt.h5: read, matched with images, tokenised, written in the source's order. */
#ifndef UN_IO_CONVERT_TASK_IMPORT_H
#define UN_IO_CONVERT_TASK_IMPORT_H

#include "io/convert/task/source.h"
#include "io/convert/token/wordpiece.h"
#include "runtime/config/config.h"

struct un_task_import {
    struct un_strings
        images; /* feature files (*.img.h5) or patterns to match with; none: image ids are written as
                                 the source names them */
    bool quiet;
    bool (*stop)(void); /* NULL: never; asked now and then */
};
/* Refuses (UN_USAGE) when OUT or OUT.skipped.tsv exists. What is left out (no image, no words, what the source says)
 * stands in OUT.skipped.tsv with its reason, and the counts are said at the end. One thread: reading JSON takes
 * longer than tokenising. UN_DATA when no text is left; UN_STOPPED, with nothing left behind, when stop() says so. */
enum un_status un_task_import(struct un_task_source *source, const struct un_wordpiece *wordpiece,
                              const char *out, const struct un_task_import *how);

#endif
