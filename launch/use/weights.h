/* Weights to be used: of a run, a checkpoint or a safetensors file, and the sizes of their network. */
#ifndef UN_LAUNCH_USE_WEIGHTS_H
#define UN_LAUNCH_USE_WEIGHTS_H

#include "io/weights/weights.h"
#include "launch/use/run.h"

struct un_use_weights {
    struct un_weights_view view;
    struct un_weights_sizes sizes;
    struct un_use_run run;
    struct un_dims dims; /* heads: none yet */
};

/* heads: of attention; UN_AUTO: as the run or the file says, else a head for 64 of the width, which is told. UN_DATA: not a
 * whole UNITER. Closed by the call below, also on failure. */
enum un_status un_use_weights_open(struct un_use_weights *weights, const char *path, int64_t heads);
void un_use_weights_close(struct un_use_weights *weights);

/* Values of a table of the same sizes, on the host [table->total], zeros where there are none. UN_USAGE names a tensor of
 * the table that is missing; without_head: one of a head may be. */
enum un_status un_use_weights_load(const struct un_use_weights *weights, const struct un_params *table,
                                   bool without_head, float *values);

#endif
