/* Which images of a rank's part have their features in a store on the device, and where: the store is rows,
 * and io knows no more of it.
 *
 * Law: places follow from the data sets, the lanes and the size alone. An image becomes resident once, for
 * good: the consumer of micro-batches says so (un_resident_add) after the work that puts its rows there is
 * queued, and a packer that sees it later leaves the rows out. Micro-batches are consumed in order, so
 * whatever is packed after that finds them there. */
#ifndef UN_IO_FEED_RESIDENT_H
#define UN_IO_FEED_RESIDENT_H

#include "io/data/dataset.h"

struct un_resident;

/* Rows that all images of lanes [begin, end) of the data sets need, those that are second ones of their texts too. */
int64_t un_resident_need(struct un_dataset *const *datasets, int64_t n, int64_t lane_begin, int64_t lane_end);
/* Images get places in order, as long as `rows` rows last; the others are guests (io/pack). */
enum un_status un_resident_open(struct un_resident **resident, struct un_dataset *const *datasets, int64_t n,
                                int64_t lane_begin, int64_t lane_end, int64_t rows);
void un_resident_close(struct un_resident *resident);
/* Host memory of it, for so many images; data sets with second images take four bytes more for each of their
 * images. */
size_t un_resident_bytes(int64_t images);

/* The number of an image that has a place, else -1. */
int32_t un_resident_find(const struct un_resident *resident, int dataset, int64_t image);
/* Its first row. */
int32_t un_resident_row(const struct un_resident *resident, int32_t place);
bool un_resident_has(const struct un_resident *resident, int32_t place);
void un_resident_add(struct un_resident *resident, int32_t place);
/* Rows that have an owner: guests come behind them. */
int64_t un_resident_rows(const struct un_resident *resident);

struct un_resident_counts {
    int64_t images, placed, there; /* of the part; with a place; resident by now */
};
struct un_resident_counts un_resident_counts(const struct un_resident *resident);

#endif
