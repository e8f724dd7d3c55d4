/* Keys (keys.h). */
#include "launch/extract/keys.h"
#include "runtime/config/keys.h"

#include <stdlib.h>

const char *const un_extract_devices[] = {"auto", "cpu", "cuda", NULL};
static const char *const profiles[] = {"caffe", "port", NULL};
static const char *const precisions[] = {"auto", "fp32", "bf16", NULL};

static const struct un_key keys[] = {
    UN_KEY_PATH(un_extract_keys, weights, UN_REQUIRED, "",
                "the detector: safetensors with the names of the public PyTorch copies, or the original's "
                ".caffemodel; "
                "with --bench also random"),
    UN_KEY_CHOICE(un_extract_keys, profile, "caffe", profiles,
                  "caffe: as UNITER's authors ran it; port: as the PyTorch copies for LXMERT do"),
    UN_KEY_INT_NAMED("short", un_extract_keys, shorter, "0", 0, 8192, "pixels",
                     "shorter side of what the network sees; 0 here and below: the profile's"),
    UN_KEY_INT_NAMED("long", un_extract_keys, longest, "0", 0, 8192, "pixels", "longest side it may have"),
    UN_KEY_INT(un_extract_keys, pre_nms, "0", 0, 1e6, "proposals", "best ones that go into suppression"),
    UN_KEY_INT(un_extract_keys, post_nms, "0", 0, 65536, "proposals", "best ones that the head judges"),
    UN_KEY_FLOAT(un_extract_keys, rpn_nms, "-1", -1, 1, "",
                 "overlap at which a worse proposal goes; -1 here and below: the profile's"),
    UN_KEY_FLOAT(un_extract_keys, min_side, "-1", -1, 8192, "pixels",
                 "least side of a proposal: of the photo (caffe), of what the network sees (port)"),
    UN_KEY_STRINGS(un_extract_keys, final_nms, "[]",
                   "overlap at which a worse region goes; port: a rising list, the first that leaves min_bb; "
                   "none: the profile's"),
    UN_KEY_FLOAT(un_extract_keys, conf_th, "-1", -1, 1, "",
                 "confidence that counts between min_bb and max_bb (caffe)"),
    UN_KEY_INT(un_extract_keys, min_bb, "0", 0, 65536, "regions",
               "of a photo, at least, where so many are left"),
    UN_KEY_INT(un_extract_keys, max_bb, "0", 0, 65536, "regions", "of a photo, at most"),
    UN_KEY_BOOL(un_extract_keys, orient, "true", "photos are turned upright by their EXIF orientation"),
    UN_KEY_PATH(
        un_extract_keys, boxes, "", "",
        "boxes in place of proposals, all kept in their order: lines image_id x1 y1 x2 y2 with TABs between, "
        "pixels; or a feature file, *.h5"),
    UN_KEY_PATH(un_extract_keys, classes, "", "", "names of the classes for --json, one a line"),
    UN_KEY_PATH(un_extract_keys, attributes, "", "", "names of the attributes for --json, one a line"),
    UN_KEY_CHOICE(un_extract_keys, device, "auto", un_extract_devices, "auto: a card where one answers"),
    UN_KEY_CHOICE(
        un_extract_keys, precision, "auto", precisions,
        "auto: fp32, also on a card; bf16: weights and maps are rounded to 8 bits in products, features "
        "differ by about 1e-2 of the largest, and some regions"),
    UN_KEY_BOOL(un_extract_keys, tf32, "false",
                "products of a card round to 11 bits: features differ by about 1e-3, and some regions"),
    UN_KEY_INT(un_extract_keys, threads, "0", 0, 1024, "threads",
               "of the network on the CPU; 0: as many as the process may use"),
    UN_KEY_INT(un_extract_keys, decoders, "0", 0, 256, "threads",
               "that decode photos ahead of the network; 0: 1, beside a card 4"),
    UN_KEY_BOOL(un_extract_keys, json, "false",
                "a line of JSON a photo on standard output: its regions, classes and attributes; OUT may be "
                "left out"),
    UN_KEY_BOOL(un_extract_keys, bench, "false",
                "times a photo (the first that is named, else a made one of 600 x 1000 with 300 regions), "
                "writes nothing"),
    UN_KEY_BOOL(un_extract_keys, restart, "false",
                "what an unfinished extraction of OUT has left is thrown away"),
    UN_KEY_BOOL(un_extract_keys, quiet, "false", "neither progress nor summary"),
};
const struct un_key_table un_extract_key_table = UN_KEY_TABLE("", un_extract_keys, keys);

