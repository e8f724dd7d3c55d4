#include "io/run/keys.h"
#include "runtime/config/keys.h"

static const struct un_key keys[] = {
    UN_KEY_INT(un_log_keys, every, "10", 1, 1e9, "steps",
               "a line in log/metrics.jsonl after so many updates"),
    UN_KEY_BOOL(un_log_keys, tensorboard, "true",
                "the same numbers, and the configuration as text, in event files for TensorBoard: "
                "log/events.out.tfevents.*"),
    UN_KEY_INT(un_log_keys, histograms, "0", 0, 1e9, "steps",
               "norms of gradients and parameters by layer after so many updates, with histograms over the "
               "tensors of a layer for TensorBoard; 0: never"),
};
const struct un_key_table un_log_key_table = UN_KEY_TABLE("log", un_log_keys, keys);
