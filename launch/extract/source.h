/* The finished parts of an extraction as a source of images (io/convert/image): photos with regions, in the order of the list. */
#ifndef UN_LAUNCH_EXTRACT_SOURCE_H
#define UN_LAUNCH_EXTRACT_SOURCE_H

#include "io/convert/image/source.h"
#include "launch/extract/list.h"
#include "launch/extract/parts.h"

/* All borrowed until the source is closed. name: of the photos, for the file; terms: of the extraction. */
enum un_status un_extract_source(struct un_image_source **source, const struct un_extract_parts *parts,
                                 const struct un_extract_list *photos, const char *const *names, int n,
                                 const char *terms);

#endif
