/* Input of a fuzzer as a file that no disk sees, and a source of images read to its end. */
#ifndef UN_TESTS_FUZZ_FUZZ_MEMORY_H
#define UN_TESTS_FUZZ_FUZZ_MEMORY_H

#include "io/convert/image/source.h"

#include <stddef.h>
#include <stdint.h>

/* A file descriptor, and "/proc/self/fd/N" in path; -1 when the system has none. */
int fuzz_file(char path[64], const uint8_t *data, size_t size);
typedef enum un_status fuzz_open(struct un_image_source **source, const char *const *paths, int n);
/* Survey, then every image read; the error is cleared. */
void fuzz_source(fuzz_open *open, const uint8_t *data, size_t size);

#endif
