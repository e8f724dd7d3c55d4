/* The rows of a score matrix that are done, RUN/scores_<set>.part: an evaluation that was ended goes on from them, on
 * any number of ranks. Rank 0 only. */
#ifndef UN_LAUNCH_TRAIN_PARTIAL_H
#define UN_LAUNCH_TRAIN_PARTIAL_H

#include "io/disk/files.h"

/* What the rows are of; others are of no use. */
struct un_partial_head {
    char magic[8];              /* set by un_partial_open */
    int64_t texts, images, act; /* act: type of the activations */
    uint64_t plan;              /* un_plan_digest of the sets */
    char params[32];            /* digest of the parameters, not terminated */
};
struct un_partial {
    char path[UN_PATH_MAX];
    int fd; /* -1: not open */
    int64_t images;
};

/* Takes rows from an older file of the same head: *done of them into score [texts, images]. What is torn or of
 * another head is cut off. */
enum un_status un_partial_open(struct un_partial *p, const char *path, const struct un_partial_head *head,
                               float *score, int64_t *done);
/* n rows from `first` on, durable. */
enum un_status un_partial_add(const struct un_partial *p, int64_t first, int64_t n, const float *rows);
/* over: the matrix is where it belongs, the file goes. */
void un_partial_close(struct un_partial *p, bool over);

#endif
