/* A side file of a txt_db: an object {"id": number or text, ...} as a table. */
#ifndef UN_IO_CONVERT_TEXT_TXT_DB_SIDE_H
#define UN_IO_CONVERT_TEXT_TXT_DB_SIDE_H

#include "io/disk/files.h"
#include "io/disk/ids.h"

struct un_txt_side {
    char path[UN_PATH_MAX];
    char *pool; /* ids and texts */
    size_t bytes, room;
    size_t *key; /* [n] places in the pool, later as pointers in `id` */
    size_t *text;
    int64_t *number;
    const char **id;
    int64_t n, list_room;
    struct un_idmap map; /* slots NULL: not there, not read yet */
};
/* texts: every value is one text, else a whole number. UN_DATA with file and line; an id that stands twice. */
enum un_status un_txt_side_read(struct un_txt_side *side, const char *folder, const char *name, bool texts);
void un_txt_side_close(struct un_txt_side *side); /* allowed on a zeroed one */

#endif
