/* Photos decoded and resized ahead of the network by threads of their own, handed out in order. */
#ifndef UN_LAUNCH_EXTRACT_AHEAD_H
#define UN_LAUNCH_EXTRACT_AHEAD_H

#include "io/convert/pixels/pixels.h"
#include "launch/extract/list.h"
#include "model/detector/photo.h"

struct un_extract_ahead;

/* All borrowed until the end. */
struct un_extract_ahead_setup {
    const struct un_extract_photo *photos;
    const int64_t *take; /* [n] numbers of the photos, in order */
    int64_t n;
    const struct un_detector_how *how;
    bool orient;
    int threads;
    int64_t most; /* pixels of an input, see un_extract_pixels */
};
/* The largest input that can come. */
int64_t un_extract_pixels(const struct un_detector_how *how);

/* One photo that is ready, or the reason why it cannot be. */
struct un_extract_ready {
    int64_t photo;
    struct un_error error; /* status UN_OK: the rest holds */
    struct un_detector_scale scale;
    float *input; /* [H,W,3] */
};
enum un_status un_extract_ahead_open(struct un_extract_ahead **ahead,
                                     const struct un_extract_ahead_setup *setup);
/* Waits for the next photo; NULL after the last. Valid until the next call. */
const struct un_extract_ready *un_extract_ahead_next(struct un_extract_ahead *ahead);
/* Waits for photos in work only. NULL allowed. */
void un_extract_ahead_close(struct un_extract_ahead *ahead);

#endif
