/* Tensors of a view for the region detector (file.h). */
#include "launch/extract/file.h"

static struct un_detector_tensor tensor(void *context, int64_t i) {
    const struct un_weights_view *view = context;
    return (struct un_detector_tensor){view->list[i].name, view->list[i].rank, view->list[i].shape};
}

static enum un_status read_values(void *context, int64_t i, int64_t first, int64_t count, float *out) {
    return un_weights_view_read(context, i, first, count, out);
}

struct un_detector_file un_extract_file(struct un_weights_view *view) {
    return (struct un_detector_file){view->path, view->n, tensor, read_values, view};
}
