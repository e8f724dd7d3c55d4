/* Regions as a line of JSON a photo. */
#ifndef UN_LAUNCH_EXTRACT_JSON_H
#define UN_LAUNCH_EXTRACT_JSON_H

#include "launch/extract/parts.h"
#include <stdio.h>

/* Names of classes or attributes, a line each. */
struct un_extract_names {
    char *text;
    const char **name; /* [n]; NULL: none */
    int64_t n;
};
/* path "": none. UN_DATA: not `n` lines. Freed by the call below, also on failure. */
enum un_status un_extract_names_read(struct un_extract_names *names, const char *path, const char *what,
                                     int64_t n);
void un_extract_names_free(struct un_extract_names *names);

/* {"image_id": ..., "width": ..., "height": ..., "regions": [{"box": [x1, y1, x2, y2], "confidence": ..., "class": 1.., "class_name":
 * ..., "attribute": 1.., "attribute_name": ..., "attribute_probability": ...}, ...]}; boxes in pixels of the photo. */
void un_extract_print(FILE *out, const char *id, const struct un_extract_result *result,
                      const struct un_extract_names *classes, const struct un_extract_names *attributes);

#endif
