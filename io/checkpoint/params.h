/* The parameters of a checkpoint for tools: any checkpoint, whatever its model, without its moments. */
#ifndef UN_IO_CHECKPOINT_PARAMS_H
#define UN_IO_CHECKPOINT_PARAMS_H

#include "io/checkpoint/manifest.h"
#include "io/disk/files.h"

struct un_checkpoint_params {
    char folder[UN_PATH_MAX], run_dir[UN_PATH_MAX]; /* run_dir: "" when the folder is not in a run's ckpt/ */
    struct un_manifest manifest;
    struct un_params table; /* borrows the manifest's list */
    float *values;          /* [table.total] */
};

/* path: a checkpoint's folder, or a run's, of which the newest complete one is taken; broken ones are skipped
 * with a warning. Verifies manifest, files and values as a resume would, but for the moments; changes nothing
 * on the disk. UN_USAGE: neither of the two. Freed by the call below, also on failure. */
enum un_status un_checkpoint_params_read(struct un_checkpoint_params *out, const char *path);
void un_checkpoint_params_free(struct un_checkpoint_params *out);

#endif
