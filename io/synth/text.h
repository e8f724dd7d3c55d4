/* Captions of the micro-world: templates about a scene in four styles, each word knowing which object it
 * speaks of.
 *
 * coco: full sentences. vg: phrases without articles. cc: alt text, attributes left out, hypernyms. sbu: the
 * noisiest: first person, filler, rare words that fall into word pieces, now and then a wrong colour. */
#ifndef UN_IO_SYNTH_TEXT_H
#define UN_IO_SYNTH_TEXT_H

#include "io/synth/world.h"
#include <stddef.h>

enum un_synth_set { UN_SYNTH_COCO, UN_SYNTH_VG, UN_SYNTH_CC, UN_SYNTH_SBU, UN_SYNTH_SETS };
extern const char *const un_synth_set_names[UN_SYNTH_SETS];

enum { UN_SYNTH_MAX_WORDS = 128, UN_SYNTH_MAX_WORD = 16 };

struct un_synth_said {
    char text[UN_SYNTH_MAX_WORD];
    int object; /* the object a noun, attribute or state word is about; -1: none, or a wrong word */
    bool pair;  /* it is about the object and its twin */
};
struct un_synth_caption {
    int n;
    struct un_synth_said word[UN_SYNTH_MAX_WORDS];
};
/* Caption number `number` of the scene, in the style of the scene's data set. scale: clauses in the mean,
 * >= 1. */
void un_synth_caption(struct un_synth_caption *caption, const struct un_synth_scene *scene, int number,
                      double scale);
/* Words joined by spaces, none before , . ! : returns the length; text may be NULL to measure. */
size_t un_synth_sentence(const struct un_synth_caption *caption, char *text);
/* Calls put for every whole word that captions may hold, the rare ones and regular plurals apart (they are
 * spelt in word pieces). A word may come several times. */
void un_synth_each_word(void (*put)(void *context, const char *word, size_t length), void *context);

#endif
