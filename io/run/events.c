/* Events (events.h): gathered in place, packed once, written whole. */
#include "io/run/events.h"
#include "io/disk/calls.h"
#include "io/run/events_private.h"
#include "runtime/memory.h"
#include <io/run/events.pb-c.h>

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { MOST_VALUES = 512, MOST_TAGS = 1 << 15, MOST_BUCKETS = 1 << 13, FIRST_RECORD = 1 << 16 };
static const double least_limit = 1e-12, bucket_ratio = 1.1;

struct un_events {
    char path[UN_PATH_MAX];
    const struct un_owner *owner; /* NULL: anybody may write */
    int fd;
    bool overflow;
    int64_t step;
    size_t values, tags, buckets; /* used */
    UnTb__Value value[MOST_VALUES];
    UnTb__Histogram histogram[MOST_VALUES];
    UnTb__Value *list[MOST_VALUES];
    char tag[MOST_TAGS];                             /* of the values, each with its zero byte */
    double limit[MOST_BUCKETS], count[MOST_BUCKETS]; /* of the histograms' buckets */
    uint8_t *record;                                 /* [room] */
    size_t room;
};

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static enum un_status write_event(struct un_events *e, const UnTb__Event *event) {
    size_t bytes = un_tb__event__get_packed_size(event), all = bytes + UN_RECORD_HEAD + UN_RECORD_TAIL;
    if (all > e->room) {
        UN_TRY(un_grow((void **)&e->record, e->room, all, 1, "an event"));
        e->room = all;
    }
    un_tb__event__pack(event, e->record + UN_RECORD_HEAD);
    un_record_seal(e->record, bytes);
    UN_TRY(un_owner_check(e->owner));
    return un_files_append(e->fd, e->path, e->record, all);
}

static UnTb__Event event_at(int64_t step) {
    UnTb__Event event = UN_TB__EVENT__INIT;
    event.wall_time = now();
    event.step = step;
    return event;
}

/* What begins a file; and to readers that watch: forget what came behind last_step. */
static enum un_status write_head(struct un_events *e, int64_t last_step) {
    UnTb__Event event = event_at(0);
    char version[] = "brain.Event:2";
    event.what_case = UN_TB__EVENT__WHAT_FILE_VERSION;
    event.file_version = version;
    UN_TRY(write_event(e, &event));
    if (last_step == 0) return UN_OK;
    UnTb__SessionLog log = UN_TB__SESSION_LOG__INIT;
    log.status = UN_TB__SESSION_LOG__STATUS__START;
    event = event_at(last_step + 1);
    event.what_case = UN_TB__EVENT__WHAT_SESSION_LOG;
    event.session_log = &log;
    return write_event(e, &event);
}

static enum un_status open_file(struct un_events *e, const char *folder) {
    char host[65] = "host", name[160];
    if (gethostname(host, sizeof host - 1) != 0) strcpy(host, "host");
    snprintf(name, sizeof name, "events.out.tfevents.%010lld.%s.%ld", (long long)now(), host, (long)getpid());
    UN_TRY(un_files_join(e->path, folder, name));
    e->fd = un_calls_open(e->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC);
    if (e->fd < 0) return un_fail(UN_IO, "%s: cannot open: %s", e->path, strerror(errno));
    e->room = FIRST_RECORD;
    e->record = un_alloc(e->room, 1, "an event");
    return e->record ? UN_OK : UN_MEMORY;
}

enum un_status un_events_open(struct un_events **events, const char *folder, int64_t last_step) {
    *events = NULL;
    UN_TRY(un_files_make_folder(folder));
    UN_TRY(un_events_cut(folder, last_step));
    struct un_events *e = un_alloc(1, sizeof *e, "events");
    if (!e) return UN_MEMORY;
    e->fd = -1;
    for (int i = 0; i < MOST_VALUES; ++i) {
        un_tb__value__init(&e->value[i]);
        e->list[i] = &e->value[i];
    }
    enum un_status status = open_file(e, folder);
    if (status == UN_OK) status = write_head(e, last_step);
    if (status == UN_OK)
        *events = e;
    else
        un_events_close(e);
    return status;
}

void un_events_guard(struct un_events *e, const struct un_owner *owner) {
    if (e) e->owner = owner;
}

void un_events_begin(struct un_events *e, int64_t step) {
    if (!e) return;
    e->step = step;
    e->values = e->tags = e->buckets = 0;
    e->overflow = false;
}

/* NULL: there is no room. */
static UnTb__Value *next_value(struct un_events *e, const char *tag) {
    size_t bytes = strlen(tag) + 1;
    if (e->values == MOST_VALUES || bytes > MOST_TAGS - e->tags) {
        e->overflow = true;
        return NULL;
    }
    UnTb__Value *v = &e->value[e->values++];
    v->tag = memcpy(e->tag + e->tags, tag, bytes);
    e->tags += bytes;
    return v;
}

void un_events_scalar(struct un_events *e, const char *tag, double value) {
    UnTb__Value *v = e ? next_value(e, tag) : NULL;
    if (!v) return;
    v->value_case = UN_TB__VALUE__VALUE_SIMPLE_VALUE;
    v->simple_value = (float)value;
}

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The power whose bucket a value falls into: that of the least limit not below it. */
static int power_of(double value) {
    if (value <= least_limit) return 0;
    int power = (int)ceil(log(value / least_limit) / log(bucket_ratio));
    while (least_limit * pow(bucket_ratio, power) < value) ++power; /* log and pow round */
    return power;
}

