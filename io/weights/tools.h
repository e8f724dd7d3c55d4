/* What `uniter weights` does with views: write, show, compare. */
#ifndef UN_IO_WEIGHTS_TOOLS_H
#define UN_IO_WEIGHTS_TOOLS_H

#include "io/weights/weights.h"
#include <stdio.h>

/* The planned tensors under our names, with the tied copies of a released checkpoint when `tied`, as a new
 * file (un_safetensors_write). Copies that differ from what they repeat are warned of. UN_DATA: a value of a file, not
 * of a checkpoint, is not finite. */
enum un_status un_weights_write(const struct un_weights_plan *plan, const char *path, enum un_st_type type,
                                bool tied, const struct un_st_pair *metadata, int64_t n_metadata);

/* Names, shapes, types, mean, standard deviation, least, largest; values that are not finite are counted and
 * left out; then the metadata. */
enum un_status un_weights_show(const struct un_weights_view *view, FILE *out);

/* What differs, in lines, at most a screen; then a summary. A copy that only one side has is held against its
 * partner on the other. Values are equal within tolerance (absolute); NaN equals NaN. Counters of batches do not count. *equal: names, shapes
 * and values of both agree. */
enum un_status un_weights_diff(const struct un_weights_view *a, const struct un_weights_view *b,
                               double tolerance, FILE *out, bool *equal);

#endif
