/* Boxes that stand in place of proposals: of a TSV (image_id TAB x1 TAB y1 TAB x2 TAB y2, pixels of the upright photo), or those of a
 * feature file (*.img.h5). Their order within an image is kept. */
#ifndef UN_LAUNCH_EXTRACT_GIVEN_H
#define UN_LAUNCH_EXTRACT_GIVEN_H

#include "io/data/file.h"
#include "io/disk/ids.h"

struct un_extract_given {
    char *path;
    int64_t n, most;  /* images; boxes of the image that has the most */
    const char **ids; /* [n] */
    int64_t *first;   /* [n + 1] boxes before each image; NULL: of `file` */
    float *box;       /* [boxes,4], of a TSV */
    struct un_idmap map;
    struct un_image_file file; /* of a feature file */
};
/* UN_DATA names file and line. Freed by the call below, also on failure. */
enum un_status un_extract_given_open(struct un_extract_given *given, const char *path);
void un_extract_given_close(struct un_extract_given *given);
/* Boxes of an image; 0: it has none. */
int64_t un_extract_given_count(const struct un_extract_given *given, const char *id);
/* box [given->most,4] in pixels of a photo of this size, cut to it. UN_DATA: none for this image; one that is reversed or outside
 * of the photo. Any thread. */
enum un_status un_extract_given_boxes(const struct un_extract_given *given, const char *id, int64_t width,
                                      int64_t height, float *box, int64_t *count);

#endif
