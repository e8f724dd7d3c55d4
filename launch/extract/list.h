/* The photos a command names: files, folders (every file in them, not deeper, by name), lists (*.txt, *.tsv: a path a line,
 * relative to the list's folder, and perhaps a TAB and an image id). */
#ifndef UN_LAUNCH_EXTRACT_LIST_H
#define UN_LAUNCH_EXTRACT_LIST_H

#include "io/disk/digest.h"
#include "io/disk/ids.h"

struct un_extract_photo {
    char *path;
    char *id; /* file name without folder and ending, or the list's */
    int64_t bytes, seconds,
        nanoseconds; /* size and time of change; bytes -1: a list names it, it is not there */
};
struct un_extract_list {
    struct un_extract_photo *list; /* [n] */
    int64_t n, capacity;
    const char **ids; /* [capacity], those of the list */
    struct un_idmap map;
};
/* UN_IO: a name that is not there. UN_DATA: two photos of one id (says both), an id no feature file can hold, none at all. Freed by
 * the call below, also on failure. */
enum un_status un_extract_list_open(struct un_extract_list *list, const char *const *names, int n);
void un_extract_list_close(struct un_extract_list *list);
/* Of ids, sizes and times, in order. */
struct un_digest un_extract_list_digest(const struct un_extract_list *list);

#endif
