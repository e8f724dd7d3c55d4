/* Counts in equal bins, drawn as bars of a terminal's block characters. */
#ifndef UN_IO_INSPECT_HISTOGRAM_H
#define UN_IO_INSPECT_HISTOGRAM_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum { UN_HISTOGRAM_BINS = 12 };

struct un_histogram {
    double low, high, width; /* bin b holds [low + b * width, low + (b + 1) * width) */
    int bins;
    bool whole; /* of whole numbers: bins are labelled by their first and last one */
    int64_t count[UN_HISTOGRAM_BINS];
};

/* Bins over [low, high], the last one closed. */
struct un_histogram un_histogram_real(double low, double high);
/* Bins of equally many whole numbers over low..high. */
struct un_histogram un_histogram_whole(int64_t low, int64_t high);
/* Values outside fall into the first or the last bin. */
void un_histogram_add(struct un_histogram *h, double value);
void un_histogram_print(const struct un_histogram *h, FILE *out);

#endif
