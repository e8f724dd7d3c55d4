/* Names of classes and the like: a text file, a name a line. */
#ifndef UN_IO_DISK_NAME_LIST_H
#define UN_IO_DISK_NAME_LIST_H

#include "runtime/status.h"

struct un_name_list {
    char *text;  /* of the file, its lines cut */
    char **name; /* [n] */
    int64_t n;
};
/* Lines without their ends, "\n" or "\r\n", and without a byte order mark before the first; empty ones are names, too. UN_DATA: a zero byte. Freed by the call below, also
 * on failure. */
enum un_status un_name_list_read(struct un_name_list *names, const char *path);
/* The same of bytes in memory, which are copied; path is for messages. */
enum un_status un_name_list_parse(struct un_name_list *names, const char *path, const char *text,
                                  size_t bytes);
void un_name_list_free(struct un_name_list *names);

#endif
