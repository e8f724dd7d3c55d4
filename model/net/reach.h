/* What the parameters of a network are before it is built: its sizes, known, and which of the parameters that all
 * objectives share are reached by what is taught. Inside the wing only. */
#ifndef UN_MODEL_NET_REACH_H
#define UN_MODEL_NET_REACH_H

#include "model/dims.h"
#include "runtime/params.h"

/* UN_USAGE names a size that is not positive. */
enum un_status un_model_sizes(const struct un_dims *dims);
/* What is taught decides which of the shared parameters are reached (left), and which are fast. Heads know theirs. */
void un_reach_mark(struct un_params *params, const struct un_dims *dims);

#endif
