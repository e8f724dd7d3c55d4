/* Paper, ink, and the parts of the page. Lengths are pixels of a page that is UN_PAGE_WIDTH wide. */
#ifndef UN_IO_PICTURE_PRIVATE_H
#define UN_IO_PICTURE_PRIVATE_H

#include "io/picture/picture.h"

#include <cairo.h>

enum un_paper_kind { UN_PAPER_SVG, UN_PAPER_PNG, UN_PAPER_PDF, UN_PAPER_JSON, UN_PAPER_KINDS };
enum { UN_PAGE_WIDTH = 1200, UN_PAGE_MARGIN = 36, UN_PAGE_INNER = UN_PAGE_WIDTH - 2 * UN_PAGE_MARGIN };

struct un_colour {
    double red, green, blue;
};
extern const struct un_colour un_black, un_gray, un_faint, un_heat, un_other;

/* What is drawn on. photo, small: NULL without a photo. y: where the next part of the page begins. */
struct un_ink {
    cairo_t *cr;
    const struct un_picture *picture;
    cairo_surface_t *photo, *small;
    double y;
    bool failed; /* no memory, which has been recorded */
};
struct un_patch {
    double x, y, width, height;
};

/* ---- paper.c ---- */

enum un_status un_paper_write(const struct un_picture *picture, const char *path, enum un_paper_kind kind);

/* ---- page.c: the whole page; its height is ink->y afterwards ---- */

void un_page_draw(struct un_ink *ink);

/* ---- ink.c ---- */

/* A line that begins at (x, y), its baseline; cut with an ellipsis to `width`. Returns the width it has. */
double un_ink_text(struct un_ink *ink, double x, double y, double size, double width, const char *text);
/* The same, ending at x. */
void un_ink_text_left_of(struct un_ink *ink, double x, double y, double size, double width, const char *text);
void un_ink_bold(struct un_ink *ink, bool bold);
void un_ink_colour(struct un_ink *ink, struct un_colour colour, double alpha);
void un_ink_fill(struct un_ink *ink, struct un_patch box);
void un_ink_frame(struct un_ink *ink, struct un_patch box, double line);
/* A heading of a part of the page, and a line of what it shows. */
void un_ink_heading(struct un_ink *ink, const char *text, const char *meaning);
/* White at 0, dark blue at 1: lightness alone tells the value, so it can be read in gray and by the colour-blind. */
struct un_colour un_ink_scale(double value);
/* The scale with its ends named, at (x, y). alpha: that of marks on the photo instead. */
void un_ink_legend(struct un_ink *ink, double x, double y, const char *low, const char *high, bool alpha);
/* The photo, or an empty canvas, in the box; where a region is in it. */
void un_ink_photo(struct un_ink *ink, struct un_patch box, cairo_surface_t *photo);
struct un_patch un_ink_region(const struct un_ink *ink, struct un_patch photo, int64_t region);
/* A photo of at most `width` pixels. NULL: no memory. */
cairo_surface_t *un_ink_shrink(const struct un_picture *picture, int64_t width);
/* "ball", or "#12" where the name is not known. text [size]. */
const char *un_ink_name(char *text, size_t size, const char *name, int64_t id);

/* ---- parts of the page: regions.c, words.c, plans.c, heads.c, guesses.c ---- */

void un_part_regions(struct un_ink *ink);
void un_part_words(struct un_ink *ink);
void un_part_plans(struct un_ink *ink);
void un_part_heads(struct un_ink *ink);
void un_part_guesses(struct un_ink *ink);

/* A matrix words x regions of values up to `most` in the box, with its names. */
struct un_part_matrix {
    const double *value;
    double most;
};
double un_part_matrix_height(const struct un_picture *picture);
void un_part_matrix(struct un_ink *ink, struct un_patch box, const struct un_part_matrix *matrix);

#endif
