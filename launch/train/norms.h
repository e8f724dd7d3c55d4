/* log.histograms: norms of gradients, before clipping, and of parameters, after the update, by tensor and by layer:
 *
 *   norm(T) = sqrt(sum over the elements x of T of x^2)
 *
 * Squares are added by piece, which is what a tensor has of a block of UN_PARAM_BLOCK elements. A piece is one rank's
 * alone, and pieces are added in the order of the buffer, in double: norms know no ranks. Nothing of it goes back into the
 * training. */
#ifndef UN_LAUNCH_TRAIN_NORMS_H
#define UN_LAUNCH_TRAIN_NORMS_H

#include "io/run/metrics.h"
#include "launch/job/job.h"

struct un_norms; /* NULL is allowed below and does nothing */

/* Takes all memory that is needed; *norms NULL where log.histograms is 0. This rank alone, after the device stage; owner:
 * caller, un_norms_close. */
enum un_status un_norms_open(struct un_norms **norms, struct un_job *job);
void un_norms_close(struct un_norms *n);
/* Of the step that was just done. Collective. */
enum un_status un_norms_take(struct un_norms *n);
/* A line of its own: grad_norm/LAYER and param_norm/LAYER; as an event, too, with a histogram grad_norms/LAYER and
 * param_norms/LAYER over the tensors of the layer. LAYER: layer_00 .., and otherwise the first word of a parameter's name
 * (embeddings, pooler, cls, ...). A skipped update has no norms of gradients. */
enum un_status un_norms_log(struct un_norms *n, struct un_metrics *m, struct un_events *e);

#endif
