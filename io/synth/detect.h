/* The detector of the micro-world: regions with jittered boxes, confidences and look-alikes, sorted. */
#ifndef UN_IO_SYNTH_DETECT_H
#define UN_IO_SYNTH_DETECT_H

#include "io/synth/world.h"

/* Fills scene->region from scene->object. */
void un_synth_detect(struct un_synth_scene *scene, const struct un_synth_law *law);

#endif
