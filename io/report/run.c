/* A run as its folder tells it (private.h): metrics.jsonl line by line, config.yaml, who owns the folder. */
#include "io/report/private.h"
#include "io/run/progress.h"
#include "runtime/memory.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PIECES = 1000 };

const struct un_curve *un_told_curve(const struct un_told *told, const char *key) {
    for (size_t i = 0; i < told->curves; ++i)
        if (strcmp(told->curve[i].key, key) == 0) return &told->curve[i];
    return NULL;
}

/* `guess`: where the key stood in the line before. */
static enum un_status find_curve(struct un_told *told, const char *key, size_t guess,
                                 struct un_curve **curve) {
    for (size_t i = 0; i < told->curves; ++i) {
        struct un_curve *c = &told->curve[(guess + i) % told->curves];
        if (strcmp(c->key, key) != 0) continue;
        *curve = c;
        return UN_OK;
    }
    if (told->curves == told->room) {
        size_t room = 2 * told->room + 32;
        UN_TRY(un_grow((void **)&told->curve, told->room, room, sizeof *told->curve, "curves"));
        told->room = room;
    }
    *curve = &told->curve[told->curves];
    if (!((*curve)->key = un_strdup(key))) return UN_MEMORY;
    ++told->curves;
    return UN_OK;
}

static enum un_status add_point(struct un_curve *c, double step, double value) {
    if (c->n == c->room) {
        size_t room = 2 * c->room + 256;
        UN_TRY(un_grow((void **)&c->step, c->room, room, sizeof *c->step, "steps of a curve"));
        UN_TRY(un_grow((void **)&c->value, c->room, room, sizeof *c->value, "values of a curve"));
        c->room = room;
    }
    c->step[c->n] = step;
    c->value[c->n++] = value;
    c->bad += !isfinite(value);
    return UN_OK;
}

static enum un_status add_line(struct un_told *told, json_t *json) {
    const char *key;
    json_t *value;
    size_t at = 0;
    double step = json_number_value(json_object_get(json, "step"));
    ++told->lines;
    if (step > (double)told->last_step) told->last_step = (int64_t)step;
    json_object_foreach(json, key, value) {
        struct un_curve *curve;
        if (strcmp(key, "step") == 0 || !(json_is_number(value) || json_is_null(value))) continue;
        UN_TRY(find_curve(told, key, at, &curve));
        at = (size_t)(curve - told->curve) + 1;
        UN_TRY(add_point(curve, step, json_is_null(value) ? NAN : json_number_value(value)));
    }
    return UN_OK;
}

/* A last line that is still being written is left for the next time. */
static enum un_status read_metrics(struct un_told *told) {
    char path[UN_PATH_MAX], *text;
    size_t bytes;
    enum un_status status = UN_OK;
    UN_TRY(un_files_join(path, told->given->dir, "log/metrics.jsonl"));
    UN_TRY(un_files_read(path, SIZE_MAX, &text, &bytes));
    struct un_progress progress;
    un_progress_open_work(&progress, (int64_t)bytes, 1000000, "MB", !told->given->quiet);
    for (char *line = text, *end;
         status == UN_OK && (end = memchr(line, '\n', bytes - (size_t)(line - text))); line = end + 1) {
        json_t *json = json_loadb(line, (size_t)(end - line), 0, NULL);
        if (json_is_object(json)) status = add_line(told, json);
        json_decref(json);
        un_progress_add(&progress, end + 1 - line);
    }
    un_progress_clear(&progress);
    un_free(text);
    if (status == UN_OK && told->lines == 0)
        return un_fail(UN_DATA, "%s: not a line yet: nothing to report", path);
    return status;
}

/* train.steps, for which the reader of configurations is not needed: it stands in its section, two spaces in. */
static int64_t steps_of(const char *config) {
    const char *train = strstr(config, "\ntrain:\n");
    const char *steps = train ? strstr(train, "\n  steps: ") : NULL;
    return steps ? strtoll(steps + strlen("\n  steps: "), NULL, 10) : 0;
}

static enum un_status read_config(struct un_told *told) {
    char path[UN_PATH_MAX];
    size_t bytes;
    UN_TRY(un_files_join(path, told->given->dir, "config.yaml"));
    if (access(path, F_OK) != 0) {
        told->config = un_strdup("");
        return told->config ? UN_OK : UN_MEMORY;
    }
    UN_TRY(un_files_read(path, 1 << 22, &told->config, &bytes));
    told->steps = steps_of(told->config);
    return UN_OK;
}

static void take_text(char *out, size_t size, const json_t *object, const char *key) {
    const char *text = json_string_value(json_object_get(object, key));
    snprintf(out, size, "%s", text ? text : "");
}

