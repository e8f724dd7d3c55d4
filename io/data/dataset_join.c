/* Joins the texts of a data set to its images by id, leaves out what cannot be used, and numbers the rest:
 * images with texts in the order of the files, then those that are only second images; texts by image. */
#include "io/data/private.h"
#include "io/data/regions.h"
#include "io/disk/ids.h"
#include "runtime/memory.h"
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
    int64_t *second;          /* [kept] second images as in `all`; NULL: the files have none */
    bool *is_second;          /* [all_images], with `second` */
    struct un_idmap map;
};

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

static int64_t longest_allowed(const struct un_data_keys *data) {
    return data->max_txt_len > 0 ? data->max_txt_len : UN_TXT_LEN_MAX;
}

/* Numbers of the images of text `row`, -1: none of ours; with missing: error, that is one. */
static enum un_status find_image(const struct join *j, const struct un_text_file *f, int64_t row,
                                 const char *image_id, int64_t *image) {
    *image = un_idmap_find(&j->map, image_id);
    if (*image >= 0 || j->data->missing != 0) return UN_OK;
    return un_fail(UN_DATA,
                   "%s: text %s (row %lld): its image %s is in none of the image files of data set %s",
                   f->path, f->text_ids + row * f->text_stride, (long long)row, image_id, j->d->name);
}

/* re: the right region must be among those that are used. */
static enum un_status check_region(const struct join *j, const struct un_text_file *f, int64_t row,
                                   int64_t image) {
    if (f->targets.task != UN_TASK_RE || f->targets.label[row] < j->all[image].regions) return UN_OK;
    return un_fail(UN_DATA,
                   "%s: label: text %s (row %lld): region %d, but %d regions of its image %s are used",
                   f->path, f->text_ids + row * f->text_stride, (long long)row, f->targets.label[row],
                   j->all[image].regions, j->ids[image]);
}

/* Keeps text `row` of file `file`, or counts why not. */
static enum un_status join_text(struct join *j, int64_t file, int64_t row) {
    const struct un_text_file *f = j->d->text_files + file;
    const struct un_target_columns *c = &f->targets;
    struct un_dataset_info *info = &j->d->info;
    int64_t length = f->token_offset[row + 1] - f->token_offset[row], image, second = -1;
    UN_TRY(find_image(j, f, row, f->image_ids + row * f->image_stride, &image));
    if (c->second_ids) UN_TRY(find_image(j, f, row, c->second_ids + row * c->second_stride, &second));
    bool found = image >= 0 && (second >= 0 || !c->second_ids),
         too_long = un_target_columns_words(f, row) > longest_allowed(j->data);
    info->texts_without_image += !found;
    info->texts_empty += found && length == 0;
    info->texts_too_long += found && too_long;
    if (!found || length == 0 || too_long) return UN_OK;
    UN_TRY(check_region(j, f, row, image));
    if (j->second) j->second[j->kept] = second;
    if (second >= 0) j->is_second[second] = true;
    j->text[j->kept++] =
        (struct un_text_ref){row, f->token_offset[row], image, (int32_t)file, (int32_t)length};
    ++j->used[image];
    return UN_OK;
}

static enum un_status join_texts(struct join *j) {
    const struct un_dataset *d = j->d;
    bool second = false;
    for (int64_t i = 0; i < d->n_text_files; ++i) {
        j->all_texts += d->text_files[i].texts;
        second |= d->text_files[i].targets.second_ids != NULL;
    }
    j->text = un_alloc((size_t)j->all_texts + 1, sizeof *j->text, "texts");
    if (!j->text) return UN_MEMORY;
    if (second) {
        j->second = un_alloc((size_t)j->all_texts + 1, sizeof *j->second, "second images");
        j->is_second = un_alloc((size_t)j->all_images + 1, sizeof *j->is_second, "second images");
        if (!j->second || !j->is_second) return UN_MEMORY;
    }
    for (int64_t i = 0; i < d->n_text_files; ++i)
        for (int64_t row = 0; row < d->text_files[i].texts; ++row) UN_TRY(join_text(j, i, row));
    return UN_OK;
}

static void number_image(struct join *j, int64_t i, int64_t next_text) {
    struct un_dataset *d = j->d;
    j->used[i] = d->info.images;
    d->image[d->info.images] = j->all[i];
    d->image_text[++d->info.images] = next_text;
}

/* image_text[i + 1] becomes the place of the next text of image i. Images that are only second ones come last,
 * so that lanes share out those with texts. */
static void number_images(struct join *j) {
    struct un_dataset *d = j->d;
    int64_t next_text = 0;
    for (int64_t i = 0; i < j->all_images; ++i) {
        int64_t texts = j->used[i];
        j->used[i] = -1;
        if (texts > 0) number_image(j, i, next_text);
        next_text += texts;
    }
    d->info.images_with_text = d->info.images;
    for (int64_t i = 0; i < j->all_images && j->is_second; ++i)
        if (j->used[i] < 0 && j->is_second[i]) number_image(j, i, next_text);
    d->info.images_without_text = j->all_images - d->info.images;
}

static void sort_texts(struct join *j) {
    struct un_dataset *d = j->d;
    for (int64_t k = 0; k < j->kept; ++k) {
        int64_t image = j->used[j->text[k].image], place = d->image_text[image + 1]++;
        d->text[place] = j->text[k];
        d->text[place].image = image;
        if (j->second) d->targets.second[place] = j->second[k] < 0 ? -1 : j->used[j->second[k]];
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
    for (int64_t i = 0; i < j->all_images; ++i) images += j->used[i] > 0 || (j->is_second && j->is_second[i]);
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
    if (j->second) {
        d->targets.second = un_alloc((size_t)j->kept, sizeof *d->targets.second, "second images");
        if (!d->targets.second) return UN_MEMORY;
    }
    number_images(j);
    sort_texts(j);
    UN_TRY(copy_ids(d));
    UN_TRY(copy_alignment(d));
    UN_TRY(un_dataset_index_targets(d));
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
        un_free(f->targets.second_ids);
        f->image_ids = f->targets.second_ids = NULL;
        f->token_offset = NULL;
    }
    un_idmap_close(&j->map);
    un_free(j->ids);
    j->ids = NULL;
}

enum un_status un_dataset_join(struct un_dataset *d, const struct un_data_keys *data) {
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
    un_free(j.second);
    un_free(j.is_second);
    return status;
}
