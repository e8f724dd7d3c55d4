/* The progress line: a bar redrawn in place on a terminal, plain lines otherwise.
 *
 * The time a step takes is averaged over about the last minute, so that neither a slow first step nor a
 * validation in between makes the estimate jump. */
#include "io/run/progress.h"
#include "runtime/clock.h"
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static const double smooth_seconds = 60.0, terminal_seconds = 0.1, plain_seconds = 5.0;
enum { BAR_LEAST = 8, BAR_MOST = 30, WIDTH_DEFAULT = 80, LINE_MAX_BYTES = 1024 };

static int terminal_width(void) {
    struct winsize size;
    return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : WIDTH_DEFAULT;
}

void un_progress_open(struct un_progress *p, int64_t first, int64_t total, bool enabled) {
    double now = un_clock();
    *p = (struct un_progress){.terminal = isatty(STDERR_FILENO) == 1,
                              .enabled = enabled,
                              .first = first,
                              .total = total,
                              .last_step = first,
                              .start = now,
                              .last_time = now,
                              .last_draw = -INFINITY};
    p->width = p->terminal ? terminal_width() : 0;
}

/* A line under construction; what does not fit is left out. */
struct line {
    char *text;
    size_t used, size;
};

static void add(struct line *l, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void add(struct line *l, const char *format, ...) {
    va_list args;
    va_start(args, format);
    int length = vsnprintf(l->text + l->used, l->size - l->used, format, args);
    va_end(args);
    if (length > 0) l->used += (size_t)length < l->size - l->used ? (size_t)length : l->size - l->used - 1;
}

static double share_done(const struct un_progress *p, int64_t step) {
    if (p->total <= 0) return 1.0;
    double share = (double)step / (double)p->total;
    return share < 0.0 ? 0.0 : share > 1.0 ? 1.0 : share;
}

static void add_bar(struct line *l, double share, int cells) {
    int full = (int)(share * cells);
    add(l, "[");
    for (int i = 0; i < cells; ++i) add(l, "%c", i < full ? '=' : i == full ? '>' : ' ');
    add(l, "] ");
}

static void add_duration(struct line *l, double seconds) {
    int64_t s = (int64_t)(seconds + 0.5);
    if (s >= 86400)
        add(l, "%lldd%02lldh", (long long)(s / 86400), (long long)(s / 3600 % 24));
    else if (s >= 3600)
        add(l, "%lldh%02lldm", (long long)(s / 3600), (long long)(s / 60 % 60));
    else
        add(l, "%lldm%02llds", (long long)(s / 60), (long long)(s % 60));
}

static void add_rate(struct line *l, const struct un_progress *p, int64_t step) {
    if (p->smoothed <= 0.0) return; /* nothing was timed yet */
    const char *unit = p->unit ? p->unit : "step";
    if (p->smoothed < 1.0)
        add(l, " | %.3g %ss/s", 1.0 / p->smoothed, unit);
    else
        add(l, " | %.3g s/%s", p->smoothed, unit);
    add(l, " | ETA ");
    add_duration(l, p->smoothed * (double)(p->total > step ? p->total - step : 0));
}

/* Bytes of the first `columns` characters of UTF-8. */
static size_t cut_columns(const char *text, size_t bytes, int columns) {
    size_t at = 0;
    for (; at < bytes; ++at)
        if (((unsigned char)text[at] & 0xC0) != 0x80 && columns-- == 0) break;
    return at;
}

size_t un_progress_format(const struct un_progress *p, int64_t step, const char *text, int columns,
                          char *line, size_t size) {
    struct line l = {line, 0, size};
    double share = share_done(p, step);
    int cells = columns / 4 > BAR_MOST ? BAR_MOST : columns / 4;
    line[0] = '\0';
    if (cells >= BAR_LEAST) add_bar(&l, share, cells);
    add(&l, "%5.1f%% %lld/%lld", floor(share * 1000.0) / 10.0, (long long)step, (long long)p->total);
    add_rate(&l, p, step);
    if (text && text[0]) add(&l, " | %s", text);
    if (columns > 0) l.used = cut_columns(line, l.used, columns);
    line[l.used] = '\0';
    return l.used;
}

/* Seconds and steps fade alike, so their ratio is a mean over steps, whatever each of them took. */
static void note_time(struct un_progress *p, int64_t step, double now) {
    if (step <= p->last_step) return;
    double passed = now - p->last_time, fade = exp(-passed / smooth_seconds);
    p->recent_seconds = p->recent_seconds * fade + passed;
    p->recent_steps = p->recent_steps * fade + (double)(step - p->last_step);
    p->smoothed = p->recent_seconds / p->recent_steps;
    p->last_step = step;
    p->last_time = now;
}

/* One write, so that lines of other ranks do not fall into it. */
static void print(const char *before, const char *line, size_t bytes, const char *after) {
    char all[LINE_MAX_BYTES + 32];
    int length = snprintf(all, sizeof all, "%s%.*s%s", before, (int)bytes, line, after);
    if (length > 0) fwrite(all, 1, (size_t)length < sizeof all ? (size_t)length : sizeof all - 1, stderr);
    fflush(stderr);
}

void un_progress_step(struct un_progress *p, int64_t step, const char *text, bool force) {
    if (!p->enabled || p->total <= 0) return;
    double now = un_clock();
    note_time(p, step, now);
    bool last = step >= p->total;
    if (!force && !last && now - p->last_draw < (p->terminal ? terminal_seconds : plain_seconds)) return;
    p->last_draw = now;
    char line[LINE_MAX_BYTES];
    if (p->terminal) p->width = terminal_width(); /* the window may have changed */
    int columns = !p->terminal ? 0 : p->width > 2 ? p->width - 1 : 1;
    size_t bytes = un_progress_format(p, step, text, columns, line, sizeof line);
    print(p->terminal ? "\r" : "", line, bytes, p->terminal ? "\033[K" : "\n");
    p->drawn = p->terminal;
}

void un_progress_clear(struct un_progress *p) {
    if (p->enabled && p->drawn) print("\r\033[K", "", 0, "");
    p->drawn = false;
}

void un_progress_close(struct un_progress *p) {
    if (p->enabled && p->drawn) print("", "", 0, "\n");
    p->drawn = false;
}
