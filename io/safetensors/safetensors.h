/* safetensors files: u64 little-endian length of a header, the header as JSON {name: {dtype, shape,
 * data_offsets}, "__metadata__": {text: text}}, then the bytes of the tensors, row-major, little-endian.
 * Everything read is hostile: opening checks the whole header against the length of the file (no overlap, no
 * hole, no surplus), and values are read in blocks. Source: the format's README, github.com/huggingface/
 * safetensors. */
#ifndef UN_IO_SAFETENSORS_SAFETENSORS_H
#define UN_IO_SAFETENSORS_SAFETENSORS_H

#include "runtime/status.h"

enum { UN_ST_RANK_MAX = 8, UN_ST_HEADER_MAX = 100000000, UN_ST_TENSORS_MAX = 100000, UN_ST_NAME_MAX = 255 };

/* The four that are read and written come first; others are listed, but their values are refused. */
enum un_st_type { UN_ST_F32, UN_ST_F16, UN_ST_BF16, UN_ST_F64, UN_ST_OTHER };

struct un_st_tensor {
    const char *name; /* printable, at most UN_ST_NAME_MAX bytes */
    enum un_st_type type;
    const char *type_name; /* as the file has it */
    int rank;
    int64_t shape[UN_ST_RANK_MAX], count;
    int64_t at, bytes; /* in the file */
};
struct un_st_pair {
    const char *key, *value;
};

struct un_st_file {
    const char *path;
    const struct un_st_tensor *list; /* [n] by name */
    int64_t n;
    const struct un_st_pair *metadata; /* [n_metadata] by key */
    int64_t n_metadata;
};

/* UN_DATA names what is wrong with the header, with tensor and numbers. Closed by un_safetensors_close; all
 * texts live until then. */
enum un_status un_safetensors_open(const struct un_st_file **file, const char *path);
void un_safetensors_close(const struct un_st_file *file);
/* Index by name, or -1 (no error recorded). */
int64_t un_safetensors_find(const struct un_st_file *file, const char *name);
/* The same in a list of n tensors by name. */
int64_t un_st_find(const struct un_st_tensor *list, int64_t n, const char *name);
/* Elements [first, first + count) of tensor i as float: f16 and bf16 exactly, f64 rounded (UN_DATA when a
 * finite value is beyond float). */
enum un_status un_safetensors_read(const struct un_st_file *file, int64_t i, int64_t first, int64_t count,
                                   float *out);

/* What a new file is to hold. `fill` gives elements [first, first + count) of the tensor numbered `source`;
 * it is asked for every tensor once, from its beginning to its end. */
struct un_st_new {
    const char *name;
    int rank;
    int64_t shape[UN_ST_RANK_MAX], source;
};
struct un_st_content {
    struct un_st_new *list; /* [n]; sorted by name by the call */
    int64_t n;
    const struct un_st_pair *metadata; /* [n_metadata] */
    int64_t n_metadata;
    enum un_st_type type; /* f32, f16 or bf16 of all tensors */
    enum un_status (*fill)(void *context, int64_t source, int64_t first, int64_t count, float *out);
    void *context;
};
/* PATH.partial, fsync, rename. UN_USAGE: PATH exists. f16 and bf16 round to nearest even; a finite value that
 * would become infinity is UN_DATA naming tensor and element. */
enum un_status un_safetensors_write(const char *path, struct un_st_content *content);

#endif
