/* How photos are drawn. */
#ifndef UN_TESTS_SUPPORT_MADE_PHOTOS_PRIVATE_H
#define UN_TESTS_SUPPORT_MADE_PHOTOS_PRIVATE_H

#include "tests/support/made_photos.h"

/* Soft waves in 16..239. Channels 0..2: red green blue, or inks. */
uint8_t made_wave(const struct made_photo *photo, int64_t y, int64_t x, int channel);
/* 16 bits of noise. */
uint16_t made_noise(const struct made_photo *photo, int64_t y, int64_t x, int channel);

struct made_file made_jpeg(const struct made_photo *photo);
struct made_file made_png(const struct made_photo *photo);
void made_jpeg_pixel(const struct made_photo *photo, int64_t y, int64_t x, uint8_t bgr[3]);
void made_png_pixel(const struct made_photo *photo, int64_t y, int64_t x, uint8_t bgr[3]);
void made_stop(const char *why) __attribute__((noreturn));

#endif
