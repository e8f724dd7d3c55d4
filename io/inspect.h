/* `uniter data inspect` and `uniter data verify`: one file of either kind, for people and for scripts. */
#ifndef UN_INSPECT_H
#define UN_INSPECT_H

#include "runtime/status.h"
#include <stdio.h>

/* Counts, histograms of lengths and regions, ranges of values, a few captions. */
enum un_status un_inspect(const char *path, FILE *out);
/* Every rule of the schema, every row finite, boxes inside [0,1], offsets monotone, soft labels sum to 1,
 * alignment in range. Prints the number of rows checked; the first break is the error (UN_DATA with row). */
enum un_status un_verify(const char *path, FILE *out);

#endif
