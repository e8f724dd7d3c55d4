/* Keys of `uniter data extract`, and what they come to. */
#ifndef UN_LAUNCH_EXTRACT_KEYS_H
#define UN_LAUNCH_EXTRACT_KEYS_H

#include "model/detector/keys.h"
#include "runtime/config/config.h"
#include "runtime/tensor.h"

enum un_extract_precision { UN_EXTRACT_AUTO, UN_EXTRACT_FP32, UN_EXTRACT_BF16 };

struct un_extract_keys {
    int profile; /* enum un_detector_profile */
    char weights[256];
    int64_t shorter, longest, pre_nms, post_nms, min_bb, max_bb; /* 0: the profile's */
    double rpn_nms, min_side, conf_th;                           /* below 0: the profile's */
    struct un_strings final_nms;                                 /* none: the profile's */
    bool orient, tf32;
    int precision;                                  /* enum un_extract_precision */
    char boxes[256], classes[256], attributes[256]; /* "": none */
    int device;                                     /* of un_extract_devices */
    int64_t threads, decoders;
    bool json, bench, restart, quiet;
};
extern const struct un_key_table un_extract_key_table;
extern const char *const un_extract_devices[];

/* Type of the factors of the network's products. */
enum un_type un_extract_factor(const struct un_extract_keys *keys);

/* The profile's, with what the keys say otherwise. UN_USAGE names the key. */
enum un_status un_extract_how(struct un_detector_how *how, const struct un_extract_keys *keys);

#endif
