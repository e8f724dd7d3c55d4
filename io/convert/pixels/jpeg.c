/* JPEG by libjpeg-turbo with its defaults: accurate integer DCT, fancy upsampling. Four components come as CMYK and
 * are made blue, green, red here. What a header claims is held against the limits before memory is taken; scans are
 * counted while they are read. */
#include "io/convert/pixels/private.h"

#include <stdio.h> /* before jpeglib.h, which needs it */

#include <jerror.h>
#include <jpeglib.h>

/* Huffman codes have a bit or more, and every block has one. The sparsest blocks stand for 64 pixels along each of two
 * components that share the full resolution (4 x 1 and 1 x 4): two bits for 256 pixels. */
enum { PIXELS_A_BYTE = 1024, LIBRARY_BYTES = 1 << 30, EXIF_MOST = 0xFFFF, CMYK = 4 };

struct jpeg {
    struct jpeg_decompress_struct c;
    struct jpeg_error_mgr errors;
    struct jpeg_progress_mgr progress;
    struct un_guard guard;
    struct un_pixels *pixels;
    const struct un_pixels_file *photo;
};

static struct jpeg *of(j_common_ptr c) {
    return c->client_data;
}

static void on_error(j_common_ptr c) {
    char text[JMSG_LENGTH_MAX];
    c->err->format_message(c, text);
    bool memory = c->err->msg_code == JERR_OUT_OF_MEMORY;
    snprintf(of(c)->guard.text, UN_GUARD_TEXT, "JPEG: %s (libjpeg: %.160s)",
             memory ? "no memory for it" : "damaged, or of a kind that is not read", text);
    if (memory) of(c)->guard.status = UN_MEMORY;
    un_guard_leave(&of(c)->guard);
}

/* Warnings have level -1. At the end of the file the library makes one up and the rest gray. */
static void on_message(j_common_ptr c, int level) {
    if (level >= 0) return;
    if (c->err->msg_code == JWRN_JPEG_EOF) {
        snprintf(of(c)->guard.text, UN_GUARD_TEXT, "truncated: the JPEG ends after %zu bytes",
                 of(c)->photo->n);
        un_guard_leave(&of(c)->guard);
    }
    of(c)->pixels->warnings++;
}

static void on_output(j_common_ptr c) {
    (void)c;
}

static void on_progress(j_common_ptr c) {
    if (((j_decompress_ptr)c)->input_scan_number <= UN_PIXELS_SCANS) return;
    snprintf(of(c)->guard.text, UN_GUARD_TEXT, "a JPEG of more than %d scans", UN_PIXELS_SCANS);
    un_guard_leave(&of(c)->guard);
}

static void begin(struct jpeg *j) {
    j->c.err = jpeg_std_error(&j->errors);
    j->errors.error_exit = on_error;
    j->errors.emit_message = on_message;
    j->errors.output_message = on_output;
    j->progress.progress_monitor = on_progress;
    j->c.client_data = j;
    jpeg_create_decompress(&j->c);
    j->c.progress = &j->progress;
    j->c.mem->max_memory_to_use = LIBRARY_BYTES;
    jpeg_mem_src(&j->c, j->photo->bytes, j->photo->n);
    jpeg_save_markers(&j->c, JPEG_APP0 + 1, EXIF_MOST);
}

static int orientation(const struct jpeg *j) {
    int found = 0;
    for (jpeg_saved_marker_ptr m = j->c.marker_list; m && found == 0; m = m->next)
        found = un_exif_orientation(m->data, m->data_length);
    return found;
}

/* Colour by colour; the file's own guess at it is the library's. */
static enum un_status choose_colour(struct jpeg *j) {
    J_COLOR_SPACE colour = j->c.jpeg_color_space;
    bool four = colour == JCS_CMYK || colour == JCS_YCCK;
    if (!four && colour != JCS_GRAYSCALE && colour != JCS_YCbCr && colour != JCS_RGB)
        return un_fail(UN_DATA, "%s: a JPEG of %d components whose colours are not known", j->photo->name,
                       j->c.num_components);
    j->c.out_color_space = four ? JCS_CMYK : JCS_EXT_BGR;
    return UN_OK;
}

/* `inverted`: 255 is no ink. Rounded to the nearest: floor(c * k / 255 + 0.5). */
static void cmyk_to_bgr(uint8_t *bgr, const uint8_t *cmyk, int64_t n, bool inverted) {
    unsigned flip = inverted ? 0 : 255;
    for (int64_t i = 0; i < n; ++i, bgr += 3, cmyk += CMYK)
        for (int k = 0; k < 3; ++k)
            bgr[2 - k] = (uint8_t)((2 * (cmyk[k] ^ flip) * (cmyk[3] ^ flip) + 255) / 510);
}

static void read_rows(struct jpeg *j) {
    j_decompress_ptr c = &j->c;
    bool four = c->out_color_space == JCS_CMYK;
    int64_t width = j->pixels->width;
    JSAMPARRAY inks =
        four ? c->mem->alloc_sarray((j_common_ptr)c, JPOOL_IMAGE, c->output_width * CMYK, 1) : NULL;
    while (c->output_scanline < c->output_height) {
        JSAMPROW row = j->pixels->bgr + 3 * width * c->output_scanline, ink = four ? inks[0] : NULL;
        if (jpeg_read_scanlines(c, four ? &ink : &row, 1) == 1 && four)
            cmyk_to_bgr(row, ink, width, c->saw_Adobe_marker);
    }
}

static enum un_status body(void *context) {
    struct jpeg *j = context;
    begin(j);
    jpeg_read_header(&j->c, TRUE);
    if (j->c.data_precision != 8)
        return un_fail(UN_DATA, "%s: a JPEG of %d bits a sample", j->photo->name, j->c.data_precision);
    UN_TRY(
        un_pixels_check(j->photo, j->c.image_width, j->c.image_height, j->c.arith_code ? 0 : PIXELS_A_BYTE));
    UN_TRY(choose_colour(j));
    j->pixels->orientation = orientation(j);
    j->pixels->components = j->c.num_components;
    UN_TRY(un_pixels_room(j->pixels, j->c.image_width, j->c.image_height));
    jpeg_start_decompress(&j->c);
    read_rows(j);
    jpeg_finish_decompress(&j->c);
    return UN_OK;
}

enum un_status un_jpeg_decode(struct un_pixels *pixels, const struct un_pixels_file *photo) {
    struct jpeg j = {.pixels = pixels, .photo = photo};
    enum un_status status = un_guard_run(&j.guard, photo->name, body, &j);
    jpeg_destroy_decompress(&j.c);
    return status;
}
