/* Files of the measures of evaluation, eval.h5. */
#ifndef UN_TESTS_WHOLE_PARITY_MEASURES_H
#define UN_TESTS_WHOLE_PARITY_MEASURES_H

#include "tests/whole/parity/compare.h"

/* Compares all measures; false: the file is none of measures, nothing was compared. */
bool compare_measures(struct card *card, const char *path);

#endif
