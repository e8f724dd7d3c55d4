/* Cells of the maps, and multiplications and additions, counted from the shapes alone. */
#ifndef UN_MODEL_DETECTOR_COUNT_H
#define UN_MODEL_DETECTOR_COUNT_H

#include "model/detector/sizes.h"

/* Maps of a photo, in the order in which they come. */
enum un_detector_step {
    UN_DETECTOR_AT_INPUT,
    UN_DETECTOR_AT_STEM, /* after the first convolution, before its pool */
    UN_DETECTOR_AT_RES2, /* after the pool; stride 1 leaves the size */
    UN_DETECTOR_AT_RES3,
    UN_DETECTOR_AT_RES4,
    UN_DETECTOR_STEPS
};
struct un_detector_cells {
    int64_t height[UN_DETECTOR_STEPS], width[UN_DETECTOR_STEPS];
};
/* All zero after a step in which the window does not fit: sides below UN_DETECTOR_SIDE_LEAST. */
struct un_detector_cells un_detector_cells(int64_t height, int64_t width);
enum { UN_DETECTOR_SIDE_LEAST = 3 }; /* the first pool needs a cell beside another */

/* Cells of a step. */
static inline int64_t un_detector_cells_at(const struct un_detector_cells *cells, int step) {
    return cells->height[step] * cells->width[step];
}
/* most[step]: cells of that step at most, of any input of height x width <= pixels. */
void un_detector_cells_most(int64_t most[UN_DETECTOR_STEPS], int64_t pixels);

/* Parts of a photo's work. */
enum un_detector_part {
    UN_DETECTOR_PART_STEM,
    UN_DETECTOR_PART_RES2,
    UN_DETECTOR_PART_RES3,
    UN_DETECTOR_PART_RES4,
    UN_DETECTOR_PART_RPN,
    UN_DETECTOR_PART_RES5,
    UN_DETECTOR_PART_CLASSIFIERS,
    UN_DETECTOR_PARTS
};
/* Two for each multiply-add of a product; nothing else is counted. */
void un_detector_part_flops(double flops[UN_DETECTOR_PARTS], const struct un_detector_sizes *sizes,
                            int64_t height, int64_t width, int64_t regions);

#endif
