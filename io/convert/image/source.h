/* Where images come from: one interface over every form of feature files, ours among them.
 *
 * A source is opened, surveyed once (ids, numbers of regions, widths and types, without the features), then
 * read: each thread opens its own reader, and any reader may read any image. Messages name the file and the
 * member, key or line. */
#ifndef UN_IO_CONVERT_IMAGE_SOURCE_H
#define UN_IO_CONVERT_IMAGE_SOURCE_H

#include "io/run/progress.h"
#include "runtime/status.h"
#include "runtime/tensor.h"

/* One image of the list a survey makes. */
struct un_image_entry {
    char *id;          /* owned by the list */
    int64_t regions;   /* >= 1; 0: left out, its place is kept */
    int64_t at, bytes; /* the source's own: where the image stands, how long it is there (0: unknown) */
};

/* What all images of a source have in common. */
struct un_image_shape {
    int64_t img_dim;              /* F */
    int64_t classes;              /* C with the background; 0: no soft labels */
    enum un_type feature_type;    /* UN_F16 | UN_F32, as stored in the source: nothing is rounded */
    enum un_type confidence_type; /* UN_F16 | UN_F32 */
    enum un_type soft_type;       /* UN_F16 | UN_F32 */
    bool has_confidence;          /* false: 1 is written for every region, and said once */
};

struct un_image_list {
    struct un_image_shape shape;
    struct un_image_entry *list;
    int64_t n, capacity, regions;
    int64_t left; /* of the n: left out */
    char **pool;  /* [pools] blocks that hold the ids */
    int64_t pools, pool_used;
};
enum { UN_IMAGE_ID_MAX = 255, UN_IMAGE_REGIONS_MAX = 65536 };
/* Appends; the id is copied. UN_DATA: empty id, id longer than 255 bytes, regions < 1 or > 65536 (says
 * `where`). */
enum un_status un_image_list_add(struct un_image_list *list, const char *where, const char *id,
                                 int64_t regions, int64_t at, int64_t bytes);
/* UN_DATA: no image; an id that stands twice, naming both images by number. */
enum un_status un_image_list_check(const struct un_image_list *list, const char *source);
void un_image_list_free(struct un_image_list *list);

/* One image, n regions. Memory of the reader, valid until its next read. */
struct un_image_record {
    int64_t regions;
    const void *feature;    /* [n,F] as shape.feature_type */
    const float *box;       /* [n,6] x1 y1 x2 y2 w h, divided by the image's width or height */
    const void *confidence; /* [n] as shape.confidence_type; NULL without */
    const void *soft;       /* [n,C] as shape.soft_type; NULL without */
};

struct un_image_source;
struct un_image_reader;
struct un_image_bad;

struct un_image_source_ops {
    enum un_status (*survey)(struct un_image_source *source, struct un_image_list *list);
    enum un_status (*reader_open)(struct un_image_source *source, struct un_image_reader **reader);
    /* Image `index` of the list. UN_DATA when it is not what the survey saw. */
    enum un_status (*read)(struct un_image_reader *reader, const struct un_image_list *list, int64_t index,
                           struct un_image_record *record);
    void (*reader_close)(struct un_image_reader *reader);
    void (*close)(struct un_image_source *source);
};

/* First member of every source's own struct. */
struct un_image_source {
    const struct un_image_source_ops *ops;
    char name[256]; /* for messages and the attribute `source`: kind and path */
    uint64_t
        stamp; /* of the source's files: names, sizes, times; a half-done import goes on only when equal */
    /* Where image `index` stands: a file, or FILE:LINE, or FILE: ID. NULL: NAME: ID. */
    void (*where)(const struct un_image_source *source, const struct un_image_list *list, int64_t index,
                  char *text, size_t size);
    int64_t
        onehot; /* of all but grids, set before the survey: soft labels are made of the ids of classes, of so many classes
                       with the background: class k is column k + 1; 0: none are made */
    struct un_image_bad *bad; /* borrowed; NULL: a bad image ends the import. Set by it before the survey */
    struct un_progress *progress; /* of un_image_source_survey while it runs, as the next; else NULL */
    bool (*stop)(void);
};
/* The survey: appends to an empty list all that there is. progress: told of it, if not NULL; stop: true ends it (UN_STOPPED), NULL:
 * nobody does. */
