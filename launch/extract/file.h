/* A file of tensors as the region detector sees it. */
#ifndef UN_LAUNCH_EXTRACT_FILE_H
#define UN_LAUNCH_EXTRACT_FILE_H

#include "io/weights/view.h"
#include "model/detector/sizes.h"

/* Borrows the view, which outlives it. */
struct un_detector_file un_extract_file(struct un_weights_view *view);

#endif
