/* How the detector's memory is laid out; for network.c. */
#ifndef UN_MODEL_DETECTOR_MEMORY_PRIVATE_H
#define UN_MODEL_DETECTOR_MEMORY_PRIVATE_H

#include "model/detector/private.h"

struct un_detector_grain un_detector_grain_of(const struct un_device *device);
/* Everything that follows from sizes and limits, but memory. */
void un_detector_setup(struct un_detector *d, struct un_device *device, const struct un_detector_sizes *sizes,
                       const struct un_detector_limits *limits);
/* Weights and work in the block on the device; out in the one on the host. */
void un_detector_carve(struct un_detector *d, struct un_arena *arena);
void un_detector_carve_host(struct un_detector *d, struct un_arena *arena);
struct un_limits un_detector_queue_limits(struct un_detector *d);

#endif
