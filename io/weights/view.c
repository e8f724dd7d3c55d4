/* Tensors by name from a safetensors file or a checkpoint. */
#include "io/weights/view.h"
#include "runtime/memory.h"
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static int by_name(const void *a, const void *b) {
    return strcmp(((const struct un_st_tensor *)a)->name, ((const struct un_st_tensor *)b)->name);
}

static enum un_status view_file(struct un_weights_view *v, const char *path) {
    UN_TRY(un_safetensors_open(&v->file, path));
    v->n = v->file->n;
    v->list = un_alloc((size_t)v->n + 1, sizeof *v->list, "list of tensors");
    if (!v->list) return UN_MEMORY;
    if (v->n) memcpy(v->list, v->file->list, (size_t)v->n * sizeof *v->list);
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
    un_safetensors_close(view->file);
    un_checkpoint_params_free(&view->checkpoint);
    un_free(view->list);
    un_free(view->name);
    *view = (struct un_weights_view){0};
}

int64_t un_weights_view_find(const struct un_weights_view *view, const char *name) {
    int64_t low = 0, high = view->n;
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        int order = strcmp(view->list[middle].name, name);
        if (order == 0) return middle;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return -1;
}

enum un_status un_weights_view_read(const struct un_weights_view *view, int64_t i, int64_t first,
                                    int64_t count, float *out) {
    if (view->file) return un_safetensors_read(view->file, i, first, count, out);
    memcpy(out, view->checkpoint.values + view->list[i].at + first, (size_t)count * sizeof *out);
    return UN_OK;
}
