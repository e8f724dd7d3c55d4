/* What mmf says of an image: header, pickle, the dict's arrays to a record, with features of as many regions as it has boxes. */
#include "io/convert/image/npy_info.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/fuzz_memory.h"

#include <unistd.h>

enum { WIDTH = 2, REGIONS_MOST = 4096 };

static enum un_status use(const char *path, struct un_npy_info *info) {
    static const float features[REGIONS_MOST * WIDTH];
    struct un_image_arrays arrays = {0};
    struct un_image_extent e;
    struct un_image_room room = {0};
    struct un_image_record record;
    UN_TRY(un_npy_info_open(info, path, &arrays));
    const struct un_image_array *box = arrays.role + UN_ARRAY_BOX;
    int64_t n = box->there && box->npy.rank == 2 ? box->npy.dims[0] : 1;
    if (n < 1 || n > REGIONS_MOST) return UN_OK;
    const struct un_npy npy = {UN_NPY_F32, 2, false, {n, WIDTH}, n * WIDTH, 4};
    un_image_arrays_add(&arrays, "features", 8, &npy, features);
    (void)un_npy_info_short(&arrays, n);
    UN_TRY(un_npy_info_widen(info, &arrays));
    UN_TRY(un_image_arrays_extent(&arrays, "fuzz", &e));
    char id[] = "x";
    struct un_image_entry entry = {id, e.regions, 0, 0};
    const struct un_image_list list = {.shape = e.shape, .list = &entry, .n = 1, .regions = e.regions};
    enum un_status status = un_image_arrays_record(&arrays, "fuzz", &list, 0, &room, &record);
    un_image_room_free(&room);
    return status;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char path[64];
    struct un_npy_info info = {0};
    un_log_set(0, UN_LOG_ERROR);
    int fd = fuzz_file(path, data, size);
    if (fd < 0) return 0;
    (void)use(path, &info);
    un_npy_info_close(&info);
    un_error_clear();
    close(fd);
    return 0;
}
