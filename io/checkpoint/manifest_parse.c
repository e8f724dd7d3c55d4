/* manifest.json, the reading side: every key must be there with the right type and range, arrays must be as long as the
 * counts say, tensors and shards lie inside the buffers. Nothing is allocated for a count that the text does not bear out. */
#include "io/checkpoint/manifest.h"
#include "io/checkpoint/manifest_private.h"
#include "runtime/memory.h"
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LANES_MAX = 1 << 24 };
static const int64_t total_max = (int64_t)1 << 48,
                     step_max = UINT32_MAX; /* the random counters hold 32 bits of step */

/* One object of the text, and how to name it in messages. */
struct place {
    const char *path, *list; /* list: "" or the array this is an element of */
    int64_t index;
    const json_t *object;
};

static enum un_status broken(const struct place *at, const char *key, const char *what) {
    if (at->list[0])
        return un_fail(UN_DATA, "%s: %s[%lld].%s: %s", at->path, at->list, (long long)at->index, key, what);
    return un_fail(UN_DATA, "%s: %s: %s", at->path, key, what);
}

static enum un_status take_i64(const struct place *at, const char *key, int64_t min, int64_t max,
                               int64_t *value) {
    const json_t *v = json_object_get(at->object, key);
    char what[128];
    if (!json_is_integer(v)) return broken(at, key, v ? "not an integer" : "missing");
    *value = json_integer_value(v);
    if (*value >= min && *value <= max) return UN_OK;
    snprintf(what, sizeof what, "%" PRId64 " is not in [%" PRId64 ", %" PRId64 "]", *value, min, max);
    return broken(at, key, what);
}

static enum un_status take_text(const struct place *at, const char *key, const char **text) {
    const json_t *v = json_object_get(at->object, key);
    *text = "";
    if (!json_is_string(v)) return broken(at, key, v ? "not a string" : "missing");
    *text = json_string_value(v);
    return strlen(*text) == json_string_length(v) ? UN_OK : broken(at, key, "holds a zero byte");
}

static enum un_status take_array(const struct place *at, const char *key, const json_t **array) {
    *array = json_object_get(at->object, key);
    return json_is_array(*array) ? UN_OK : broken(at, key, *array ? "not an array" : "missing");
}

static enum un_status take_digest(const struct place *at, const char *key, struct un_digest *digest) {
    const char *text;
    UN_TRY(take_text(at, key, &text));
    return un_digest_parse(text, digest) ? UN_OK : broken(at, key, "not 32 lower-case hexadecimal digits");
}

/* The number must print as it stands: no sign, no leading zeros beyond the format's own. */
static enum un_status take_u64(const struct place *at, const char *key, int base, const char *format,
                               uint64_t *value) {
    const char *text;
    char again[32];
    UN_TRY(take_text(at, key, &text));
    errno = 0;
    *value = strtoull(text, NULL, base);
    snprintf(again, sizeof again, format, *value);
    return errno == 0 && strcmp(text, again) == 0 ? UN_OK : broken(at, key, "not a number of 64 bits");
}

static enum un_status parse_state(const struct place *root, const json_t *list, struct un_manifest *m,
                                  int64_t lane) {
    struct un_lane_state *s = &m->states[lane];
    char key[64];
    snprintf(key, sizeof key, "states[%lld]", (long long)lane);
    if (!json_is_array(list) || json_array_size(list) != (size_t)(1 + 2 * m->n_streams))
        return broken(root, key, "not an array of pending, then epoch and position of each stream");
    for (size_t i = 0; i < json_array_size(list); ++i) {
        const json_t *v = json_array_get(list, i);
        int64_t value = json_integer_value(v), min = i == 0 ? -1 : 0,
                max = i == 0 ? m->n_streams - 1 : total_max;
        if (!json_is_integer(v) || value < min || value > max)
            return broken(root, key, "a value out of range");
        if (i == 0)
            s->pending = value;
        else if (i % 2)
            s->stream[i / 2].epoch = value;
        else
            s->stream[i / 2 - 1].position = value;
    }
    return UN_OK;
}

static enum un_status parse_states(const struct place *root, struct un_manifest *m) {
    const json_t *list;
    UN_TRY(take_array(root, "states", &list));
    if (json_array_size(list) != (size_t)m->lanes) return broken(root, "states", "not one entry a lane");
    m->states = un_alloc((size_t)m->lanes, sizeof *m->states, "lane states");
    if (!m->states) return UN_MEMORY;
    for (int64_t lane = 0; lane < m->lanes; ++lane)
        UN_TRY(parse_state(root, json_array_get(list, (size_t)lane), m, lane));
    return UN_OK;
}

