/* The index of sharded weights, and its files (index.h). */
#include "io/safetensors/index.h"
#include "io/disk/files.h"
#include "io/disk/json.h"
#include "runtime/memory.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static int by_name(const void *a, const void *b) {
    return strcmp(((const struct un_st_placed *)a)->tensor.name,
                  ((const struct un_st_placed *)b)->tensor.name);
}

static bool ends_in(const char *text, const char *tail) {
    size_t n = strlen(text), length = strlen(tail);
    return n > length && strcmp(text + n - length, tail) == 0;
}

/* A file's name by itself: an index leads nowhere else. */
static enum un_status check_name(const char *path, const char *tensor, const char *name) {
    if (!name) return un_fail(UN_DATA, "%s: weight_map: %.200s: no file's name", path, tensor);
    if (!name[0] || strchr(name, '/'))
        return un_fail(UN_DATA, "%s: weight_map: %.200s: file \"%.200s\" is not beside the index", path,
                       tensor, name);
    if (ends_in(name, ".bin") || ends_in(name, ".pt"))
        return un_fail(
            UN_DATA, "%s: an index of PyTorch's files (%.200s): pt_safetensors.py turns it into safetensors",
            path, name);
    return UN_OK;
}

/* The number of an opened file; opens one that is new. names[files] are those of the opened. */
static enum un_status file_of(struct un_st_index *x, const char **names, const char *path, const char *name,
                              int64_t *number) {
    char folder[UN_PATH_MAX], full[UN_PATH_MAX];
    for (*number = 0; *number < x->files; ++*number)
        if (strcmp(names[*number], name) == 0) return UN_OK;
    if (x->files == UN_ST_SHARDS_MAX)
        return un_fail(UN_DATA, "%s: weight_map: more than %d files", path, UN_ST_SHARDS_MAX);
    const char *slash = strrchr(path, '/');
    size_t length = slash ? (size_t)(slash - path) + 1 : 0;
    if (length >= sizeof folder) return un_fail(UN_USAGE, "%s: too long a path", path);
    memcpy(folder, path, length);
    folder[length] = '\0';
    UN_TRY(un_files_join(full, length ? folder : ".", name));
    UN_TRY(un_safetensors_open(&x->file[x->files], full));
    names[x->files++] = name;
    return UN_OK;
}

static enum un_status place(struct un_st_index *x, const char **names, const char *path, const char *tensor,
                            const char *name) {
    int64_t file;
    UN_TRY(check_name(path, tensor, name));
    UN_TRY(file_of(x, names, path, name, &file));
    int64_t at = un_safetensors_find(x->file[file], tensor);
    if (at < 0)
        return un_fail(UN_DATA, "%s: tensor %.200s is said to be in %s, which does not have it", path, tensor,
                       x->file[file]->path);
    x->list[x->n++] = (struct un_st_placed){x->file[file]->list[at], file, at};
    return UN_OK;
}

/* What the files hold must be what the index names. */
static enum un_status check_all(const struct un_st_index *x, const char *path) {
    int64_t held = 0;
    for (int64_t f = 0; f < x->files; ++f) held += x->file[f]->n;
    if (held == x->n) return UN_OK;
    return un_fail(UN_DATA, "%s: its %" PRId64 " files hold %" PRId64 " tensors, but it names %" PRId64, path,
                   x->files, held, x->n);
}

static enum un_status take_map(struct un_st_index *x, const char *path, json_t *map, const char **names) {
    size_t n = json_object_size(map);
    if (n > UN_ST_TENSORS_MAX)
        return un_fail(UN_DATA, "%s: weight_map: %zu tensors, at most %d are read", path, n,
                       UN_ST_TENSORS_MAX);
    x->list = un_alloc(n + 1, sizeof *x->list, "index of weights");
    if (!x->list) return UN_MEMORY;
    for (void *i = json_object_iter(map); i; i = json_object_iter_next(map, i))
        UN_TRY(place(x, names, path, json_object_iter_key(i), json_string_value(json_object_iter_value(i))));
    if (n) qsort(x->list, n, sizeof *x->list, by_name);
    return check_all(x, path);
}

enum un_status un_safetensors_index_open(struct un_st_index *index, const char *path) {
    char *text;
    size_t bytes;
    json_error_t error;
    *index = (struct un_st_index){0};
    UN_TRY(un_files_read(path, UN_ST_HEADER_MAX, &text, &bytes));
    json_t *top = json_loadb(text, bytes, JSON_REJECT_DUPLICATES, &error);
    un_free(text);
    if (!top)
        return un_fail(UN_DATA, "%s: line %d: %s (jansson: %s)", path, error.line, un_json_fault(&error),
                       error.text);
    const char **names = un_alloc(UN_ST_SHARDS_MAX, sizeof *names, "index of weights");
    index->file = un_alloc(UN_ST_SHARDS_MAX, sizeof(struct un_st_file *), "index of weights");
    json_t *map = json_object_get(top, "weight_map");
    enum un_status status = names && index->file ? UN_OK : UN_MEMORY;
    if (status == UN_OK && !json_is_object(map))
        status = un_fail(UN_DATA, "%s: JSON, but no index of weights: it has no weight_map", path);
    if (status == UN_OK) status = take_map(index, path, map, names);
    un_free(names);
    json_decref(top);
    return status;
}

void un_safetensors_index_close(struct un_st_index *index) {
    for (int64_t f = 0; f < index->files; ++f) un_safetensors_close(index->file[f]);
    un_free(index->file);
    un_free(index->list);
    *index = (struct un_st_index){0};
}
