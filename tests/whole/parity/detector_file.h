/* Reads a reference file of the region detector: a photo, and every stage of both profiles. The form of the file is described
 * beside it, in ../shared/reference/detector/README.md. */
#ifndef UN_TESTS_WHOLE_PARITY_DETECTOR_FILE_H
#define UN_TESTS_WHOLE_PARITY_DETECTOR_FILE_H

#include "io/weights/view.h"
#include "model/detector/boxes.h"

#include <hdf5.h>

enum { STAGE_RANK = 4 };

struct detector_file {
    hid_t id;
    char photo_path[512];            /* the photo the file was made from */
    struct un_weights_view weights;  /* of the safetensors file beside it */
    struct un_detector_file tensors; /* a view of weights */
    struct un_detector_sizes sizes;  /* of weights; pool as the file says */
    struct un_photo photo;           /* owned here */
    uint8_t *bgr;
    struct un_detector_how how[UN_DETECTOR_PROFILES];
    double factor; /* of caffe */
};
/* A data set of a profile as floats; planes [C,h,w] are turned into [h*w,C]. */
struct stage {
    float *value;
    int64_t shape[STAGE_RANK], n;
    int rank;
};

/* Is it such a file? */
bool detector_file_is(const char *path);
/* UN_DATA: the weights' sizes are not those that the file says. Freed by detector_file_close, also on failure. */
enum un_status detector_file_open(struct detector_file *file, const char *path);
void detector_file_close(struct detector_file *file);

extern const char *const detector_profiles[UN_DETECTOR_PROFILES]; /* names of the groups */
enum un_status stage_read(struct stage *stage, struct detector_file *file, enum un_detector_profile profile,
                          const char *name);
/* Planes of stage into cells: what has one image [C,h,w] becomes [h*w,C], several [n,C,h,w] [n*h*w,C]. */
enum un_status stage_cells(struct stage *stage);
void stage_free(struct stage *stage);

#endif
