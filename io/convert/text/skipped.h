/* OUT.skipped.tsv: texts that an import leaves out, each with its reason, and their counts. */
#ifndef UN_IO_CONVERT_TEXT_SKIPPED_H
#define UN_IO_CONVERT_TEXT_SKIPPED_H

#include "runtime/status.h"
#include <stdio.h>

enum { UN_SKIP_REASONS = 32, UN_SKIP_WHY = 64 };

struct un_skipped {
    char *path, *partial;
    FILE *file; /* of `partial`, from the first text on */
    int64_t n;
    struct {
        char why[UN_SKIP_WHY];
        int64_t n, line; /* line of the first */
    } reason[UN_SKIP_REASONS];
    int reasons;
};
/* UN_USAGE: the list of an earlier import stands there. Makes no file yet. */
enum un_status un_skipped_open(struct un_skipped *skipped, const char *out);
/* why: one of a few constant texts. Ids may be NULL. */
enum un_status un_skipped_add(struct un_skipped *skipped, int64_t line, const char *text_id,
                              const char *image_id, const char *why);
/* Everything written: UN_IO when the disk is full. */
enum un_status un_skipped_flush(struct un_skipped *skipped);
/* Gives the file its name. */
enum un_status un_skipped_commit(struct un_skipped *skipped);
/* "12 no such image (first: line 7), ..." in `text`. */
void un_skipped_say(const struct un_skipped *skipped, char *text, size_t size);
/* Uncommitted: nothing is left. */
void un_skipped_close(struct un_skipped *skipped);

#endif
