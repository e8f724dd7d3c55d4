/* A page into a file: drawn once to see how high it is, once on paper of that height. */
#include "io/picture/private.h"

#include "io/disk/files.h"
#include "runtime/memory.h"

#include <cairo-pdf.h>
#include <cairo-svg.h>
#include <math.h>

enum { HIGHEST_PNG = 32767, PHOTO_MOST = 1120, SMALL_MOST = 432 };

static cairo_status_t keep(void *context, const unsigned char *bytes, unsigned n) {
    struct un_text_out *out = context;
    un_text_put_bytes(out, (const char *)bytes, n);
    return out->failed ? CAIRO_STATUS_WRITE_ERROR : CAIRO_STATUS_SUCCESS;
}

static enum un_status check(const char *path, cairo_status_t status) {
    if (status == CAIRO_STATUS_SUCCESS) return UN_OK;
    if (status == CAIRO_STATUS_NO_MEMORY || status == CAIRO_STATUS_WRITE_ERROR)
        return un_fail(UN_MEMORY, "%s: no memory for the picture", path);
    return un_fail(UN_INTERNAL, "%s: the picture cannot be drawn: %s", path, cairo_status_to_string(status));
}

static enum un_status draw(struct un_ink *ink, cairo_surface_t *surface, const char *path) {
    ink->cr = cairo_create(surface);
    un_page_draw(ink);
    enum un_status status = check(path, cairo_status(ink->cr));
    cairo_destroy(ink->cr);
    return ink->failed ? un_error_get()->status : status;
}

static cairo_surface_t *open_paper(enum un_paper_kind kind, double height, struct un_text_out *out) {
    if (kind == UN_PAPER_SVG) return cairo_svg_surface_create_for_stream(keep, out, UN_PAGE_WIDTH, height);
    if (kind == UN_PAPER_PDF) return cairo_pdf_surface_create_for_stream(keep, out, UN_PAGE_WIDTH, height);
    return cairo_image_surface_create(CAIRO_FORMAT_RGB24, UN_PAGE_WIDTH, (int)height);
}

static enum un_status measure(struct un_ink *ink, const char *path, enum un_paper_kind kind, double *height) {
    cairo_surface_t *nothing = cairo_recording_surface_create(CAIRO_CONTENT_COLOR, NULL);
    enum un_status status = draw(ink, nothing, path);
    cairo_surface_destroy(nothing);
    *height = ceil(ink->y);
    if (status != UN_OK || kind != UN_PAPER_PNG || *height <= HIGHEST_PNG) return status;
    return un_fail(UN_USAGE,
                   "%s: %.0f pixels high, a PNG can have %d: choose fewer layers, heads or words, or .svg",
                   path, *height, HIGHEST_PNG);
}

static enum un_status draw_all(struct un_ink *ink, const char *path, enum un_paper_kind kind,
                               struct un_text_out *out) {
    double height;
    UN_TRY(measure(ink, path, kind, &height));
    cairo_surface_t *paper = open_paper(kind, height, out);
    enum un_status status = check(path, cairo_surface_status(paper));
    if (status == UN_OK) status = draw(ink, paper, path);
    if (status == UN_OK && kind == UN_PAPER_PNG)
        status = check(path, cairo_surface_write_to_png_stream(paper, keep, out));
    cairo_surface_finish(paper);
    if (status == UN_OK) status = check(path, cairo_surface_status(paper));
    cairo_surface_destroy(paper);
    return status;
}

enum un_status un_paper_write(const struct un_picture *picture, const char *path, enum un_paper_kind kind) {
    struct un_ink ink = {.picture = picture};
    struct un_text_out out = {0};
    enum un_status status = UN_OK;
    if (picture->bgr) {
        ink.photo = un_ink_shrink(picture, PHOTO_MOST);
        ink.small = un_ink_shrink(picture, SMALL_MOST);
        if (!ink.photo || !ink.small) status = un_fail(UN_MEMORY, "%s: no memory for the photo", path);
    }
    if (status == UN_OK) status = draw_all(&ink, path, kind, &out);
    if (status == UN_OK)
        status = un_text_write(&out, path);
    else
        un_free(out.text);
    if (ink.photo) cairo_surface_destroy(ink.photo);
    if (ink.small) cairo_surface_destroy(ink.small);
    return status;
}
