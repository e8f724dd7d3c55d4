/* What came of a start: of each loss and each number of validation the first, the last and the best value. */
#ifndef UN_IO_RUN_SUMMARY_H
#define UN_IO_RUN_SUMMARY_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum { UN_SUMMARY_ROWS = 64, UN_SUMMARY_KEY = 64 };
struct un_summary_row {
    char key[UN_SUMMARY_KEY];
    double first, last, best;
    int64_t best_step;
};
struct un_summary {
    struct un_summary_row row[UN_SUMMARY_ROWS];
    int n;
};
/* Left out: other keys than loss, loss/.. and valid/.., parts of an objective by data set (loss/mlm_coco beside loss/mlm),
 * distances of the transport, and what comes behind the 64th. Of losses the lowest value is the best, of others the highest. */
void un_summary_note(struct un_summary *s, int64_t step, const char *key, double value);
/* A table; nothing where nothing was noted. */
void un_summary_print(const struct un_summary *s, FILE *out);

#endif
