/* What the writing and the reading side of manifest.json must agree on. */
#ifndef UN_IO_CHECKPOINT_MANIFEST_PRIVATE_H
#define UN_IO_CHECKPOINT_MANIFEST_PRIVATE_H

#include "io/checkpoint/manifest.h"
#include <jansson.h>

#define UN_MANIFEST_FORMAT "uniter-checkpoint"
/* The last lines, around the digest of all bytes before them. */
#define UN_MANIFEST_TAIL_BEGIN "\"manifest_digest\": \""
#define UN_MANIFEST_TAIL_END   "\"\n}\n"

/* The histories of fp8 (manifest_amax.c): the row of a tensor, NULL without memory; and all of them, where they stand. */
json_t *un_manifest_amax_row(const struct un_manifest *m, int64_t tensor);
enum un_status un_manifest_amax_parse(const json_t *root, const char *path, struct un_manifest *m);

#endif
