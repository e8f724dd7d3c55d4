/* What the files h5*.c share: columns of a foreign HDF5 file, and the forms it may have. */
#ifndef UN_IO_CONVERT_IMAGE_H5_H
#define UN_IO_CONVERT_IMAGE_H5_H

#include "io/convert/image/source.h"
#include "io/h5/h5.h"

/* What a file may say about regions; the names taken for each stand in h5_column.c. */
enum un_h5_role {
    UN_H5_FEATURE,
    UN_H5_UNIT_BOX,
    UN_H5_BOX,
    UN_H5_CONFIDENCE,
    UN_H5_SOFT,
    UN_H5_CLASS, /* ids of classes, only where labels are made of them */
    UN_H5_ROLES
};

/* One dataset as rows of regions: [R,w], [R], or [N,K,w], [N,K] with `per` = K regions a row. */
struct un_h5_column {
    struct un_h5_data *data; /* NULL: there is none */
    char name[512];
    enum un_type type; /* in memory: UN_F16 when stored so, else UN_F32 */
    enum un_h5_class class_;
    int64_t regions, width, per;
    bool deep;   /* [N,K] or [N,K,w] */
    int64_t raw; /* byte offset of region 0, -1: through HDF5 */
};

enum un_h5_form { UN_H5_FLAT, UN_H5_FIXED, UN_H5_GROUPS, UN_H5_NAMES };

struct un_h5_file {
    char *path;
    struct un_h5 *h5;
    int fd;
    enum un_h5_form form;
    char base[256];                          /* of groups and names: "" or "folder/" */
    struct un_h5_column column[UN_H5_ROLES]; /* of arrays */
    double *width, *height;                  /* [images] pixels, of arrays; NULL: not known */
    int64_t first, images;                   /* in the list */
    int64_t onehot;                          /* of the source (source.h), since the survey */
};

struct un_source_h5 {
    struct un_image_source source; /* first */
    struct un_h5_file *files;
    int n;
    char *ids;      /* path of the file of ids, NULL: none */
    bool shape_set; /* by the first image */
    bool pixels;    /* some box is wider than an image of size one */
};

/* The dataset PREFIX + one of the role's names, if there is one. per: regions a row that rank 2 (confidence)
 * and rank 3 must have; 0: rank 3 is refused; -1: any. */
enum un_status un_h5_column_open(struct un_h5_column *column, const struct un_h5_file *file,
                                 const char *prefix, enum un_h5_role role, int64_t per);
void un_h5_column_close(struct un_h5_column *column);
/* Regions [first, first + n) as column->type into memory of max(n, per) regions; integers become floats. */
enum un_status un_h5_column_read(const struct un_h5_column *column, const struct un_h5_file *file,
                                 int64_t first, int64_t n, void *out);
/* Does a link of that name, or of one of the role's names behind the prefix, stand there? */
bool un_h5_column_has(const struct un_h5_file *file, const char *prefix, enum un_h5_role role);
/* The names in GROUP that begin with `front` and stand for nothing, without it, as "a, b, ..."; all: those that do too. */
enum un_status un_h5_others(const struct un_h5_file *file, const char *group, const char *front, bool all,
                            char *text, size_t size);
/* labels=onehot: ids of classes are there, soft labels are not. others: the names that stand for nothing. */
enum un_status un_h5_classes_check(const struct un_h5_file *file, const char *prefix,
                                   const struct un_h5_column *column, const char *others);
/* How many classes there are with the background, given or made; 0: no soft labels. */
int64_t un_h5_classes(const struct un_h5_file *file, const struct un_h5_column *column);
/* The widths and types of these columns must be those of the images before; the first ones set them. */
enum un_status un_h5_shape_agree(struct un_source_h5 *source, struct un_image_list *list,
                                 const struct un_h5_file *file, const struct un_h5_column *column);
/* Sets source->pixels if a coordinate in regions [first, first+n) of the box column says so. */
enum un_status un_h5_scale_look(struct un_source_h5 *source, const struct un_h5_file *file,
                                const struct un_h5_column *column, int64_t first, int64_t n);

/* Survey of one file; at: first region of arrays, bytes: number of the file. */
enum un_status un_h5_arrays_survey(struct un_source_h5 *source, struct un_h5_file *file,
                                   struct un_image_list *list, int64_t number);
enum un_status un_h5_groups_survey(struct un_source_h5 *source, struct un_h5_file *file,
                                   struct un_image_list *list, int64_t number);
/* PREFIX of one image of groups or names: "BASE/ID/" or "BASE/ID_". */
enum un_status un_h5_groups_prefix(const struct un_h5_file *file, const char *id, char *prefix, size_t size);
/* Its size in pixels; 0: not known. */
enum un_status un_h5_groups_size(const struct un_h5_file *file, const char *prefix, double *width,
                                 double *height);

#endif
