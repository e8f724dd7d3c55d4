/* Keys of the log (section `log`). */
#ifndef UN_IO_RUN_KEYS_H
#define UN_IO_RUN_KEYS_H

#include "runtime/config/config.h"

struct un_log_keys {
    int64_t every;      /* steps */
    bool tensorboard;   /* event files, too */
    int64_t histograms; /* steps; 0: never */
};
extern const struct un_key_table un_log_key_table;

#endif
