/* Weights in several safetensors files under one index, {"weight_map": {tensor: file}}, as Hugging Face writes large
 * ones: model.safetensors.index.json beside model-00001-of-00002.safetensors, ... */
#ifndef UN_IO_SAFETENSORS_INDEX_H
#define UN_IO_SAFETENSORS_INDEX_H

#include "io/safetensors/safetensors.h"

enum { UN_ST_SHARDS_MAX = 1000 };

struct un_st_index {
    const struct un_st_file **file; /* [files] */
    int64_t files;
    struct un_st_placed {
        struct un_st_tensor tensor; /* its texts live until the index is closed */
        int64_t file, at;           /* which file, which tensor of it */
    } * list;                       /* [n] by name */
    int64_t n;
};

/* UN_DATA: no index, files of PyTorch in it, a file outside the index's folder, a tensor that the file named for it does not
 * have, or a file with a tensor that the index does not name: a part would be lost without a word. UN_IO: a file is
 * missing. Freed by the call below, also on failure. */
enum un_status un_safetensors_index_open(struct un_st_index *index, const char *path);
void un_safetensors_index_close(struct un_st_index *index);

#endif
