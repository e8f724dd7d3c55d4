/* Keys of when checkpoints are written and which ones stay (section `checkpoint`). */
#ifndef UN_IO_CHECKPOINT_KEYS_H
#define UN_IO_CHECKPOINT_KEYS_H

#include "runtime/config/config.h"

struct un_checkpoint_keys {
    int64_t every, keep, keep_every; /* steps, checkpoints, steps */
    int64_t timeout;                 /* seconds */
    bool best;
};
extern const struct un_key_table un_checkpoint_key_table;

#endif
