/* The authors' side file of an img_db. */
#ifndef UN_IO_CONVERT_IMAGE_IMG_DB_H
#define UN_IO_CONVERT_IMAGE_IMG_DB_H

#include "io/convert/image/source.h"

/* FOLDER/feat_X or feat_X_compressed has FOLDER/nbb_X.json: how many regions training takes of each image.
 * Where it is there, UN_DATA when it names an image that is not among the list's [first, n); other numbers
 * than the database has are told in one warning. */
enum un_status un_lmdb_nbb_check(const char *folder, const struct un_image_list *list, int64_t first);

#endif
