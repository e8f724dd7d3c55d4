#include "runtime/rng.h"
#include "tests/support/made_photos_private.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const NAMES[MADE_FORMS] = {
    "jpeg-420",         "jpeg-422",     "jpeg-444",        "jpeg-progressive", "jpeg-gray",
    "jpeg-rgb",         "jpeg-cmyk",    "jpeg-cmyk-adobe", "jpeg-ycck",        "jpeg-arithmetic",
    "png-gray1",        "png-gray2",    "png-gray4",       "png-gray8",        "png-gray16",
    "png-palette1",     "png-palette2", "png-palette4",    "png-palette8",     "png-gray-alpha8",
    "png-gray-alpha16", "png-rgb8",     "png-rgb16",       "png-rgba8",        "png-rgba16"};

void made_stop(const char *why) {
    fprintf(stderr, "made photos: %s\n", why);
    exit(1);
}

const char *made_form_name(enum made_form form) {
    return NAMES[form];
}

const char *made_form_ending(enum made_form form) {
    return form < MADE_JPEGS ? "jpg" : "png";
}

uint8_t made_wave(const struct made_photo *photo, int64_t y, int64_t x, int channel) {
    struct un_rng4 r = un_rng(photo->seed, UN_RNG_TEST, 1, 0, (uint32_t)channel, 0);
    double across = 0.001 + 0.003 * un_rng_unit(r.v[0]), down = 0.001 + 0.003 * un_rng_unit(r.v[1]),
           begin = un_rng_unit(r.v[2]);
    return (uint8_t)lrint(127.5 +
                          111 * sin(6.283185307179586 * (begin + across * (double)x + down * (double)y)));
}

uint16_t made_noise(const struct made_photo *photo, int64_t y, int64_t x, int channel) {
    return (uint16_t)un_rng(photo->seed, UN_RNG_TEST, 2, (uint32_t)y, (uint32_t)x, (uint32_t)channel).v[0];
}

struct made_file made_photo(const struct made_photo *photo) {
    return photo->form < MADE_JPEGS ? made_jpeg(photo) : made_png(photo);
}

void made_pixel(const struct made_photo *photo, int64_t y, int64_t x, uint8_t bgr[3]) {
    if (photo->form < MADE_JPEGS)
        made_jpeg_pixel(photo, y, x, bgr);
    else
        made_png_pixel(photo, y, x, bgr);
}

void made_stored(const struct made_photo *photo, int64_t y, int64_t x, int64_t *stored_y, int64_t *stored_x) {
    int64_t last_y = photo->height - 1, last_x = photo->width - 1;
    switch (photo->orientation) {
    case 2: *stored_y = y, *stored_x = last_x - x; return;
    case 3: *stored_y = last_y - y, *stored_x = last_x - x; return;
    case 4: *stored_y = last_y - y, *stored_x = x; return;
    case 5: *stored_y = x, *stored_x = y; return;
    case 6: *stored_y = last_y - x, *stored_x = y; return;
    case 7: *stored_y = last_y - x, *stored_x = last_x - y; return;
    case 8: *stored_y = x, *stored_x = last_x - y; return;
    default: *stored_y = y, *stored_x = x;
    }
}

void made_write(const char *path, const struct made_file *file) {
    FILE *out = fopen(path, "wb");
    if (!out) made_stop(path);
    bool good = fwrite(file->bytes, 1, file->n, out) == file->n;
    if (fclose(out) != 0 || !good) made_stop(path);
}

void made_photo_write(const char *path, const struct made_photo *photo) {
    struct made_file file = made_photo(photo);
    made_write(path, &file);
    free(file.bytes);
}

static size_t put(uint8_t *out, bool big, uint32_t value, int bytes) {
    for (int i = 0; i < bytes; ++i) out[big ? bytes - 1 - i : i] = (uint8_t)(value >> 8 * i);
    return (size_t)bytes;
}

size_t made_exif(uint8_t out[MADE_EXIF], int orientation, bool big) {
    const struct {
        uint32_t value;
        int bytes;
    } parts[] = {{42, 2},
                 {8, 4},
                 {2, 2},
                 /* IFD0 of two entries: */ {0x0100, 2},
                 {4, 2},
                 {1, 4},
                 {77, 4},
                 {0x0112, 2},
                 {3, 2},
                 {1, 4},
                 {(uint32_t)orientation, 2},
                 {0, 2},
                 /* no next one */ {0, 4}};
    size_t n = 2;
    memcpy(out, big ? "MM" : "II", 2);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; ++i)
        n += put(out + n, big, parts[i].value, parts[i].bytes);
    return n;
}

/* ---- broken ---- */

const char *made_break_name(enum made_break way) {
    static const char *const names[MADE_BREAKS] = {"empty", "cut", "no-end", "text", "gif", "bomb"};
    return names[way];
}

static uint32_t crc(const uint8_t *bytes, size_t n) {
    uint32_t c = 0xFFFFFFFFu;
    for (size_t i = 0; i < 8 * n; ++i) {
        if (i % 8 == 0) c ^= bytes[i / 8];
        c = c >> 1 ^ (c & 1 ? 0xEDB88320u : 0);
    }
    return ~c;
}

void made_png_mend(uint8_t *bytes, size_t n) {
    for (size_t at = 8; n >= 12 && at <= n - 12;) {
        size_t length = (size_t)bytes[at] << 24 | (size_t)bytes[at + 1] << 16 | (size_t)bytes[at + 2] << 8 |
                        bytes[at + 3];
        if (length > n - 12 - at) return;
        put(bytes + at + 8 + length, true, crc(bytes + at + 4, length + 4), 4);
        at += length + 12;
    }
}

size_t made_frame(const struct made_file *file) {
    const uint8_t *b = file->bytes;
    for (size_t at = 2; at + 9 < file->n; at += 2u + (size_t)b[at + 2] * 256 + b[at + 3]) {
        int kind = b[at + 1];
        if (kind >= 0xC0 && kind <= 0xCF && kind != 0xC4 && kind != 0xC8 && kind != 0xCC) return at;
    }
    made_stop("no frame header");
}

/* Height and width of a JPEG stand in its frame header, those of a PNG at a fixed place. */
void made_sides(struct made_file *file, uint32_t width, uint32_t height) {
    uint8_t *b = file->bytes;
    if (b[0] == 0x89) {
        put(b + 16, true, width, 4);
        put(b + 20, true, height, 4);
        made_png_mend(b, file->n);
        return;
    }
    size_t at = made_frame(file);
    put(b + at + 5, true, height, 2);
    put(b + at + 7, true, width, 2);
}

static void set_content(struct made_file *file, const char *text) {
    free(file->bytes);
    file->bytes = (uint8_t *)strdup(text);
    file->n = strlen(text);
}

void made_broken(struct made_file *file, enum made_break way) {
    switch (way) {
    case MADE_EMPTY: file->n = 0; return;
    case MADE_CUT: file->n /= 2; return;
    case MADE_NO_END: file->n -= 2; return;
    case MADE_TEXT: set_content(file, "<html><body>404 not found</body></html>\n"); return;
    case MADE_GIF: set_content(file, "GIF89a and so on"); return;
    case MADE_BOMB: made_sides(file, 65500, 65500); return;
    case MADE_BREAKS: break;
    }
    made_stop("no such way to break a file");
}
