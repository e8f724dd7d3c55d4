/* Opens a pair of files and reads every row of it, as a long training would. */
#ifndef UN_TESTS_SUPPORT_READ_ALL_H
#define UN_TESTS_SUPPORT_READ_ALL_H

#include "runtime/status.h"

/* digest: of every value read, in order. */
enum un_status read_all(const char *images, const char *text, uint64_t *digest);

#endif
