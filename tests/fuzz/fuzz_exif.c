/* An EXIF segment: what is found is an orientation or nothing. */
#include "io/convert/pixels/pixels.h"
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    int orientation = un_exif_orientation(data, size);
    if (orientation < 0 || orientation > 8) abort();
    return 0;
}
