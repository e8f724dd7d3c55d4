/* Between planning, telling and loading. */
#ifndef UN_IO_WEIGHTS_PRIVATE_H
#define UN_IO_WEIGHTS_PRIVATE_H

#include "io/weights/weights.h"

#define UN_WEIGHTS_TYPES "uniter.embeddings.token_type_embeddings.weight"
/* Rows of the table of token types; words that vcr has for people (source: SPEC.md 4 and 5). */
enum { UN_TYPES_PRETRAINED = 2, UN_TYPES_NLVR2 = 3, UN_TYPES_VCR = 4, UN_PERSONS = 81 };

/* The row of a pretrained table of token types that each of `rows` rows begins as; NULL: no task has so many. */
const int64_t *un_weights_type_rows(int64_t rows);

/* UN_DATA: embeddings or encoder have a hole, or another part of the network is there in part. */
enum un_status un_weights_check_whole(const struct un_weights_plan *plan);
/* Warns of tied copies that differ from what they repeat; the latter is taken. */
enum un_status un_weights_compare_copies(const struct un_weights_plan *plan);

#endif
