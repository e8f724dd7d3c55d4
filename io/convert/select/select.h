/* Parts of feature and text files, by image: which images, and the files made of them.
 *
 * Law of a split: the part an image falls into depends on its id and the key alone, so feature and text files
 * split with the same key go the same way, in any order, and no image stands on both sides. */
#ifndef UN_IO_CONVERT_SELECT_SELECT_H
#define UN_IO_CONVERT_SELECT_SELECT_H

#include "io/convert/image/sink.h"
#include "io/disk/ids.h"

enum un_select_rule {
    UN_SELECT_ALL,
    UN_SELECT_FRACTION, /* those whose hash is below the fraction */
    UN_SELECT_IDS       /* those of a list */
};
struct un_select {
    enum un_select_rule rule;
    bool invert; /* all but those */
    double fraction;
    uint64_t key;
    uint64_t stamp; /* of the list's file */
    /* of a list of ids: */
    struct un_image_list pool; /* holds the ids' bytes */
    const char **ids;          /* [n] all different */
    uint8_t *hit;              /* [n] asked for */
    int64_t n, capacity;
    struct un_idmap map;
};
enum un_select_use { UN_SELECT_SPLIT, UN_SELECT_SUBSET };
/* The use is part of the key: a subset is not split by the numbers that chose it. */
struct un_select un_select_fraction(double fraction, int64_t seed, enum un_select_use use);
/* A file with an image id a line, or a *.img.h5 or *.txt.h5, whose image ids are meant. UN_DATA names the
 * line: empty, longer than 255 bytes, a zero byte, an id that stands twice. */
enum un_status un_select_ids(struct un_select *select, const char *path);
/* The first `most` image ids that the files name, in order. */
enum un_status un_select_first(struct un_select *select, const char *const *paths, int n, int64_t most);
void un_select_free(struct un_select *select);
/* Not thread-safe (notes what was asked for). */
bool un_select_has(struct un_select *select, const char *image_id);
/* Warns of ids of the list that nothing was found for. */
void un_select_tell_missing(const struct un_select *select, const char *out);

/* Feature files of one form, in order, through the filter (borrowed). what: how it is made, for the attribute
 * `source`. UN_DATA: widths, classes or types that differ, naming both files; an id that stands twice, naming
 * files and rows; no image left. */
enum un_status un_image_source_uniter(struct un_image_source **source, const char *const *paths, int n,
                                      struct un_select *select, const char *what);
/* The same for text files: texts whose (first) image is selected; sentences, alignment and what a task asks are
 * kept, and all files have them or none has, of one task and one table of answers. */
enum un_status un_select_texts(const char *const *paths, int n, const char *out, struct un_select *select,
                               const char *what, const struct un_image_import *how);

/* All files of one kind into one. */
enum un_status un_select_merge(const char *const *paths, int n, const char *out, struct un_select *select,
                               const char *what, const struct un_image_import *how);
/* Every file FOLDER/NAME_train.KIND.h5 (without the selected images) and FOLDER/NAME_valid.KIND.h5. A file
 * that the same command has made from the same input before it was stopped is kept, unless all are there. */
enum un_status un_select_split(const char *const *paths, int n, const char *folder, struct un_select *valid,
                               const char *what, const struct un_image_import *how);

#endif
