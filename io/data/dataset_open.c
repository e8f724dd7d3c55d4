/* Opens the files of a data set, which must agree, and has them joined (dataset_join.c). */
#include "comm/comm.h"
#include "io/data/private.h"
#include "runtime/memory.h"
#include <stdio.h>
#include <string.h>

/* Two files must agree; the message names both. */
static enum un_status agree(const char *what, const char *path, int64_t value, const char *first_path,
                            int64_t first) {
    if (value == first) return UN_OK;
    return un_fail(UN_DATA, "%s: %s is %lld, but %lld in %s", path, what, (long long)value, (long long)first,
                   first_path);
}

static enum un_status check_image_file(const struct un_dataset *d, int64_t i, bool need_soft_labels) {
    const struct un_image_file *f = d->image_files + i, *first = d->image_files;
    UN_TRY(agree("width of feature", f->path, f->img_dim, first->path, first->img_dim));
    UN_TRY(agree("bytes of a feature", f->path, un_type_bytes(f->feature_type), first->path,
                 un_type_bytes(first->feature_type)));
    if (need_soft_labels && f->classes == 0)
        return un_fail(
            UN_DATA,
            "%s: soft_label is missing: objectives mrc and mrckl of data set %s need it; mrfr needs none",
            f->path, d->name);
    if (f->classes && first->classes)
        return agree("width of soft_label", f->path, f->classes, first->path, first->classes);
    return UN_OK;
}

static enum un_status open_image_files(struct un_dataset *d, const struct un_strings *patterns, int64_t tries,
                                       bool need_soft_labels, bool index) {
    char **paths, what[300];
    int64_t n;
    enum un_status status = UN_OK;
    snprintf(what, sizeof what, "data set %s: images", d->name);
    UN_TRY(un_paths_expand(&paths, &n, patterns, what));
    d->image_files = un_alloc((size_t)n, sizeof *d->image_files, "image files");
    if (!d->image_files) UN_TRY_GOTO(UN_MEMORY, out);
    for (int64_t i = 0; i < n; ++i) {
        UN_TRY_GOTO((index ? un_image_file_open : un_image_file_open_rows)(d->image_files + i, paths[i]),
                    out);
        d->n_image_files = i + 1;
        un_image_file_set_tries(d->image_files + i, (int)tries);
        UN_TRY_GOTO(check_image_file(d, i, need_soft_labels), out);
    }
    d->info.img_dim = d->image_files[0].img_dim;
    d->info.feature_type = d->image_files[0].feature_type;
    d->info.img_label_dim = d->image_files[0].classes;
    for (int64_t i = 0; i < n; ++i)
        if (d->image_files[i].classes == 0) d->info.img_label_dim = 0;
out:
    un_paths_free(paths, n);
    return status;
}

static enum un_status check_text_file(const struct un_dataset *d, int64_t i) {
    const struct un_text_file *f = d->text_files + i, *first = d->text_files;
    UN_TRY(un_vocab_agree(&f->vocab, f->path, &first->vocab, first->path));
    UN_TRY(un_target_columns_agree(&f->targets, f->path, &first->targets, first->path));
    while (first < f && !first->targets.answer_names) ++first; /* who names answers first */
    return un_target_columns_agree(&f->targets, f->path, &first->targets, first->path);
}

static enum un_status open_text_files(struct un_dataset *d, const struct un_strings *patterns, int64_t tries,
                                      bool index) {
    char **paths, what[300];
    int64_t n;
    enum un_status status = UN_OK;
    snprintf(what, sizeof what, "data set %s: text", d->name);
    UN_TRY(un_paths_expand(&paths, &n, patterns, what));
    d->text_files = un_alloc((size_t)n, sizeof *d->text_files, "text files");
    if (!d->text_files) UN_TRY_GOTO(UN_MEMORY, out);
    d->info.aligned = true;
    for (int64_t i = 0; i < n; ++i) {
        UN_TRY_GOTO((index ? un_text_file_open : un_text_file_open_rows)(d->text_files + i, paths[i]), out);
        d->n_text_files = i + 1;
        un_text_file_set_tries(d->text_files + i, (int)tries);
        UN_TRY_GOTO(check_text_file(d, i), out);
        d->info.aligned = d->info.aligned && d->text_files[i].aligned;
    }
    d->info.vocab = d->text_files[0].vocab;
    un_dataset_sum_up_tasks(d);
out:
    un_paths_free(paths, n);
    return status;
}

