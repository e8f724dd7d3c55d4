/* A value of the authors' img_db: named arrays, as msgpack-numpy or as the bytes of an .npz. */
#ifndef UN_IO_CONVERT_IMAGE_IMG_DB_VALUE_H
#define UN_IO_CONVERT_IMAGE_IMG_DB_VALUE_H

#include "io/convert/image/arrays.h"

/* Finds the arrays (empty before, but for onehot); those of msgpack are borrowed from the value. An .npz is opened into *npz, which the
 * caller closes (NULL otherwise), its members' values are not read: member[role] says where they are. */
enum un_status un_lmdb_image_find(const void *value, size_t bytes, const char *where,
                                  struct un_image_arrays *arrays, struct un_npz **npz,
                                  struct un_npz_member member[UN_ARRAY_ROLES]);
/* The values of an .npz into the room; `survey`: only the numbers. */
enum un_status un_lmdb_image_load(struct un_npz *npz, const struct un_npz_member member[UN_ARRAY_ROLES],
                                  struct un_image_arrays *arrays, struct un_image_room *room, bool survey);

#endif