static enum un_status parse_shape(const struct place *at, const struct un_manifest *m, struct un_param *p) {
    const json_t *shape;
    UN_TRY(take_array(at, "shape", &shape));
    size_t n = json_array_size(shape);
    if (n < 1 || n > 2) return broken(at, "shape", "not one or two sizes");
    p->ndim = (int)n;
    p->count = 1;
    for (size_t d = 0; d < n; ++d) {
        const json_t *v = json_array_get(shape, d);
        p->shape[d] = json_integer_value(v);
        if (!json_is_integer(v) || p->shape[d] < 1 || p->shape[d] > m->total / p->count)
            return broken(at, "shape", "a size out of range");
        p->count *= p->shape[d];
    }
    return UN_OK;
}

static enum un_status parse_param(const struct place *at, const struct un_manifest *m, int64_t begin,
                                  struct un_param *p) {
    const char *name;
    UN_TRY(take_text(at, "name", &name));
    if (strlen(name) == 0 || strlen(name) >= sizeof p->name) return broken(at, "name", "empty or too long");
    strcpy(p->name, name);
    UN_TRY(parse_shape(at, m, p));
    UN_TRY(take_i64(at, "offset", begin, m->total - p->count, &p->offset));
    return UN_OK;
}

static enum un_status parse_params(const struct place *root, struct un_manifest *m) {
    const json_t *list;
    UN_TRY(take_array(root, "params", &list));
    m->n_params = (int64_t)json_array_size(list);
    m->params = un_alloc((size_t)m->n_params + 1, sizeof *m->params, "parameter table");
    if (!m->params) return UN_MEMORY;
    int64_t begin = 0;
    for (int64_t i = 0; i < m->n_params; ++i) {
        struct place at = {root->path, "params", i, json_array_get(list, (size_t)i)};
        UN_TRY(parse_param(&at, m, begin, &m->params[i]));
        begin = m->params[i].offset + m->params[i].count;
    }
    return UN_OK;
}

/* A plain name inside the checkpoint's folder: nothing that could lead out of it. */
static bool plain_name(const char *name) {
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";
    return name[0] != '\0' && name[0] != '.' && name[strspn(name, allowed)] == '\0';
}

static enum un_status take_file(const struct place *at, struct un_shard_file *s) {
    const char *file;
    UN_TRY(take_text(at, "file", &file));
    if (strlen(file) >= sizeof s->file || !plain_name(file))
        return broken(at, "file", "not a plain file name");
    strcpy(s->file, file);
    return take_i64(at, "bytes", 1, INT64_MAX, &s->bytes);
}

/* Room for `more` runs after those that are there. */
static enum un_status grow_runs(struct un_manifest *m, int64_t more, int64_t *room) {
    if (m->n_runs + more <= *room) return UN_OK;
    int64_t size = 2 * *room + more;
    void *grown = m->runs;
    UN_TRY(un_grow(&grown, (size_t)*room, (size_t)size, sizeof *m->runs, "runs of shards"));
    m->runs = grown;
    *room = size;
    return UN_OK;
}

static bool pair_of(const json_t *pair, int64_t value[2]) {
    if (!json_is_array(pair) || json_array_size(pair) != 2) return false;
    for (size_t i = 0; i < 2; ++i) {
        if (!json_is_integer(json_array_get(pair, i))) return false;
        value[i] = json_integer_value(json_array_get(pair, i));
    }
    return true;
}

/* Runs are whole blocks, in ascending order. */
static enum un_status parse_runs(const struct place *at, struct un_manifest *m, struct un_shard_file *s,
                                 int64_t *room) {
    const json_t *list;
    UN_TRY(take_array(at, "runs", &list));
    s->n_runs = (int64_t)json_array_size(list);
    if (s->n_runs == 0) return broken(at, "runs", "empty");
    UN_TRY(grow_runs(m, s->n_runs, room));
    int64_t after = 0, pair[2];
    for (int64_t i = 0; i < s->n_runs; ++i) {
        if (!pair_of(json_array_get(list, (size_t)i), pair))
            return broken(at, "runs", "not pairs of first element and count");
        if (pair[0] < after || pair[0] >= m->total || pair[1] < 1 || pair[1] > m->total - pair[0])
            return broken(at, "runs", "not ascending, or outside of the buffer");
        after = pair[0] + pair[1];
        if (pair[0] % UN_PARAM_BLOCK != 0 || (after % UN_PARAM_BLOCK != 0 && after != m->total))
            return broken(at, "runs", "not whole blocks");
        m->runs[m->n_runs++] = (struct un_run){pair[0], after, at->index, s->count};
        s->count += pair[1];
    }
    return UN_OK;
}

