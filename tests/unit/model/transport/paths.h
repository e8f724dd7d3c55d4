/* A second solver of transport for the test of the first: successive shortest paths. */
#ifndef UN_TESTS_UNIT_MODEL_TRANSPORT_PATHS_H
#define UN_TESTS_UNIT_MODEL_TRANSPORT_PATHS_H

#include <stdint.h>

enum { PATHS_MOST = 160 }; /* rows and columns together */

/* The least sum of cost * plan with rows of 1/n and columns of 1/m. */
double paths_distance(const float *cost, int64_t n, int64_t m);

#endif
