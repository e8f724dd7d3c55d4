#include "io/feed/keys.h"
#include "runtime/config/keys.h"

static const struct un_key keys[] = {
    UN_KEY_INT(un_loader_keys, threads, "1", 1, 256, "threads",
               "threads of a rank that read and pack micro-batches"),
    UN_KEY_INT(un_loader_keys, ahead, "2", 1, 4096, "micro-batches",
               "kept ready beyond those of the running step"),
    UN_KEY_INT(un_loader_keys, cache_mb, "0", 0, 1e8, "MiB",
               "host memory of a rank for rows of its training data, which are then read only once "
               "(data.cache); 0: none"),
};
const struct un_key_table un_loader_key_table = UN_KEY_TABLE("loader", un_loader_keys, keys);