/* The arrays lie one after the other inside the file. */
static enum un_status parse_offsets(const struct place *at, struct un_shard_file *s) {
    const json_t *list;
    UN_TRY(take_array(at, "at", &list));
    if (json_array_size(list) != UN_CKPT_ARRAYS) return broken(at, "at", "not three offsets");
    int64_t length = s->count * (int64_t)sizeof(float), least = 0;
    for (size_t i = 0; i < UN_CKPT_ARRAYS; ++i) {
        const json_t *v = json_array_get(list, i);
        s->at[i] = json_integer_value(v);
        if (!json_is_integer(v) || s->at[i] < least || s->at[i] > s->bytes - length)
            return broken(at, "at", "arrays overlap, or do not lie in the file");
        least = s->at[i] + length;
    }
    return UN_OK;
}

static enum un_status parse_data(const struct place *at, struct un_shard_file *s) {
    const json_t *list;
    UN_TRY(take_array(at, "xxh3_128", &list));
    if (json_array_size(list) != UN_CKPT_ARRAYS) return broken(at, "xxh3_128", "not three digests");
    for (size_t i = 0; i < UN_CKPT_ARRAYS; ++i) {
        const json_t *v = json_array_get(list, i);
        if (!json_is_string(v) || !un_digest_parse(json_string_value(v), &s->data[i]))
            return broken(at, "xxh3_128", "not 32 lower-case hexadecimal digits");
    }
    return take_digest(at, "head", &s->head);
}

static enum un_status parse_old(const struct place *at, struct un_manifest *m, struct un_shard_file *s,
                                int64_t *room) {
    int64_t first = m->n_runs ? m->runs[m->n_runs - 1].end : 0;
    UN_TRY(take_i64(at, "first", first, first, &first));
    UN_TRY(take_i64(at, "count", 1, m->total - first, &s->count));
    UN_TRY(grow_runs(m, 1, room));
    s->n_runs = 1;
    m->runs[m->n_runs++] = (struct un_run){first, first + s->count, at->index, 0};
    return take_digest(at, "xxh3_128", &s->head);
}

static enum un_status parse_shard(const struct place *at, struct un_manifest *m, struct un_shard_file *s,
                                  int64_t *room) {
    UN_TRY(take_file(at, s));
    s->run = m->n_runs;
    if (m->version == UN_MANIFEST_OLD)
        UN_TRY(parse_old(at, m, s, room));
    else
        UN_TRY(parse_runs(at, m, s, room));
    if (s->count > s->bytes / (UN_CKPT_ARRAYS * (int64_t)sizeof(float)))
        return broken(at, "bytes", "cannot hold p, m and v of its elements");
    if (m->version == UN_MANIFEST_OLD) return UN_OK;
    UN_TRY(parse_offsets(at, s));
    return parse_data(at, s);
}

static int by_begin(const void *a, const void *b) {
    const struct un_run *x = a, *y = b;
    return (x->begin > y->begin) - (x->begin < y->begin);
}

/* Every element once: what the shards hold, sorted, leaves neither gap nor overlap. */
static enum un_status check_cover(const struct place *root, struct un_manifest *m) {
    m->order = un_alloc((size_t)m->n_runs + 1, sizeof *m->order, "runs of shards");
    if (!m->order) return UN_MEMORY;
    if (m->n_runs) memcpy(m->order, m->runs, (size_t)m->n_runs * sizeof *m->order);
    if (m->n_runs) qsort(m->order, (size_t)m->n_runs, sizeof *m->order, by_begin);
    int64_t next = 0;
    for (int64_t i = 0; i < m->n_runs; next = m->order[i++].end)
        if (m->order[i].begin != next) return broken(root, "shards", "a gap or an overlap of their elements");
    return next == m->total ? UN_OK : broken(root, "shards", "together not as long as total says");
}

