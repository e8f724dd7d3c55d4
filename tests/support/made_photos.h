/* Photos that are drawn and written with libjpeg and libpng themselves, whole and broken. What goes wrong while one
 * is made ends the program. */
#ifndef UN_TESTS_SUPPORT_MADE_PHOTOS_H
#define UN_TESTS_SUPPORT_MADE_PHOTOS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum made_form {
    MADE_420, /* JPEG, colour with halved chroma */
    MADE_422,
    MADE_444,
    MADE_PROGRESSIVE,
    MADE_GRAY,
    MADE_RGB,        /* an Adobe marker says: no transform */
    MADE_CMYK,       /* without a marker: 255 is full ink */
    MADE_CMYK_ADOBE, /* with it: 255 is no ink */
    MADE_YCCK,
    MADE_ARITHMETIC,
    MADE_JPEGS, /* how many forms above are JPEG */
    MADE_PNG_GRAY1 = MADE_JPEGS,
    MADE_PNG_GRAY2,
    MADE_PNG_GRAY4,
    MADE_PNG_GRAY8,
    MADE_PNG_GRAY16,
    MADE_PNG_PALETTE1,
    MADE_PNG_PALETTE2,
    MADE_PNG_PALETTE4,
    MADE_PNG_PALETTE8,
    MADE_PNG_GRAY_ALPHA8,
    MADE_PNG_GRAY_ALPHA16,
    MADE_PNG_RGB8,
    MADE_PNG_RGB16,
    MADE_PNG_RGBA8,
    MADE_PNG_RGBA16,
    MADE_FORMS
};

/* Zeros are sensible but for the size. A JPEG shows soft waves, which its quality (0: 100) hardly changes; a PNG
 * shows noise. */
struct made_photo {
    enum made_form form;
    int64_t width, height; /* as stored */
    uint64_t seed;
    int orientation;  /* EXIF, 1..8; 0: no EXIF */
    bool exif_big;    /* its highest byte first ("MM") */
    int quality;      /* JPEG */
    int scans;        /* of a progressive JPEG, at most 757; 0: the library's */
    bool interlaced;  /* PNG */
    bool transparent; /* PNG without alpha: a transparent colour, or a palette of them (tRNS) */
    bool gamma;       /* PNG: a gAMA chunk that no decoder may follow here */
};

struct made_file {
    uint8_t *bytes; /* free() */
    size_t n;
};

const char *made_form_name(enum made_form form);
/* "jpg" or "png" */
const char *made_form_ending(enum made_form form);
struct made_file made_photo(const struct made_photo *photo);
void made_write(const char *path, const struct made_file *file);
void made_photo_write(const char *path, const struct made_photo *photo);
/* The pixel as stored, blue green red: of a PNG exactly what a decoder must give, of a JPEG what went into it. */
void made_pixel(const struct made_photo *photo, int64_t y, int64_t x, uint8_t bgr[3]);
/* Where the upright pixel (y, x) is stored. */
void made_stored(const struct made_photo *photo, int64_t y, int64_t x, int64_t *stored_y, int64_t *stored_x);
/* TIFF of an EXIF with width and orientation; returns its length. */
enum { MADE_EXIF = 38 };
size_t made_exif(uint8_t out[MADE_EXIF], int orientation, bool big);

enum made_break {
    MADE_EMPTY,
    MADE_CUT,    /* the first half */
    MADE_NO_END, /* without the last two bytes */
    MADE_TEXT,   /* a page that says "not found" */
    MADE_GIF,    /* a GIF's first bytes */
    MADE_BOMB,   /* claims 65,500 x 65,500 pixels */
    MADE_BREAKS
};
/* Claims another size. */
void made_sides(struct made_file *file, uint32_t width, uint32_t height);
/* Where the frame header (SOF) of a JPEG begins: FF, kind, length of 2, precision, height of 2, width of 2,
 * components. */
size_t made_frame(const struct made_file *file);
/* Right checksums for the chunks of a PNG that was changed. */
void made_png_mend(uint8_t *bytes, size_t n);
const char *made_break_name(enum made_break way);
void made_broken(struct made_file *file, enum made_break way);

#endif
