/* JPEG of made photos. libjpeg's own error handler ends the program, which is what a test wants here. */
#include "tests/support/made_photos_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>

enum { SCANS_MOST = 757, AC_LAST = 63, STEPS = 4 };

static int inks_of(enum made_form form) {
    return form == MADE_GRAY ? 1 : form == MADE_CMYK || form == MADE_CMYK_ADOBE || form == MADE_YCCK ? 4 : 3;
}

/* What is stored; black is thin, so that the colours can be seen. Inverted where a marker says so. */
static uint8_t stored(const struct made_photo *photo, int64_t y, int64_t x, int channel) {
    uint8_t wave = made_wave(photo, y, x, channel);
    if (channel == 3) wave = (uint8_t)(200 + wave / 8);
    return photo->form == MADE_CMYK ? (uint8_t)(255 - wave) : wave;
}

void made_jpeg_pixel(const struct made_photo *photo, int64_t y, int64_t x, uint8_t bgr[3]) {
    int n = inks_of(photo->form);
    double black = n == 4 ? (200 + made_wave(photo, y, x, 3) / 8) / 255.0 : 1;
    for (int c = 0; c < 3; ++c) bgr[2 - c] = (uint8_t)(made_wave(photo, y, x, n == 1 ? 0 : c) * black + 0.5);
}

/* All DC in one scan, then every AC coefficient of every component alone, bit by bit: as many scans as are asked for.
 * */
static int script(jpeg_scan_info *scans, int wanted) {
    int n = 1;
    scans[0] = (jpeg_scan_info){3, {0, 1, 2}, 0, 0, 0, 0};
    for (int k = 1; k <= AC_LAST; ++k)
        for (int c = 0; c < 3; ++c)
            for (int low = STEPS - 1; low >= 0; --low)
                if (n < wanted)
                    scans[n++] = (jpeg_scan_info){1, {c}, k, k, low == STEPS - 1 ? 0 : low + 1, low};
    return n;
}

static void choose_colour(struct jpeg_compress_struct *c, enum made_form form) {
    c->input_components = inks_of(form);
    c->in_color_space = c->input_components == 1   ? JCS_GRAYSCALE
                        : c->input_components == 4 ? JCS_CMYK
                                                   : JCS_RGB;
    jpeg_set_defaults(c);
    if (form == MADE_RGB) jpeg_set_colorspace(c, JCS_RGB);
    if (form == MADE_RGB) c->write_Adobe_marker = TRUE;
    if (form == MADE_YCCK) jpeg_set_colorspace(c, JCS_YCCK);
    if (form == MADE_CMYK) c->write_Adobe_marker = FALSE;
    if (form == MADE_422) c->comp_info[0].v_samp_factor = 1;
    if (form == MADE_444) c->comp_info[0].v_samp_factor = c->comp_info[0].h_samp_factor = 1;
    c->arith_code = form == MADE_ARITHMETIC;
}

static void write_exif(struct jpeg_compress_struct *c, const struct made_photo *photo) {
    uint8_t exif[6 + MADE_EXIF] = "Exif\0";
    if (photo->orientation == 0) return;
    size_t n = made_exif(exif + 6, photo->orientation, photo->exif_big);
    jpeg_write_marker(c, JPEG_APP0 + 1, exif, (unsigned)(6 + n));
}

static void write_rows(struct jpeg_compress_struct *c, const struct made_photo *photo) {
    int n = c->input_components;
    uint8_t *row = malloc((size_t)(photo->width * n));
    if (!row) made_stop("no memory");
    for (int64_t y = 0; y < photo->height; ++y) {
        for (int64_t i = 0; i < photo->width * n; ++i) row[i] = stored(photo, y, i / n, (int)(i % n));
        jpeg_write_scanlines(c, &row, 1);
    }
    free(row);
}

struct made_file made_jpeg(const struct made_photo *photo) {
    struct jpeg_compress_struct c = {0};
    struct jpeg_error_mgr errors;
    jpeg_scan_info scans[SCANS_MOST];
    unsigned char *bytes = NULL;
    unsigned long n = 0;
    c.err = jpeg_std_error(&errors);
    jpeg_create_compress(&c);
    jpeg_mem_dest(&c, &bytes, &n);
    c.image_width = (JDIMENSION)photo->width, c.image_height = (JDIMENSION)photo->height;
    choose_colour(&c, photo->form);
    jpeg_set_quality(&c, photo->quality ? photo->quality : 100, TRUE);
    if (photo->form == MADE_PROGRESSIVE) jpeg_simple_progression(&c);
    if (photo->scans) c.num_scans = script(scans, photo->scans), c.scan_info = scans;
    jpeg_start_compress(&c, TRUE);
    write_exif(&c, photo);
    write_rows(&c, photo);
    jpeg_finish_compress(&c);
    jpeg_destroy_compress(&c);
    return (struct made_file){bytes, n};
}