static enum un_status parse_shards(const struct place *root, struct un_manifest *m) {
    const json_t *list;
    int64_t room = 0;
    UN_TRY(take_array(root, "shards", &list));
    m->n_shards = (int64_t)json_array_size(list);
    m->shards = un_alloc((size_t)m->n_shards + 1, sizeof *m->shards, "list of shards");
    if (!m->shards) return UN_MEMORY;
    for (int64_t i = 0; i < m->n_shards; ++i) {
        struct place at = {root->path, "shards", i, json_array_get(list, (size_t)i)};
        UN_TRY(parse_shard(&at, m, &m->shards[i], &room));
    }
    return check_cover(root, m);
}

/* For people and a warning: may be missing. */
static enum un_status parse_kind(const struct place *root, struct un_manifest *m) {
    const char *kind = "";
    if (json_object_get(root->object, "kind")) UN_TRY(take_text(root, "kind", &kind));
    if (strlen(kind) >= sizeof m->kind) return broken(root, "kind", "too long");
    return strcpy(m->kind, kind), UN_OK;
}

static enum un_status parse_all(const struct place *root, struct un_manifest *m) {
    const char *format;
    UN_TRY(take_text(root, "format", &format));
    if (strcmp(format, UN_MANIFEST_FORMAT) != 0) return broken(root, "format", "not " UN_MANIFEST_FORMAT);
    UN_TRY(take_i64(root, "version", UN_MANIFEST_OLD, UN_MANIFEST_VERSION, &m->version));
    UN_TRY(take_i64(root, "step", 0, step_max, &m->step));
    UN_TRY(take_u64(root, "seed", 10, "%" PRIu64, &m->seed));
    UN_TRY(take_i64(root, "lanes", 1, LANES_MAX, &m->lanes));
    UN_TRY(take_i64(root, "streams", 1, UN_MAX_STREAMS, &m->n_streams));
    UN_TRY(take_u64(root, "plan_digest", 16, "%016" PRIx64, &m->plan_digest));
    UN_TRY(parse_kind(root, m));
    UN_TRY(parse_states(root, m));
    UN_TRY(take_i64(root, "total", 1, total_max, &m->total));
    UN_TRY(parse_params(root, m));
    UN_TRY(parse_shards(root, m));
    UN_TRY(take_digest(root, "param_digest", &m->param));
    UN_TRY(take_digest(root, "state_digest", &m->state));
    return un_manifest_amax_parse(root->object, root->path, m);
}

/* The last line's digest is that of all bytes before it. */
static enum un_status check_tail(const char *path, const char *text, size_t bytes) {
    static const char begin[] = UN_MANIFEST_TAIL_BEGIN, end[] = UN_MANIFEST_TAIL_END;
    const size_t begin_bytes = sizeof begin - 1, end_bytes = sizeof end - 1, hex_bytes = UN_DIGEST_TEXT - 1;
    const size_t tail_bytes = begin_bytes + hex_bytes + end_bytes;
    char hex[UN_DIGEST_TEXT] = "";
    struct un_digest said, found;
    const char *tail = bytes >= tail_bytes ? text + bytes - tail_bytes : NULL;
    if (!tail || memcmp(tail, begin, begin_bytes) != 0 ||
        memcmp(tail + begin_bytes + hex_bytes, end, end_bytes) != 0)
        return un_fail(UN_DATA, "%s: %zu bytes that do not end as a manifest does: truncated or not one",
                       path, bytes);
    memcpy(hex, tail + begin_bytes, hex_bytes);
    found = un_digest_of(text, bytes - tail_bytes);
    if (un_digest_parse(hex, &said) && un_digest_equal(&said, &found)) return UN_OK;
    return un_fail(UN_DATA, "%s: damaged or edited: its text does not have the digest %s of its last line",
                   path, hex);
}

enum un_status un_manifest_parse(struct un_manifest *m, const char *path, const char *text, size_t bytes) {
    *m = (struct un_manifest){0};
    UN_TRY(check_tail(path, text, bytes));
    json_error_t error;
    json_t *json = json_loadb(text, bytes, JSON_REJECT_DUPLICATES, &error);
    if (!json) return un_fail(UN_DATA, "%s:%d: not JSON (jansson: %s)", path, error.line, error.text);
    struct place root = {path, "", 0, json};
    enum un_status status =
        json_is_object(json) ? parse_all(&root, m) : un_fail(UN_DATA, "%s: not a JSON object", path);
    json_decref(json);
    return status;
}
