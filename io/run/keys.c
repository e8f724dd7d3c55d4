#include "io/run/keys.h"
#include "runtime/config/keys.h"

static const struct un_key keys[] = {
    UN_KEY_INT(un_log_keys, every, "10", 1, 1e9, "steps",
               "a line in log/metrics.jsonl after so many updates"),
};
const struct un_key_table un_log_key_table = UN_KEY_TABLE("log", un_log_keys, keys);
