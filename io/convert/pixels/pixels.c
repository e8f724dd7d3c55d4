/* A file or its bytes to upright pixels. */
#include "io/convert/pixels/private.h"
#include "io/disk/files.h"
#include "runtime/memory.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct mark {
    int at, n; /* where the bytes stand */
    const char *bytes, *what;
};

static const struct mark JPEG = {0, 3, "\xFF\xD8\xFF", "JPEG"}, PNG = {0, 8, "\x89PNG\r\n\x1A\n", "PNG"};
static const struct mark OTHERS[] = {
    {0, 4, "GIF8", "a GIF"},
    {8, 4, "WEBP", "a WebP"},
    {0, 4, "II*\0", "a TIFF"},
    {0, 4, "MM\0*", "a TIFF"},
    {0, 4, "II+\0", "a TIFF"},
    {0, 4, "MM\0+", "a TIFF"},
    {4, 8, "ftypavif", "an AVIF"},
    {4, 7, "ftyphei", "a HEIF"},
    {4, 7, "ftyphev", "a HEIF"},
    {4, 8, "ftypmif1", "a HEIF"},
    {4, 8, "ftypmsf1", "a HEIF"},
    {4, 4, "ftyp", "a film (MP4, MOV)"},
    {0, 12, "\0\0\0\x0CjP  \r\n\x87\n", "a JPEG 2000"},
    {0, 4, "\xFF\x4F\xFF\x51", "a JPEG 2000"},
    {0, 2, "\xFF\x0A", "a JPEG XL"},
    {0, 12, "\0\0\0\x0CJXL \r\n\x87\n", "a JPEG XL"},
    {0, 4, "8BPS", "a Photoshop file"},
    {0, 4, "\0\0\1\0", "an icon"},
    {0, 4, "%PDF", "a PDF"},
    {0, 4, "PK\3\4", "a zip"},
    {0, 2, "\x1F\x8B", "a gzip"},
    {0, 2, "BM", "a BMP"},
    {0, 1, "<", "a page of HTML or XML"},
};

static bool has(const struct mark *mark, const struct un_pixels_file *photo) {
    size_t end = (size_t)(mark->at + mark->n);
    return photo->n >= end && memcmp(photo->bytes + mark->at, mark->bytes, (size_t)mark->n) == 0;
}

/* Shorter than the mark, and all there is agrees with it. */
static bool begins(const struct mark *mark, const struct un_pixels_file *photo) {
    return photo->n < (size_t)mark->n && memcmp(photo->bytes, mark->bytes, photo->n) == 0;
}

static enum un_status refuse(const struct un_pixels_file *photo) {
    char first[3 * 8 + 1] = "";
    if (photo->n == 0) return un_fail(UN_DATA, "%s: empty", photo->name);
    for (size_t i = 0; i < sizeof OTHERS / sizeof *OTHERS; ++i)
        if (has(&OTHERS[i], photo))
            return un_fail(UN_DATA, "%s: %s; only JPEG and PNG are read", photo->name, OTHERS[i].what);
    if (begins(&JPEG, photo) || begins(&PNG, photo))
        return un_fail(UN_DATA, "%s: truncated: %zu bytes", photo->name, photo->n);
    for (size_t i = 0; i < photo->n && i < 8; ++i) snprintf(first + 3 * i, 4, " %02x", photo->bytes[i]);
    return un_fail(UN_DATA, "%s: not an image (first bytes:%s); only JPEG and PNG are read", photo->name,
                   first);
}

static enum un_status decode(struct un_pixels *pixels, const struct un_pixels_file *photo,
                             const struct un_pixels_how *how) {
    if (photo->n > UN_PIXELS_FILE)
        return un_fail(UN_DATA, "%s: %zu bytes are more than the %d that are read", photo->name, photo->n,
                       UN_PIXELS_FILE);
    if (has(&JPEG, photo))
        UN_TRY(un_jpeg_decode(pixels, photo));
    else if (has(&PNG, photo))
        UN_TRY(un_png_decode(pixels, photo));
    else
        return refuse(photo);
    return how->orient ? un_pixels_turn(pixels) : UN_OK;
}

enum un_status un_pixels_decode(struct un_pixels *pixels, const char *name, const uint8_t *bytes, size_t n,
                                const struct un_pixels_how *how) {
    struct un_pixels_file photo = {name, bytes, n};
    pixels->height = pixels->width = 0;
    pixels->orientation = pixels->components = 0;
    pixels->warnings = 0;
    enum un_status status = decode(pixels, &photo, how);
    if (status != UN_OK) pixels->height = pixels->width = 0;
    return status;
}

static enum un_status read_file(struct un_pixels *pixels, int fd, const char *path, size_t *n) {
    struct stat st;
    if (fstat(fd, &st) != 0) return un_fail(UN_IO, "%s: %s", path, strerror(errno));
    if (!S_ISREG(st.st_mode)) return un_fail(UN_IO, "%s: not a regular file", path);
    if (st.st_size > UN_PIXELS_FILE)
        return un_fail(UN_DATA, "%s: %lld bytes are more than the %d that are read", path,
                       (long long)st.st_size, UN_PIXELS_FILE);
    *n = (size_t)st.st_size;
    UN_TRY(un_pixels_grow(&pixels->file, &pixels->file_capacity, *n, path));
    return un_files_read_at(fd, path, pixels->file, *n, 0);
}

enum un_status un_pixels_read(struct un_pixels *pixels, const char *path, const struct un_pixels_how *how) {
    size_t n = 0;
    pixels->height = pixels->width = 0;
    int fd;
    UN_TRY(un_files_open(path, &fd));
    enum un_status status = read_file(pixels, fd, path, &n);
    close(fd);
    return status == UN_OK ? un_pixels_decode(pixels, path, pixels->file, n, how) : status;
}

void un_pixels_free(struct un_pixels *pixels) {
    un_free(pixels->bgr);
    un_free(pixels->turned);
    un_free(pixels->file);
    *pixels = (struct un_pixels){0};
}
