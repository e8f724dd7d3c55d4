#include "io/inspect/histogram.h"

enum { BAR_CHARS = 40 };

struct un_histogram un_histogram_real(double low, double high) {
    int bins = 10;
    double width = high > low ? (high - low) / bins : 1;
    return (struct un_histogram){.low = low, .high = high, .width = width, .bins = high > low ? bins : 1};
}

struct un_histogram un_histogram_whole(int64_t low, int64_t high) {
    int64_t values = high - low + 1, width = (values + UN_HISTOGRAM_BINS - 1) / UN_HISTOGRAM_BINS;
    int bins = (int)((values + width - 1) / width);
    return (struct un_histogram){
        .low = (double)low, .high = (double)high, .width = (double)width, .bins = bins, .whole = true};
}

void un_histogram_add(struct un_histogram *h, double value) {
    double at = (value - h->low) / h->width;
    int bin = at >= h->bins ? h->bins - 1 : at > 0 ? (int)at : 0;
    ++h->count[bin];
}

/* In eighths of a character; a bin that holds anything shows at least one. */
static void print_bar(int64_t count, int64_t most, FILE *out) {
    static const char *const part[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
    int64_t eighths = most ? (int64_t)((double)count / (double)most * 8 * BAR_CHARS + 0.5) : 0;
    if (count && eighths == 0) eighths = 1;
    for (int64_t i = 0; i < eighths / 8; ++i) fputs("█", out);
    fputs(part[eighths % 8], out);
}

void un_histogram_print(const struct un_histogram *h, FILE *out) {
    int64_t most = 0;
    for (int b = 0; b < h->bins; ++b) most = h->count[b] > most ? h->count[b] : most;
    for (int b = 0; b < h->bins; ++b) {
        double first = h->low + b * h->width, last = first + h->width;
        if (h->whole && last > h->high + 1) last = h->high + 1;
        if (!h->whole)
            fprintf(out, "  %7.3g .. %-7.3g", first, last);
        else if (last - first > 1)
            fprintf(out, "  %7.0f .. %-7.0f", first, last - 1);
        else
            fprintf(out, "  %7.0f           ", first);
        fprintf(out, " %9lld  ", (long long)h->count[b]);
        print_bar(h->count[b], most, out);
        fputc('\n', out);
    }
}
