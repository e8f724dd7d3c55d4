/* Which image of the feature files a text speaks of: by its id as written, else without folder, extensions
 * and case, else by the number it ends in, as long as only one image fits. A number counts only where nothing, "_" or "-"
 * stands before it: "0123abc7" ends in none. By number two ids fit when one of them is the bare number or the words
 * before it are the same: "vg_5" is never "flickr_5".
 *
 *   COCO_val2014_000000000042.jpg   coco_val2014_000000000042.npz   000000000042   42 */
#ifndef UN_IO_CONVERT_TEXT_IMAGE_NAMES_H
#define UN_IO_CONVERT_TEXT_IMAGE_NAMES_H

#include "runtime/config/config.h"

struct un_image_names;

/* Ids of n feature files (*.img.h5); UN_DATA when an id stands twice, in one file or in two. */
enum un_status un_image_names_open(struct un_image_names **names, const char *const *paths, int n);
/* Those of files or globs; none given: *names NULL. */
enum un_status un_image_names_expand(struct un_image_names **names, const struct un_strings *files);
/* The same over ids in memory, which are copied; `name` stands for the file. */
enum un_status un_image_names_make(struct un_image_names **names, const char *name, const char *const *ids,
                                   int64_t n);
void un_image_names_close(struct un_image_names *names);
int64_t un_image_names_count(const struct un_image_names *names);
enum un_image_match {
    UN_MATCH_NONE,
    UN_MATCH_SEVERAL,
    UN_MATCH_WRITTEN,
    UN_MATCH_STEM,
    UN_MATCH_NUMBER,
    UN_MATCHES
};
/* The id as the feature file writes it, and how it fits; NULL when none does, or several. Thread-safe. */
const char *un_image_names_find(const struct un_image_names *names, const char *id, enum un_image_match *how);

#endif
