/* uniter data extract --bench. */
#ifndef UN_LAUNCH_EXTRACT_BENCH_H
#define UN_LAUNCH_EXTRACT_BENCH_H

#include "launch/extract/keys.h"
#include <stdio.h>

/* Times photos one after the other, with 300 regions each (post_nms), and holds the network against a product of matrices that is
 * measured between them. names [n]: the first one's photo is decoded and taken; none: a made one of 600 x 1000. */
enum un_status un_extract_bench(const struct un_extract_keys *keys, const char *const *names, int n,
                                FILE *out);

#endif
