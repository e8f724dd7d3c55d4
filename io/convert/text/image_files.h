/* The table "images" of a JSON file of captions: which file an image's number means ("id" and "file_name"). */
#ifndef UN_IO_CONVERT_TEXT_IMAGE_FILES_H
#define UN_IO_CONVERT_TEXT_IMAGE_FILES_H

#include "runtime/status.h"

struct un_image_files;
/* *files NULL: the file has no such table, or it names no files. UN_DATA: an id stands twice. */
enum un_status un_image_files_open(struct un_image_files **files, const char *path);
/* NULL: none is told. */
const char *un_image_files_find(const struct un_image_files *files, const char *id);
void un_image_files_close(struct un_image_files *files);

#endif
