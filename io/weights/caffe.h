/* A .caffemodel: the layers of a network of Caffe with the values of their blobs. It is a NetParameter of protocol buffers, of
 * which these fields count and all others are passed over:
 *
 *   net { layer = 100 }   layer { name = 1, blobs = 7 }   blob { shape = 7 { dim = 1 }, data = 5 }
 *
 * dim and data may be packed or not, in one piece or in several. Old files have num, channels, height, width = 1..4 of a
 * blob in place of a shape. Everything read is hostile: opening walks through the whole file and holds every length against
 * what is left; values are read in blocks. Layers of the format before (field 2) are refused. */
#ifndef UN_IO_WEIGHTS_CAFFE_H
#define UN_IO_WEIGHTS_CAFFE_H

#include "runtime/status.h"

enum {
    UN_CAFFE_RANK_MAX = 8,
    UN_CAFFE_NAME_MAX = 255,
    UN_CAFFE_LAYERS_MAX = 16384,
    UN_CAFFE_BLOBS_MAX = 65536,
    UN_CAFFE_RUNS_MAX = 1 << 20
};

struct un_caffe_blob {
    const char *layer;
    int64_t number; /* within its layer */
    int rank;
    int64_t shape[UN_CAFFE_RANK_MAX], count;
    int64_t run, n_runs; /* its pieces in the file */
};
struct un_caffe_layer {
    char name[UN_CAFFE_NAME_MAX + 1]; /* printable */
    int64_t blob, n_blobs;            /* its first one, how many */
};
struct un_caffe_file {
    const char *path;
    const struct un_caffe_layer *layers; /* [n] by name; those without blobs are left out */
    int64_t n;
    const struct un_caffe_blob *blobs; /* [n_blobs] */
    int64_t n_blobs;
};

/* Do a file's first bytes look like one? `bytes`: 16, or all there are. */
bool un_caffe_begins(const unsigned char *begin, size_t bytes);
/* UN_DATA names byte or layer and blob. Closed by un_caffe_close. */
enum un_status un_caffe_open(const struct un_caffe_file **file, const char *path);
void un_caffe_close(const struct un_caffe_file *file);
/* Index of a layer, or -1 (no error recorded). */
int64_t un_caffe_find(const struct un_caffe_file *file, const char *layer);
/* Elements [first, first + count) of blob i. UN_DATA: one of them is not finite. */
enum un_status un_caffe_read(const struct un_caffe_file *file, int64_t i, int64_t first, int64_t count,
                             float *out);

#endif
