/* What an import does with a source, without the file it makes. */
#ifndef UN_TESTS_FUZZ_USE_SOURCE_H
#define UN_TESTS_FUZZ_USE_SOURCE_H

#include "io/convert/image/source.h"

/* Surveys, checks, reads the first images; closes the source. Sums what was read, so that sanitizers see all
 * of it. */
void use_source(struct un_image_source *source);

#endif