/* Buckets with something in them, each behind an empty one that says where it begins. Returns how many. */
static size_t fill_buckets(double *limit, double *count, size_t room, const double *values, int n) {
    size_t used = 0;
    for (int i = 0; i < n; ++i) {
        int power = power_of(values[i]);
        double begin = power > 0 ? least_limit * pow(bucket_ratio, power - 1) : 0;
        double end = least_limit * pow(bucket_ratio, power);
        if (used > 0 && limit[used - 1] >= end) {
            count[used - 1] += 1;
            continue;
        }
        bool gap = used == 0 || limit[used - 1] < begin;
        if (used + 1 + gap > room) return room + 1;
        if (gap) {
            limit[used] = begin;
            count[used++] = 0;
        }
        limit[used] = end;
        count[used++] = 1;
    }
    return used;
}

/* What is finite comes to the front, in ascending order. */
static int sort_finite(double *values, int n) {
    int kept = 0;
    for (int i = 0; i < n; ++i)
        if (isfinite(values[i])) values[kept++] = values[i];
    qsort(values, (size_t)kept, sizeof *values, ascending);
    return kept;
}

void un_events_histogram(struct un_events *e, const char *tag, double *values, int n) {
    if (!e || (n = sort_finite(values, n)) == 0) return;
    double *limit = e->limit + e->buckets, *count = e->count + e->buckets;
    size_t room = MOST_BUCKETS - e->buckets, used = fill_buckets(limit, count, room, values, n);
    UnTb__Value *v = used <= room ? next_value(e, tag) : NULL;
    e->overflow = e->overflow || !v;
    if (!v) return;
    UnTb__Histogram *h = &e->histogram[v - e->value];
    un_tb__histogram__init(h);
    h->min = values[0];
    h->max = values[n - 1];
    h->num = n;
    for (int i = 0; i < n; ++i) {
        h->sum += values[i];
        h->sum_squares += values[i] * values[i];
    }
    h->n_bucket_limit = h->n_bucket = used;
    h->bucket_limit = limit;
    h->bucket = count;
    e->buckets += used;
    v->value_case = UN_TB__VALUE__VALUE_HISTO;
    v->histo = h;
}

enum un_status un_events_end(struct un_events *e) {
    if (!e || e->values == 0) return UN_OK;
    if (e->overflow)
        return un_fail(UN_INTERNAL, "%s: an event of more than %d values or %d bytes of tags", e->path,
                       MOST_VALUES, MOST_TAGS);
    UnTb__Summary summary = UN_TB__SUMMARY__INIT;
    UnTb__Event event = event_at(e->step);
    summary.n_value = e->values;
    summary.value = e->list;
    event.what_case = UN_TB__EVENT__WHAT_SUMMARY;
    event.summary = &summary;
    e->values = 0;
    return write_event(e, &event);
}

/* Markdown shows what is indented as it stands. */
static char *indented(const char *text) {
    size_t lines = 1, at = 0;
    for (const char *c = text; *c; ++c) lines += *c == '\n';
    char *out = un_alloc(strlen(text) + 4 * lines + 1, 1, "a text");
    if (!out) return NULL;
    for (const char *c = text; *c; ++c) {
        if (c == text || c[-1] == '\n') {
            memset(out + at, ' ', 4);
            at += 4;
        }
        out[at++] = *c;
    }
    return out;
}

enum un_status un_events_text(struct un_events *e, const char *tag, const char *text) {
    if (!e) return UN_OK;
    char *shown = indented(text), plugin[] = "text";
    if (!shown) return UN_MEMORY;
    ProtobufCBinaryData string = {strlen(shown), (uint8_t *)shown};
    UnTb__Tensor tensor = UN_TB__TENSOR__INIT;
    UnTb__PluginData data = UN_TB__PLUGIN_DATA__INIT;
    UnTb__Metadata metadata = UN_TB__METADATA__INIT;
    UnTb__Value value = UN_TB__VALUE__INIT, *list[] = {&value};
    UnTb__Summary summary = UN_TB__SUMMARY__INIT;
    UnTb__Event event = event_at(0);
    char *name = un_strdup(tag);
    tensor.dtype = UN_TB__DATA_TYPE__DT_STRING;
    tensor.n_string_val = 1;
    tensor.string_val = &string;
    data.plugin_name = plugin;
    metadata.plugin_data = &data;
    value.tag = name;
    value.metadata = &metadata;
    value.value_case = UN_TB__VALUE__VALUE_TENSOR;
    value.tensor = &tensor;
    summary.n_value = 1;
    summary.value = list;
    event.what_case = UN_TB__EVENT__WHAT_SUMMARY;
    event.summary = &summary;
    enum un_status status = name ? write_event(e, &event) : UN_MEMORY;
    un_free(name);
    un_free(shown);
    return status;
}

void un_events_close(struct un_events *e) {
    if (!e) return;
    if (e->fd >= 0) close(e->fd);
    un_free(e->record);
    un_free(e);
}
