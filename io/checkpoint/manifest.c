/* manifest.json, the writing side, and its files. The reading side is manifest_parse.c. */
#include "io/checkpoint/manifest.h"
#include "io/checkpoint/manifest_private.h"
#include "io/disk/files.h"
#include "runtime/memory.h"
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { MANIFEST_BYTES_MAX = 256 << 20 };

/* A text that grows. */
struct text {
    char *data;
    size_t used, size;
};

/* jansson's callback: 0, or -1 when memory is out (recorded). */
static int append(const char *data, size_t bytes, void *context) {
    struct text *t = context;
    if (t->size - t->used < bytes) {
        size_t size = 2 * t->size + bytes;
        void *grown = t->data;
        if (un_grow(&grown, t->size, size, 1, "manifest") != UN_OK) return -1;
        t->data = grown;
        t->size = size;
    }
    memcpy(t->data + t->used, data, bytes);
    t->used += bytes;
    return 0;
}

static int append_text(struct text *t, const char *text) {
    return append(text, strlen(text), t);
}

/* Appends and drops `value`; NULL (jansson is out of memory) fails. */
static int append_json(struct text *t, json_t *value) {
    int failed = value ? json_dump_callback(value, append, t, JSON_COMPACT | JSON_ENCODE_ANY) : -1;
    json_decref(value);
    return failed;
}

/* "key": value and the comma of the next line. */
static int member(struct text *t, const char *key, json_t *value) {
    int failed = append_text(t, "\"") | append_text(t, key) | append_text(t, "\": ");
    return append_json(t, value) | failed | append_text(t, ",\n");
}

static int member_u64(struct text *t, const char *key, const char *format, uint64_t value) {
    char number[32];
    snprintf(number, sizeof number, format, value); /* a string: JSON's integers end at 2^63 - 1 */
    return member(t, key, json_string(number));
}

static int member_digest(struct text *t, const char *key, const struct un_digest *digest) {
    char hex[UN_DIGEST_TEXT];
    un_digest_print(digest, hex);
    return member(t, key, json_string(hex));
}

static json_t *state_json(const struct un_manifest *m, int64_t lane) {
    const struct un_lane_state *s = &m->states[lane];
    json_t *list = json_array();
    int failed = json_array_append_new(list, json_integer(s->pending));
    for (int64_t i = 0; i < m->n_streams; ++i) {
        failed |= json_array_append_new(list, json_integer(s->stream[i].epoch));
        failed |= json_array_append_new(list, json_integer(s->stream[i].position));
    }
    if (!failed) return list;
    json_decref(list);
    return NULL;
}

static json_t *param_json(const struct un_manifest *m, int64_t i) {
    const struct un_param *p = &m->params[i];
    json_int_t rows = p->shape[0], cols = p->shape[1];
    json_t *shape = p->ndim == 2 ? json_pack("[I,I]", rows, cols) : json_pack("[I]", rows);
    return json_pack("{s:s,s:o,s:I}", "name", p->name, "shape", shape, "offset", (json_int_t)p->offset);
}

static json_t *runs_json(const struct un_manifest *m, const struct un_shard_file *s) {
    json_t *list = json_array();
    int failed = list ? 0 : -1;
    for (int64_t i = s->run; i < s->run + s->n_runs && !failed; ++i) {
        const struct un_run *r = &m->runs[i];
        failed = json_array_append_new(
            list, json_pack("[I,I]", (json_int_t)r->begin, (json_int_t)(r->end - r->begin)));
    }
    if (!failed) return list;
    json_decref(list);
    return NULL;
}

static json_t *shard_json(const struct un_manifest *m, int64_t i) {
    const struct un_shard_file *s = &m->shards[i];
    char head[UN_DIGEST_TEXT], data[UN_CKPT_ARRAYS][UN_DIGEST_TEXT];
    un_digest_print(&s->head, head);
    for (int k = 0; k < UN_CKPT_ARRAYS; ++k) un_digest_print(&s->data[k], data[k]);
    return json_pack("{s:s,s:I,s:[I,I,I],s:s,s:[s,s,s],s:o}", "file", s->file, "bytes", (json_int_t)s->bytes,
                     "at", (json_int_t)s->at[0], (json_int_t)s->at[1], (json_int_t)s->at[2], "head", head,
                     "xxh3_128", data[0], data[1], data[2], "runs", runs_json(m, s));
}

