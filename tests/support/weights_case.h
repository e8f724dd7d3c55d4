/* A small network's parameters and made-up files of weights for it. */
#ifndef UN_TESTS_SUPPORT_WEIGHTS_CASE_H
#define UN_TESTS_SUPPORT_WEIGHTS_CASE_H

#include "io/weights/weights.h"
#include "model/dims.h"

/* vocabulary 21, width 8, 2 layers, intermediate 12, 16 positions, features 6, classes 5 */
extern const struct un_dims weights_dims;
void weights_table(struct un_params *table);
/* Element i of tensor `name`: another number for every name and element. */
float weights_value(const char *name, int64_t i);

/* One tensor of a file; `values_of`: whose values it holds (NULL: its own); `name` NULL ends a list. */
struct weights_entry {
    const char *name, *values_of;
    int64_t shape[2];
    int rank;
};
/* Writes them as FOLDER/file (replaced), as f32. */
const char *weights_file(const char *file, const struct weights_entry *entries);
/* All parameters of the table under names that `rename` makes of ours ("": left out), each with the values of
 * our name; `more` (or NULL) is added. */
const char *weights_file_of(const char *file, const struct un_params *table,
                            void (*rename)(const char *ours, char theirs[256]),
                            const struct weights_entry *more);

#endif
