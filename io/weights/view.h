/* Tensors by name, wherever they are: a safetensors file, the index of several, the region detector's .caffemodel (under the public names), a
 * checkpoint, or the newest checkpoint of a run. */
#ifndef UN_IO_WEIGHTS_VIEW_H
#define UN_IO_WEIGHTS_VIEW_H

#include "io/checkpoint/params.h"
#include "io/safetensors/index.h"
#include "io/weights/caffe_detector.h"

struct un_weights_view {
    const char *path;          /* of the file or of the checkpoint's folder */
    struct un_st_tensor *list; /* [n] by name; `at` and `bytes` mean nothing to callers */
    int64_t n;
    const struct un_st_file *file;          /* NULL for all but safetensors; the first one of an index */
    struct un_st_index index;               /* empty for all but an index: index.list is NULL */
    struct un_caffe_detector caffe;         /* empty for all but a .caffemodel: caffe.file is NULL */
    struct un_checkpoint_params checkpoint; /* empty for a file */
    char *name;
};

/* A folder is a checkpoint or a run, anything else a file, whose first bytes say of which kind: JSON is the index of
 * sharded safetensors. One shard by itself is UN_DATA. Names of which all begin with "module.", "_orig_mod." or
 * "model.", as those of parallel, compiled and wrapped models do, lose that, again and again. Freed by
 * un_weights_view_close, also on failure. */
enum un_status un_weights_view_open(struct un_weights_view *view, const char *path);
/* Of a checkpoint, not of a file? */
static inline bool un_weights_view_is_checkpoint(const struct un_weights_view *view) {
    return !view->file && !view->caffe.file;
}
void un_weights_view_close(struct un_weights_view *view);
/* Index by name, or -1. */
int64_t un_weights_view_find(const struct un_weights_view *view, const char *name);
enum un_status un_weights_view_read(const struct un_weights_view *view, int64_t i, int64_t first,
                                    int64_t count, float *out);

#endif
