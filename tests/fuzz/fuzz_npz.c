/* An .npz of one image: zip directory, .npy headers, arrays to a record. */
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/fuzz_memory.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    fuzz_source(un_image_source_npz, data, size);
    return 0;
}
