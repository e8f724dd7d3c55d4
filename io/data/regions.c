/* How many regions an image gives: the confidence rule of DESIGN section 5. */
#include "io/data/regions.h"
#include "runtime/memory.h"

enum { BLOCK = 1 << 16 }; /* regions read at a time */

static int64_t clamp(int64_t n, int64_t low, int64_t high) {
    return n < low ? low : n > high ? high : n;
}

static enum un_status count_image(const struct un_image_file *file, const struct un_data_keys *data,
                                  int64_t image, const float *confidence, int32_t *regions) {
    int64_t stored = file->region_offset[image + 1] - file->region_offset[image], above = 0;
    for (int64_t k = 0; k < stored; ++k) {
        if (!(confidence[k] <= (k ? confidence[k - 1] : 3.4e38f)))
            return un_fail(
                UN_DATA, "%s: confidence: image %s, row %lld: %g after %g: must fall inside an image",
                file->path, file->ids + image * file->id_stride, (long long)(file->region_offset[image] + k),
                (double)confidence[k], k ? (double)confidence[k - 1] : 0.0);
        above += (double)confidence[k] > data->conf_th;
    }
    int64_t n = data->conf_th < 0 ? data->num_bb : clamp(above, data->min_bb, data->max_bb);
    *regions = (int32_t)(n < stored ? n : stored);
    return UN_OK;
}

enum un_status un_regions_count(const struct un_image_file *file, const struct un_data_keys *data,
                                int32_t *regions) {
    const int64_t *offset = file->region_offset;
    enum un_status status = UN_OK;
    float *confidence = un_alloc(BLOCK, sizeof *confidence, "confidences");
    if (!confidence) return UN_MEMORY;
    for (int64_t begin = 0, end; begin < file->images; begin = end) {
        for (end = begin; end < file->images && offset[end + 1] - offset[begin] <= BLOCK;) ++end;
        if (end == begin)
            UN_TRY_GOTO(un_fail(UN_DATA, "%s: image %s (row %lld) has %lld regions, at most %d", file->path,
                                file->ids + begin * file->id_stride, (long long)begin,
                                (long long)(offset[begin + 1] - offset[begin]), BLOCK),
                        out);
        UN_TRY_GOTO(un_column_read(&file->confidence, offset[begin], offset[end] - offset[begin], confidence),
                    out);
        for (int64_t i = begin; i < end; ++i)
            UN_TRY_GOTO(count_image(file, data, i, confidence + offset[i] - offset[begin], regions + i), out);
    }
out:
    un_free(confidence);
    return status;
}
