/* The micro-world around real sentences: every scene shows what its captions name, so real language can be
 * trained on with the true region of every named word known.
 *
 * Captions of one image share a scene (own_scenes: every caption has its own). A scene's objects are those
 * that any of its captions names, with the attributes said of them, and some that none names (distractors:
 * objects of other scenes, so that they are as frequent as the named ones). The detector never errs here: a
 * region's most probable class is its object's. A word that names an object goes with every region that shows
 * it; after a plural or a number there are several objects, all right; a word without attributes goes with
 * all objects of its class in the scene. Everything is a pure function of the keys, the seed and the
 * captions, whatever the number of threads. */
#ifndef UN_IO_CONVERT_WORLD_WORLD_H
#define UN_IO_CONVERT_WORLD_WORLD_H

#include "runtime/config/config.h"

struct un_captions_keys {
    char out[256]; /* folder; not in the key table */
    char captions[256], classes[256], attributes[256], vocab[256];
    bool own_scenes;
    double valid;
    int64_t seed, img_dim, img_label_dim;
    int64_t most_alike, max_txt_len;
    int64_t min_distractors, max_distractors;
    double duplicates;
    int64_t min_background, max_background;
    double faint, noise;
    int64_t threads;
    bool quiet;
};
extern const struct un_key_table un_captions_key_table;

/* Writes captions_{train,valid}.{img,txt}.h5, vocab.txt and classes.txt into out, which is made if need be.
 * UN_USAGE naming the file if one of them exists. After any failure none of them is left. */
enum un_status un_captions(const struct un_captions_keys *keys);

#endif
