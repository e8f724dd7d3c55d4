/* Keys that the commands which use a network share. */
#ifndef UN_LAUNCH_USE_KEYS_H
#define UN_LAUNCH_USE_KEYS_H

#include "runtime/config/device_keys.h"

enum un_use_precision { UN_USE_AUTO, UN_USE_FP32, UN_USE_BF16 };
/* Where a rule of regions is not given, it is the run's own, else the released one. */
enum { UN_USE_NOT_GIVEN = -2 };

struct un_use_keys {
    int device; /* un_device_names */
    int precision;
    int64_t threads, tokens, num_attention_heads;
    struct un_strings text, images;
    char pairs[256], vocab[256];
    int letter_case;
    double conf_th;
    int64_t min_bb, max_bb, num_bb, max_txt_len;
};
extern const struct un_key_table un_use_key_table;

#endif
