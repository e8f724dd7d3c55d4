/* Tensors by name from a file or a checkpoint. */
#include "io/weights/view.h"
#include "io/disk/files.h"
#include "io/weights/weights.h"
#include "runtime/memory.h"
#include <ctype.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FIRST_BYTES = 16, SAFE_BYTES = 9 };

static int by_name(const void *a, const void *b) {
    return strcmp(((const struct un_st_tensor *)a)->name, ((const struct un_st_tensor *)b)->name);
}

static bool drop_front(struct un_weights_view *v, const char *front) {
    size_t length = strlen(front);
    for (int64_t i = 0; i < v->n; ++i)
        if (strncmp(v->list[i].name, front, length) != 0 || !v->list[i].name[length]) return false;
    for (int64_t i = 0; i < v->n; ++i) v->list[i].name += length;
    return v->n > 0;
}

/* What parallel, compiled and wrapped models of PyTorch have in front of all names. "model." is dropped only where names
 * that are known come out: other networks have it too. */
static void drop_wrappers(struct un_weights_view *v) {
    size_t models = 0;
    for (;;) {
        if (drop_front(v, "module.") || drop_front(v, "_orig_mod.")) continue;
        if (!drop_front(v, "model.")) break;
        ++models;
    }
    if (models == 0 || un_weights_names_of(v) != UN_NAMES_NONE) return;
    for (int64_t i = 0; i < v->n; ++i) v->list[i].name -= models * (sizeof "model." - 1);
}

static enum un_status view_list(struct un_weights_view *v, const struct un_st_tensor *list, int64_t n) {
    v->n = n;
    v->list = un_alloc((size_t)n + 1, sizeof *v->list, "list of tensors");
    if (!v->list) return UN_MEMORY;
    if (n) memcpy(v->list, list, (size_t)n * sizeof *list);
    drop_wrappers(v);
    return UN_OK;
}

/* The first bytes of a file, for its kind; none where there is nothing to read, which whoever opens it will tell. */
static size_t first_bytes(const char *path, unsigned char bytes[FIRST_BYTES]) {
    struct stat st;
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    size_t n = 0;
    if (fd < 0) return 0;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) {
        ssize_t got = pread(fd, bytes, FIRST_BYTES, 0);
        n = got > 0 ? (size_t)got : 0;
    }
    close(fd);
    return n;
}

/* A length of a header that can be, and the brace that begins it. */
static bool is_safetensors(const unsigned char *bytes, size_t n) {
    uint64_t length = 0;
    if (n < SAFE_BYTES) return false;
    memcpy(&length, bytes, sizeof length);
    return length <= UN_ST_HEADER_MAX && bytes[sizeof length] == '{';
}

static bool is_torch(const unsigned char *bytes, size_t n) {
    return n >= 4 &&
           (memcmp(bytes, "PK\3\4", 4) == 0 || (bytes[0] == 0x80 && bytes[1] >= 2 && bytes[1] <= 5));
}

/* "model-00001-of-00002.safetensors": a part, and whatever it lacks would be drawn at random. */
static bool is_shard(const char *path) {
    const char *slash = strrchr(path, '/'), *of = strstr(slash ? slash : path, "-of-");
    const char *before = of;
    if (!of) return false;
    while (before > path && isdigit((unsigned char)before[-1])) --before;
    return before < of && before > path && before[-1] == '-' && strspn(of + 4, "0123456789") > 0 &&
           strcmp(of + 4 + strspn(of + 4, "0123456789"), ".safetensors") == 0 &&
           strtoll(of + 4, NULL, 10) > 1;
}

static bool is_json(const unsigned char *bytes, size_t n) {
    size_t at = 0;
    while (at < n && isspace(bytes[at])) ++at;
    return at < n && bytes[at] == '{';
}

static enum un_status view_index(struct un_weights_view *v, const char *path) {
    UN_TRY(un_safetensors_index_open(&v->index, path));
    if (v->index.n == 0) return un_fail(UN_DATA, "%s: weight_map: no tensor in it", path);
    struct un_st_tensor *list = un_alloc((size_t)v->index.n, sizeof *list, "list of tensors");
    if (!list) return UN_MEMORY;
    for (int64_t i = 0; i < v->index.n; ++i) list[i] = v->index.list[i].tensor;
    v->file = v->index.file[0];
    enum un_status status = view_list(v, list, v->index.n);
    un_free(list);
    return status;
}

