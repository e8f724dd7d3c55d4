/* Plain files and folders, written so that a crash leaves the old content or the new one. */
#ifndef UN_IO_DISK_FILES_H
#define UN_IO_DISK_FILES_H

#include "runtime/status.h"

enum { UN_PATH_MAX = 1024 };

/* FOLDER/NAME; UN_USAGE when it is too long. */
enum un_status un_files_join(char path[UN_PATH_MAX], const char *folder, const char *name);
/* With its parents; what it makes is durable, a folder that is there already is fine. */
enum un_status un_files_make_folder(const char *path);
/* Without its parents: an error where its parent is not there. */
enum un_status un_files_make_last_folder(const char *path);
/* Makes what was created, renamed or removed in a folder survive a power failure. */
enum un_status un_files_sync_folder(const char *path);
/* The same for the folder in which a file stands. */
enum un_status un_files_sync_folder_of(const char *path);
/* The files of a folder and the folder itself, the file `first` (or NULL) before all others. Sub-folders are
 * not entered and make it fail. A folder that is not there is fine. */
enum un_status un_files_remove_folder(const char *path, const char *first);
/* Opens a file to be read, without waiting for anyone: a fifo in its place must not hang us. UN_IO, *fd -1: it cannot be
 * opened. Owner: caller, close. */
enum un_status un_files_open(const char *path, int *fd);
/* A whole regular file of at most `limit` bytes, NUL-terminated for convenience; un_free by the caller. */
enum un_status un_files_read(const char *path, size_t limit, char **text, size_t *bytes);
/* Exactly `bytes` from byte `at` on; UN_DATA: the file ends before. */
enum un_status un_files_read_at(int fd, const char *path, void *data, size_t bytes, int64_t at);
/* All bytes, however many calls that takes. */
enum un_status un_files_write_at(int fd, const char *path, const void *data, size_t bytes, int64_t at);
enum un_status un_files_write_all(int fd, const char *path, const void *data, size_t bytes);
/* Behind the end of the file, by one write(2) unless the system takes only a part at once, so that a kill leaves all of it or
 * nothing; what a full disk took of it is cut off again. For files that one process writes, opened with O_APPEND. */
enum un_status un_files_append(int fd, const char *path, const void *data, size_t bytes);
/* Durable and at once: PATH.tmp, fsync, rename, fsync of the folder. The temporary file is removed on
 * failure. */
enum un_status un_files_replace(const char *path, const void *data, size_t bytes);

#endif
