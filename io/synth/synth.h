/* The micro-world: made-up scenes with features, boxes, soft labels, captions and known word-region
 * alignment, in the project's file formats. Four data sets that differ in the style of their texts. Every
 * image, text and feature is a pure function of (seed, data set, split, its number and the keys of its law),
 * so that the same keys make the same datasets, bit for bit, whatever else is made along with them. `uniter
 * data synth --help` lists the keys. */
#ifndef UN_IO_SYNTH_SYNTH_H
#define UN_IO_SYNTH_SYNTH_H

#include "runtime/config/config.h"

struct un_synth_keys {
    char out[256]; /* folder; not in the key table: it is the command's argument */
    int64_t seed;
    int64_t train_images, valid_images;     /* scenes of each data set */
    int64_t texts;                          /* captions an image; vg: twice as many */
    double caption_scale;                   /* clauses a caption in the mean */
    int64_t img_dim;                        /* F */
    int64_t img_label_dim;                  /* C, at least UN_SYNTH_CLASSES */
    int64_t min_objects, max_objects;       /* things in a scene, beside ground and backdrop */
    double duplicates;                      /* probability that an object is detected twice */
    int64_t min_background, max_background; /* regions that show no object */
    double faint;                           /* share of these with confidence under 0.2 */
    double noise;        /* standard deviation of the feature noise; prototypes have unit variance */
    char sets[256];      /* names of the data sets to make, separated by commas */
    char vocab[256];     /* WordPiece file to use instead of the micro-world's own vocabulary; "": none */
    int64_t vocab_size;  /* fill the own vocabulary up to this size; 0: as it is */
    char tasks[256];     /* names of the tasks to make too, separated by commas; "all"; "": none */
    int64_t test_images; /* of retrieval's test split, a text each */
};
extern const struct un_key_table un_synth_key_table;

/* Writes <set>_{train,valid}.{img,txt}.h5, <task>_{train,valid}.{img,txt}.h5 (vcr_gt_*.img.h5 beside vcr_*;
 * retrieval_test.* too), vocab.txt and classes.txt (line = class id, 0 the background) into
 * out, which is made if need be. UN_USAGE naming the file if one of them exists. After any failure none of
 * them is left. */
enum un_status un_synth(const struct un_synth_keys *keys);

#endif
