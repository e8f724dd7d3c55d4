/* One tag of EXIF: orientation, 0x0112 of IFD0, a SHORT. Every offset is checked where it is used. Source: EXIF 2.32,
 * 4.5 and 4.6. */
#include "io/convert/pixels/private.h"

#include <string.h>

enum { TIFF_HEAD = 8, ENTRY = 12, ORIENTATION = 0x0112, SHORT = 3 };

struct tiff {
    const uint8_t *bytes;
    size_t n;
    bool big; /* the first byte is the highest */
};

static uint32_t number(const struct tiff *t, size_t at, int bytes) {
    uint32_t value = 0;
    for (int i = 0; i < bytes; ++i) value = value << 8 | t->bytes[at + (size_t)(t->big ? i : bytes - 1 - i)];
    return value;
}

int un_exif_tiff(const uint8_t *bytes, size_t n) {
    struct tiff t = {bytes, n, n >= TIFF_HEAD && bytes[0] == 'M'};
    if (n < TIFF_HEAD || (memcmp(bytes, "II", 2) != 0 && memcmp(bytes, "MM", 2) != 0) ||
        number(&t, 2, 2) != 42)
        return 0;
    size_t at = number(&t, 4, 4);
    if (at < TIFF_HEAD || at > n - 2) return 0;
    size_t entries = number(&t, at, 2);
    for (at += 2; entries > 0 && n - at >= ENTRY; --entries, at += ENTRY) {
        if (number(&t, at, 2) != ORIENTATION) continue;
        uint32_t value = number(&t, at + 8, 2);
        bool right = number(&t, at + 2, 2) == SHORT && number(&t, at + 4, 4) == 1 && value >= 1 && value <= 8;
        return right ? (int)value : 0;
    }
    return 0;
}

int un_exif_orientation(const uint8_t *bytes, size_t n) {
    static const uint8_t mark[6] = "Exif\0";
    if (n < sizeof mark || memcmp(bytes, mark, sizeof mark) != 0) return 0;
    return un_exif_tiff(bytes + sizeof mark, n - sizeof mark);
}
