/* See compare.h. */
#include "tests/whole/parity/compare.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>

void card_line(struct card *card, const char *what, double error, double tolerance, const char *where, ...) {
    char place[120];
    bool ok = error <= tolerance; /* false for NaN */
    va_list args;
    va_start(args, where);
    vsnprintf(place, sizeof place, where, args);
    va_end(args);
    printf("%-6s %s %-5s %s: worst %.3g, tolerance %.3g, at %s\n", ok ? "ok" : "FAILED", card->file,
           card->task, what, error, tolerance, place);
    card->passed += ok;
    card->failed += !ok;
}

void card_missing(struct card *card, const char *what, const char *why) {
    printf("FAILED %s %-5s %s: %s\n", card->file, card->task, what, why);
    card->failed++;
}

int64_t worst_at(const float *a, const float *b, int64_t n) {
    int64_t worst = 0;
    double most = -1;
    for (int64_t i = 0; i < n; ++i) {
        double error = fabs((double)a[i] - b[i]);
        if (isnan(error)) return i;
        if (error > most) {
            most = error;
            worst = i;
        }
    }
    return worst;
}

double l2_norm(const float *x, int64_t n) {
    double sum = 0;
    for (int64_t i = 0; i < n; ++i) sum += (double)x[i] * x[i];
    return sqrt(sum);
}

void compare_largest(struct card *card, const char *what, const float *got, const float *want, int64_t n,
                     int64_t cols, double tolerance) {
    double largest = 0;
    for (int64_t i = 0; i < n; ++i) largest = fmax(largest, fabs(want[i]));
    int64_t at = worst_at(got, want, n);
    double error = n == 0 ? 0 : fabs((double)got[at] - want[at]) / largest;
    if (n > 0 && largest == 0) error = fabs(got[at]);
    card_line(card, what, error, tolerance, "(%lld,%lld): %.8g, reference %.8g", (long long)(at / cols),
              (long long)(at % cols), n ? got[at] : 0, n ? want[at] : 0);
}

void compare_between(struct card *card, const char *what, const double *got, const double *or_got,
                     const float *want, int64_t n, double tolerance) {
    int64_t at = 0;
    double most = 0;
    for (int64_t i = 0; i < n; ++i) {
        double above = want[i] - fmax(got[i], or_got[i]), below = fmin(got[i], or_got[i]) - want[i];
        double error = isnan(got[i]) || isnan(want[i]) ? NAN : fmax(0, fmax(above, below)) / fabs(want[i]);
        if (!(error <= most)) {
            most = error;
            at = i;
        }
        if (isnan(error)) break;
    }
    card_line(card, what, most, tolerance, "%lld: %.9g, reference %.9g", (long long)at, n ? got[at] : 0,
              n ? want[at] : 0);
}
