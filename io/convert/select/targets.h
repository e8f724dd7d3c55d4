/* What a text is asked, out of a text file into a record for the sink. */
#ifndef UN_IO_CONVERT_SELECT_TARGETS_H
#define UN_IO_CONVERT_SELECT_TARGETS_H

#include "io/convert/text/sink.h"
#include "io/data/file.h"

/* Room for one text; zeroed at first. */
struct un_select_targets {
    struct un_targets targets;
    void *answer, *score, *part;
    int64_t answers, scores, tokens; /* elements there is room for */
};
/* NULL in *targets: a file of captions. What it points to is valid until the next call. */
enum un_status un_select_targets_read(struct un_select_targets *room, const struct un_text_file *file,
                                      int64_t row, const struct un_targets **targets);
void un_select_targets_free(struct un_select_targets *room);

/* Task, answers and their names of `file` in a setup; the names are un_freed by the caller. */
enum un_status un_select_targets_setup(const struct un_text_file *file, struct un_text_sink_setup *setup,
                                       const char ***names);

/* Room for `want` elements; what was there is gone. */
enum un_status un_select_room(void **buffer, int64_t *room, int64_t want, size_t size);

#endif
