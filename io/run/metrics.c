/* metrics.jsonl: lines are built in memory and appended whole; on opening, what a resumed run will write
 * again is cut.
 *
 * Law: put calls never fail and never allocate; what went wrong comes out of un_metrics_end. */
#include "io/run/metrics.h"
#include "io/disk/calls.h"
#include "io/disk/files.h"
#include "runtime/memory.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct un_metrics {
    char *path;
    const struct un_owner *owner; /* NULL: anybody may write */
    struct un_events *events;     /* NULL: none */
    struct un_summary *summary;
    int64_t step; /* of the line that was begun */
    int fd;
    bool begun, overflow;
    size_t used;
    char line[UN_METRICS_LINE];
};

static void append(struct un_metrics *m, const char *text, size_t bytes) {
    if (m->overflow || bytes > sizeof m->line - m->used) {
        m->overflow = true;
        return;
    }
    memcpy(m->line + m->used, text, bytes);
    m->used += bytes;
}

static void append_format(struct un_metrics *m, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void append_format(struct un_metrics *m, const char *format, ...) {
    char text[64];
    va_list args;
    va_start(args, format);
    int length = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    append(m, text, (size_t)length);
}

/* "key": with what JSON forbids inside a string written as escapes. */
static void append_key(struct un_metrics *m, const char *key) {
    append(m, "\"", 1);
    for (const char *c = key; *c; ++c) {
        if (*c == '"' || *c == '\\')
            append_format(m, "\\%c", *c);
        else if ((unsigned char)*c < 0x20)
            append_format(m, "\\u%04x", (unsigned)*c);
        else
            append(m, c, 1);
    }
    append(m, "\":", 2);
}

/* The authors' tags: loss, loss/.., lr, grad_norm and norms by layer as they are, valid_mlm/mlm_acc, perf/.. of what remains. */
static void tag_of(const char *key, char *tag, size_t size) {
    static const char *const own[] = {"loss",       "loss/",       "lr",    "grad_norm",
                                      "grad_norm/", "param_norm/", "valid/"},
                             *const of_one[] = {"_loss", "_acc", "_ot_pos", "_ot_neg"};
    size_t length = strlen(key), front = strlen("valid/");
    bool known = false;
    for (size_t i = 0; i < sizeof own / sizeof *own; ++i) {
        size_t n = strlen(own[i]);
        known = known || (own[i][n - 1] == '/' ? strncmp(key, own[i], n) == 0 : strcmp(key, own[i]) == 0);
    }
    snprintf(tag, size, "%s%s", known ? "" : "perf/", key);
    if (!known)
        for (char *c = tag + strlen("perf/"); *c; ++c) *c = *c == '/' ? '_' : *c;
    if (strncmp(key, "valid/", front) != 0) return;
    for (size_t i = 0; i < sizeof of_one / sizeof *of_one; ++i) {
        size_t n = strlen(of_one[i]);
        if (length <= front + n || strcmp(key + length - n, of_one[i]) != 0) continue;
        snprintf(tag, size, "valid_%.*s/%s", (int)(length - n - front), key + front, key + front);
        return;
    }
}

static void hand_on(struct un_metrics *m, const char *key, double value) {
    char tag[400];
    if (m->summary) un_summary_note(m->summary, m->step, key, value);
    if (!m->events) return;
    tag_of(key, tag, sizeof tag);
    un_events_scalar(m->events, tag, value);
}

void un_metrics_events(struct un_metrics *m, struct un_events *events) {
    if (m) m->events = events;
}

void un_metrics_summary(struct un_metrics *m, struct un_summary *summary) {
    if (m) m->summary = summary;
}

void un_metrics_begin(struct un_metrics *m, int64_t step) {
    if (!m) return;
    m->used = 0;
    m->begun = true;
    m->overflow = false;
    append_format(m, "{\"step\":%" PRId64, step);
    m->step = step;
    un_events_begin(m->events, step);
}

void un_metrics_put(struct un_metrics *m, const char *key, double value) {
    if (!m) return;
    append(m, ",", 1);
    append_key(m, key);
    if (isfinite(value))
        append_format(m, "%.9g", value);
    else
        append(m, "null", 4);
    hand_on(m, key, value);
}

void un_metrics_put_i64(struct un_metrics *m, const char *key, int64_t value) {
    if (!m) return;
    append(m, ",", 1);
    append_key(m, key);
    append_format(m, "%" PRId64, value);
    hand_on(m, key, (double)value);
}

enum un_status un_metrics_end(struct un_metrics *m) {
    if (!m) return UN_OK;
    if (!m->begun) return un_fail(UN_INTERNAL, "%s: a line ends that was not begun", m->path);
    m->begun = false;
    append(m, "}\n", 2);
    if (m->overflow)
        return un_fail(UN_INTERNAL, "%s: a line of more than %d bytes", m->path, UN_METRICS_LINE);
    UN_TRY(un_owner_check(m->owner));
    UN_TRY(un_files_append(m->fd, m->path, m->line, m->used));
    return un_events_end(m->events);
}

void un_metrics_guard(struct un_metrics *m, const struct un_owner *owner) {
    if (m) m->owner = owner;
}

enum un_status un_metrics_sync(struct un_metrics *m) {
    if (!m || un_calls_fsync(m->fd) == 0) return UN_OK;
    return un_fail(UN_IO, "%s: fsync: %s", m->path, strerror(errno));
}

/* Does the line (without its end) stay in the file of a run that goes on after last_step? */
static bool line_stays(const char *line, size_t bytes, int64_t last_step, int64_t *broken) {
    json_error_t error;
    json_t *json = json_loadb(line, bytes, 0, &error);
    const json_t *step = json_object_get(json, "step");
    bool object = json_is_object(json);
    bool stays = object && !(json_is_number(step) && json_number_value(step) > (double)last_step);
    *broken += !object;
    json_decref(json);
    return stays;
}

/* Moves the lines that stay to the front of the text, which ends in a line's end; returns their length. */
static size_t keep_lines(char *text, size_t bytes, int64_t last_step, int64_t *broken) {
    size_t kept = 0;
    for (size_t at = 0; at < bytes;) {
        size_t length = (size_t)((char *)memchr(text + at, '\n', bytes - at) - (text + at));
        if (line_stays(text + at, length, last_step, broken)) {
            memmove(text + kept, text + at, length + 1);
            kept += length + 1;
        }
        at += length + 1;
    }
    return kept;
}

static enum un_status cut_file(const char *path, int64_t last_step) {
    char *text;
    size_t bytes;
    int64_t broken = 0;
    if (access(path, F_OK) != 0 && errno == ENOENT) return UN_OK;
    UN_TRY(un_files_read(path, SIZE_MAX, &text, &bytes));
    bool torn = bytes > 0 && text[bytes - 1] != '\n';
    if (torn)
        text[bytes] =
            '\n'; /* in the place of the zero byte: a last line that is whole but for its end stays */
    size_t kept = keep_lines(text, bytes + torn, last_step, &broken);
    if (broken)
        un_log(UN_LOG_WARN, "%s: %" PRId64 " lines that are no JSON objects are dropped", path, broken);
    enum un_status status = kept == bytes ? UN_OK : un_files_replace(path, text, kept);
    un_free(text);
    return status;
}

static enum un_status make_folder_of(const char *path) {
    char folder[UN_PATH_MAX];
    const char *slash = strrchr(path, '/');
    if (!slash || slash == path) return UN_OK;
    if (slash - path >= UN_PATH_MAX) return un_fail(UN_USAGE, "%s: a path of too many bytes", path);
    memcpy(folder, path, (size_t)(slash - path));
    folder[slash - path] = '\0';
    return un_files_make_folder(folder);
}

enum un_status un_metrics_open(struct un_metrics **metrics, const char *path, int64_t last_step) {
    *metrics = NULL;
    UN_TRY(make_folder_of(path));
    UN_TRY(cut_file(path, last_step));
    struct un_metrics *m = un_alloc(1, sizeof *m, "metrics");
    if (!m) return UN_MEMORY;
    m->fd = -1;
    enum un_status status = UN_OK;
    if (!(m->path = un_strdup(path)))
        status = UN_MEMORY;
    else if ((m->fd = un_calls_open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC)) < 0)
        status = un_fail(UN_IO, "%s: cannot open: %s", path, strerror(errno));
    if (status == UN_OK) status = un_files_sync_folder_of(path); /* the name of a new file */
    if (status == UN_OK)
        *metrics = m;
    else
        un_metrics_close(m);
    return status;
}

void un_metrics_close(struct un_metrics *m) {
    if (!m) return;
    if (m->fd >= 0) close(m->fd);
    un_free(m->path);
    un_free(m);
}
