/* RUN/log/metrics.jsonl: one flat JSON object a line, numbers with nine significant digits. */
#ifndef UN_IO_RUN_METRICS_H
#define UN_IO_RUN_METRICS_H

#include "io/run/events.h"
#include "io/run/summary.h"

enum { UN_METRICS_LINE = 1 << 16 }; /* bytes of the longest line */

struct un_metrics; /* NULL is allowed everywhere and does nothing (ranks > 0) */

/* Appends to the file, which is made with its folder if need be. Dropped first, through a temporary file:
 * lines with "step" > last_step and, with a warning, what is no JSON object, such as a torn last line. */
enum un_status un_metrics_open(struct un_metrics **metrics, const char *path, int64_t last_step);
/* From here on a line is written only while the folder is owner's (borrowed). */
void un_metrics_guard(struct un_metrics *m, const struct un_owner *owner);
/* Every line also becomes an event (borrowed; NULL: no more): loss, loss/.., lr, grad_norm, grad_norm/.. and param_norm/.. under these names,
 * valid/mlm_acc as valid_mlm/mlm_acc, what measures speed as perf/... */
void un_metrics_events(struct un_metrics *m, struct un_events *events);
/* And is noted in *summary (borrowed; NULL: no more). */
void un_metrics_summary(struct un_metrics *m, struct un_summary *summary);
void un_metrics_begin(struct un_metrics *m, int64_t step);
void un_metrics_put(struct un_metrics *m, const char *key, double value); /* NaN, inf -> null */
void un_metrics_put_i64(struct un_metrics *m, const char *key, int64_t value);
/* Ends the line, one write(2), so no line is ever torn by a kill; a full disk leaves no part of it.
 * UN_INTERNAL: not begun, or longer than 64 KiB. */
enum un_status un_metrics_end(struct un_metrics *m);
enum un_status un_metrics_sync(struct un_metrics *m); /* fsync */
void un_metrics_close(struct un_metrics *m);

#endif
