/* Lines of RUN/log/beats, and the sentence that is made of them (beat.h). */
#include "launch/process/beat.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *const line_names[UN_PULSE_COUNT] = {
#define UN_PULSE_NAME(upper, lower) #lower,
    UN_PULSE_LINES(UN_PULSE_NAME)
#undef UN_PULSE_NAME
};

struct text {
    char *at;
    size_t size, used;
};

static void add(struct text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void add(struct text *t, const char *format, ...) {
    if (t->used >= t->size) return;
    va_list args;
    va_start(args, format);
    int length = vsnprintf(t->at + t->used, t->size - t->used, format, args);
    va_end(args);
    t->used += length > 0 ? (size_t)length : 0;
    if (t->used >= t->size) t->used = t->size; /* cut */
}

/* A word without spaces, "-" for none. */
static void word(char out[UN_BEAT_WORD], const char *text) {
    int n = 0;
    for (; text[n] && n < UN_BEAT_WORD - 1; ++n) {
        out[n] = text[n];
        if (text[n] == ' ' || text[n] == '\n') out[n] = '_';
    }
    if (n == 0) out[n++] = '-';
    out[n] = '\0';
}

void un_beat_print(char line[UN_BEAT_BYTES], const struct un_beat *b, const char *token) {
    char phase[UN_BEAT_WORD], what[UN_BEAT_WORD];
    struct text t = {line, UN_BEAT_BYTES, 0};
    word(phase, b->phase);
    add(&t, "run=%s rank=%d host=%s pid=%" PRId64 " beat=%" PRIu64 " step=%" PRId64 " phase=%s for=%.1fs",
        token, b->rank, b->host[0] ? b->host : "-", b->pid, b->count, b->step, phase, b->phase_time);
    for (int i = 0; i < UN_PULSE_COUNT; ++i) {
        word(what, b->what[i]);
        add(&t, " %s=%" PRIu64 ":%s:%s", line_names[i], b->begun[i], b->under_way[i] ? "in" : "after", what);
    }
    if (t.used > UN_BEAT_BYTES - 1) t.used = UN_BEAT_BYTES - 1;
    memset(line + t.used, ' ', UN_BEAT_BYTES - t.used);
    line[UN_BEAT_BYTES - 1] = '\n';
}

/* The value of " key=value " inside a line that ends with a zero byte; false: not there, or too long. */
static bool value_of(const char *line, const char *key, char *value, size_t size) {
    size_t length = strlen(key);
    for (const char *at = strstr(line, key); at; at = strstr(at + 1, key)) {
        if ((at != line && at[-1] != ' ') || at[length] != '=') continue;
        size_t n = strcspn(at + length + 1, " \n");
        if (n >= size) return false;
        memcpy(value, at + length + 1, n);
        value[n] = '\0';
        return true;
    }
    return false;
}

static bool parse_lines(struct un_beat *b, const char *line) {
    char value[128];
    for (int i = 0; i < UN_PULSE_COUNT; ++i) {
        char state[8] = "";
        if (!value_of(line, line_names[i], value, sizeof value) ||
            sscanf(value, "%" SCNu64 ":%7[a-z]:%31s", &b->begun[i], state, b->what[i]) != 3)
            return false;
        for (char *c = b->what[i]; *c; ++c)
            if (*c == '_') *c = ' ';
        b->under_way[i] = strcmp(state, "in") == 0;
    }
    return true;
}

void un_beat_parse(struct un_beat *b, const char record[UN_BEAT_BYTES], const char *token, int rank) {
    char line[UN_BEAT_BYTES + 1], value[128];
    memcpy(line, record, UN_BEAT_BYTES);
    line[UN_BEAT_BYTES] = '\0';
    *b = (struct un_beat){0};
    b->present = value_of(line, "run", value, sizeof value) && strcmp(value, token) == 0 &&
                 value_of(line, "rank", value, sizeof value) && sscanf(value, "%d", &b->rank) == 1 &&
                 b->rank == rank && value_of(line, "host", b->host, sizeof b->host) &&
                 value_of(line, "pid", value, sizeof value) && sscanf(value, "%" SCNd64, &b->pid) == 1 &&
                 value_of(line, "beat", value, sizeof value) && sscanf(value, "%" SCNu64, &b->count) == 1 &&
                 value_of(line, "step", value, sizeof value) && sscanf(value, "%" SCNd64, &b->step) == 1 &&
                 value_of(line, "phase", b->phase, sizeof b->phase) &&
                 value_of(line, "for", value, sizeof value) && sscanf(value, "%lf", &b->phase_time) == 1 &&
                 parse_lines(b, line);
}

/* ---- the verdict ---- */

typedef bool un_beat_test(const struct un_verdict *v, int rank);

/* Has not begun the collective that this rank waits in. */
static bool absent(const struct un_verdict *v, int rank) {
    const struct un_beat *b = &v->final[rank];
    return rank != v->mine->rank &&
           (!b->present || (v->line >= 0 && b->begun[v->line] < v->mine->begun[v->line]));
}

/* Has written no line between the two readings. */
static bool silent(const struct un_verdict *v, int rank) {
    return v->early && rank != v->mine->rank && v->early[rank].present && v->final[rank].present &&
           v->early[rank].count == v->final[rank].count;
}

static int count(const struct un_verdict *v, un_beat_test *test) {
    int n = 0;
    for (int r = 0; r < v->size; ++r) n += test(v, r);
    return n;
}

/* "ranks 3, 8-15 (9 of 64)" */
static void name_ranks(const struct un_verdict *v, un_beat_test *test, struct text *t) {
    enum { RANGES = 24 };
    int n = count(v, test), ranges = 0;
    add(t, n > 1 ? "ranks " : "rank ");
    for (int r = 0; r < v->size && ranges <= RANGES; ++r) {
        if (!test(v, r)) continue;
        int last = r;
        while (last + 1 < v->size && test(v, last + 1)) ++last;
        if (++ranges > RANGES)
            add(t, ", ...");
        else if (last > r)
            add(t, "%s%d-%d", ranges > 1 ? ", " : "", r, last);
        else
            add(t, "%s%d", ranges > 1 ? ", " : "", r);
        r = last;
    }
    add(t, " (%d of %d)", n, v->size);
}

static void describe(const struct un_verdict *v, int rank, struct text *t) {
    const struct un_beat *b = &v->final[rank];
    int line = v->line >= 0 ? v->line : UN_PULSE_MAIN;
    if (!b->present)
        add(t, "; rank %d has left no line in log/beats", rank);
    else
        add(t,
            "; rank %d (host %s, pid %" PRId64 ") was last seen in phase %s of update %" PRId64
            ", %s collective %" PRIu64 " (%s)",
            rank, b->host, b->pid, b->phase, b->step, b->under_way[line] ? "in" : "after", b->begun[line],
            b->what[line]);
}

/* The silent ones say most; then those that are merely late. */
static void describe_some(const struct un_verdict *v, struct text *t) {
    int left = 4;
    for (int r = 0; r < v->size && left > 0; ++r)
        if (silent(v, r)) describe(v, r, t), --left;
    for (int r = 0; r < v->size && left > 0; ++r)
        if (absent(v, r) && !silent(v, r)) describe(v, r, t), --left;
}

static void name_others(const struct un_verdict *v, struct text *t) {
    if (!v->final) {
        add(t, "; which ranks did not arrive is unknown: log/beats could not be read");
        return;
    }
    for (int r = 0; r < v->size; ++r)
        if (strcmp(v->final[r].phase, UN_BEAT_ENDED) == 0) {
            add(t, "; rank %d has said why", r);
            return;
        }
    if (count(v, absent) > 0) {
        add(t, "; did not arrive: ");
        name_ranks(v, absent, t);
    } else if (v->line >= 0) {
        add(t, "; all %d ranks have arrived", v->size);
    }
    if (count(v, silent) > 0) {
        add(t, "; no sign of life from ");
        name_ranks(v, silent, t);
    } else if (v->line >= 0 && count(v, absent) == 0) {
        add(t, " and live: the network does not deliver, or the library makes no progress");
    }
    describe_some(v, t);
}

void un_beat_verdict(const struct un_verdict *v, char *text, size_t size) {
    struct text t = {text, size, 0};
    text[0] = '\0';
    add(&t, "watchdog: ");
    if (v->line >= 0)
        add(&t, "collective %" PRIu64 " (%s) of %s has lasted %.1f s, ", v->mine->begun[v->line],
            v->mine->what[v->line], line_names[v->line], v->collective_time);
    add(&t, "phase %s of update %" PRId64 " has lasted %.1f s; run.timeout is %.6g s", v->mine->phase,
        v->mine->step, v->phase_time, v->timeout);
    if (strcmp(v->mine->phase, UN_BEAT_UNKNOWN) == 0) {
        add(&t, "; the ranks do not know each other yet, so which one is missing is unknown");
        return;
    }
    if (v->line < 0)
        add(&t, "; this rank waits for no other: it is stuck, or slower than run.timeout allows");
    if (v->size > 1) name_others(v, &t);
}
