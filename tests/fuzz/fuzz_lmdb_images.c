/* A value of an img_db: msgpack-numpy or .npz, to a record. */
#include "io/convert/image/img_db_value.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct un_image_arrays arrays = {.onehot = size % 2 ? 0 : 9};
    struct un_npz *npz;
    struct un_npz_member member[UN_ARRAY_ROLES];
    struct un_image_extent e;
    struct un_image_room room = {0};
    struct un_image_list list = {0};
    struct un_image_record record;
    enum un_status status = un_lmdb_image_find(data, size, "value", &arrays, &npz, member);
    if (status == UN_OK && npz) status = un_lmdb_image_load(npz, member, &arrays, &room, true);
    if (status == UN_OK) status = un_image_arrays_extent(&arrays, "value", &e);
    if (status == UN_OK) status = un_image_arrays_agree(&list, "value", &e.shape);
    if (status == UN_OK) status = un_image_list_add(&list, "value", "id", e.regions, 0, 0);
    if (status == UN_OK && npz) status = un_lmdb_image_load(npz, member, &arrays, &room, false);
    if (status == UN_OK) un_image_arrays_record(&arrays, "value", &list, 0, &room, &record);
    un_npz_close(npz);
    un_image_room_free(&room);
    un_image_list_free(&list);
    un_error_clear();
    return 0;
}
