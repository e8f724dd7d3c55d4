/* The decoders, and what they share. */
#ifndef UN_IO_CONVERT_PIXELS_PRIVATE_H
#define UN_IO_CONVERT_PIXELS_PRIVATE_H

#include "io/convert/pixels/pixels.h"

#include <setjmp.h>

enum { UN_GUARD_TEXT = 256 };

/* libjpeg and libpng must not come back from an error. Their handlers put the reason into `text` and leave; what the
 * body has taken stands in its context, so that nothing is lost on the way. */
struct un_guard {
    jmp_buf back;
    enum un_status status; /* UN_DATA unless the handler says otherwise */
    char text[UN_GUARD_TEXT];
};
/* Runs the body: what it returned, or, when it left, the guard's status with `name` and the text. */
enum un_status un_guard_run(struct un_guard *guard, const char *name, enum un_status (*body)(void *),
                            void *context);
void un_guard_leave(struct un_guard *guard) __attribute__((noreturn));

/* A file to be decoded, borrowed. `name`: for messages. */
struct un_pixels_file {
    const char *name;
    const uint8_t *bytes;
    size_t n;
};
/* Stored pixels, blue green red, with height, width, orientation, components and warnings. */
enum un_status un_jpeg_decode(struct un_pixels *pixels, const struct un_pixels_file *photo);
enum un_status un_png_decode(struct un_pixels *pixels, const struct un_pixels_file *photo);

/* Sides against the limits, and against what `n` bytes can hold at `most` pixels a byte (0: no such bound). */
enum un_status un_pixels_check(const struct un_pixels_file *photo, uint64_t width, uint64_t height,
                               uint64_t most);
/* Sets the size and makes room for it. */
enum un_status un_pixels_room(struct un_pixels *pixels, int64_t width, int64_t height);
/* At least `bytes`; the content is lost when it grows. */
enum un_status un_pixels_grow(uint8_t **memory, size_t *capacity, size_t bytes, const char *what);
/* Stored as `pixels->orientation` says to upright. */
enum un_status un_pixels_turn(struct un_pixels *pixels);
/* As un_exif_orientation, of the TIFF alone. */
int un_exif_tiff(const uint8_t *bytes, size_t n);

#endif
