/* A TSV of features: lines, columns, base64. */
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/fuzz_memory.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    fuzz_source(un_image_source_tsv, data, size);
    return 0;
}
