/* The data set's key tables and its answers from memory. */
#include "io/data/dataset.h"
#include "io/data/private.h"
#include "runtime/config/keys.h"
#include "runtime/memory.h"
#include <string.h>

static const struct un_key dataset_keys[] = {
    UN_KEY_STRING(un_dataset_keys, name, UN_REQUIRED, "", "name of the data set, for the log"),
    UN_KEY_PATHS(un_dataset_keys, text, UN_REQUIRED,
                 "text files (*.txt.h5): a path, a pattern, or a list of both"),
    UN_KEY_PATHS(un_dataset_keys, images, UN_REQUIRED,
                 "image files (*.img.h5): a path, a pattern, or a list of both"),
    UN_KEY_WEIGHTS(
        un_dataset_keys, mix, "{}", 0, 1e9, "ratio", un_objective_names,
        "share of samples of each objective of this data set; for data.valid, nothing means all objectives"),
};
static const struct un_key_table dataset_table = UN_KEY_TABLE("", un_dataset_keys, dataset_keys);

const char *const un_cache_kind_names[] = {"auto", "device", "host", "none", NULL};
const char *const un_warm_names[] = {"off", "before", "beside", NULL};
static const char *const missing_choices[] = {"error", "skip", NULL};

static const struct un_key data_keys[] = {
    UN_KEY_INT(un_data_keys, max_txt_len, "60", 1, UN_TXT_LEN_MAX, "words",
               "longest text used, without [CLS] and [SEP]; longer ones are left out"),
    UN_KEY_FLOAT(un_data_keys, conf_th, "0.2", -1, 1, "",
                 "regions above this confidence are used; -1: exactly num_bb"),
    UN_KEY_INT(un_data_keys, min_bb, "10", 1, 65536, "regions", "regions an image gives at least"),
    UN_KEY_INT(un_data_keys, max_bb, "100", 1, 65536, "regions", "regions an image gives at most"),
    UN_KEY_INT(un_data_keys, num_bb, "36", 1, 65536, "regions", "regions an image gives under conf_th: -1"),
    UN_KEY_CHOICE(un_data_keys, missing, "error", missing_choices,
                  "what to do with texts whose image is in no file"),
    UN_KEY_CHOICE(un_data_keys, cache, "auto", un_cache_kind_names,
                  "where a rank's training data stay after they were first read; device: the region features "
                  "on the card, as many as fit, the rest as under host; host: in at most loader.cache_mb of "
                  "memory; none: nowhere; auto: device if there is a card with room for all of the rank's "
                  "features beside everything else, otherwise host. The results are the same"),
    UN_KEY_CHOICE(
        un_data_keys, warm, "off", un_warm_names,
        "a rank's training data are read once in the order of the files, so that the random order of the "
        "first epoch finds them in the system's memory: before the first step, or beside the training; not "
        "where they do not fit there. The results are the same"),
    UN_KEY_INT(
        un_data_keys, tries, "7", 1, 1000, "tries",
        "of a read that fails, with pauses of 0.2, 0.4, 0.8 ... at most 15 seconds; the file is opened anew"),
    UN_KEY_LIST(un_data_keys, train, UN_REQUIRED, dataset_table, "data sets to train on"),
    UN_KEY_LIST(un_data_keys, valid, "[]", dataset_table, "data sets to validate on"),
};
const struct un_key_table un_data_key_table = UN_KEY_TABLE("data", un_data_keys, data_keys);

const struct un_dataset_info *un_dataset_info(const struct un_dataset *d) {
    return &d->info;
}
const char *un_dataset_name(const struct un_dataset *d) {
    return d->name;
}

const char *un_dataset_file(const struct un_dataset *d, int64_t i) {
    if (i < d->n_image_files) return d->image_files[i].path;
    i -= d->n_image_files;
    return i < d->n_text_files ? d->text_files[i].path : NULL;
}

int64_t un_dataset_image_text(const struct un_dataset *d, int64_t image) {
    UN_ASSERT(image >= d->first_image && image - d->first_image <= d->kept_images);
    return d->image_text[image - d->first_image];
}
int64_t un_dataset_text_image(const struct un_dataset *d, int64_t text) {
    return un_dataset_text(d, text)->image;
}
int64_t un_dataset_text_length(const struct un_dataset *d, int64_t text) {
    return un_dataset_text(d, text)->length;
}
int64_t un_dataset_image_regions(const struct un_dataset *d, int64_t image) {
    return un_dataset_image(d, image)->regions;
}
const char *un_dataset_image_id(const struct un_dataset *d, int64_t image) {
    return d->image_ids + (image - d->first_image) * d->image_stride;
}
const char *un_dataset_text_id(const struct un_dataset *d, int64_t text) {
    return d->text_ids + (text - d->first_text) * d->text_stride;
}
int64_t un_dataset_lane_image(const struct un_dataset *d, int64_t lane) {
    return d->info.images_with_text * lane / d->lanes;
}

void un_dataset_close_files(struct un_dataset *d) {
    for (int64_t i = 0; i < d->n_image_files; ++i) un_image_file_close(d->image_files + i);
    for (int64_t i = 0; i < d->n_text_files; ++i) un_text_file_close(d->text_files + i);
    un_free(d->image_files);
    un_free(d->text_files);
    d->image_files = NULL;
    d->text_files = NULL;
    d->n_image_files = d->n_text_files = 0;
    d->targets.named = NULL;
}

void un_dataset_close(struct un_dataset *d) {
    if (!d) return;
    un_cache_close(d->cache);
    un_dataset_close_targets(d);
    un_dataset_close_files(d);
    un_dataset_drop(d, d->image);
    un_dataset_drop(d, d->text);
    un_dataset_drop(d, d->align);
    un_dataset_drop(d, d->image_text);
    un_dataset_drop(d, d->image_ids);
    un_dataset_drop(d, d->text_ids);
    un_shared_close(&d->shared);
    un_free(d);
}
