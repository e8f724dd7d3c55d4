/* RUN/log/metrics.jsonl: one flat JSON object a line, numbers with nine significant digits; and the progress line. */
#ifndef UN_METRICS_H
#define UN_METRICS_H

#include "runtime/status.h"

struct un_metrics; /* NULL is allowed everywhere and does nothing (ranks > 0) */

/* Appends to the file; lines with "step" > last_step are dropped first (rewritten through a temporary file). */
enum un_status un_metrics_open(struct un_metrics **metrics, const char *path, int64_t last_step);
void un_metrics_begin(struct un_metrics *m, int64_t step);
void un_metrics_put(struct un_metrics *m, const char *key, double value); /* NaN, inf -> null */
void un_metrics_put_i64(struct un_metrics *m, const char *key, int64_t value);
/* Ends the line, one write(2), so no line is ever torn by a kill. */
enum un_status un_metrics_end(struct un_metrics *m);
enum un_status un_metrics_sync(struct un_metrics *m); /* fsync */
void un_metrics_close(struct un_metrics *m);

/* Progress on stderr: a bar redrawn in place on a terminal, plain lines otherwise. */
struct un_progress {
    bool terminal, enabled;
    int64_t first, total;
    double start, last_draw;
    double smoothed; /* seconds a step */
    int width;
};
void un_progress_open(struct un_progress *p, int64_t first, int64_t total, bool enabled);
/* `text`: "loss 3.21 mlm 4.5 ..." ; force prints at once. */
void un_progress_step(struct un_progress *p, int64_t step, const char *text, bool force);
void un_progress_close(struct un_progress *p);
double un_clock(void); /* seconds, monotonic */

#endif
