/* Opens the files of a data set, joins texts to images by id, leaves out what cannot be used, and numbers the
 * rest: images in the order of the files, texts by image. */
#include "io/data/private.h"
#include "io/data/regions.h"
#include "io/disk/ids.h"
#include "runtime/memory.h"
#include <stdio.h>
#include <string.h>

/* Everything the files hold, before the unused is left out; "all" numbers images in the order of the files. */
struct join {
    struct un_dataset *d;
    const struct un_data_keys *data;
    int64_t all_images, all_texts, kept;
    const char **ids;         /* [all_images] */
    struct un_image_ref *all; /* [all_images] */
    int64_t *used;            /* [all_images] texts kept, then the number of the image or -1 */
    struct un_text_ref *text; /* [kept] in the order of the files; image as in `all` */
    struct un_idmap map;
};

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
        return un_fail(UN_DATA, "%s: soft_label is missing: objectives mrc and mrckl of data set %s need it",
                       f->path, d->name);
    if (f->classes && first->classes)
        return agree("width of soft_label", f->path, f->classes, first->path, first->classes);
    return UN_OK;
}

static enum un_status open_image_files(struct un_dataset *d, const struct un_strings *patterns, int64_t tries,
                                       bool need_soft_labels) {
    char **paths, what[300];
    int64_t n;
    enum un_status status = UN_OK;
    snprintf(what, sizeof what, "data set %s: images", d->name);
    UN_TRY(un_paths_expand(&paths, &n, patterns, what));
    d->image_files = un_alloc((size_t)n, sizeof *d->image_files, "image files");
    if (!d->image_files) UN_TRY_GOTO(UN_MEMORY, out);
    for (int64_t i = 0; i < n; ++i) {
        UN_TRY_GOTO(un_image_file_open(d->image_files + i, paths[i]), out);
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

static enum un_status open_text_files(struct un_dataset *d, const struct un_strings *patterns,
                                      int64_t tries) {
    char **paths, what[300];
    int64_t n;
    enum un_status status = UN_OK;
    snprintf(what, sizeof what, "data set %s: text", d->name);
    UN_TRY(un_paths_expand(&paths, &n, patterns, what));
    d->text_files = un_alloc((size_t)n, sizeof *d->text_files, "text files");
    if (!d->text_files) UN_TRY_GOTO(UN_MEMORY, out);
    d->info.aligned = true;
    for (int64_t i = 0; i < n; ++i) {
        UN_TRY_GOTO(un_text_file_open(d->text_files + i, paths[i]), out);
        d->n_text_files = i + 1;
        un_text_file_set_tries(d->text_files + i, (int)tries);
        UN_TRY_GOTO(un_vocab_agree(&d->text_files[i].vocab, d->text_files[i].path, &d->text_files[0].vocab,
                                   d->text_files[0].path),
                    out);
        d->info.aligned = d->info.aligned && d->text_files[i].aligned;
    }
    d->info.vocab = d->text_files[0].vocab;
out:
    un_paths_free(paths, n);
    return status;
}

static enum un_status list_images_of(struct join *j, int64_t file) {
    const struct un_image_file *f = j->d->image_files + file;
    int32_t *regions = un_alloc((size_t)f->images + 1, sizeof *regions, "region counts");
    if (!regions) return UN_MEMORY;
    enum un_status status = un_regions_count(f, j->data, regions);
    for (int64_t i = 0; i < f->images && status == UN_OK; ++i) {
        j->ids[j->all_images] = f->ids + i * f->id_stride;
        j->all[j->all_images++] = (struct un_image_ref){i, f->region_offset[i], (int32_t)file, regions[i]};
    }
    un_free(regions);
    return status;
}

static enum un_status list_images(struct join *j) {
    const struct un_dataset *d = j->d;
    int64_t n = 0, first, second;
    for (int64_t i = 0; i < d->n_image_files; ++i) n += d->image_files[i].images;
    j->ids = un_alloc((size_t)n + 1, sizeof *j->ids, "image ids");
    j->all = un_alloc((size_t)n + 1, sizeof *j->all, "images");
    j->used = un_alloc((size_t)n + 1, sizeof *j->used, "images");
    if (!j->ids || !j->all || !j->used) return UN_MEMORY;
    for (int64_t i = 0; i < d->n_image_files; ++i) UN_TRY(list_images_of(j, i));
    UN_TRY(un_idmap_open(&j->map, j->ids, n, &first, &second));
    if (first < 0) return UN_OK;
    const struct un_image_ref *a = j->all + first, *b = j->all + second;
    return un_fail(UN_DATA, "%s: image_id: row %lld: %s stands already in %s, row %lld",
                   d->image_files[b->file].path, (long long)b->row, j->ids[second],
                   d->image_files[a->file].path, (long long)a->row);
}

/* Keeps text `row` of file `file`, or counts why not. */
static enum un_status join_text(struct join *j, int64_t file, int64_t row) {
    const struct un_text_file *f = j->d->text_files + file;
    struct un_dataset_info *info = &j->d->info;
    const char *image_id = f->image_ids + row * f->image_stride;
    int64_t length = f->token_offset[row + 1] - f->token_offset[row],
            image = un_idmap_find(&j->map, image_id);
    if (image < 0 && j->data->missing == 0)
        return un_fail(UN_DATA,
                       "%s: text %s (row %lld): its image %s is in none of the image files of data set %s",
                       f->path, f->text_ids + row * f->text_stride, (long long)row, image_id, j->d->name);
    info->texts_without_image += image < 0;
    info->texts_empty += image >= 0 && length == 0;
    info->texts_too_long += image >= 0 && length > j->data->max_txt_len;
    if (image < 0 || length == 0 || length > j->data->max_txt_len) return UN_OK;
    j->text[j->kept++] =
        (struct un_text_ref){row, f->token_offset[row], image, (int32_t)file, (int32_t)length};
    ++j->used[image];
    return UN_OK;
}

static enum un_status join_texts(struct join *j) {
    const struct un_dataset *d = j->d;
    for (int64_t i = 0; i < d->n_text_files; ++i) j->all_texts += d->text_files[i].texts;
    j->text = un_alloc((size_t)j->all_texts + 1, sizeof *j->text, "texts");
    if (!j->text) return UN_MEMORY;
    for (int64_t i = 0; i < d->n_text_files; ++i)
        for (int64_t row = 0; row < d->text_files[i].texts; ++row) UN_TRY(join_text(j, i, row));
    return UN_OK;
}

/* Numbers the images that have texts; image_text[i + 1] becomes the place of the next text of image i. */
static void number_images(struct join *j) {
    struct un_dataset *d = j->d;
    for (int64_t i = 0, next_text = 0; i < j->all_images; ++i) {
        int64_t texts = j->used[i];
        j->used[i] = -1;
        if (texts == 0) continue;
        j->used[i] = d->info.images;
        d->image[d->info.images] = j->all[i];
        d->image_text[++d->info.images] = next_text;
        next_text += texts;
    }
    d->info.images_without_text = j->all_images - d->info.images;
}

static void sort_texts(struct join *j) {
    struct un_dataset *d = j->d;
    for (int64_t k = 0; k < j->kept; ++k) {
        int64_t image = j->used[j->text[k].image], place = d->image_text[image + 1]++;
        d->text[place] = j->text[k];
        d->text[place].image = image;
    }
    d->info.texts = j->kept;
    un_free(j->text);
    j->text = NULL;
}

/* Ids of the used, in one block as wide as the longest. */
static enum un_status copy_ids(struct un_dataset *d) {
    size_t longest_image = 0, longest_text = 0;
    for (int64_t pass = 0; pass < 2; ++pass) {
        for (int64_t i = 0; i < d->info.images; ++i) {
            const struct un_image_file *f = d->image_files + d->image[i].file;
            const char *id = f->ids + d->image[i].row * f->id_stride;
            size_t length = strlen(id);
            if (pass) memcpy(d->image_ids + i * d->image_stride, id, length);
            longest_image = length > longest_image ? length : longest_image;
        }
        for (int64_t i = 0; i < d->info.texts; ++i) {
            const struct un_text_file *f = d->text_files + d->text[i].file;
            const char *id = f->text_ids + d->text[i].row * f->text_stride;
            size_t length = strlen(id);
            if (pass) memcpy(d->text_ids + i * d->text_stride, id, length);
            longest_text = length > longest_text ? length : longest_text;
        }
        if (pass) break;
        d->image_stride = (int64_t)longest_image + 1;
        d->text_stride = (int64_t)longest_text + 1;
        d->image_ids = un_alloc((size_t)d->info.images, longest_image + 1, "image ids");
        d->text_ids = un_alloc((size_t)d->info.texts, longest_text + 1, "text ids");
        if (!d->image_ids || !d->text_ids) return UN_MEMORY;
    }
    return UN_OK;
}

static enum un_status copy_alignment(struct un_dataset *d) {
    if (!d->info.aligned) return UN_OK;
    d->align = un_alloc((size_t)d->info.texts, sizeof *d->align, "alignment");
    if (!d->align) return UN_MEMORY;
    for (int64_t i = 0; i < d->info.texts; ++i) {
        const int64_t *offset = d->text_files[d->text[i].file].align_offset + d->text[i].row;
        d->align[i] = (struct un_align_ref){offset[0], offset[1] - offset[0]};
    }
    return UN_OK;
}

static void sum_up(struct un_dataset *d) {
    struct un_dataset_info *info = &d->info;
    for (int64_t i = 0; i < info->images; ++i) {
        info->regions += d->image[i].regions;
        if (d->image[i].regions > info->most_regions) info->most_regions = d->image[i].regions;
    }
    for (int64_t i = 0; i < info->texts; ++i) {
        info->words += d->text[i].length;
        if (d->text[i].length > info->longest_text) info->longest_text = d->text[i].length;
    }
}

static enum un_status keep_used(struct join *j) {
    struct un_dataset *d = j->d;
    int64_t images = 0;
    for (int64_t i = 0; i < j->all_images; ++i) images += j->used[i] > 0;
    if (images == 0)
        return un_fail(
            UN_DATA,
            "data set %s: none of its %lld texts can be used (%lld without image, %lld too long, %lld "
            "empty)",
            d->name, (long long)j->all_texts, (long long)d->info.texts_without_image,
            (long long)d->info.texts_too_long, (long long)d->info.texts_empty);
    d->image = un_alloc((size_t)images, sizeof *d->image, "images");
    d->image_text = un_alloc((size_t)images + 1, sizeof *d->image_text, "texts of images");
    d->text = un_alloc((size_t)j->kept, sizeof *d->text, "texts");
    if (!d->image || !d->image_text || !d->text) return UN_MEMORY;
    number_images(j);
    sort_texts(j);
    UN_TRY(copy_ids(d));
    UN_TRY(copy_alignment(d));
    sum_up(d);
    d->kept_images = d->info.images;
    d->kept_texts = d->info.texts;
    return UN_OK;
}

/* What only the joining needed goes before memory for its result is taken: with millions of texts the peak of
 * opening is what a host must have for each of its ranks. */
static void drop_joined(struct join *j) {
    for (int64_t i = 0; i < j->d->n_text_files; ++i) {
        struct un_text_file *f = j->d->text_files + i;
        un_free(f->image_ids);
        un_free(f->token_offset);
        f->image_ids = NULL;
        f->token_offset = NULL;
    }
    un_idmap_close(&j->map);
    un_free(j->ids);
    j->ids = NULL;
}

static enum un_status join_all(struct un_dataset *d, const struct un_data_keys *data) {
    struct join j = {.d = d, .data = data};
    enum un_status status;
    UN_TRY_GOTO(list_images(&j), out);
    UN_TRY_GOTO(join_texts(&j), out);
    drop_joined(&j);
    UN_TRY_GOTO(keep_used(&j), out);
out:
    un_idmap_close(&j.map);
    un_free(j.ids);
    un_free(j.all);
    un_free(j.used);
    un_free(j.text);
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

enum un_status un_dataset_open(struct un_dataset **dataset, const struct un_dataset_keys *keys,
                               const struct un_data_keys *data, int64_t lanes, bool need_soft_labels,
                               bool allow_empty_lanes) {
    enum un_status status;
    *dataset = NULL;
    struct un_dataset *d = un_alloc(1, sizeof *d, "a data set");
    if (!d) return UN_MEMORY;
    memcpy(d->name, keys->name, sizeof d->name);
    d->lanes = lanes;
    UN_TRY_GOTO(check_settings(d, data, lanes), out);
    UN_TRY_GOTO(open_image_files(d, &keys->images, data->tries, need_soft_labels), out);
    UN_TRY_GOTO(open_text_files(d, &keys->text, data->tries), out);
    UN_TRY_GOTO(join_all(d, data), out);
    if (d->info.images < lanes && !allow_empty_lanes)
        UN_TRY_GOTO(un_fail(UN_USAGE, "data set %s has %lld usable images, fewer than train.lanes %lld",
                            d->name, (long long)d->info.images, (long long)lanes),
                    out);
    drop_indices(d);
    log_left_out(d);
    *dataset = d;
out:
    if (status != UN_OK) un_dataset_close(d);
    return status;
}
