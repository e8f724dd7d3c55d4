/* Every text of a data set against every image: the score matrix of retrieval. */
#ifndef UN_LAUNCH_TRAIN_RETRIEVAL_H
#define UN_LAUNCH_TRAIN_RETRIEVAL_H

#include "launch/job/job.h"

/* The objective whose head ranks pairs; UN_OBJECTIVE_COUNT: the network has none. */
enum un_objective un_retrieval_head(const struct un_job *job);
/* *score [texts, images] of validation set i, on every rank, un_free. Ranks share the texts; a pass holds pairs of
 * one text, so that no score knows how many ranks there are. Collective; ends alike on all ranks. */
enum un_status un_retrieval_matrix(struct un_job *job, int64_t set, bool quiet, float **score);

#endif
