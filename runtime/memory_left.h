/* How much memory the system could still give, files that it keeps in memory counted as free. */
#ifndef UN_RUNTIME_MEMORY_LEFT_H
#define UN_RUNTIME_MEMORY_LEFT_H

#include <stdint.h>

/* Bytes that this process could take or have files kept in: of the machine (MemAvailable), and of the control groups it is in,
 * what memory.max of each leaves, files in memory being given back first; the least of these. -1: the system does not tell. root:
 * "" or, in tests, a folder with `proc` and `sys`. */
int64_t un_memory_left(const char *root);

#endif
