/* A few threads over numbered pieces of work. */
#ifndef UN_IO_CONVERT_WORKERS_H
#define UN_IO_CONVERT_WORKERS_H

#include "runtime/status.h"

/* Cores this process may use (affinity), at least 1. */
int un_workers_count(void);

/* Runs work(context, thread, i) for i in [first, after), each once, taken in rising order by `threads`
 * threads (the caller is thread 0). The first error (of the lowest i among those seen) stops the taking and
 * is returned, with its message. */
enum un_status un_workers_run(int threads, int64_t first, int64_t after,
                              enum un_status (*work)(void *context, int thread, int64_t i), void *context);

#endif