/* One element a line, so that a person can read it and a diff shows what differs. */
static int member_list(struct text *t, const char *key, const struct un_manifest *m, int64_t n,
                       json_t *(*element)(const struct un_manifest *, int64_t)) {
    int failed = append_text(t, "\"") | append_text(t, key) | append_text(t, "\": [");
    for (int64_t i = 0; i < n && !failed; ++i)
        failed = append_text(t, i ? ",\n " : "\n ") | append_json(t, element(m, i));
    return failed | append_text(t, "],\n");
}

static int print(struct text *t, const struct un_manifest *m) {
    int failed = append_text(t, "{\n");
    failed |= member(t, "format", json_string(UN_MANIFEST_FORMAT));
    failed |= member(t, "version", json_integer(UN_MANIFEST_VERSION));
    failed |= member(t, "step", json_integer(m->step));
    failed |= member_u64(t, "seed", "%" PRIu64, m->seed);
    failed |= member(t, "lanes", json_integer(m->lanes));
    failed |= member(t, "streams", json_integer(m->n_streams));
    failed |= member_u64(t, "plan_digest", "%016" PRIx64, m->plan_digest);
    if (m->kind[0]) failed |= member(t, "kind", json_string(m->kind));
    failed |= member_list(t, "states", m, m->lanes, state_json);
    failed |= member(t, "total", json_integer(m->total));
    failed |= member_list(t, "params", m, m->n_params, param_json);
    failed |= member_list(t, "shards", m, m->n_shards, shard_json);
    if (m->fp8.tensors > 0) {
        failed |= member(t, "amax_updates", json_integer(m->fp8.filled));
        failed |= member_list(t, "amax", m, m->fp8.tensors, un_manifest_amax_row);
    }
    failed |= member_digest(t, "param_digest", &m->param);
    failed |= member_digest(t, "state_digest", &m->state);
    if (failed) return failed;
    struct un_digest own = un_digest_of(t->data, t->used);
    char hex[UN_DIGEST_TEXT];
    un_digest_print(&own, hex);
    return append_text(t, UN_MANIFEST_TAIL_BEGIN) | append_text(t, hex) |
           append_text(t, UN_MANIFEST_TAIL_END);
}

enum un_status un_manifest_write(const struct un_manifest *m, const char *folder) {
    char path[UN_PATH_MAX];
    UN_TRY(un_files_join(path, folder, UN_MANIFEST_NAME));
    struct text t = {0};
    enum un_status status = UN_OK;
    if (print(&t, m) != 0)
        status = un_fail(UN_MEMORY, "%s: no memory to print it", path);
    else
        status = un_files_replace(path, t.data, t.used);
    un_free(t.data);
    return status;
}

enum un_status un_manifest_fetch(const char *folder, char **text, size_t *bytes) {
    char path[UN_PATH_MAX];
    UN_TRY(un_files_join(path, folder, UN_MANIFEST_NAME));
    if (access(path, F_OK) != 0 && errno == ENOENT)
        return un_fail(UN_DATA, "%s: not a checkpoint: %s is missing", folder, UN_MANIFEST_NAME);
    return un_files_read(path, MANIFEST_BYTES_MAX, text, bytes);
}

enum un_status un_manifest_read(struct un_manifest *m, const char *folder) {
    char path[UN_PATH_MAX], *text = NULL;
    size_t bytes = 0;
    *m = (struct un_manifest){0};
    UN_TRY(un_files_join(path, folder, UN_MANIFEST_NAME));
    UN_TRY(un_manifest_fetch(folder, &text, &bytes));
    enum un_status status = un_manifest_parse(m, path, text, bytes);
    un_free(text);
    return status;
}

void un_manifest_free(struct un_manifest *m) {
    un_free(m->states);
    un_free(m->params);
    un_free(m->shards);
    un_free(m->runs);
    un_free(m->order);
    un_free(m->fp8.amax);
    *m = (struct un_manifest){0};
}
