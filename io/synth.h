/* The micro-world: made-up scenes with features, boxes, soft labels, captions and known word-region alignment.
 * See `uniter data synth --help` for the options. */
#ifndef UN_SYNTH_H
#define UN_SYNTH_H

#include "runtime/status.h"

struct un_synth_keys {
    char out[256];           /* folder */
    uint64_t seed;
    int64_t train_images, valid_images; /* scenes of each of the four data sets */
    int64_t texts;           /* captions an image (vg: twice as many phrases) */
    int64_t img_dim;         /* F */
    int64_t img_label_dim;   /* C >= number of classes of the micro-world + 1 */
    int64_t min_objects, max_objects; /* regions of a scene */
    double noise;            /* standard deviation of the feature noise, prototypes have unit variance */
    char vocab[256];         /* optional WordPiece vocabulary file to use instead of the micro-world's own */
};
/* Writes {coco,vg,cc,sbu}_{train,valid}.{img,txt}.h5 and vocab.txt into out. Refuses to overwrite. */
enum un_status un_synth(const struct un_synth_keys *keys);

#endif
