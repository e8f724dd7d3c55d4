/* Pairs that the caller names one by one, as a text file of their own: text i has the words of pair i and names its
 * image, so that pairs go the way of every other sample. The file stands in a temporary folder. */
#ifndef UN_LAUNCH_USE_GIVEN_H
#define UN_LAUNCH_USE_GIVEN_H

#include "io/disk/files.h"
#include "launch/use/keys.h"

#define UN_USE_PAIR_ID "pair " /* and its number from 1: the ids of the texts */
struct un_use_pair {
    const char *image_id, *text; /* text: an id of `text`, or a sentence; borrowed */
};
struct un_use_given {
    struct un_use_pair *pair; /* [n] */
    int64_t n;                /* 0: none are named, all texts of `text` are meant */
    bool sentences;           /* not ids */
    char folder[UN_PATH_MAX], path[UN_PATH_MAX];
    char *lines; /* of keys->pairs */
};

/* names [n]: image, text, image, text, ... UN_USAGE, UN_DATA with the number of the pair. Closed by the call below, also on
 * failure; it removes the file. */
enum un_status un_use_given_open(struct un_use_given *given, const struct un_use_keys *keys,
                                 const char *const *names, int n);
void un_use_given_close(struct un_use_given *given);

#endif
