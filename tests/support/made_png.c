/* PNG of made photos: noise in every channel, alpha too. */
#include "tests/support/made_photos_private.h"

#include <png.h>
#include <stdlib.h>
#include <string.h>

struct layout {
    int type, depth, channels;
};

static struct layout layout_of(enum made_form form) {
    static const struct layout all[] = {{PNG_COLOR_TYPE_GRAY, 1, 1},        {PNG_COLOR_TYPE_GRAY, 2, 1},
                                        {PNG_COLOR_TYPE_GRAY, 4, 1},        {PNG_COLOR_TYPE_GRAY, 8, 1},
                                        {PNG_COLOR_TYPE_GRAY, 16, 1},       {PNG_COLOR_TYPE_PALETTE, 1, 1},
                                        {PNG_COLOR_TYPE_PALETTE, 2, 1},     {PNG_COLOR_TYPE_PALETTE, 4, 1},
                                        {PNG_COLOR_TYPE_PALETTE, 8, 1},     {PNG_COLOR_TYPE_GRAY_ALPHA, 8, 2},
                                        {PNG_COLOR_TYPE_GRAY_ALPHA, 16, 2}, {PNG_COLOR_TYPE_RGB, 8, 3},
                                        {PNG_COLOR_TYPE_RGB, 16, 3},        {PNG_COLOR_TYPE_RGB_ALPHA, 8, 4},
                                        {PNG_COLOR_TYPE_RGB_ALPHA, 16, 4}};
    return all[form - MADE_JPEGS];
}

static unsigned sample(const struct made_photo *photo, const struct layout *l, int64_t y, int64_t x,
                       int channel) {
    return made_noise(photo, y, x, channel) >> (16 - l->depth);
}

/* Colours of a palette come from a place that no photo has. */
static uint8_t palette_colour(const struct made_photo *photo, unsigned entry, int channel) {
    return (uint8_t)made_noise(photo, 0xFFFFFF, entry, channel);
}

void made_png_pixel(const struct made_photo *photo, int64_t y, int64_t x, uint8_t bgr[3]) {
    struct layout l = layout_of(photo->form);
    for (int c = 0; c < 3; ++c) {
        unsigned v = sample(photo, &l, y, x, l.channels >= 3 ? c : 0);
        if (l.type == PNG_COLOR_TYPE_PALETTE)
            bgr[2 - c] = palette_colour(photo, v, c);
        else
            bgr[2 - c] = (uint8_t)(l.depth == 16 ? v >> 8 : v * 255 / ((1u << l.depth) - 1));
    }
}

struct png_out {
    struct made_file file;
    size_t room;
};

static void on_write(png_structp png, png_bytep data, size_t n) {
    struct png_out *out = png_get_io_ptr(png);
    if (out->file.n + n > out->room) {
        out->room = 2 * (out->file.n + n);
        out->file.bytes = realloc(out->file.bytes, out->room);
        if (!out->file.bytes) made_stop("no memory");
    }
    memcpy(out->file.bytes + out->file.n, data, n);
    out->file.n += n;
}

static void on_flush(png_structp png) {
    (void)png;
}

static void on_error(png_structp png, png_const_charp text) {
    (void)png;
    made_stop(text);
}

static void set_palette(png_structp png, png_infop info, const struct made_photo *photo,
                        const struct layout *l) {
    png_color colours[256];
    png_byte alpha[256];
    int n = 1 << l->depth;
    for (unsigned i = 0; i < (unsigned)n; ++i) {
        colours[i] = (png_color){palette_colour(photo, i, 0), palette_colour(photo, i, 1),
                                 palette_colour(photo, i, 2)};
        alpha[i] = palette_colour(photo, i, 3);
    }
    png_set_PLTE(png, info, colours, n);
    if (photo->transparent) png_set_tRNS(png, info, alpha, n, NULL);
}

/* The first pixel's colour is the transparent one. */
static void set_transparent(png_structp png, png_infop info, const struct made_photo *photo,
                            const struct layout *l) {
    png_color_16 colour = {0};
    colour.gray = colour.red = (png_uint_16)sample(photo, l, 0, 0, 0);
    colour.green = (png_uint_16)sample(photo, l, 0, 0, 1),
    colour.blue = (png_uint_16)sample(photo, l, 0, 0, 2);
    png_set_tRNS(png, info, NULL, 0, &colour);
}

static void set_head(png_structp png, png_infop info, const struct made_photo *photo,
                     const struct layout *l) {
    uint8_t exif[MADE_EXIF];
    png_set_IHDR(png, info, (png_uint_32)photo->width, (png_uint_32)photo->height, l->depth, l->type,
                 photo->interlaced ? PNG_INTERLACE_ADAM7 : PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT,
                 PNG_FILTER_TYPE_DEFAULT);
    if (l->type == PNG_COLOR_TYPE_PALETTE)
        set_palette(png, info, photo, l);
    else if (photo->transparent && l->channels % 2 == 1)
        set_transparent(png, info, photo, l);
    if (photo->gamma) png_set_gAMA_fixed(png, info, 180000);
    if (photo->orientation)
        png_set_eXIf_1(png, info, (png_uint_32)made_exif(exif, photo->orientation, photo->exif_big), exif);
    png_write_info(png, info);
}

static void write_rows(png_structp png, const struct made_photo *photo, const struct layout *l) {
    size_t bits = (size_t)(l->depth * l->channels), bytes = ((size_t)photo->width * bits + 7) / 8;
    uint8_t *row = malloc(bytes);
    if (!row) made_stop("no memory");
    int passes = png_set_interlace_handling(png);
    for (int pass = 0; pass < passes; ++pass)
        for (int64_t y = 0; y < photo->height; ++y) {
            memset(row, 0, bytes);
            for (int64_t i = 0; i < photo->width * l->channels; ++i) {
                unsigned v = sample(photo, l, y, i / l->channels, (int)(i % l->channels));
                size_t bit = (size_t)i * (size_t)l->depth;
                if (l->depth == 16)
                    row[bit / 8] = (uint8_t)(v >> 8), row[bit / 8 + 1] = (uint8_t)v;
                else
                    row[bit / 8] = (uint8_t)(row[bit / 8] | v << (8 - (size_t)l->depth - bit % 8));
            }
            png_write_row(png, row);
        }
    free(row);
}

struct made_file made_png(const struct made_photo *photo) {
    struct png_out out = {0};
    struct layout l = layout_of(photo->form);
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, on_error, on_error);
    png_infop info = png ? png_create_info_struct(png) : NULL;
    if (!info) made_stop("libpng does not start");
    png_set_write_fn(png, &out, on_write, on_flush);
    set_head(png, info, photo, &l);
    write_rows(png, photo, &l);
    png_write_end(png, NULL);
    png_destroy_write_struct(&png, &info);
    return out.file;
}
