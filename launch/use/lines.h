/* Results as lines of JSON, an object a pair. */
#ifndef UN_LAUNCH_USE_LINES_H
#define UN_LAUNCH_USE_LINES_H

#include "launch/use/pairs.h"
#include <stdio.h>

/* The text in quotes; what is no UTF-8 becomes U+FFFD. */
void un_use_print_text(FILE *out, const char *text);
/* Opens the object of pair `index`: its text's id or the sentence, and its image's id. */
void un_use_print_pair(FILE *out, const struct un_use_pairs *pairs, int64_t index);
/* One more member, with nine significant digits: the number again when it is read. */
void un_use_print_number(FILE *out, const char *key, double value);

/* Results of `width` numbers a pair, printed as soon as all before them are there. */
struct un_use_lines {
    const struct un_use_pairs *pairs;
    FILE *out;
    /* Prints one whole line. */
    void (*print)(void *context, FILE *out, const struct un_use_pairs *pairs, int64_t index,
                  const float *result);
    void *context;
    int64_t width, next; /* next: the first pair that is not printed */
    float *result;       /* [pairs,width] */
    bool *there;         /* [pairs] */
};
/* The members up to context are set by the caller. Closed by the call below, also on failure. */
enum un_status un_use_lines_open(struct un_use_lines *lines);
void un_use_lines_close(struct un_use_lines *lines);
/* Where the numbers of pair `index` go, before un_use_lines_flush. UN_DATA: one is not finite. UN_IO: `out` cannot be
 * written. */
float *un_use_lines_put(struct un_use_lines *lines, int64_t index);
enum un_status un_use_lines_flush(struct un_use_lines *lines);

#endif
