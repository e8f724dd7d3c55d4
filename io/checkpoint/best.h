/* The best checkpoint of a run by its validations: RUN/ckpt/best.json says which and how good, RUN/ckpt/best is a
 * link to its folder. It is never pruned. All calls are for one rank only. */
#ifndef UN_IO_CHECKPOINT_BEST_H
#define UN_IO_CHECKPOINT_BEST_H

#include "runtime/status.h"

struct un_checkpoint_best {
    int64_t step; /* -1: there is none */
    double measure;
};
/* None as well where the folder of its step is gone. UN_DATA: best.json is not what was written. */
enum un_status un_checkpoint_best_read(const char *run_dir, struct un_checkpoint_best *best);
/* From now on this one, whose folder is there. Durable; killed in between, the older one or this one. */
enum un_status un_checkpoint_best_mark(const char *run_dir, const struct un_checkpoint_best *best);

#endif
