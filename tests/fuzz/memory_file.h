/* The input as a file without a disk. */
#ifndef UN_TESTS_FUZZ_MEMORY_FILE_H
#define UN_TESTS_FUZZ_MEMORY_FILE_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* A descriptor of a file with these bytes and its path; -1: the system refused. Closed by the caller. */
int memory_file(const uint8_t *data, size_t size, char path[64]);
/* Where reports go; the same one every time. */
FILE *no_output(void);

#endif
