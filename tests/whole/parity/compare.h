/* Comparisons of the parity program: one line a quantity, with the worst error, its tolerance and where it
 * is. A value that is not a number is an infinite error. */
#ifndef UN_TESTS_WHOLE_PARITY_COMPARE_H
#define UN_TESTS_WHOLE_PARITY_COMPARE_H

#include <stdbool.h>
#include <stdint.h>

struct card {
    const char *file, *task;     /* opening words of each line */
    int passed, failed, skipped; /* skipped: files */
};

/* One line; failed unless error <= tolerance. */
void card_line(struct card *card, const char *what, double error, double tolerance, const char *where, ...)
    __attribute__((format(printf, 5, 6)));
/* A quantity that could not be compared at all. */
void card_missing(struct card *card, const char *what, const char *why);
/* |got - want| relative to the largest |want|; cols: for the place of the worst element. */
void compare_largest(struct card *card, const char *what, const float *got, const float *want, int64_t n,
                     int64_t cols, double tolerance);
/* Each `want` may lie between got and or_got (the same array: it is got); the distance from there / |want|. */
void compare_between(struct card *card, const char *what, const double *got, const double *or_got,
                     const float *want, int64_t n, double tolerance);

double l2_norm(const float *x, int64_t n);
/* Position of the largest |a - b|. */
int64_t worst_at(const float *a, const float *b, int64_t n);

#endif
