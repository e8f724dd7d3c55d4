/* A text and an image as a trained network sees them, as a picture or as JSON. Plain numbers and names; what computed them is
 * not known here. All pointers are borrowed. */
#ifndef UN_IO_PICTURE_PICTURE_H
#define UN_IO_PICTURE_PICTURE_H

#include "io/disk/text.h"

enum { UN_PICTURE_GUESSES = 10 };

struct un_picture_guess {
    const char *name; /* "": not known */
    int64_t id;
    double probability;
};
/* A word or a region, and what the network takes it for when it is masked. */
struct un_picture_unit {
    const char *name; /* piece of the vocabulary, class of the region; "": not known */
    int64_t id;       /* of the piece, of the class; -1: not known */
    bool shown;       /* words: it has a picture of its own */
    double truth;     /* probability of `id` when masked; only with guesses and id >= 0 */
    struct un_picture_guess guess[UN_PICTURE_GUESSES]; /* the most probable first */
    int64_t guesses;                                   /* 0: it was not masked */
};
/* A plan of transport: mass [words,regions], sums of rows 1/words, of columns 1/regions. */
struct un_picture_plan {
    const char *solver;
    const double *mass;
    double distance;                /* sum of cost * mass */
    double row_error, column_error; /* largest relative error of the sums */
    int64_t entries;                /* above a thousandth of an even share */
};
/* Probabilities [tokens,tokens] of a head of attention, words before regions: from row to column. */
struct un_picture_head {
    int64_t layer, head; /* from 0 */
    const float *probability;
    const char *pattern; /* a name for it */
    double special, near,
        inside; /* what the name goes by: mass on [CLS] and [SEP]; on itself and its neighbours; words on
                                     words and regions on regions, halves of each (0.5 when even) */
};
struct un_picture {
    const char *weights, *text_id, *image_id;
    int64_t words, regions; /* words with [CLS] and [SEP] */
    const struct un_picture_unit *word, *region;
    const float *box; /* [regions,box_width]: left, top, right, bottom as parts of the image */
    int64_t box_width;
    const uint8_t *bgr; /* the photo [height,width,3]; NULL: none */
    int64_t width, height;
    double match;      /* probability that text and image belong together */
    const float *cost; /* [words,regions] */
    struct un_picture_plan solver, exact;
    double bound; /* no plan is shorter */
    const struct un_picture_head *head;
    int64_t heads;
    double attention_error; /* largest |sum of a row of probabilities - 1| */
};

/* By the end of the path: .svg, .png, .pdf or .json; at once. UN_USAGE: another end, or more than a picture can hold. */
enum un_status un_picture_write(const struct un_picture *picture, const char *path);
/* UN_USAGE: an end that un_picture_write does not know. */
enum un_status un_picture_check_path(const char *path);
/* The same numbers as one object of JSON. */
void un_picture_json(struct un_text_out *out, const struct un_picture *picture);
/* Column of the largest mass of a word; the first of equals. */
int64_t un_picture_best(const struct un_picture *picture, const struct un_picture_plan *plan, int64_t word);
/* The words as a line, pieces ("##s") joined, without [CLS] and [SEP]. */
void un_picture_sentence(struct un_text_out *out, const struct un_picture *picture);

#endif
