/* The progress line: a bar redrawn in place on a terminal, plain lines otherwise (progress.h).
 *
 * The time a step takes is averaged over about the last minute, so that neither a slow first step nor a
 * validation in between makes the estimate jump. */
#include "io/run/progress.h"
#include "runtime/clock.h"
#include "runtime/status.h"
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static const double smooth_seconds = 60.0, terminal_seconds = 0.1, plain_seconds = 10.0, silent_seconds = 2.0;
enum { BAR_LEAST = 8, BAR_MOST = 30, WIDTH_DEFAULT = 80, LINE_MAX_BYTES = 1024, CUT_LEAST = 4 };

static int terminal_width(void) {
    struct winsize size;
    return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : WIDTH_DEFAULT;
}

/* One that takes control characters. */
static bool is_terminal(void) {
    const char *kind = getenv("TERM");
    return isatty(STDERR_FILENO) == 1 && !(kind && strcmp(kind, "dumb") == 0);
}

void un_progress_open(struct un_progress *p, int64_t first, int64_t total, bool enabled) {
    double now = un_clock();
    *p = (struct un_progress){.terminal = is_terminal(),
                              .enabled = enabled,
                              .first = first,
                              .total = total,
                              .last_step = first,
                              .start = now,
                              .last_time = now,
                              .last_draw = -INFINITY,
                              .every = plain_seconds};
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

/* Images, but MB. */
static bool is_measure(const char *unit) {
    size_t n = strlen(unit);
    return n > 0 && unit[n - 1] >= 'A' && unit[n - 1] <= 'Z';
}

static void add_rate(struct line *l, const struct un_progress *p) {
    const char *unit = p->unit ? p->unit : "step";
    if (p->smoothed <= 0.0) return; /* nothing was timed yet */
    if (p->smoothed < 1.0)
        add(l, "%.3g %s%s/s", 1.0 / p->smoothed, unit, is_measure(unit) ? "" : "s");
    else
        add(l, "%.3g s/%s", p->smoothed, unit);
}

static void add_eta(struct line *l, const struct un_progress *p, int64_t step) {
    if (p->smoothed <= 0.0) return;
    add(l, "ETA ");
    add_duration(l, p->smoothed * (double)(p->total > step ? p->total - step : 0));
}

/* Bytes of the first `columns` characters of UTF-8. */
static size_t cut_columns(const char *text, size_t bytes, int columns) {
    size_t at = 0;
    for (; at < bytes; ++at)
        if (((unsigned char)text[at] & 0xC0) != 0x80 && columns-- == 0) break;
    return at;
}

static int columns_of(const char *text, size_t bytes) {
    int n = 0;
    for (size_t i = 0; i < bytes; ++i) n += ((unsigned char)text[i] & 0xC0) != 0x80;
    return n;
}

/* The parts of the line, in the order in which they stand; behind them the fields of the text. */
enum { SHARE, STEP, RATE, ETA, TEXT, MOST_PARTS = TEXT + 16 };
static const char between[] = " | ";
struct part {
    char own[48];
    const char *text;
    size_t bytes;
    bool shown;
};

/* Returns how many there are. */
static int make_parts(const struct un_progress *p, int64_t step, const char *text, struct part *parts) {
    struct line l[TEXT];
    int n = TEXT;
    for (int i = 0; i < TEXT; ++i) {
        l[i] = (struct line){parts[i].own, 0, sizeof parts[i].own};
        parts[i] = (struct part){.text = parts[i].own};
    }
    add(&l[SHARE], "%5.1f%%", floor(share_done(p, step) * 1000.0) / 10.0);
    add(&l[STEP], "%lld/%lld", (long long)step, (long long)p->total);
    add_rate(&l[RATE], p);
    add_eta(&l[ETA], p, step);
    for (int i = 0; i < TEXT; ++i) parts[i].bytes = l[i].used;
    while (text && *text && n < MOST_PARTS) {
        const char *end = n + 1 < MOST_PARTS ? strstr(text, between) : NULL;
        parts[n++] = (struct part){.text = text, .bytes = end ? (size_t)(end - text) : strlen(text)};
        text = end ? end + sizeof between - 1 : NULL;
    }
    return n;
}

/* Is there room for the part? Then it is shown, and the room is less. */
static void show(struct part *part, int *room) {
    int columns = columns_of(part->text, part->bytes) + (int)sizeof between - 1;
    if (part->bytes == 0 || columns > *room) return;
    part->shown = true;
    *room -= columns;
}

/* Cells of the bar; chooses what else is shown in so many columns. */
static int choose(struct part *parts, int n, int columns) {
    int room = columns - columns_of(parts[STEP].text, parts[STEP].bytes), share = 7, frame = 3;
    parts[STEP].shown = true;
    if (n > TEXT) show(&parts[TEXT], &room);
    show(&parts[ETA], &room);
    parts[SHARE].shown = room >= share;
    if (parts[SHARE].shown) room -= share;
    bool bar = parts[SHARE].shown && room >= BAR_LEAST + frame;
    if (bar) room -= BAR_LEAST + frame;
    for (int i = TEXT + 1; i < n; ++i) show(&parts[i], &room);
    show(&parts[RATE], &room);
    if (n > TEXT && !parts[TEXT].shown && room >= CUT_LEAST + (int)sizeof between - 1) {
        parts[TEXT].bytes = cut_columns(parts[TEXT].text, parts[TEXT].bytes, room - (int)sizeof between + 1);
        show(&parts[TEXT], &room);
    }
    if (!bar) return 0;
    int most = columns / 4 < BAR_MOST ? columns / 4 : BAR_MOST;
    int cells = BAR_LEAST + (room > 0 ? room : 0);
    return cells < most ? cells : most > BAR_LEAST ? most : BAR_LEAST;
}

size_t un_progress_format(const struct un_progress *p, int64_t step, const char *text, int columns,
                          char *line, size_t size) {
    struct line l = {line, 0, size};
    struct part parts[MOST_PARTS];
    int n = make_parts(p, step, text, parts), cells = columns > 0 ? choose(parts, n, columns) : 0;
    line[0] = '\0';
    if (cells > 0) add_bar(&l, share_done(p, step), cells);
    for (int i = 0; i < n; ++i) {
        if (parts[i].bytes == 0 || (columns > 0 && !parts[i].shown)) continue;
        const char *before = i == SHARE || l.used == 0 ? "" : i == STEP ? " " : between;
        add(&l, "%s%.*s", before, (int)parts[i].bytes, parts[i].text);
    }
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
    if (now < p->after) return;
    if (!force && !last && now - p->last_draw < (p->terminal ? terminal_seconds : p->every)) return;
    p->last_draw = now;
    char line[LINE_MAX_BYTES];
    if (p->terminal) p->width = terminal_width(); /* the window may have changed */
    int columns = !p->terminal ? 0 : p->width > 2 ? p->width - 1 : 1;
    size_t bytes = un_progress_format(p, step, text, columns, line, sizeof line);
    print(p->terminal ? "\r" : "", line, bytes, p->terminal ? "\033[J\r" : "\n");
    if (p->terminal) un_log_over(true);
}

void un_progress_open_work(struct un_progress *p, int64_t amount, int64_t scale, const char *unit,
                           bool enabled) {
    un_progress_open(p, 0, (amount + scale - 1) / scale, enabled);
    p->unit = unit;
    p->scale = scale;
    p->after = p->start + silent_seconds;
}

void un_progress_add(struct un_progress *p, int64_t amount) {
    if (!p) return;
    p->done += amount;
    int64_t step = p->done / p->scale < p->total ? p->done / p->scale : p->total;
    if (step > p->last_step) un_progress_step(p, step, "", false);
}

void un_progress_clear(struct un_progress *p) {
    if (p && p->enabled && un_log_over(false)) print("\r\033[J", "", 0, "");
}

void un_progress_close(struct un_progress *p) {
    if (p->enabled && un_log_over(false)) print("", "", 0, "\n");
}
