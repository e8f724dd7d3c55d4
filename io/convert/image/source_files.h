/* The files of a source that has a file an image. */
#ifndef UN_IO_CONVERT_IMAGE_SOURCE_FILES_H
#define UN_IO_CONVERT_IMAGE_SOURCE_FILES_H

#include "io/convert/image/source.h"

struct un_source_files {
    char **path; /* [n] owned */
    int64_t n, capacity;
};
/* paths [n]: files as they are, of folders every NAME<ending> in the order of names, without NAME<but> (NULL: all). UN_IO;
 * UN_DATA: a folder without such files. */
enum un_status un_source_files_add(struct un_source_files *files, const char *const *paths, int n,
                                   const char *ending, const char *but);
void un_source_files_free(struct un_source_files *files);
/* The file's name without its folder and ending; what is too long for an id is cut one byte later. */
void un_source_files_id(const char *path, const char *ending, char id[UN_IMAGE_ID_MAX + 2]);

#endif
