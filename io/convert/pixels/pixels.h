/* Photos into pixels: JPEG (libjpeg-turbo with its defaults) and PNG (libpng), SPEC section 2 of the region detector. Files are
 * hostile: nothing is taken from a header before it was held against the limits. */
#ifndef UN_IO_CONVERT_PIXELS_PIXELS_H
#define UN_IO_CONVERT_PIXELS_PIXELS_H

#include "runtime/status.h"

enum {
    UN_PIXELS_MOST = 100000000, /* of a photo, before anything is decoded */
    UN_PIXELS_SCANS = 500,      /* of a progressive JPEG */
    UN_PIXELS_FILE = 1 << 28    /* bytes of a file */
};

struct un_pixels_how {
    bool orient; /* turn upright by the EXIF orientation; false: pixels as stored */
};

/* Upright pixels, blue green red, row by row without gaps. One is used for many photos, by one thread: its memory grows to the
 * largest and is freed at the end: the file, its pixels, and these once more if it is turned. libjpeg takes up to 8 bytes a
 * pixel more for itself while it reads a progressive JPEG. Starts as zeros. */
struct un_pixels {
    uint8_t *bgr; /* [height,width,3] */
    int64_t height, width;
    int orientation; /* EXIF, 1..8; 0: the file tells none */
    int components; /* of the file: 1 gray, 2 with alpha, 3 colour or palette, 4 with alpha; of a JPEG 4 is CMYK */
    int64_t warnings; /* of the decoder: damaged, but decoded to its end */
    size_t capacity, turned_capacity, file_capacity;
    uint8_t *turned, *file;
};
/* UN_IO: cannot be read. UN_DATA: neither JPEG nor PNG (named: GIF, WebP, TIFF, HEIF, BMP, empty, not an image), truncated,
 * beyond a limit, a colour form that is not known. Messages begin with the path; after a failure the struct can be used
 * again. A JPEG whose end is missing is UN_DATA. */
enum un_status un_pixels_read(struct un_pixels *pixels, const char *path, const struct un_pixels_how *how);
/* The same of a file in memory; `name` is for messages. */
enum un_status un_pixels_decode(struct un_pixels *pixels, const char *name, const uint8_t *bytes, size_t n,
                                const struct un_pixels_how *how);
void un_pixels_free(struct un_pixels *pixels);

/* EXIF orientation of an APP1 segment's content ("Exif\0\0" and a TIFF): 1..8, or 0 when there is none or it is damaged. */
int un_exif_orientation(const uint8_t *bytes, size_t n);

#endif
