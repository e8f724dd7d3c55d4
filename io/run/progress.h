/* Progress on stderr: a bar redrawn in place on a terminal, at most ten times a second; elsewhere (and where TERM is
 * "dumb") a plain line every ten seconds, without a control character. No colours anywhere, so NO_COLOR has nothing to
 * take away.
 *
 * The cursor rests at the beginning of the bar, and what is drawn erases all below: a window that became narrower may have
 * broken the bar into several lines. Lines of the log take the bar's place (un_log_over). */
#ifndef UN_IO_RUN_PROGRESS_H
#define UN_IO_RUN_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct un_progress {
    bool terminal, enabled;
    int64_t first, total;
    int64_t last_step; /* of the last call */
    double start, last_time, last_draw;
    double recent_seconds, recent_steps; /* of about the last minute */
    double smoothed;                     /* their ratio: seconds a step */
    int width;
    const char *unit;    /* what a step is called; NULL: step. May be set after un_progress_open */
    double after, every; /* nothing is shown before this time (un_clock); seconds between plain lines */
    int64_t done, scale; /* of un_progress_add */
};
/* Steps first + 1 .. total are ahead. */
void un_progress_open(struct un_progress *p, int64_t first, int64_t total, bool enabled);
/* `text`: what there is to say, the most important first: "loss 3.21 | mlm 4.5 mrc 2.1 | 357 tokens/s". force prints at
 * once. */
void un_progress_step(struct un_progress *p, int64_t step, const char *text, bool force);
/* For work that may be over in a moment: nothing is shown of its first two seconds. `amount` of it is ahead, counted in
 * `scale`s: bytes, 1000000, "MB". */
void un_progress_open_work(struct un_progress *p, int64_t amount, int64_t scale, const char *unit,
                           bool enabled);
/* So much more of the work is done; more than was said is no harm. p NULL: nobody is told. */
void un_progress_add(struct un_progress *p, int64_t amount);
/* Takes the bar away, so that something else can be printed; the next step draws it anew. NULL is fine. */
void un_progress_clear(struct un_progress *p);
/* Leaves the bar as a finished line. May be followed by more steps. */
void un_progress_close(struct un_progress *p);
/* What a step prints, without the line's end. columns 0: the plain line. Else as much of it as fits into so many, by
 * importance: step, first field of the text, ETA, share, bar, other fields, rate; a first field that does not fit is
 * cut. Returns its length. */
size_t un_progress_format(const struct un_progress *p, int64_t step, const char *text, int columns,
                          char *line, size_t size);

#endif