static enum un_status read_thresholds(struct un_detector_how *how, const struct un_strings *words) {
    if (words->n > UN_DETECTOR_NMS_MAX)
        return un_fail(UN_USAGE, "final_nms: %lld thresholds are more than %d", (long long)words->n,
                       UN_DETECTOR_NMS_MAX);
    for (int64_t i = 0; i < words->n; ++i) {
        char *end;
        double value = strtod(words->list[i], &end);
        if (end == words->list[i] || *end != '\0' || !(value > 0 && value <= 1))
            return un_fail(UN_USAGE, "final_nms: %s is not a number above 0, at most 1", words->list[i]);
        if (i > 0 && value <= how->final_nms[i - 1])
            return un_fail(UN_USAGE, "final_nms: %s does not lie above the one before it", words->list[i]);
        how->final_nms[i] = value;
    }
    if (words->n > 0) how->n_final_nms = words->n;
    return UN_OK;
}

enum un_type un_extract_factor(const struct un_extract_keys *k) {
    return k->precision == UN_EXTRACT_BF16 ? UN_BF16 : UN_F32;
}

enum un_status un_extract_how(struct un_detector_how *how, const struct un_extract_keys *k) {
    un_detector_profile(how, (enum un_detector_profile)k->profile);
    UN_TRY(read_thresholds(how, &k->final_nms));
    if (k->shorter > 0) how->shorter = k->shorter;
    if (k->longest > 0) how->longest = k->longest;
    if (k->pre_nms > 0) how->pre_nms = k->pre_nms;
    if (k->post_nms > 0) how->post_nms = k->post_nms;
    if (k->rpn_nms >= 0) how->rpn_nms = k->rpn_nms;
    if (k->min_side >= 0) how->min_side = k->min_side;
    if (k->conf_th >= 0) how->conf_th = k->conf_th;
    if (k->max_bb > 0) how->max_bb = k->max_bb;
    if (k->min_bb > 0) how->min_bb = k->min_bb;
    /* only one of the two given: the other follows it */
    if (k->max_bb > 0 && k->min_bb == 0 && how->min_bb > how->max_bb) how->min_bb = how->max_bb;
    if (k->min_bb > 0 && k->max_bb == 0 && how->max_bb < how->min_bb) how->max_bb = how->min_bb;
    if (how->min_bb > how->max_bb)
        return un_fail(UN_USAGE, "min_bb: %lld is more than max_bb, %lld", (long long)how->min_bb,
                       (long long)how->max_bb);
    if (how->profile == UN_DETECTOR_CAFFE && how->n_final_nms != 1)
        return un_fail(UN_USAGE, "final_nms: %lld thresholds; profile=caffe takes one",
                       (long long)how->n_final_nms);
    if (how->post_nms > how->pre_nms)
        return un_fail(UN_USAGE, "post_nms: %lld is more than pre_nms, %lld", (long long)how->post_nms,
                       (long long)how->pre_nms);
    if (k->tf32 && k->precision == UN_EXTRACT_BF16)
        return un_fail(UN_USAGE, "tf32: with precision=bf16 no product is left that it would round");
    if (how->rpn_nms <= 0) return un_fail(UN_USAGE, "rpn_nms: %g is not above 0", how->rpn_nms);
    if (how->longest < how->shorter)
        return un_fail(UN_USAGE, "long: %lld is less than short, %lld", (long long)how->longest,
                       (long long)how->shorter);
    return UN_OK;
}
