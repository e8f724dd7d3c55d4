/* Paths as people write them where no shell has read them: in a configuration, and behind "key=". */
#ifndef UN_RUNTIME_CONFIG_PATH_H
#define UN_RUNTIME_CONFIG_PATH_H

#include "runtime/status.h"

/* `path` with "~/" in front, $NAME and ${NAME} replaced by the home folder and the environment; all else as it is. UN_USAGE:
 * ~name, a variable that is not set or is empty, or more than size - 1 bytes. The message begins with `where`. */
enum un_status un_path_expand(char *out, size_t size, const char *path, const char *where);

#endif
