/* Reference files of the region detector: each stage with the file's own values of the stage before, and from the photo to the
 * end, in both profiles. Each comparison prints a line; the status says only whether the file could be read and the stages
 * run. */
#ifndef UN_TESTS_WHOLE_PARITY_DETECTOR_H
#define UN_TESTS_WHOLE_PARITY_DETECTOR_H

#include "model/detector/network.h"
#include "tests/whole/parity/compare.h"
#include "tests/whole/parity/detector_file.h"

struct detector_run {
    struct detector_file *file;
    struct card *card;
    enum un_detector_profile profile;
    const struct un_detector_how *how;
    struct un_detector_scale scale;
    struct un_device *device;
    struct un_detector *net;
    struct un_detector_room *room;
    const char *from;     /* opening word of a line: "stage" or "photo" */
    double map_tolerance; /* of maps that a pass goes through */
    bool replace;         /* each of them by the file's, so that the next stage starts from it */
};

/* All comparisons of a file; false: it is none of the detector. */
bool compare_detector(struct card *card, const char *path, const char *device, int threads, bool bf16);

/* `got` [shape of the data set] against data set `name`, as cells when `cells`. */
enum un_status compare_stage(struct detector_run *r, const char *name, const float *got, int64_t n,
                             bool cells, double tolerance);
/* Size and factor against the file's. */
enum un_status compare_scale(struct detector_run *r);
/* The input of `photo` into `input` [H,W,3]. */
enum un_status compare_input(struct detector_run *r, float *input, const struct un_photo *photo,
                             double tolerance);
/* What was proposed; what was chosen. box: pixels that boxes may be off, 0: relative. */
enum un_status compare_proposals(struct detector_run *r, const struct un_detector_proposals *got,
                                 double tolerance, double box);
enum un_status compare_regions(struct detector_run *r, const struct un_detector_regions *got,
                               const float *feature, double tolerance, double box);
/* Backbone, proposals' maps, pooling and head, each from the file's own values. */
enum un_status compare_network_alone(struct detector_run *r, double tolerance);
/* Everything from the photo's file on; input: how far the input may be off, box: pixels that boxes may be. */
enum un_status compare_whole(struct detector_run *r, double input, double tolerance, double box);
/* Proposals from the file's maps; regions from the file's logits. */
enum un_status compare_boxes_alone(struct detector_run *r, double tolerance);

#endif
