/* OUT.parts as one start after the other sees it: its lock, the terms under which it was begun, a wish to stop. */
#ifndef UN_LAUNCH_EXTRACT_FOLDER_H
#define UN_LAUNCH_EXTRACT_FOLDER_H

#include "runtime/status.h"

struct un_extract_folder {
    char *path, *stop; /* OUT.parts, OUT.parts/stop */
    int lock;          /* -1: not held */
};
/* Names only, for every rank. Freed by un_extract_folder_close. */
enum un_status un_extract_folder_name(struct un_extract_folder *folder, const char *out);
/* By rank 0: makes the folder or goes on with it. UN_USAGE: OUT or its list of skipped photos exists, another process is at it, or
 * it was begun under other terms (says which). restart: what is there is thrown away. */
enum un_status un_extract_folder_open(struct un_extract_folder *folder, const char *out, const char *terms,
                                      bool restart);
/* Everything is in OUT: the folder goes. */
enum un_status un_extract_folder_remove(struct un_extract_folder *folder);
void un_extract_folder_close(struct un_extract_folder *folder);

/* A signal came to one rank: the others see it here, after their photo in work. */
void un_extract_folder_ask_stop(const struct un_extract_folder *folder);
bool un_extract_folder_stop_asked(const struct un_extract_folder *folder);

#endif
