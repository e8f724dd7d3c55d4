/* Every text of a data set against every image: the score matrix of retrieval. */
#ifndef UN_LAUNCH_TRAIN_RETRIEVAL_H
#define UN_LAUNCH_TRAIN_RETRIEVAL_H

#include "launch/job/job.h"
#include "launch/train/partial.h"

/* The objective whose head ranks pairs; UN_OBJECTIVE_COUNT: the network has none. */
enum un_objective un_retrieval_head(const struct un_job *job);
struct un_retrieval {
    float *score;              /* rank 0: [texts, images]; others NULL */
    struct un_partial partial; /* rank 0: the rows on the disk */
};
/* Scores of validation set i. Ranks share the texts; a pass holds pairs of one text, so that no score knows how many
 * ranks there are. Goes on from the rows that an earlier start left in the run's folder. Collective; ends alike on
 * all ranks. */
enum un_status un_retrieval_matrix(struct un_job *job, int64_t set, bool quiet, struct un_retrieval *out);
/* over: what the matrix was for is on the disk, its rows need not stay. */
void un_retrieval_close(struct un_retrieval *r, bool over);

#endif
