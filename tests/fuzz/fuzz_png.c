/* A PNG. Its checksums are put right first: a fuzzer cannot guess them, and whoever means harm can compute them. */
#include "io/convert/pixels/pixels.h"
#include "tests/fuzz/fuzz.h"
#include "tests/support/made_photos.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const struct un_pixels_how upright = {true};
    struct un_pixels pixels = {0};
    uint8_t *mended = malloc(size ? size : 1);
    if (!mended) return 0;
    if (size > 0) memcpy(mended, data, size);
    made_png_mend(mended, size);
    un_pixels_decode(&pixels, "fuzz.png", mended, size, &upright);
    un_error_clear();
    un_pixels_free(&pixels);
    free(mended);
    return 0;
}
