/* Writing a safetensors file: header first, then the tensors in the order of their names, as the format's own
 * library does for one dtype. Nothing under the final name before all of it is on the disk. */
#include "io/disk/calls.h"
#include "io/disk/files.h"
#include "io/safetensors/safetensors.h"
#include "runtime/bfloat.h"
#include "runtime/half.h"
#include "runtime/memory.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BLOCK = 16384, PAD = 8 }; /* elements; bytes */

static const struct {
    const char *name;
    int64_t bytes;
} written[] = {[UN_ST_F32] = {"F32", 4}, [UN_ST_F16] = {"F16", 2}, [UN_ST_BF16] = {"BF16", 2}};

static int by_name(const void *a, const void *b) {
    return strcmp(((const struct un_st_new *)a)->name, ((const struct un_st_new *)b)->name);
}

static int64_t elements(const struct un_st_new *t) {
    int64_t n = 1;
    for (int d = 0; d < t->rank; ++d) n *= t->shape[d];
    return n;
}

static json_t *tensor_json(const struct un_st_new *t, enum un_st_type type, int64_t begin, int64_t end) {
    json_t *shape = json_array();
    int failed = 0;
    for (int d = 0; d < t->rank; ++d) failed |= json_array_append_new(shape, json_integer(t->shape[d]));
    if (failed) {
        json_decref(shape);
        return NULL;
    }
    return json_pack("{s:s,s:o,s:[I,I]}", "dtype", written[type].name, "shape", shape, "data_offsets",
                     (json_int_t)begin, (json_int_t)end);
}

/* NULL when memory is out. jansson keeps the order of insertion. */
static json_t *header_json(const struct un_st_content *c) {
    json_t *header = json_object(), *metadata = json_object();
    int failed = 0;
    int64_t at = 0;
    for (int64_t i = 0; i < c->n_metadata; ++i)
        failed |= json_object_set_new(metadata, c->metadata[i].key, json_string(c->metadata[i].value));
    if (c->n_metadata) failed |= json_object_set(header, "__metadata__", metadata);
    json_decref(metadata);
    for (int64_t i = 0; i < c->n && !failed; ++i) {
        int64_t end = at + elements(&c->list[i]) * written[c->type].bytes;
        failed = json_object_set_new(header, c->list[i].name, tensor_json(&c->list[i], c->type, at, end));
        at = end;
    }
    if (!failed) return header;
    json_decref(header);
    return NULL;
}

/* The length and the header, padded with blanks to a multiple of PAD. */
static enum un_status write_header(int fd, const char *path, const struct un_st_content *c) {
    json_t *header = header_json(c);
    size_t bytes = header ? json_dumpb(header, NULL, 0, JSON_COMPACT) : 0;
    uint64_t length = (bytes + PAD - 1) / PAD * PAD;
    char *text = bytes ? un_alloc(length, 1, path) : NULL;
    enum un_status status = UN_OK;
    if (!text)
        status = un_fail(UN_MEMORY, "%s: no memory for its header", path);
    else if (length > UN_ST_HEADER_MAX)
        status = un_fail(UN_USAGE, "%s: a header of %" PRIu64 " bytes (at most %d)", path, length,
                         UN_ST_HEADER_MAX);
    if (status == UN_OK) {
        json_dumpb(header, text, bytes, JSON_COMPACT);
        memset(text + bytes, ' ', length - bytes);
        status = un_files_write_all(fd, path, &length, sizeof length);
    }
    if (status == UN_OK) status = un_files_write_all(fd, path, text, length);
    un_free(text);
    json_decref(header);
    return status;
}

/* Rounds n floats into `out`; UN_DATA when a finite one overflows. */
static enum un_status narrow(const char *path, const struct un_st_new *t, enum un_st_type type, int64_t first,
                             const float *values, int64_t n, uint16_t *out) {
    for (int64_t k = 0; k < n; ++k) {
        out[k] = type == UN_ST_F16 ? un_half_from(values[k]) : un_bfloat_from(values[k]);
        float back = type == UN_ST_F16 ? un_half_to(out[k]) : un_bfloat_to(out[k]);
        if (isinf(back) && isfinite(values[k]))
            return un_fail(UN_DATA, "%s: tensor %s: element %" PRId64 " is %g, beyond the range of %s", path,
                           t->name, first + k, (double)values[k], written[type].name);
    }
    return UN_OK;
}

static enum un_status write_tensor(int fd, const char *path, const struct un_st_content *c,
                                   const struct un_st_new *t, float *values, uint16_t *narrowed) {
    int64_t count = elements(t);
    for (int64_t first = 0; first < count; first += BLOCK) {
        int64_t n = count - first < BLOCK ? count - first : BLOCK;
        const void *bytes = values;
        UN_TRY(c->fill(c->context, t->source, first, n, values));
        if (c->type != UN_ST_F32) {
            UN_TRY(narrow(path, t, c->type, first, values, n, narrowed));
            bytes = narrowed;
        }
        UN_TRY(un_files_write_all(fd, path, bytes, (size_t)(n * written[c->type].bytes)));
    }
    return UN_OK;
}

static enum un_status write_content(int fd, const char *path, const struct un_st_content *c) {
    float *values = un_alloc(BLOCK, sizeof *values, "writing a safetensors file");
    uint16_t *narrowed = un_alloc(BLOCK, sizeof *narrowed, "writing a safetensors file");
    enum un_status status;
    UN_TRY_GOTO(values && narrowed ? UN_OK : UN_MEMORY, out);
    UN_TRY_GOTO(write_header(fd, path, c), out);
    for (int64_t i = 0; i < c->n; ++i)
        UN_TRY_GOTO(write_tensor(fd, path, c, &c->list[i], values, narrowed), out);
    if (un_calls_fsync(fd) != 0) status = un_fail(UN_IO, "%s: fsync: %s", path, strerror(errno));
out:
    un_free(values);
    un_free(narrowed);
    return status;
}

static enum un_status write_partial(const char *path, const struct un_st_content *c) {
    int fd = un_calls_open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC);
    if (fd < 0) return un_fail(UN_IO, "%s: cannot create: %s", path, strerror(errno));
    enum un_status status = write_content(fd, path, c);
    if (un_calls_close(fd) != 0 && status == UN_OK)
        status = un_fail(UN_IO, "%s: close: %s", path, strerror(errno));
    return status;
}

enum un_status un_safetensors_write(const char *path, struct un_st_content *content) {
    if (access(path, F_OK) == 0)
        return un_fail(UN_USAGE, "%s exists: nothing is overwritten; remove it or name another file", path);
    if (content->n) qsort(content->list, (size_t)content->n, sizeof *content->list, by_name);
    char *partial = un_format("%s.partial", path);
    if (!partial) return UN_MEMORY;
    enum un_status status = write_partial(partial, content);
    if (status == UN_OK && rename(partial, path) != 0)
        status = un_fail(UN_IO, "%s: cannot rename to %s: %s", partial, path, strerror(errno));
    if (status == UN_OK)
        status = un_files_sync_folder_of(path);
    else
        unlink(partial);
    un_free(partial);
    return status;
}