static enum un_status view_file(struct un_weights_view *v, const char *path) {
    unsigned char bytes[FIRST_BYTES];
    size_t n = first_bytes(path, bytes);
    bool safe = is_safetensors(bytes, n);
    if (!safe && is_torch(bytes, n))
        return un_fail(UN_DATA, "%s: a file of PyTorch: pt_safetensors.py turns it into safetensors", path);
    if (is_shard(path))
        return un_fail(UN_DATA,
                       "%s: one shard of several: give the index that is beside them "
                       "(model.safetensors.index.json)",
                       path);
    if (!safe && is_json(bytes, n)) {
        UN_TRY(view_index(v, path));
    } else if (!safe && un_caffe_begins(bytes, n)) {
        UN_TRY(un_caffe_detector_open(&v->caffe, path));
        UN_TRY(view_list(v, v->caffe.list, v->caffe.n));
    } else {
        UN_TRY(un_safetensors_open(&v->file, path));
        UN_TRY(view_list(v, v->file->list, v->file->n));
    }
    v->name = un_strdup(path);
    return v->name ? UN_OK : UN_MEMORY;
}

static enum un_status view_checkpoint(struct un_weights_view *v, const char *path) {
    UN_TRY(un_checkpoint_params_read(&v->checkpoint, path));
    const struct un_params *table = &v->checkpoint.table;
    v->n = table->n;
    v->list = un_alloc((size_t)v->n + 1, sizeof *v->list, "list of tensors");
    if (!v->list) return UN_MEMORY;
    for (int64_t i = 0; i < v->n; ++i) {
        const struct un_param *p = &table->list[i];
        v->list[i] = (struct un_st_tensor){.name = p->name,
                                           .type = UN_ST_F32,
                                           .type_name = "F32",
                                           .rank = p->ndim,
                                           .shape = {p->shape[0], p->ndim > 1 ? p->shape[1] : 0},
                                           .count = p->count,
                                           .at = p->offset};
    }
    if (v->n) qsort(v->list, (size_t)v->n, sizeof *v->list, by_name);
    for (int64_t i = 1; i < v->n; ++i)
        if (strcmp(v->list[i - 1].name, v->list[i].name) == 0)
            return un_fail(UN_DATA, "%s: tensor %s is there twice", v->checkpoint.folder, v->list[i].name);
    v->name = un_strdup(v->checkpoint.folder);
    return v->name ? UN_OK : UN_MEMORY;
}

enum un_status un_weights_view_open(struct un_weights_view *view, const char *path) {
    struct stat st;
    *view = (struct un_weights_view){0};
    bool folder = stat(path, &st) == 0 && S_ISDIR(st.st_mode);
    UN_TRY(folder ? view_checkpoint(view, path) : view_file(view, path));
    view->path = view->name;
    return UN_OK;
}

void un_weights_view_close(struct un_weights_view *view) {
    if (!view->index.file) un_safetensors_close(view->file);
    un_safetensors_index_close(&view->index);
    un_caffe_detector_close(&view->caffe);
    un_checkpoint_params_free(&view->checkpoint);
    un_free(view->list);
    un_free(view->name);
    *view = (struct un_weights_view){0};
}

int64_t un_weights_view_find(const struct un_weights_view *view, const char *name) {
    return un_st_find(view->list, view->n, name);
}

enum un_status un_weights_view_read(const struct un_weights_view *view, int64_t i, int64_t first,
                                    int64_t count, float *out) {
    if (view->index.list) {
        const struct un_st_placed *p = &view->index.list[i];
        return un_safetensors_read(view->index.file[p->file], p->at, first, count, out);
    }
    if (view->file) return un_safetensors_read(view->file, i, first, count, out);
    if (view->caffe.file) return un_caffe_detector_read(&view->caffe, i, first, count, out);
    memcpy(out, view->checkpoint.values + view->list[i].at + first, (size_t)count * sizeof *out);
    return UN_OK;
}
