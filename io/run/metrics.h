/* RUN/log/metrics.jsonl: one flat JSON object a line, numbers with nine significant digits; and the progress
 * line. */
#ifndef UN_IO_RUN_METRICS_H
#define UN_IO_RUN_METRICS_H

#include "io/run/owner.h"

enum { UN_METRICS_LINE = 1 << 16 }; /* bytes of the longest line */

struct un_metrics; /* NULL is allowed everywhere and does nothing (ranks > 0) */

/* Appends to the file, which is made with its folder if need be. Dropped first, through a temporary file:
 * lines with "step" > last_step and, with a warning, what is no JSON object, such as a torn last line. */
enum un_status un_metrics_open(struct un_metrics **metrics, const char *path, int64_t last_step);
/* From here on a line is written only while the folder is owner's (borrowed). */
void un_metrics_guard(struct un_metrics *m, const struct un_owner *owner);
void un_metrics_begin(struct un_metrics *m, int64_t step);
void un_metrics_put(struct un_metrics *m, const char *key, double value); /* NaN, inf -> null */
void un_metrics_put_i64(struct un_metrics *m, const char *key, int64_t value);
/* Ends the line, one write(2), so no line is ever torn by a kill; a full disk leaves no part of it.
 * UN_INTERNAL: not begun, or longer than 64 KiB. */
enum un_status un_metrics_end(struct un_metrics *m);
enum un_status un_metrics_sync(struct un_metrics *m); /* fsync */
void un_metrics_close(struct un_metrics *m);

/* Progress on stderr: a bar redrawn in place on a terminal, at most ten times a second; elsewhere a plain
 * line every few seconds. */
struct un_progress {
    bool terminal, enabled;
    bool drawn; /* a bar stands on the last line of the terminal */
    int64_t first, total;
    int64_t last_step; /* of the last call */
    double start, last_time, last_draw;
    double recent_seconds, recent_steps; /* of about the last minute */
    double smoothed;                     /* their ratio: seconds a step */
    int width;
    const char *unit; /* what a step is called; NULL: step. May be set after un_progress_open */
};
/* Steps first + 1 .. total are ahead. */
void un_progress_open(struct un_progress *p, int64_t first, int64_t total, bool enabled);
/* `text`: "loss 3.21 mlm 4.5 ..." ; force prints at once. */
void un_progress_step(struct un_progress *p, int64_t step, const char *text, bool force);
/* Takes the bar away, so that something else can be printed; the next step draws it anew. */
void un_progress_clear(struct un_progress *p);
/* Leaves the bar as a finished line. May be followed by more steps. */
void un_progress_close(struct un_progress *p);
/* What a step prints, without the line's end: columns > 0 with a bar, cut to that many; 0: the plain line.
 * Returns its length. */
size_t un_progress_format(const struct un_progress *p, int64_t step, const char *text, int columns,
                          char *line, size_t size);
double un_clock(void); /* seconds, monotonic */

#endif
