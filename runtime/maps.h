/* Shapes of the ops on maps of a convolutional network (ops.h). */
#ifndef UN_RUNTIME_MAPS_H
#define UN_RUNTIME_MAPS_H

#include <stdint.h>

/* Maps, channels last: n maps of height x width cells; cell (i, y, x) is row (i * height + y) * width + x of a
 * matrix whose columns are channels. */
struct un_maps {
    int64_t n, height, width;
};
/* A square window over cells. */
struct un_window {
    int64_t size, stride, dilation, pad;
};
/* Cells of the output along an axis; 0 when the window does not fit. */
static inline int64_t un_window_out(int64_t cells, const struct un_window *w) {
    const int64_t room = cells + 2 * w->pad - w->dilation * (w->size - 1) - 1;
    return room < 0 ? 0 : room / w->stride + 1;
}
/* The same for max_pool: rounded up, at least 1 where there are cells. */
static inline int64_t un_window_out_up(int64_t cells, const struct un_window *w) {
    if (cells <= w->size) return cells > 0;
    return (cells - w->size + w->stride - 1) / w->stride + 1;
}

#endif