enum un_status un_image_source_survey(struct un_image_source *source, struct un_image_list *list,
                                      struct un_progress *progress, bool (*stop)(void));
/* Calls it. */
void un_image_source_where(const struct un_image_source *source, const struct un_image_list *list,
                           int64_t index, char *text, size_t size);
/* For surveys, what became of the image that stands at `where`: UN_OK also when it is bad and images may be left out, which
 * is noted. */
enum un_status un_image_source_listed(struct un_image_source *source, const char *where,
                                      enum un_status status);

/* For surveys that may take long: how much is ahead, as un_progress_open_work has it, and that so much more was seen
 * (UN_STOPPED: it is to end). */
void un_image_source_ahead(struct un_image_source *source, int64_t amount, int64_t scale, const char *unit);
enum un_status un_image_source_seen(struct un_image_source *source, int64_t amount);

/* paths: n files or folders of one form. */
enum un_status un_image_source_npz(struct un_image_source **source, const char *const *paths, int n);
/* NAME.npy [n,F] and NAME_info.npy, a pickled dict, an image, as mmf leaves them. Where the rows of cls_prob sum to less than
 * one, the background is missing and is put before them. */
enum un_status un_image_source_npy(struct un_image_source **source, const char *const *paths, int n);
enum un_status un_image_source_tsv(struct un_image_source **source, const char *const *paths, int n);
/* Before the survey: what the features and soft labels of a TSV are, UN_F32 (unless it is said) or UN_F16. */
void un_image_source_tsv_type(struct un_image_source *source, enum un_type type);
enum un_status un_image_source_lmdb(struct un_image_source **source, const char *const *paths, int n);
/* ids: a file with an id a line, for array forms without a dataset of ids; NULL: none. */
enum un_status un_image_source_h5(struct un_image_source **source, const char *const *paths, int n,
                                  const char *ids);
/* Patch grids, as ViT and CLIP give them: an array [images, rows * cols, F] or [images, 1 + rows * cols, F] a
 * file, of f16, f32 or (.safetensors) bf16, which is widened to f32 exactly. A cell is a region, row by row:
 * in row r, column c its box is c/cols r/rows (c+1)/cols (r+1)/rows. What stands before the cells is the class
 * token. */
struct un_image_grid {
    const char *ids;    /* a file with an id a line for all files; "": FILE.ids beside every FILE.npy */
    const char *tensor; /* its name in every .safetensors; "": the only one */
    int64_t rows, cols; /* of cells; both 0: as many as makes a square */
    bool keep_class;    /* the class token becomes region 0, its box the whole picture; else it is left out */
};
enum un_status un_image_source_grid(struct un_image_source **source, const char *const *paths, int n,
                                    const struct un_image_grid *grid);
void un_image_source_close(struct un_image_source *source); /* NULL allowed */

/* For constructors: the name "KIND PATH" or "KIND PATH and N more"; and their end: *out, or closed again when
 * it could not be opened. */
void un_image_source_name(struct un_image_source *source, const char *kind, const char *const *paths, int n);
enum un_status un_image_source_opened(struct un_image_source *source, enum un_status status,
                                      struct un_image_source **out);

/* Folds name, size and time of change of a file into a source's stamp. UN_IO. */
enum un_status un_image_stamp(uint64_t *stamp, const char *path);

/* From corners in pixels: divides by the image's size, w and h by subtraction of the quotients in float.
 * corners [n,4] x1 y1 x2 y2, box [n,6]. Leaves values outside [0,1] by up to 1e-3 as they are, clamps none. */
void un_box_from_pixels(float *box, const float *corners, int64_t n, double width, double height);

#endif
