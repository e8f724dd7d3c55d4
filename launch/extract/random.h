/* A weight file of the public sizes that is nowhere: weights drawn at random when they are read, for --bench. */
#ifndef UN_LAUNCH_EXTRACT_RANDOM_H
#define UN_LAUNCH_EXTRACT_RANDOM_H

#include "model/detector/sizes.h"

struct un_extract_random {
    struct un_detector_file file; /* context: this struct, which must not move */
    struct un_extract_random_tensor *list;
    int64_t n, capacity;
};
/* Freed by the call below, also on failure. */
enum un_status un_extract_random_open(struct un_extract_random *random);
void un_extract_random_close(struct un_extract_random *random);

#endif
