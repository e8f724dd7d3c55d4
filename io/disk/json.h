/* Why a text is no JSON that is read, in words of ours: those of the library change with it, and follow in brackets. */
#ifndef UN_IO_DISK_JSON_H
#define UN_IO_DISK_JSON_H

#include <jansson.h>

/* Of the error that a json_load... left. A constant. */
const char *un_json_fault(const json_error_t *error);

#endif
