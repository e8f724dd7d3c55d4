/* Checkpoints for people: the list of a run, every digest of one, and what one holds. One process, nothing on
 * the disk is changed. */
#ifndef UN_IO_CHECKPOINT_SHOW_H
#define UN_IO_CHECKPOINT_SHOW_H

#include "runtime/status.h"
#include <stdio.h>

/* A line for each folder of a run: step, bytes, shards, age, digests; or what is wrong, as far as the
 * manifest and the lengths of the files tell. */
enum un_status un_checkpoint_list(const char *run_dir, FILE *out);
/* path: a run, of which all are taken, or a checkpoint's folder. Every byte is read and compared with its
 * digest. UN_DATA when one is broken, or there is none. */
enum un_status un_checkpoint_verify(const char *path, FILE *out);
/* path: a run, of which the newest is taken, or a checkpoint's folder. The manifest's content. */
enum un_status un_checkpoint_show(const char *path, FILE *out);

#endif
