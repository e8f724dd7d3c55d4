/* Between grid.c and grid_survey.c. */
#ifndef UN_IO_CONVERT_IMAGE_GRID_H
#define UN_IO_CONVERT_IMAGE_GRID_H

#include "io/convert/format/array_file.h"
#include "io/convert/image/source.h"

struct un_grid_file {
    char *path, *ids;           /* ids: beside it, NULL: of all files in one */
    uint64_t stamp;             /* when it was opened */
    struct un_array_file array; /* [images, tokens, F], by the survey */
};
struct un_source_grid {
    struct un_image_source source; /* first */
    struct un_grid_file *files;
    int n;
    char *ids, *tensor; /* of all files; ids NULL: beside each */
    int64_t rows, cols; /* of cells; 0: not known yet */
    bool keep_class;
    int64_t tokens, skip, regions; /* of an image: in the file, left out before the regions, kept */
    float *box;                    /* [regions, 6] the same for every image */
};

/* Files, rows and columns, the list and the boxes. An entry's `at` is its row in its file, `bytes` the number
 * of the file. */
enum un_status un_grid_survey(struct un_source_grid *source, struct un_image_list *list);

#endif
