/* The run's folder: config.yaml, log/, ckpt/, and a lock so that two runs on this host do not share it. */
#ifndef UN_FOLDER_H
#define UN_FOLDER_H

#include "launch/job.h"

/* Makes the folders and takes the lock (rank 0 only). A run that was killed may leave ranks behind for some
 * seconds: waits for them up to UN_FOLDER_PATIENCE, then UN_USAGE. The lock goes with the process; *lock is
 * closed by un_folder_close. */
enum { UN_FOLDER_PATIENCE = 30 }; /* seconds */
enum un_status un_folder_open(const char *dir, int *lock);
void un_folder_close(int lock);
/* config.yaml: the configuration in force with the origin of every value. */
enum un_status un_folder_write_config(const struct un_job *job);

#endif
