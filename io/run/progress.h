/* Progress on stderr: a bar redrawn in place on a terminal, at most ten times a second; elsewhere a plain
 * line every few seconds. */
#ifndef UN_IO_RUN_PROGRESS_H
#define UN_IO_RUN_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

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

#endif
