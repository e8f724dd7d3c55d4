/* What a network of a task takes out of a pretrained one, against the file: the pretrained network by the rule, in a file of
 * weights, goes into the network of the task as model.init does it (io/weights). */
#include "io/weights/weights.h"
#include "runtime/memory.h"
#include "tests/whole/parity/tasks.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TYPES_PRETRAINED = 2 };

struct pretrained {
    struct un_params table;
    float *values;
};

static enum un_status fill(void *context, int64_t source, int64_t first, int64_t count, float *out) {
    const struct pretrained *from = context;
    memcpy(out, from->values + from->table.list[source].offset + first, (size_t)count * sizeof *out);
    return UN_OK;
}

static enum un_status write_all(struct pretrained *from, const char *path) {
    struct un_st_new *list = un_alloc((size_t)from->table.n, sizeof *list, "tensors");
    if (!list) return un_error_get()->status;
    for (int64_t i = 0; i < from->table.n; ++i) {
        const struct un_param *p = &from->table.list[i];
        list[i] = (struct un_st_new){p->name, p->ndim, {p->shape[0], p->shape[1]}, i};
    }
    struct un_st_content content = {
        .list = list, .n = from->table.n, .type = UN_ST_F32, .fill = fill, .context = from};
    enum un_status status = un_safetensors_write(path, &content);
    un_free(list);
    return status;
}

static enum un_status write_pretrained(const struct task_run *r, const char *path) {
    struct pretrained from = {0};
    struct un_dims dims = r->ref->dims;
    dims.type_vocab_size = TYPES_PRETRAINED;
    UN_TRY(un_model_params_build(&from.table, &dims));
    from.values = un_alloc((size_t)from.table.total, sizeof *from.values, "parameters");
    enum un_status status = from.values ? UN_OK : un_error_get()->status;
    if (status == UN_OK) {
        reference_values(r->ref, &from.table, from.values);
        status = write_all(&from, path);
    }
    un_free(from.values);
    un_params_free(&from.table);
    return status;
}

/* r->host: nothing but what comes from the file. */
static enum un_status take(struct task_run *r, const char *path) {
    struct un_weights_view view;
    struct un_weights_plan plan = {0};
    enum un_status status;
    for (int64_t i = 0; i < r->net.table->total; ++i) r->host[i] = NAN;
    UN_TRY_GOTO(un_weights_view_open(&view, path), done);
    UN_TRY_GOTO(un_weights_plan_open(&plan, &view, r->net.table, UN_FIT_START), done);
    status = un_weights_load(&plan, r->host);
done:
    un_weights_plan_close(&plan);
    un_weights_view_close(&view);
    return status;
}

static enum un_status compare_start(struct task_run *r, const char *name) {
    char path[200], what[140];
    float *want;
    int64_t count, at = un_params_find(r->net.table, name);
    snprintf(path, sizeof path, "init/%s", name);
    snprintf(what, sizeof what, "init %s", name);
    UN_TRY(task_floats(r, path, &want, &count));
    if (at >= 0 && r->net.table->list[at].count == count)
        compare_largest(r->card, what, r->host + r->net.table->list[at].offset, want, count, count, 0);
    else
        card_missing(r->card, what, "another number of elements than the reference");
    un_free(want);
    return UN_OK;
}

static enum un_status start(struct task_run *r, const char *path, char **names, int64_t n) {
    UN_TRY(write_pretrained(r, path));
    UN_TRY(take(r, path));
    for (int64_t i = 0; i < n; ++i) UN_TRY(compare_start(r, names[i]));
    return UN_OK;
}

enum un_status compare_task_init(struct task_run *r) {
    char group[96], folder[] = "/tmp/parity.XXXXXX", path[64], **names;
    int64_t n;
    snprintf(group, sizeof group, "tasks/%s/init", r->name);
    UN_TRY(un_h5_names(r->ref->file, group, &names, &n));
    enum un_status status = UN_OK;
    if (n > 0 && !mkdtemp(folder)) status = un_fail(UN_DATA, "%s: no folder can be made", folder);
    if (n > 0 && status == UN_OK) {
        snprintf(path, sizeof path, "%s/pretrained.safetensors", folder);
        status = start(r, path, names, n);
        unlink(path);
        rmdir(folder);
    }
    un_h5_names_free(names, n);
    return status;
}
