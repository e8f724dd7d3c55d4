/* The folders RUN/ckpt/step_XXXXXXXX of a run, and how one appears and disappears at once.
 *
 * A checkpoint is written as step_XXXXXXXX.partial and renamed when its manifest is durable; it is removed by
 * renaming it back first. So a folder without that ending is whole whenever a process is killed, and one with
 * it is rubbish. All calls but _begin are for one rank only. */
#ifndef UN_IO_CHECKPOINT_FOLDER_H
#define UN_IO_CHECKPOINT_FOLDER_H

#include "io/disk/files.h"
#include "io/run/owner.h"

/* RUN/ckpt/step_XXXXXXXX or that with .partial. */
enum un_status un_checkpoint_folder_path(char path[UN_PATH_MAX], const char *run_dir, int64_t step,
                                         bool partial);

/* A folder of the list. */
struct un_checkpoint_folder {
    int64_t step;
    bool partial;
};
/* All of them by step, partial ones after whole ones of the same step. No ckpt folder: an empty list.
 * un_free. */
enum un_status un_checkpoint_folder_list(const char *run_dir, struct un_checkpoint_folder **list, int64_t *n);

/* Removes all *.partial. */
enum un_status un_checkpoint_folder_sweep(const char *run_dir);
/* Makes step_XXXXXXXX.partial where the folder is still the owner's. A run's folder that was moved away is not made anew,
 * at whatever moment it goes; a ckpt that was removed is. owner: NULL or without a token: all parents are made. */
enum un_status un_checkpoint_folder_begin(const struct un_owner *owner, const char *run_dir, int64_t step);
/* step_XXXXXXXX.partial becomes step_XXXXXXXX; an older folder of this name gives way in the same instant. */
enum un_status un_checkpoint_folder_publish(const char *run_dir, int64_t step);
/* Removes the whole checkpoint of `step`. */
enum un_status un_checkpoint_folder_remove(const char *run_dir, int64_t step);
/* Removes all but the `keep` newest (0: all stay), those of steps divisible by `every` (0: none), that of `step`,
 * and the best (best.h). */
enum un_status un_checkpoint_folder_prune(const char *run_dir, int64_t keep, int64_t every, int64_t step);
/* A whole name without a manifest is somebody's half copy: neither counted nor removed. */
bool un_checkpoint_folder_whole(const char *run_dir, const struct un_checkpoint_folder *folder);

#endif
