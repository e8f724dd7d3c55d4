/* The last lines of an import (summary.h). */
#include "io/convert/text/summary.h"

#include "runtime/clock.h"

#include <stdio.h>

void un_text_summary(const char *out, const char *source, const struct un_text_sink *sink,
                     const struct un_skipped *skipped, int64_t read, int64_t other_split, double start) {
    char said[1024];
    double seconds = un_clock() - start;
    printf("%s: %lld texts, %lld tokens of %s in %.1f s (%.0f texts/s)\n", out,
           (long long)un_text_sink_texts(sink), (long long)un_text_sink_tokens(sink), source, seconds,
           seconds > 0 ? (double)read / seconds : 0.0);
    if (other_split) printf("%s: %lld texts are of other splits\n", out, (long long)other_split);
    if (skipped->n == 0) return;
    un_skipped_say(skipped, said, sizeof said);
    printf("%s: %lld texts were left out, see %s\n%s: %s\n", out, (long long)skipped->n, skipped->path, out,
           said);
}
