/* One image file or text file of DESIGN section 5: every field that the schema names, checked, with its index
 * loaded and its large columns ready to be read from many threads. */
#ifndef UN_IO_DATA_FILE_H
#define UN_IO_DATA_FILE_H

#include "io/data/target_columns.h"
#include "io/data/vocab.h"
#include "io/h5/column.h"

struct un_image_file {
    char *path;
    int fd;
    struct un_version version;                       /* of the file when it was opened */
    struct un_h5 *h5;                                /* NULL when no column needs HDF5 any more */
    int64_t images, regions, img_dim, classes;       /* classes 0: no soft labels */
    enum un_type feature_type;                       /* UN_F16 | UN_F32 */
    struct un_column feature, box, confidence, soft; /* as feature_type, f32, f32, f16 */
    /* the index, until un_image_file_drop_index; `confidence` goes with it */
    int64_t *region_offset; /* [images + 1] */
    char *ids;              /* [images] cells of id_stride bytes */
    int64_t id_stride;
};

struct un_text_file {
    char *path;
    int fd;
    struct un_version version;
    struct un_h5 *h5;
    struct un_vocab vocab;
    int64_t texts;
    bool aligned, has_sentence;
    struct un_column token, align_token, align_region, sentence, sentence_offset; /* i32 x 3, u8, i64 */
    struct un_target_columns targets;
    /* the index, until un_text_file_drop_index */
    int64_t *token_offset; /* [texts + 1] */
    int64_t *align_offset; /* [texts + 1], NULL without alignment */
    char *text_ids, *image_ids;
    int64_t text_stride, image_stride;
};

/* Of a finished data file: is it a text file (or an image file)? */
enum un_status un_data_kind(const char *path, bool *text);

enum un_status un_image_file_open(struct un_image_file *file, const char *path);
/* Without the index, whose rules are not looked at: `images` is 0. For files whose index somebody else has read. */
enum un_status un_image_file_open_rows(struct un_image_file *file, const char *path);
/* How often a read of a row that fails is tried. */
void un_image_file_set_tries(struct un_image_file *file, int tries);
void un_text_file_set_tries(struct un_text_file *file, int tries);
void un_image_file_drop_index(struct un_image_file *file);
void un_image_file_close(struct un_image_file *file);

enum un_status un_text_file_open(struct un_text_file *file, const char *path);
/* Likewise: `texts` is 0. */
enum un_status un_text_file_open_rows(struct un_text_file *file, const char *path);
void un_text_file_drop_index(struct un_text_file *file);
void un_text_file_close(struct un_text_file *file);

/* The sentence of text `row`, cut between characters to fit size; "" when the file holds none. */
enum un_status un_text_file_sentence(const struct un_text_file *file, int64_t row, char *sentence,
                                     size_t size);

#endif
