/* PNG by libpng, row by row into place: alpha and transparency dropped, 16 bits cut to the high byte, palette and
 * gray expanded. Its simplified interface would convert gamma and lay alpha over a background, so the plain one is
 * used. */
#include "io/convert/pixels/private.h"

#include <png.h>
#include <stdio.h>
#include <string.h>

/* Deflate gives at most 1032 bytes a byte, and a byte holds 8 pixels of one bit. libpng keeps two rows, so a side has
 * a limit of its own. */
enum {
    PIXELS_A_BYTE = 1032 * 8,
    SIDE_MOST = 1000000,
    CHUNKS_MOST = 100,
    CHUNK_BYTES = 1 << 24,
    SIGNATURE = 8,
    CHUNK_LEAST = 12
};

struct png {
    png_structp png;
    png_infop info;
    struct un_guard guard;
    struct un_pixels *pixels;
    const struct un_pixels_file *photo;
    size_t at; /* read so far */
};

static void on_error(png_structp png, png_const_charp text) {
    struct png *p = png_get_error_ptr(png);
    snprintf(p->guard.text, UN_GUARD_TEXT, "PNG: damaged, or of a kind that is not read (libpng: %.160s)",
             text);
    un_guard_leave(&p->guard);
}

static void on_warning(png_structp png, png_const_charp text) {
    struct png *p = png_get_error_ptr(png);
    (void)text;
    p->pixels->warnings++;
}

static void on_read(png_structp png, png_bytep out, size_t n) {
    struct png *p = png_get_io_ptr(png);
    if (n > p->photo->n - p->at) {
        snprintf(p->guard.text, UN_GUARD_TEXT, "truncated: the PNG ends after %zu bytes", p->photo->n);
        un_guard_leave(&p->guard);
    }
    memcpy(out, p->photo->bytes + p->at, n);
    p->at += n;
}

/* Every chunk up to the last inside the file: libpng takes memory for as many bytes as the head of some chunks
 * claims. */
static enum un_status check_chunks(const struct un_pixels_file *file) {
    for (size_t at = SIGNATURE; file->n - at >= CHUNK_LEAST;) {
        const uint8_t *chunk = file->bytes + at;
        size_t length = png_get_uint_32(chunk);
        if (length > file->n - at - CHUNK_LEAST) break;
        if (memcmp(chunk + 4, "IEND", 4) == 0) return UN_OK;
        at += CHUNK_LEAST + length;
    }
    return un_fail(UN_DATA, "%s: truncated: the PNG ends after %zu bytes", file->name, file->n);
}

/* Chunks that say nothing of the pixels are passed over, packed text and profiles above all. */
static void pass_over(png_structp png) {
    static const png_byte chunks[] =
        "bKGD\0cHRM\0gAMA\0hIST\0iCCP\0iTXt\0oFFs\0pCAL\0pHYs\0sBIT\0sCAL\0sPLT\0sRGB\0tEXt\0tIME\0zTXt";
    png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER, NULL, 0);
    png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER, chunks, sizeof chunks / 5);
}

static enum un_status begin(struct png *p) {
    p->png = png_create_read_struct(PNG_LIBPNG_VER_STRING, p, on_error, on_warning);
    p->info = p->png ? png_create_info_struct(p->png) : NULL;
    if (!p->info) return un_fail(UN_MEMORY, "%s: libpng does not start", p->photo->name);
    png_set_read_fn(p->png, p, on_read);
    png_set_user_limits(p->png, SIDE_MOST, SIDE_MOST);
    png_set_chunk_cache_max(p->png, CHUNKS_MOST);
    png_set_chunk_malloc_max(p->png, CHUNK_BYTES);
    pass_over(p->png);
    return UN_OK;
}

/* Every form becomes three bytes a pixel. */
static void choose_form(struct png *p) {
    png_byte form = png_get_color_type(p->png, p->info);
    if (form == PNG_COLOR_TYPE_PALETTE)
        png_set_palette_to_rgb(p->png);
    else if (!(form & PNG_COLOR_MASK_COLOR))
        png_set_expand_gray_1_2_4_to_8(p->png);
    if (!(form & PNG_COLOR_MASK_COLOR)) png_set_gray_to_rgb(p->png);
    png_set_strip_16(p->png);
    png_set_strip_alpha(p->png);
    png_set_bgr(p->png);
    p->pixels->components = form == PNG_COLOR_TYPE_PALETTE ? 3 : png_get_channels(p->png, p->info);
}

static enum un_status read_rows(struct png *p) {
    int64_t width = p->pixels->width, height = p->pixels->height;
    int passes = png_set_interlace_handling(p->png);
    png_read_update_info(p->png, p->info);
    if (png_get_rowbytes(p->png, p->info) != (size_t)(3 * width))
        return un_fail(UN_DATA, "%s: a PNG whose rows are not three bytes a pixel", p->photo->name);
    for (int pass = 0; pass < passes; ++pass)
        for (int64_t y = 0; y < height; ++y) png_read_row(p->png, p->pixels->bgr + 3 * width * y, NULL);
    return UN_OK;
}

/* May stand behind the pixels, so it is asked for at the end. Some writers put the JPEG's mark in front. */
static int orientation(const struct png *p) {
    png_bytep exif = NULL;
    png_uint_32 n = 0;
    if (png_get_eXIf_1(p->png, p->info, &n, &exif) == 0 || !exif) return 0;
    int found = un_exif_tiff(exif, n);
    return found ? found : un_exif_orientation(exif, n);
}

static enum un_status body(void *context) {
    struct png *p = context;
    UN_TRY(check_chunks(p->photo));
    UN_TRY(begin(p));
    png_read_info(p->png, p->info);
    int64_t width = png_get_image_width(p->png, p->info), height = png_get_image_height(p->png, p->info);
    UN_TRY(un_pixels_check(p->photo, (uint64_t)width, (uint64_t)height, PIXELS_A_BYTE));
    choose_form(p);
    UN_TRY(un_pixels_room(p->pixels, width, height));
    UN_TRY(read_rows(p));
    png_read_end(p->png, p->info);
    p->pixels->orientation = orientation(p);
    return UN_OK;
}

enum un_status un_png_decode(struct un_pixels *pixels, const struct un_pixels_file *photo) {
    struct png p = {.pixels = pixels, .photo = photo};
    enum un_status status = un_guard_run(&p.guard, photo->name, body, &p);
    if (p.png) png_destroy_read_struct(&p.png, &p.info, NULL);
    return status;
}
