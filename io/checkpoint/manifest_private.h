/* What the writing and the reading side of manifest.json must agree on. */
#ifndef UN_IO_CHECKPOINT_MANIFEST_PRIVATE_H
#define UN_IO_CHECKPOINT_MANIFEST_PRIVATE_H

#define UN_MANIFEST_FORMAT "uniter-checkpoint"
/* The last lines, around the digest of all bytes before them. */
#define UN_MANIFEST_TAIL_BEGIN "\"manifest_digest\": \""
#define UN_MANIFEST_TAIL_END   "\"\n}\n"

#endif
