/* Shared by inspect.c and verify.c. */
#ifndef UN_INSPECT_PRIVATE_H
#define UN_INSPECT_PRIVATE_H

#include "runtime/status.h"

/* Of a finished data file: is it a text file (or an image file)? */
enum un_status un_data_kind(const char *path, bool *text);

#endif
