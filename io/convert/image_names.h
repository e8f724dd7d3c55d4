/* Which image of the feature files a text speaks of: by its id as written, else without folder, extensions
 * and case, else by the number it ends in, as long as only one image fits.
 *
 *   COCO_val2014_000000000042.jpg   coco_val2014_000000000042.npz   000000000042   42
 */
#ifndef UN_IMAGE_NAMES_H
#define UN_IMAGE_NAMES_H

#include "runtime/status.h"

struct un_image_names;

/* Ids of n feature files; UN_DATA when an id stands twice. */
enum un_status un_image_names_open(struct un_image_names **names, const char *const *paths, int n);
void un_image_names_close(struct un_image_names *names);
/* The id as the feature file writes it; NULL when none fits; *ambiguous when several fit a number.
 * Thread-safe. */
const char *un_image_names_find(const struct un_image_names *names, const char *id, bool *ambiguous);

#endif
