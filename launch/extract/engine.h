/* The detector at work on one photo after the other: device, network, choice of regions. */
#ifndef UN_LAUNCH_EXTRACT_ENGINE_H
#define UN_LAUNCH_EXTRACT_ENGINE_H

#include "launch/extract/ahead.h"
#include "launch/extract/given.h"
#include "launch/extract/parts.h"
#include "model/detector/boxes.h"
#include "model/detector/network.h"

/* What takes the time of a photo. */
enum un_extract_stage {
    UN_EXTRACT_BACKBONE, /* and the proposals' head */
    UN_EXTRACT_PROPOSALS,
    UN_EXTRACT_REGIONS,
    UN_EXTRACT_CHOICE,
    UN_EXTRACT_STAGES
};

struct un_extract_engine {
    struct un_device *device;
    struct un_detector *detector;
    struct un_detector_room *room;
    struct un_detector_sizes sizes;
    struct un_detector_how how;
    float *box;     /* [most regions,4] given boxes in pixels of the input */
    float *feature; /* [most regions,F] in the order of the file */
    double seconds[UN_EXTRACT_STAGES];
};
struct un_extract_engine_setup {
    const char *device; /* of un_device_open */
    int threads, ordinal;
    bool tf32;
    enum un_type factor; /* of the network's products: network.h */
    int64_t regions;     /* of a photo, at most, before the choice */
    struct un_detector_how how;
};
/* Closed by the call below, also on failure. */
enum un_status un_extract_engine_open(struct un_extract_engine *engine, const struct un_detector_file *file,
                                      const struct un_extract_engine_setup *setup);
void un_extract_engine_close(struct un_extract_engine *engine);

/* The regions of a photo that is ready; given NULL: its own proposals. The result lives until the next call; its index is not set.
 * UN_DATA: this photo has none. */
enum un_status un_extract_engine_run(struct un_extract_engine *engine, const struct un_extract_ready *ready,
                                     const struct un_extract_given *given, const char *id,
                                     struct un_extract_result *result);

#endif
