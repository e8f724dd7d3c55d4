/* A JPEG, its EXIF and its turn; everything that is neither JPEG nor PNG, too. */
#include "io/convert/pixels/pixels.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const struct un_pixels_how upright = {true};
    struct un_pixels pixels = {0};
    un_pixels_decode(&pixels, "fuzz.jpg", data, size, &upright);
    un_error_clear();
    un_pixels_free(&pixels);
    return 0;
}
