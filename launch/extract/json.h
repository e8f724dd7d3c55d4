/* Regions as a line of JSON a photo. */
#ifndef UN_LAUNCH_EXTRACT_JSON_H
#define UN_LAUNCH_EXTRACT_JSON_H

#include "io/disk/name_list.h"
#include "launch/extract/parts.h"
#include <stdio.h>

/* Names of classes or attributes. path "": none. UN_DATA: not `n` lines, or no UTF-8. Freed by un_name_list_free, also on
 * failure. */
enum un_status un_extract_names_read(struct un_name_list *names, const char *path, const char *what,
                                     int64_t n);

/* {"image_id": ..., "width": ..., "height": ..., "regions": [{"box": [x1, y1, x2, y2], "confidence": ..., "class": 1.., "class_name":
 * ..., "attribute": 1.., "attribute_name": ..., "attribute_probability": ...}, ...]}; boxes in pixels of the photo. */
void un_extract_print(FILE *out, const char *id, const struct un_extract_result *result,
                      const struct un_name_list *classes, const struct un_name_list *attributes);

#endif