static void take_start(struct un_told_start *s, const json_t *json) {
    s->step = json_integer_value(json_object_get(json, "step"));
    s->ranks = json_integer_value(json_object_get(json, "ranks"));
    take_text(s->time, sizeof s->time, json, "time");
    take_text(s->host, sizeof s->host, json, "host");
    take_text(s->device, sizeof s->device, json, "device");
    take_text(s->version, sizeof s->version, json, "version");
}

/* Runs of older versions have none. */
static enum un_status read_starts(struct un_told *told) {
    char path[UN_PATH_MAX], *text;
    size_t bytes;
    int64_t lines = 0;
    UN_TRY(un_files_join(path, told->given->dir, "log/starts.jsonl"));
    if (access(path, F_OK) != 0) return UN_OK;
    UN_TRY(un_files_read(path, 1 << 26, &text, &bytes));
    for (size_t i = 0; i < bytes; ++i) lines += text[i] == '\n';
    told->start = un_alloc((size_t)lines + 1, sizeof *told->start, "starts");
    for (char *line = text, *end; told->start && (end = memchr(line, '\n', bytes - (size_t)(line - text)));
         line = end + 1) {
        json_t *json = json_loadb(line, (size_t)(end - line), 0, NULL);
        if (json_is_object(json)) take_start(&told->start[told->starts++], json);
        json_decref(json);
    }
    un_free(text);
    return told->start ? UN_OK : UN_MEMORY;
}

/* ---- thinning ---- */

/* Of the points [begin, end) the lowest and the highest, in their order; NaN where there is nothing else. */
static size_t pick_extremes(const struct un_curve *c, size_t begin, size_t end, size_t *pick) {
    size_t low = begin, high = begin;
    for (size_t i = begin; i < end; ++i) {
        if (!isfinite(c->value[i])) continue;
        if (!(c->value[low] <= c->value[i])) low = i;
        if (!(c->value[high] >= c->value[i])) high = i;
    }
    pick[0] = low < high ? low : high;
    pick[1] = low < high ? high : low;
    return low == high ? 1 : 2;
}

/* pick [2 * PIECES + 2]; returns how many. */
static size_t pick_points(const struct un_curve *c, size_t *pick) {
    size_t inner = c->n - 2, n = 0;
    pick[n++] = 0;
    for (size_t p = 0; p < PIECES; ++p)
        n += pick_extremes(c, 1 + inner * p / PIECES, 1 + inner * (p + 1) / PIECES, pick + n);
    pick[n++] = c->n - 1;
    return n;
}

static void keep_points(struct un_curve *c, const size_t *pick, size_t n) {
    for (size_t i = 0; i < n; ++i) {
        c->step[i] = c->step[pick[i]];
        c->value[i] = c->value[pick[i]];
    }
    c->n = n;
}

/* Times are added up in a chart, so they keep the same lines: those where the whole step is short or long. */
static void thin(struct un_told *told) {
    size_t pick[2 * PIECES + 2], of_steps = 0;
    struct un_curve *whole = NULL;
    for (size_t i = 0; i < told->curves; ++i)
        if (strcmp(told->curve[i].key, "ms/step") == 0) whole = &told->curve[i];
    size_t lines = whole && whole->n > 2 * PIECES + 2 ? whole->n : 0;
    if (lines) of_steps = pick_points(whole, pick);
    for (size_t i = 0; i < told->curves && lines; ++i)
        if (told->curve[i].n == lines && strncmp(told->curve[i].key, "ms/", 3) == 0)
            keep_points(&told->curve[i], pick, of_steps);
    for (size_t i = 0; i < told->curves; ++i)
        if (told->curve[i].n > 2 * PIECES + 2)
            keep_points(&told->curve[i], pick, pick_points(&told->curve[i], pick));
}

enum un_status un_told_read(struct un_told *told, const struct un_report_run *run) {
    char path[UN_PATH_MAX], text[UN_OWNER_TEXT];
    const char *slash = strrchr(run->dir, '/');
    *told = (struct un_told){.given = run, .name = slash && slash[1] ? slash + 1 : run->dir};
    UN_TRY(read_metrics(told));
    UN_TRY(read_config(told));
    UN_TRY(read_starts(told));
    UN_TRY(un_files_join(path, run->dir, "log/owner.json"));
    int64_t bytes = un_owner_record_read(path, text, sizeof text);
    if (bytes > 0) un_owner_record_parse(&told->owner, text, (size_t)bytes);
    thin(told);
    return UN_OK;
}

void un_told_free(struct un_told *told) {
    for (size_t i = 0; i < told->curves; ++i) {
        un_free(told->curve[i].key);
        un_free(told->curve[i].step);
        un_free(told->curve[i].value);
    }
    un_free(told->curve);
    un_free(told->config);
    un_free(told->start);
    *told = (struct un_told){0};
}
