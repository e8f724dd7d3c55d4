#ifndef UN_TESTS_BENCH_BENCH_PRODUCT_H
#define UN_TESTS_BENCH_BENCH_PRODUCT_H

/* GFLOP/s of TDPBF16PS on so many threads, its factors loaded from 256 KiB of each; 0: not on this processor. */
double bench_product_peak(int threads);

#endif
