/* `uniter data inspect` and `uniter data verify`: one file of either kind, for people and for scripts. */
#ifndef UN_IO_INSPECT_INSPECT_H
#define UN_IO_INSPECT_INSPECT_H

#include "io/run/progress.h"
#include "runtime/status.h"
#include <stdio.h>

/* Counts, histograms of lengths and regions, ranges of values, a few captions. */
enum un_status un_inspect(const char *path, FILE *out);
/* Every rule of the schema, every row finite, boxes inside [0,1], offsets monotone, soft labels sum to 1,
 * alignment in range, what a task asks of its texts. Prints the number of rows checked; the first break is the error (UN_DATA with row).
 * Bytes that are checked, about those of the file, are added to progress; NULL: nobody is told. */
enum un_status un_verify(const char *path, FILE *out, struct un_progress *progress);

/* The digest beside a file: FILE.xxh3, the line "xxh3-128 HEX  BYTES  NAME". Compares one that is there
 * (*there): a file of another length or digest is UN_DATA, and so is a line that is none. To be done before
 * the file is parsed. Its bytes are added to progress, too. */
enum un_status un_verify_digest_compare(const char *path, FILE *out, bool *there,
                                        struct un_progress *progress);
/* Writes it; a folder that cannot be written to is a warning. */
enum un_status un_verify_digest_write(const char *path, FILE *out, struct un_progress *progress);

struct un_inspect_pairs {
    const char *images;       /* feature file */
    const char *classes;      /* a name a line, with the background or without it; NULL: numbers */
    int64_t samples, regions; /* texts shown, regions shown of each image */
};
/* Some texts of a text file, spread evenly, each with the first regions of its image: confidence, box,
 * likeliest class, and the words known to speak of it. */
enum un_status un_inspect_pairs(const char *path, const struct un_inspect_pairs *how, FILE *out);

#endif
