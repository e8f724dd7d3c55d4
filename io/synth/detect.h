/* The detector of the micro-world: regions with jittered boxes, confidences and look-alikes, sorted. */
#ifndef UN_IO_SYNTH_DETECT_H
#define UN_IO_SYNTH_DETECT_H

#include "io/synth/world.h"

/* Fills scene->region from scene->object. */
void un_synth_detect(struct un_synth_scene *scene, const struct un_synth_law *law);
/* Instead, what an annotator reports: the things from left to right, people first, then ground and backdrop; exact
 * boxes, confidence 1. */
void un_synth_annotate(struct un_synth_scene *scene);

#endif
