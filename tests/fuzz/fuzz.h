/* What a fuzzer is: it must come back from any input, with nothing leaked and no error left behind
 * (un_error_clear). */
#ifndef UN_TESTS_FUZZ_FUZZ_H
#define UN_TESTS_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
