/* Keys of the loader (section `loader`). */
#ifndef UN_IO_FEED_KEYS_H
#define UN_IO_FEED_KEYS_H

#include "runtime/config/config.h"

struct un_loader_keys {
    int64_t threads, ahead, cache_mb;
};
extern const struct un_key_table un_loader_key_table;

#endif
