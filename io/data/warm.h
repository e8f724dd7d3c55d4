/* A rank's rows of its data sets, read once in the order of the files and thrown away: one sequential pass leaves them in the
 * system's memory, where the random order of the first epoch finds them. Nobody's values come from here, so what cannot be read
 * is passed over: whoever needs the row says what is wrong with it.
 *
 * Read are features, boxes, soft labels where an objective needs them, words and alignments, in each file from the first row of
 * the part to the last. Columns that only HDF5 can read (in chunks, of another type) are left out, and counted. */
#ifndef UN_IO_DATA_WARM_H
#define UN_IO_DATA_WARM_H

#include "io/data/dataset.h"

struct un_warm;

/* soft [n]: with soft labels? The data sets are borrowed, with the part of the index that they hold; lanes [lane_begin, lane_end)
 * are inside it. */
enum un_status un_warm_open(struct un_warm **warm, struct un_dataset *const *datasets, int64_t n,
                            const bool *soft, int64_t lane_begin, int64_t lane_end);
void un_warm_close(struct un_warm *warm);
/* Bytes of the whole pass. */
int64_t un_warm_bytes(const struct un_warm *warm);
/* Columns that are left out. */
int64_t un_warm_left_out(const struct un_warm *warm);
/* Reads the next piece, at most a few MiB; the bytes by which the pass is nearer to its end, 0: it is over. Takes no memory. */
int64_t un_warm_next(struct un_warm *warm);

#endif