static void drop_indices(struct un_dataset *d) {
    for (int64_t i = 0; i < d->n_image_files; ++i) un_image_file_drop_index(d->image_files + i);
    for (int64_t i = 0; i < d->n_text_files; ++i) un_text_file_drop_index(d->text_files + i);
}

static void log_left_out(const struct un_dataset *d) {
    const struct un_dataset_info *n = &d->info;
    if (n->texts_without_image + n->texts_too_long + n->texts_empty + n->images_without_text == 0) return;
    un_log(
        UN_LOG_INFO,
        "data set %s: left out %lld texts without image, %lld too long, %lld empty, %lld images without text",
        d->name, (long long)n->texts_without_image, (long long)n->texts_too_long, (long long)n->texts_empty,
        (long long)n->images_without_text);
}

static enum un_status check_settings(const struct un_dataset *d, const struct un_data_keys *data,
                                     int64_t lanes) {
    if (data->min_bb > data->max_bb)
        return un_fail(UN_USAGE, "data.min_bb %lld is above data.max_bb %lld", (long long)data->min_bb,
                       (long long)data->max_bb);
    return lanes >= 1 ? UN_OK : un_fail(UN_USAGE, "data set %s: %lld lanes", d->name, (long long)lanes);
}

/* What a data set is opened from. */
struct request {
    const struct un_dataset_keys *keys;
    const struct un_data_keys *data;
    bool soft_labels;
};

static enum un_status open_files(struct un_dataset *d, const struct request *r, bool index) {
    UN_TRY(open_image_files(d, &r->keys->images, r->data->tries, r->soft_labels, index));
    return open_text_files(d, &r->keys->text, r->data->tries, index);
}

static enum un_status read_index(struct un_dataset *d, const struct request *r) {
    UN_TRY(open_files(d, r, true));
    UN_TRY(un_dataset_join(d, r->data));
    drop_indices(d);
    return UN_OK;
}

/* Every rank of a host takes part, also one that has failed (d NULL: without memory). */
static enum un_status share_index(struct un_dataset *d, const struct request *r, enum un_status status,
                                  struct un_dataset_host *host) {
    bool first = host->comm->rank == 0, taken;
    if (status == UN_OK) status = first ? read_index(d, r) : open_files(d, r, false);
    if (first) return un_dataset_offer(d, host, status);
    UN_TRY(un_dataset_take(d, host, status, &taken));
    if (taken) {
        drop_indices(d);
        return UN_OK;
    }
    un_dataset_close_files(d);
    return read_index(d, r);
}

static enum un_status check_lanes(const struct un_dataset *d) {
    if (d->info.images_with_text >= d->lanes) return UN_OK;
    return un_fail(UN_USAGE, "data set %s has %lld usable images, fewer than train.lanes %lld", d->name,
                   (long long)d->info.images_with_text, (long long)d->lanes);
}

enum un_status un_dataset_open(struct un_dataset **dataset, const struct un_dataset_keys *keys,
                               const struct un_data_keys *data, int64_t lanes, bool need_soft_labels,
                               bool allow_empty_lanes, struct un_dataset_host *host) {
    const struct request request = {keys, data, need_soft_labels};
    enum un_status status = UN_MEMORY;
    struct un_dataset *d = *dataset = un_alloc(1, sizeof *d, "a data set");
    if (d) {
        memcpy(d->name, keys->name, sizeof d->name);
        d->lanes = lanes;
        status = check_settings(d, data, lanes);
    }
    if (host)
        status = share_index(d, &request, status, host);
    else if (status == UN_OK)
        status = read_index(d, &request);
    if (status == UN_OK && !allow_empty_lanes) status = check_lanes(d);
    if (status == UN_OK) {
        log_left_out(d);
        return UN_OK;
    }
    un_dataset_close(d);
    *dataset = NULL;
    return status;
}
