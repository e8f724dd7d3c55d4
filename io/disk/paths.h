/* Lists of paths and patterns, as keys of `data` and commands name them. */
#ifndef UN_IO_DISK_PATHS_H
#define UN_IO_DISK_PATHS_H

#include "runtime/config/config.h"

/* The files that a list of paths and patterns names, each pattern's sorted by bytes; freed by un_paths_free.
 * `what`: for the message. UN_IO: a pattern that matches nothing. */
enum un_status un_paths_expand(char ***paths, int64_t *n, const struct un_strings *patterns,
                               const char *what);
void un_paths_free(char **paths, int64_t n); /* NULL, 0 allowed */

#endif
